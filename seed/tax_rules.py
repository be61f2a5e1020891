"""Install the VAT rules from a file such as `seed/tax_rules.toml`. Safe to run twice.

Everything is validated while the file is read: an error is a ValueError that names the rule.
"""

import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from tortoise.transactions import in_transaction

from models.billing.tax_rule import TaxCategory, TaxRule, Treatment
from models.billing.territory import Territory

PATH = Path(__file__).with_name("tax_rules.toml")
_KEYS = {"territory", "since", "treatment", "rates", "exemption_code", "mention", "source"}
_WITHOUT_VAT = (Treatment.REVERSE_CHARGE, Treatment.NOT_DUE, Treatment.OUTSIDE_SCOPE)
_MAX_RATE = 10_000
_MENTION_LENGTH = 200
_EXEMPTION_CODE_PREFIX = "VATEX-"
Choice = TypeVar("Choice", bound=StrEnum)


async def install(rules: list[TaxRule]) -> None:
    """Insert the rules, and update those of the same territory, category and day. Rules that aren't
    in the file are kept, because past supplies need them.
    """
    async with in_transaction() as db:
        for rule in rules:
            key = {
                "territory": rule.territory,
                "category": rule.category,
                "valid_since": rule.valid_since,
            }
            values = {
                "rate": rule.rate,
                "treatment": rule.treatment,
                "exemption_code": rule.exemption_code,
                "mention": rule.mention,
            }
            await TaxRule.update_or_create(values, **key, using_db=db)


def read_rules(path: Path = PATH) -> list[TaxRule]:
    """Read the rules, not yet stored. Raises ValueError for an invalid, repeated or missing one."""
    tables = tomllib.loads(path.read_text("utf-8")).get("rules")
    if not isinstance(tables, list) or not tables:
        raise ValueError(f"{path.name}: [[rules]] is missing")
    rules = [
        rule
        for number, table in enumerate(tables, 1)
        for rule in _read_rules(table, f"{path.name}, rule {number}")
    ]
    keys = [(rule.territory, rule.category, rule.valid_since) for rule in rules]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"{path.name}: repeated {' '.join(map(str, repeated[0]))}")
    covered = {(rule.territory, rule.category) for rule in rules}
    for territory in Territory:
        for category in TaxCategory:
            if (territory, category) not in covered:
                raise ValueError(f"{path.name}: {territory} {category} is missing")
    return rules


def _read_rules(table: dict[str, object], location: str) -> Iterator[TaxRule]:
    if unknown := sorted(table.keys() - _KEYS):
        raise ValueError(f"{location}: unknown {', '.join(unknown)}")
    treatment = _choice(Treatment, table, "treatment", location)
    for category, rate in _rates(table, treatment, location).items():
        yield TaxRule(
            territory=_choice(Territory, table, "territory", location),
            category=category,
            valid_since=_since(table, location),
            rate=rate,
            treatment=treatment,
            exemption_code=_exemption_code(table, treatment, location),
            mention=_mention(table, treatment, location),
        )


def _choice(choices: type[Choice], table: dict[str, object], key: str, location: str) -> Choice:
    name = table.get(key)
    if not isinstance(name, str) or name not in choices.__members__:
        expected = ", ".join(choices.__members__)
        raise ValueError(f"{location}: unknown {key} {name}, expected {expected}")
    return choices[name]


def _since(table: dict[str, object], location: str) -> date:
    since = table.get("since")
    if not isinstance(since, date) or isinstance(since, datetime):
        raise ValueError(f"{location}: since must be a date")
    return since


def _rates(table: dict[str, object], treatment: Treatment, location: str) -> dict[TaxCategory, int]:
    """The rate of each category: 0 for all when no VAT is charged."""
    rates = table.get("rates")
    if treatment in _WITHOUT_VAT:
        if rates is not None:
            raise ValueError(f"{location}: rates are only for STANDARD")
        return dict.fromkeys(TaxCategory, 0)
    if treatment is not Treatment.STANDARD:  # the seller's own exemption is no rule of a territory
        raise ValueError(f"{location}: treatment can't be {treatment.name}")
    if not isinstance(rates, dict) or rates.keys() != set(TaxCategory):
        raise ValueError(f"{location}: rates must be those of {', '.join(TaxCategory)}")
    for rate in rates.values():
        if not isinstance(rate, int) or isinstance(rate, bool) or not 0 < rate < _MAX_RATE:
            raise ValueError(f"{location}: rates must be hundredths of a percent")
    return {TaxCategory(name): rate for name, rate in rates.items()}


def _exemption_code(table: dict[str, object], treatment: Treatment, location: str) -> str | None:
    code = table.get("exemption_code")
    if code is None and treatment in (Treatment.STANDARD, Treatment.NOT_DUE):
        return None
    if treatment is Treatment.STANDARD or not (
        isinstance(code, str) and code.startswith(_EXEMPTION_CODE_PREFIX) and len(code) <= 30
    ):
        raise ValueError(f"{location}: exemption_code must be a code of the list VATEX")
    return code


def _mention(table: dict[str, object], treatment: Treatment, location: str) -> str | None:
    mention = table.get("mention")
    if treatment is Treatment.STANDARD:
        if mention is not None:
            raise ValueError(f"{location}: a mention says why no VAT is charged")
        return None
    if not isinstance(mention, str) or not 0 < len(mention) <= _MENTION_LENGTH:
        raise ValueError(f"{location}: mention must be a text of at most {_MENTION_LENGTH}")
    return mention
