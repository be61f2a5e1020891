"""Identifiers of companies. Numbers that were never issued are refused even if their checksum is
valid.
"""

import pytest
import stdnum.fr.siren
from hypothesis import assume, given
from hypothesis import strategies as some
from stdnum import luhn

from models.accounts.account import parse_siren, parse_siret
from models.accounts.vat_number import parse_vat_number
from models.errors import Refusal


@pytest.mark.parametrize(
    "text",
    [
        "000000000",
        "000 000 000",
        "０００ ０００ ０００",
        "000000018",
        "000099992",
        "404833049",
        "40483304800022",
        "FR83404833048",
        "",
        "404833048 x",
        "²" * 9,
        "4" * 100_000,
    ],
)
def test_an_invalid_siren_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_siren(text)
    assert (refused.value.code, refused.value.field) == ("SIREN_INVALID", ("input", "siren"))


@pytest.mark.parametrize(
    ("text", "siren"),
    [
        ("404 833 048", "404833048"),
        (" 404.833.048 ", "404833048"),
        ("404-833-048", "404833048"),
        ("404–833‑048", "404833048"),
        ("404\u00a0833\u202f048", "404833048"),
        ("４０４８３３０４８", "404833048"),
        ("356 000 000", "356000000"),  # La Poste
        ("000 325 175", "000325175"),  # among the lowest that were issued
        ("130025265", "130025265"),  # a public body
    ],
)
def test_a_siren_is_parsed_in_each_spelling(text: str, siren: str) -> None:
    assert parse_siren(text) == siren


@given(some.integers(0, 9_999).map(lambda number: f"{number:08}"))
def test_no_siren_begins_with_four_zeros(digits: str) -> None:
    siren = digits + luhn.calc_check_digit(digits)
    assert stdnum.fr.siren.is_valid(siren)
    key = (12 + 3 * (int(siren) % 97)) % 97
    for parse, text in (
        (parse_siren, siren),
        (parse_siret, siren + "00000"),
        (parse_siret, _siret(siren, 1)),
        (_parse_french_vat_number, f"FR{key:02}{siren}"),
    ):
        with pytest.raises(Refusal):
            parse(text)


@given(some.integers(10**5, 10**8 - 1), some.integers(1, 9_999))
def test_issued_numbers_are_accepted(digits: int, establishment: int) -> None:
    siren = f"{digits:08}" + luhn.calc_check_digit(f"{digits:08}")
    assume(siren != "356000000")  # La Poste, whose establishments have another checksum
    assert parse_siren(siren) == siren
    assert parse_siret(_siret(siren, establishment)) == _siret(siren, establishment)
    key = (12 + 3 * (int(siren) % 97)) % 97
    vat_number = f"FR{key:02}{siren}"
    assert parse_vat_number(vat_number, "RE", siren) == vat_number


def _parse_french_vat_number(text: str) -> str:
    return parse_vat_number(text, "FR", None)


@pytest.mark.parametrize(
    ("country", "text", "number"),
    [
        ("FR", "FR 83 404 833 048", "FR83404833048"),
        ("MQ", "83404833048", "FR83404833048"),
        ("MC", "FR 53 0000 04605", "FR53000004605"),
        ("BE", "BE 0697.449.992", "BE0697449992"),
        ("BE", "be697449992", "BE0697449992"),
        ("DE", "DE 136,695 976", "DE136695976"),
        ("GR", "GR 094259216", "EL094259216"),
        ("GR", "EL094259216", "EL094259216"),
        ("ES", "ESB58378431", "ESB58378431"),
    ],
)
def test_a_vat_number_is_parsed_in_each_spelling(country: str, text: str, number: str) -> None:
    assert parse_vat_number(text, country, None) == number


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("FR", "FR84404833048"),
        ("FR", "BE0697449992"),
        ("DE", "BE0697449992"),
        ("DE", "DE136695977"),
        ("MC", "FR83404833048"),  # a French company's
        ("FR", "FR53000004605"),  # a Monegasque company's
        ("GB", "GB980780684"),
        ("XI", "XI980780684"),  # for goods only
        ("CH", "CHE-107.787.577 MWST"),
        ("PF", "FR83404833048"),
        ("BE", ""),
        ("BE", "B" * 100_000),
    ],
)
def test_the_vat_number_of_another_country_is_refused(country: str, text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_vat_number(text, country, None)
    assert (refused.value.code, refused.value.field) == (
        "VAT_NUMBER_INVALID",
        ("input", "vatNumber"),
    )


def _siret(siren: str, establishment: int) -> str:
    digits = f"{siren}{establishment:04}"
    return digits + luhn.calc_check_digit(digits)
