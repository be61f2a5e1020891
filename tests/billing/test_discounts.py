"""Discounts of promotion codes, without a database: what they take off, and what is left."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.billing.promotion import Promotion, folded_code

AT = datetime(2026, 11, 23, tzinfo=UTC)
DAY = date(2026, 11, 23)


def promotion(**columns: Any) -> Promotion:
    return Promotion(id=1, code="LAUNCH20", valid_from=AT, created_at=AT, **columns)


@given(st.integers(0, 10**9), st.integers(1, 10_000))
def test_a_share_is_rounded_half_up_once_and_never_more_than_the_amount(
    net_cents: int, basis_points: int
) -> None:
    cents = promotion(basis_points=basis_points).discount_cents(net_cents)
    exact = Decimal(net_cents * basis_points) / 10_000
    assert 0 <= cents <= net_cents
    assert Decimal("-0.5") <= exact - cents < Decimal("0.5")


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_an_amount_is_never_more_than_the_price(net_cents: int, amount_cents: int) -> None:
    assert promotion(amount_cents=amount_cents).discount_cents(net_cents) == min(
        net_cents, amount_cents
    )


@pytest.mark.parametrize(
    ("net_cents", "basis_points", "expected"),
    [(1, 5_000, 1), (3, 5_000, 2), (113, 1_250, 14), (2_900, 10_000, 2_900), (1, 1, 0)],
)
def test_shares(net_cents: int, basis_points: int, expected: int) -> None:
    assert promotion(basis_points=basis_points).discount_cents(net_cents) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("launch20", "LAUNCH20"),
        (" Launch 20\t", "LAUNCH20"),
        ("ÉTÉ", ""),
        ("ｌａｕｎｃｈ20", "LAUNCH20"),
        ("a-b_c", "A-B_C"),
        ("-a", ""),
        ("", ""),
        ("x" * 41, ""),
        ("x" * 100_000, ""),
    ],
)
def test_codes_are_the_same_however_they_are_typed(text: str, code: str) -> None:
    assert folded_code(text) == code
