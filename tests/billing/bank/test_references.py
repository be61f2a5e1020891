"""References are correct, and are found however a payer or a bank writes them."""

import pytest
import stdnum.iso11649
from hypothesis import given
from hypothesis import strategies as st

from billing.bank.reference import (
    invoice_numbers_in,
    payment_reference,
    references_in,
)

NUMBERS = st.builds(
    lambda year, position: f"FA-{year}-{position:06d}",
    st.integers(2020, 2099),
    st.integers(1, 10**8),
)


@given(NUMBERS)
def test_a_reference_is_valid_and_unique_to_its_invoice(number: str) -> None:
    """ISO 11649: RF, two check digits, at most 21 characters."""
    reference = payment_reference(number)
    assert stdnum.iso11649.is_valid(reference)
    assert len(reference) <= 25
    assert reference[4:] == number.replace("-", "")


def test_the_reference_of_an_invoice() -> None:
    assert payment_reference("FA-2026-000042") == "RF84FA2026000042"
    with pytest.raises(ValueError, match="FA"):
        payment_reference(f"FA-2026-{10**20}")


@given(NUMBERS, st.data())
def test_a_reference_is_found_in_any_writing(number: str, data: st.DataObject) -> None:
    reference = payment_reference(number)
    gaps = data.draw(
        st.lists(
            st.sampled_from(["", "", " ", "-", "\n", "."]),
            min_size=len(reference) - 1,
            max_size=len(reference) - 1,
        )
    )
    written = "".join(c + gap for c, gap in zip(reference, [*gaps, ""], strict=True))
    if data.draw(st.booleans()):
        written = written.lower()
    assert reference in references_in(f"VIREMENT DE ACME {written} MERCI")


@given(NUMBERS, st.integers(2, 15), st.integers(1, 9))
def test_a_mistyped_digit_finds_nothing(number: str, position: int, change: int) -> None:
    reference = payment_reference(number)
    if not reference[position].isdigit():
        return
    digit = (int(reference[position]) + change) % 10
    mistyped = f"{reference[:position]}{digit}{reference[position + 1 :]}"
    assert reference not in references_in(mistyped)
    assert not any(len(found) == len(mistyped) for found in references_in(mistyped))


def test_several_references_are_found_in_order_and_once() -> None:
    first, second = payment_reference("FA-2026-000042"), payment_reference("FA-2026-000043")
    assert references_in(f"{second}/{first}", first) == (second, first)


def test_numbers_of_invoices_are_found_only_when_complete() -> None:
    text = (
        "facture FA-2026-000042, fa2026000043 et FA 2026 44, XFA2026000045, FA20260000461234567890"
    )
    assert invoice_numbers_in(text) == ("FA-2026-000042", "FA-2026-000043")
