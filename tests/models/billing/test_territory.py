"""VAT depends on where the buyer is established: its country and, where that is decisive, its
postal code.
"""

import pytest

from models.billing.territory import EU_COUNTRY_CODES, SIREN_COUNTRY_CODES, Territory, territory_of
from models.countries import COUNTRY_CODES


@pytest.mark.parametrize(
    ("country", "postal_code", "territory"),
    [
        ("FR", "75011", Territory.METROPOLITAN_FRANCE),
        ("FR", "20000", Territory.METROPOLITAN_FRANCE),  # Ajaccio
        ("FR", "97 300", Territory.GUYANE),
        ("FR", "F-97400", Territory.REUNION),
        ("FR", "97490", Territory.REUNION),
        ("RE", "97400", Territory.REUNION),
        ("RE", "", Territory.REUNION),
        ("RE", "75011", Territory.METROPOLITAN_FRANCE),
        ("FR", "97110", Territory.GUADELOUPE),
        ("GP", "97110", Territory.GUADELOUPE),
        ("FR", "97133", Territory.OVERSEAS),  # Saint-Barthélemy
        ("GP", "97133", Territory.OVERSEAS),
        ("BL", "97133", Territory.OVERSEAS),
        ("FR", "97150", Territory.OVERSEAS),  # Saint-Martin
        ("MF", "97150", Territory.OVERSEAS),
        ("FR", "97098", Territory.OVERSEAS),  # Saint-Barthélemy CEDEX
        ("FR", "97054", Territory.OVERSEAS),  # Saint-Martin CEDEX
        ("BL", "97701", Territory.OVERSEAS),  # the number of the commune, no postal code
        ("MF", "97801", Territory.OVERSEAS),
        ("FR", "97743", Territory.REUNION),  # Saint-Denis CEDEX 9
        ("FR", "97801", Territory.REUNION),
        ("RE", "97821", Territory.REUNION),  # Le Port CEDEX
        ("FR", "97490 CEDEX", Territory.REUNION),
        ("FR", "97 490 Cedex 9", Territory.REUNION),
        ("FR", "97200", Territory.MARTINIQUE),
        ("MQ", "97200", Territory.MARTINIQUE),
        ("GF", "97300", Territory.GUYANE),
        ("FR", "97500", Territory.OVERSEAS),  # Saint-Pierre-et-Miquelon
        ("PM", "97500", Territory.OVERSEAS),
        ("FR", "97600", Territory.MAYOTTE),
        ("YT", "97680", Territory.MAYOTTE),
        ("TF", "98413", Territory.OVERSEAS),
        ("FR", "98600", Territory.OVERSEAS),  # Wallis-et-Futuna
        ("WF", "98600", Territory.OVERSEAS),
        ("FR", "98714", Territory.OVERSEAS),  # Papeete
        ("PF", "98714", Territory.OVERSEAS),
        ("FR", "98800", Territory.OVERSEAS),  # Nouméa
        ("NC", "98800", Territory.OVERSEAS),
        ("FR", "98000", Territory.METROPOLITAN_FRANCE),  # Monaco
        ("MC", "98000", Territory.METROPOLITAN_FRANCE),
        ("MC", "", Territory.METROPOLITAN_FRANCE),
        ("FR", "unknown", Territory.METROPOLITAN_FRANCE),
        ("FR", "９７４００", Territory.METROPOLITAN_FRANCE),
        ("BE", "1000", Territory.EUROPEAN_UNION),
        ("DE", "10115", Territory.EUROPEAN_UNION),
        ("DE", "78266", Territory.THIRD_COUNTRY),  # Büsingen
        ("DE", "D-27498", Territory.THIRD_COUNTRY),  # Heligoland
        ("ES", "28013", Territory.EUROPEAN_UNION),
        ("ES", "35001", Territory.THIRD_COUNTRY),  # Las Palmas
        ("ES", "38 001", Territory.THIRD_COUNTRY),  # Tenerife
        ("ES", "51001", Territory.THIRD_COUNTRY),  # Ceuta
        ("ES", "52001", Territory.THIRD_COUNTRY),  # Melilla
        ("ES", "07001", Territory.EUROPEAN_UNION),  # the Balearic Islands
        ("FI", "00100", Territory.EUROPEAN_UNION),
        ("FI", "FI-22100", Territory.THIRD_COUNTRY),  # Mariehamn, Åland
        ("AX", "22100", Territory.THIRD_COUNTRY),
        ("IT", "00118", Territory.EUROPEAN_UNION),
        ("IT", "23041", Territory.THIRD_COUNTRY),  # Livigno
        ("IT", "22061", Territory.THIRD_COUNTRY),  # Campione d'Italia
        ("IT", "23030", Territory.EUROPEAN_UNION),  # Livigno's neighbours
        ("GR", "105 57", Territory.EUROPEAN_UNION),
        ("GR", "630 86", Territory.THIRD_COUNTRY),  # Mount Athos
        ("GR", "63087", Territory.THIRD_COUNTRY),
        ("PT", "9000-001", Territory.EUROPEAN_UNION),  # Madeira
        ("PL", "35-001", Territory.EUROPEAN_UNION),
        ("XI", "BT1 1AA", Territory.THIRD_COUNTRY),
        ("GB", "BT1 1AA", Territory.THIRD_COUNTRY),
        ("CH", "1200", Territory.THIRD_COUNTRY),
        ("SM", "47890", Territory.THIRD_COUNTRY),
        ("VA", "00120", Territory.THIRD_COUNTRY),
        ("AD", "AD500", Territory.THIRD_COUNTRY),
        ("GL", "3900", Territory.THIRD_COUNTRY),
        ("FO", "100", Territory.THIRD_COUNTRY),
        ("AW", "", Territory.THIRD_COUNTRY),
        ("US", "35004", Territory.THIRD_COUNTRY),
    ],
)
def test_an_address_is_in_its_territory(
    country: str, postal_code: str, territory: Territory
) -> None:
    assert territory_of(country, postal_code) is territory


def test_every_country_has_a_territory() -> None:
    assert len(EU_COUNTRY_CODES) == 27
    assert EU_COUNTRY_CODES | SIREN_COUNTRY_CODES < COUNTRY_CODES
    for country in sorted(COUNTRY_CODES):
        in_union = territory_of(country, "") is Territory.EUROPEAN_UNION
        assert in_union is (country in EU_COUNTRY_CODES - {"FR"})
