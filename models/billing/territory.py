"""The territories of VAT: where a company is established, by its country and postal code.

The place of supply of a service to a business is where the business is established (CGI, Article
259, 1°; Directive 2006/112/EC, Article 44). The territory of VAT is smaller than that of the
European Union: Articles 5 to 7 of the directive list what is outside of it, and what is treated as
a part of it.
"""

import re
from enum import StrEnum
from types import MappingProxyType


class Territory(StrEnum):
    """The territory in which a buyer is established, for VAT.

    METROPOLITAN_FRANCE includes Corsica and Monaco, which is treated as France (Directive, Article
    7). OVERSEAS are the collectivities outside the territory of VAT, such as New Caledonia, French
    Polynesia and Saint-Martin.
    """

    METROPOLITAN_FRANCE = "METROPOLITAN_FRANCE"
    GUADELOUPE = "GUADELOUPE"
    MARTINIQUE = "MARTINIQUE"
    REUNION = "REUNION"
    GUYANE = "GUYANE"
    MAYOTTE = "MAYOTTE"
    OVERSEAS = "OVERSEAS"
    EUROPEAN_UNION = "EUROPEAN_UNION"
    THIRD_COUNTRY = "THIRD_COUNTRY"


EU_COUNTRY_CODES = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)

# The countries in whose addresses INSEE registers companies, which therefore have a SIREN.
SIREN_COUNTRY_CODES = frozenset(["FR", "GP", "MQ", "GF", "RE", "YT", "PM", "BL", "MF"])

_FRENCH_TERRITORIES = MappingProxyType(
    {
        "FR": Territory.METROPOLITAN_FRANCE,
        "GP": Territory.GUADELOUPE,
        "MQ": Territory.MARTINIQUE,
        "GF": Territory.GUYANE,
        "RE": Territory.REUNION,
        "YT": Territory.MAYOTTE,
        "PM": Territory.OVERSEAS,
        "BL": Territory.OVERSEAS,
        "MF": Territory.OVERSEAS,
        "TF": Territory.OVERSEAS,
        "WF": Territory.OVERSEAS,
        "PF": Territory.OVERSEAS,
        "NC": Territory.OVERSEAS,
    }
)

# By the beginning of a French postal code; a longer one takes precedence. Those of CEDEX are often
# of another series than those of their communes: 97150 and 97054 in Saint-Martin, 97400 and 97743
# or 97801 in Saint-Denis.
_FRENCH_POSTAL_CODES = MappingProxyType(
    {
        "970": Territory.OVERSEAS,  # CEDEX of Saint-Barthélemy and Saint-Martin
        "97133": Territory.OVERSEAS,  # Saint-Barthélemy
        "97150": Territory.OVERSEAS,  # Saint-Martin
        "971": Territory.GUADELOUPE,
        "972": Territory.MARTINIQUE,
        "973": Territory.GUYANE,
        "974": Territory.REUNION,
        "975": Territory.OVERSEAS,  # Saint-Pierre-et-Miquelon
        "976": Territory.MAYOTTE,
        "977": Territory.REUNION,  # CEDEX
        "978": Territory.REUNION,  # CEDEX
        "980": Territory.METROPOLITAN_FRANCE,  # Monaco
        "984": Territory.OVERSEAS,  # Terres australes et antarctiques
        "986": Territory.OVERSEAS,  # Wallis-et-Futuna
        "987": Territory.OVERSEAS,  # Polynésie, Clipperton
        "988": Territory.OVERSEAS,  # Nouvelle-Calédonie
    }
)

# INSEE's codes of the two communes, which are not postal codes, but may be entered as such.
_COMMUNE_CODES = frozenset([("BL", "97701"), ("MF", "97801")])

# Parts of member states outside of the territory of VAT (Directive 2006/112/EC, Article 6), by the
# beginning of their postal codes. Åland also has the country code AX, which is no member state's.
_OUTSIDE_POSTAL_CODES = MappingProxyType(
    {
        "DE": ("27498", "78266"),  # Heligoland, Büsingen
        "ES": ("35", "38", "51", "52"),  # the Canary Islands, Ceuta, Melilla
        "FI": ("22",),  # Åland
        "GR": ("63086", "63087"),  # Mount Athos
        "IT": ("22061", "23041"),  # Campione d'Italia, Livigno
    }
)


def territory_of(country: str, postal_code: str) -> Territory:
    """The territory of an address, by its country code (EN 16931: ISO 3166-1 alpha-2, and `XI`)
    and its postal code in any spelling.

    A French postal code decides for an address in France or overseas France, whichever country
    code it is written with. Services to Northern Ireland are services to a third country: `XI` is
    about goods only (Windsor Framework).
    """
    digits = _digits(postal_code)
    if country in _FRENCH_TERRITORIES:
        by_code = None if (country, digits) in _COMMUNE_CODES else _french_territory(digits)
        return by_code or _FRENCH_TERRITORIES[country]
    if country == "MC":
        return Territory.METROPOLITAN_FRANCE
    is_outside = digits.startswith(_OUTSIDE_POSTAL_CODES.get(country, ())) and len(digits) == 5
    if country in EU_COUNTRY_CODES and not is_outside:
        return Territory.EUROPEAN_UNION
    return Territory.THIRD_COUNTRY


def _digits(postal_code: str) -> str:
    """A postal code of digits without spaces, without the country in front of it (`F-97400`,
    `FI-22100`) and without `CEDEX` behind it. Other postal codes are left as they are.
    """
    code = re.sub(r"^[A-Z]{1,3}[\s-]*(?=\d)", "", postal_code.strip().upper())
    return re.sub(r"[\s.-]", "", re.sub(r"\s*CEDEX.*", "", code))


def _french_territory(digits: str) -> Territory | None:
    """The territory of a French postal code, None for any other text."""
    if not re.fullmatch(r"[0-9]{5}", digits):
        return None
    return (
        _FRENCH_POSTAL_CODES.get(digits)
        or _FRENCH_POSTAL_CODES.get(digits[:3])
        or Territory.METROPOLITAN_FRANCE
    )
