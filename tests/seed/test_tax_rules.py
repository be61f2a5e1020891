"""The VAT rules are validated when they are read, and installed once."""

from datetime import date
from pathlib import Path

import pytest

from models.billing.tax_rule import TaxCategory, TaxRule
from models.billing.territory import Territory
from seed.tax_rules import PATH, install, read_rules

FILE = PATH.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("former", "replacement", "error"),
    [
        ('territory = "REUNION"', 'territory = "REUNION ISLAND"', "unknown territory"),
        ('territory = "REUNION"', 'territory = "MARTINIQUE"', "repeated MARTINIQUE"),
        ('treatment = "NOT_DUE"', 'treatment = "EXEMPT_SELLER"', "treatment can't be"),
        ('treatment = "NOT_DUE"', 'treatment = "NEVER"', "unknown treatment"),
        ("since = 2014-01-01", "since = 2014", "since must be a date"),
        ("since = 2014-01-01", "since = 2014-01-01T00:00:00", "since must be a date"),
        ("STANDARD = 2000", "STANDARD = 20.0", "hundredths of a percent"),
        ("STANDARD = 2000", "STANDARD = 0", "hundredths of a percent"),
        ("STANDARD = 2000, ", "", "rates must be those of"),
        ('treatment = "NOT_DUE"', 'treatment = "NOT_DUE"\nrates = {}', "rates are only for"),
        ('exemption_code = "VATEX-EU-O"', "", "exemption_code must be"),
        ('exemption_code = "VATEX-EU-AE"', 'exemption_code = "AE"', "exemption_code must be"),
        ('mention = "TVA non applicable, art. 294-1 du CGI"', "", "mention must be"),
        ("rates =", 'mention = "TVA"\nrates =', "a mention says why"),
        ("source =", "sources =", "unknown sources"),
        ("[[rules]]", "[[rule]]", "[[rules]] is missing"),
    ],
)
def test_an_invalid_file_is_refused(
    tmp_path: Path, former: str, replacement: str, error: str
) -> None:
    path = tmp_path / "tax_rules.toml"
    count = -1 if former == "[[rules]]" else 1
    path.write_text(FILE.replace(former, replacement, count), encoding="utf-8")
    with pytest.raises(ValueError, match=error.replace("[", r"\[")):
        read_rules(path)


def test_a_missing_territory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tax_rules.toml"
    path.write_text(FILE[: FILE.rindex("[[rules]]")], encoding="utf-8")
    with pytest.raises(ValueError, match="THIRD_COUNTRY STANDARD is missing"):
        read_rules(path)


@pytest.mark.usefixtures("db")
async def test_rules_are_installed_once_and_corrected() -> None:
    rules = read_rules()
    await install(rules)
    await install(read_rules())
    assert await TaxRule.all().count() == len(rules) == len(Territory) * len(TaxCategory)
    corrected = read_rules()
    corrected[0].rate = 1960
    corrected[1].valid_since = date(2030, 1, 1)
    await install(corrected)
    assert await TaxRule.all().count() == len(rules) + 1
    assert await TaxRule.filter(rate=1960).count() == 1
