"""The software decides as docs/tax.md says: each row of its tables is compared."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from billing.quotes import DuePeriod, Item, quote
from billing.seller import seller
from billing.tax import decide_tax
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.periods import Schedule
from models.billing.tax import TaxDecision, TaxOptions, UnverifiedBuyers, tax_for, tax_point
from models.billing.tax_rule import TaxCategory, TaxRule, Treatment
from models.billing.territory import Territory, territory_of
from models.errors import Refusal
from seed.tax_rules import read_rules
from settings import PACKAGED_SELLER

PAGE = (Path(__file__).parents[2] / "docs" / "tax.md").read_text(encoding="utf-8")
CONFIRMED_AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
TODAY = date(2026, 11, 23)
VAT_CATEGORIES = {  # EN 16931 BT-118
    Treatment.STANDARD: "S",
    Treatment.EXEMPT_SELLER: "E",
    Treatment.REVERSE_CHARGE: "AE",
    Treatment.NOT_DUE: "E",
    Treatment.OUTSIDE_SCOPE: "O",
}


def table_rows(heading: str) -> list[dict[str, str]]:
    """The rows of the table under a heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    names, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows, heading
    return [dict(zip(names, row, strict=True)) for row in rows]


BUYER_ROWS = table_rows("Who buys, and what is charged")
EXEMPT_SELLER_ROWS = table_rows("A vendor that is exempt")
RATE_ROWS = table_rows("The three categories of prices")


@dataclass
class Buyer:
    """The details of a buyer that the decision depends on."""

    territory: Territory
    vat_number: str | None = None
    vat_checked_at: datetime | None = None


@pytest.fixture(scope="module")
def rules() -> list[TaxRule]:
    return read_rules()


def buyer_of(row: dict[str, str]) -> Buyer:
    state = row["VAT number"]
    assert state in ("none", "pending", "confirmed")
    return Buyer(
        territory_of(row["Country"], row["Postal code"]),
        None if state == "none" else f"{row['Country']}1",
        CONFIRMED_AT if state == "confirmed" else None,
    )


def decision_of(row: dict[str, str]) -> TaxDecision:
    decision = TaxDecision(
        basis_points(row["Rate"]), Treatment[row["Treatment"]], row["Code"] or None, row["Mention"]
    )
    assert VAT_CATEGORIES[decision.treatment] == row["Category"]
    return decision


def basis_points(percentage: str) -> int:
    match = re.fullmatch(r"([\d.]+) %", percentage)
    assert match, percentage
    return int(Decimal(match[1]) * 100)


@pytest.mark.parametrize("row", BUYER_ROWS, ids=lambda row: row["Buyer"])
def test_the_table_says_what_a_buyer_is_charged(row: dict[str, str], rules: list[TaxRule]) -> None:
    decision = tax_for(rules, buyer_of(row), TaxCategory.STANDARD, TODAY)
    assert decision == decision_of(row)
    assert row["Source"]


@pytest.mark.parametrize("row", EXEMPT_SELLER_ROWS, ids=lambda row: row["Buyer"])
def test_the_table_says_what_the_buyer_of_an_exempt_seller_is_charged(
    row: dict[str, str], rules: list[TaxRule]
) -> None:
    options = TaxOptions(exempt_seller=True)
    decision = tax_for(rules, buyer_of(row), TaxCategory.STANDARD, TODAY, options)
    assert decision == decision_of(row)


def test_the_table_has_every_rate_of_the_file(rules: list[TaxRule]) -> None:
    listed = {
        (row["Territory"], row["Since"], category.value, basis_points(row[category.value]))
        for row in RATE_ROWS
        for category in TaxCategory
    }
    assert listed == {
        (rule.territory.value, rule.valid_since.isoformat(), rule.category.value, rule.rate)
        for rule in rules
        if rule.treatment is Treatment.STANDARD
    }


def test_every_territory_is_in_the_table() -> None:
    assert {buyer_of(row).territory for row in BUYER_ROWS} == set(Territory)


