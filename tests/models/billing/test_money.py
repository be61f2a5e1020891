"""Amounts keep their cents, and VAT is rounded once per rate."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.billing.money import Money, VatBand, to_decimal, totals, vat_amount

CENTS = st.integers(-(10**12), 10**12)
RATES = st.sampled_from([0, 210, 550, 850, 1000, 2000])


@dataclass(frozen=True)
class Line:
    net_cents: int
    vat_basis_points: int = 2000


LINES = st.lists(st.builds(Line, CENTS, RATES), max_size=40)


@pytest.mark.parametrize(
    ("cents", "locale", "text"),
    [
        (2900, "fr", "29,00\N{NO-BREAK SPACE}€"),
        (2900, "en", "€29.00"),
        (
            123456789,
            "fr",
            "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567,89\N{NO-BREAK SPACE}€",
        ),
        (-5, "en", "-€0.05"),
        (0, "fr", "0,00\N{NO-BREAK SPACE}€"),
    ],
)
def test_money_is_formatted_for_the_locale(cents: int, locale: str, text: str) -> None:
    assert Money(cents).formatted(locale) == text


def test_a_currency_without_minor_unit_has_no_decimals() -> None:
    assert Money(2900, "JPY").formatted("en") == "¥2,900"


def test_amounts_in_different_currencies_cannot_be_added() -> None:
    with pytest.raises(ValueError, match="EUR and USD"):
        Money(1) + Money(1, "USD")
    with pytest.raises(ValueError, match="USD and EUR"):
        Money(1, "USD") - Money(1)


@given(CENTS, CENTS)
def test_addition_and_subtraction_are_exact(cents: int, other_cents: int) -> None:
    assert Money(cents) + Money(other_cents) == Money(cents + other_cents)
    assert Money(cents) - Money(other_cents) == Money(cents) + -Money(other_cents)


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_decimal_is_exact(cents: int) -> None:
    assert to_decimal(cents) * 100 == cents
    assert to_decimal(cents).as_tuple().exponent == -2


def test_three_lines_are_rounded_once() -> None:
    total = totals([Line(113), Line(113), Line(113)])
    assert (total.net_cents, total.vat_cents, total.gross_cents) == (339, 68, 407)


def test_totals_have_one_band_per_rate_highest_first() -> None:
    total = totals([Line(1000, 550), Line(100, 0), Line(2000), Line(500, 550)])
    assert total.bands == (VatBand(2000, 2000, 400), VatBand(550, 1500, 83), VatBand(0, 100, 0))


@pytest.mark.parametrize(
    ("net_cents", "vat_cents"), [(2, 0), (3, 1), (-3, -1), (-2, 0), (7, 1), (8, 2)]
)
def test_vat_is_rounded_to_the_nearest_cent(net_cents: int, vat_cents: int) -> None:
    assert vat_amount(net_cents, 2000) == vat_cents
    assert vat_amount(net_cents * 1000, 2000) == net_cents * 200


def test_half_a_cent_is_rounded_away_from_zero() -> None:
    assert vat_amount(1, 5000) == 1
    assert vat_amount(-1, 5000) == -1
    assert vat_amount(250, 1000) == 25
    assert vat_amount(25, 1000) == 3


@given(CENTS, st.integers(0, 10_000))
def test_vat_is_exact_to_half_a_cent_and_symmetric(net_cents: int, basis_points: int) -> None:
    assert abs(
        vat_amount(net_cents, basis_points) - Fraction(net_cents * basis_points, 10_000)
    ) <= Fraction(1, 2)
    assert vat_amount(-net_cents, basis_points) == -vat_amount(net_cents, basis_points)


@given(LINES)
def test_totals_do_not_depend_on_the_order_of_lines(lines: list[Line]) -> None:
    total = totals(lines)
    assert total == totals(reversed(lines))
    assert total.net_cents == sum(line.net_cents for line in lines)
    assert total.gross_cents == sum(band.net_cents + band.vat_cents for band in total.bands)
    assert all(
        band.vat_cents == vat_amount(band.net_cents, band.basis_points) for band in total.bands
    )


@given(LINES)
def test_a_full_credit_is_the_negative_of_the_total(lines: list[Line]) -> None:
    credit_total = totals([Line(-line.net_cents, line.vat_basis_points) for line in lines])
    assert credit_total.gross_cents == -totals(lines).gross_cents


def test_amounts_are_decimals_never_floats() -> None:
    assert to_decimal(2900) == Decimal("29.00")