def test_a_change_of_a_rate_applies_from_its_day_on(rules: list[TaxRule]) -> None:
    changed = TaxRule(
        territory=Territory.REUNION,
        category=TaxCategory.STANDARD,
        valid_since=date(2027, 1, 1),
        rate=900,
        treatment=Treatment.STANDARD,
    )
    for day, rate in ((date(2026, 12, 31), 850), (date(2027, 1, 1), 900), (date(2030, 1, 1), 900)):
        buyer = Buyer(Territory.REUNION)
        decision = tax_for([changed, *rules], buyer, TaxCategory.STANDARD, day)
        assert decision.rate_basis_points == rate
    with pytest.raises(LookupError):
        tax_for(rules, Buyer(Territory.REUNION), TaxCategory.STANDARD, date(2013, 12, 31))


@pytest.mark.parametrize(
    ("billed_on", "day"),
    [
        (date(2026, 12, 15), date(2026, 12, 15)),  # ahead: the day of the payment on account
        (date(2026, 12, 20), date(2026, 12, 20)),
        (date(2027, 1, 14), date(2027, 1, 14)),
        (date(2027, 3, 1), date(2027, 1, 14)),  # afterwards: the day of completion
    ],
)
def test_the_tax_point_of_a_period(billed_on: date, day: date) -> None:
    assert tax_point(date(2026, 12, 15), date(2027, 1, 15), billed_on) == day


@pytest.mark.usefixtures("db")
async def test_a_missed_period_has_the_rate_of_the_time_in_which_it_ended() -> None:
    await TaxRule.create(
        territory=Territory.METROPOLITAN_FRANCE,
        category=TaxCategory.STANDARD,
        valid_since=date(2027, 2, 1),
        rate=2200,
        treatment=Treatment.STANDARD,
    )
    offer = await Offer.create(
        slug="x", segment=Segment.TPE, texts={"fr": {"name": "X", "features": []}}
    )
    price = await Price.create(
        offer=offer, interval=Interval.MONTH, net_cents=1000, vat_rate=2000, valid_from=CONFIRMED_AT
    )
    own, schedule = seller(PACKAGED_SELLER), Schedule(date(2026, 12, 15), 1)
    vat = {
        billed_on: [
            (
                await quote(
                    None,
                    own,
                    Item(price),
                    Buyer(Territory.METROPOLITAN_FRANCE),
                    billed_on,
                    due=DuePeriod(schedule, schedule.period(index)),
                )
            ).totals
            for index in (0, 1)
        ]
        for billed_on in (date(2026, 12, 15), date(2027, 2, 3))
    }
    assert [[each.vat_cents for each in totals] for totals in vat.values()] == [
        [200, 200],
        [200, 220],  # the first period was over before the change
    ]


@pytest.mark.usefixtures("db")
async def test_a_seller_that_refuses_unverified_buyers_bills_their_renewals() -> None:
    refusing = replace(
        seller(PACKAGED_SELLER), tax=(TaxOptions(unverified_buyers=UnverifiedBuyers.REFUSE),)
    )
    buyer = Buyer(Territory.EUROPEAN_UNION)
    with pytest.raises(Refusal):
        await decide_tax(None, refusing, buyer, TaxCategory.STANDARD, TODAY)
    decision = await decide_tax(None, refusing, buyer, TaxCategory.STANDARD, TODAY, is_renewal=True)
    assert decision == TaxDecision(2000, Treatment.STANDARD)


@pytest.mark.parametrize(
    ("vat_number", "code"),
    [(None, "VAT_NUMBER_REQUIRED"), ("BE0697449992", "VAT_NUMBER_PENDING")],
)
def test_an_unverified_buyer_can_be_refused(
    rules: list[TaxRule], vat_number: str | None, code: str
) -> None:
    options = TaxOptions(unverified_buyers=UnverifiedBuyers.REFUSE)
    buyer = Buyer(Territory.EUROPEAN_UNION, vat_number)
    with pytest.raises(Refusal) as refused:
        tax_for(rules, buyer, TaxCategory.STANDARD, TODAY, options)
    assert refused.value.code == code
    buyer.vat_number, buyer.vat_checked_at = "BE0697449992", CONFIRMED_AT
    decision = tax_for(rules, buyer, TaxCategory.STANDARD, TODAY, options)
    assert decision.treatment is Treatment.REVERSE_CHARGE
