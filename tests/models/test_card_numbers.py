"""Everything that looks like a card number is masked. Other long numbers stay readable, with the
exceptions shown here.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from stdnum import luhn

from models.card_numbers import mask_card_numbers

VISA_NUMBER = "4242424242424242"


@pytest.mark.parametrize(
    ("text", "masked_text"),
    [
        (VISA_NUMBER, "•••• 4242"),
        ("4242 4242 4242 4242", "•••• 4242"),
        ("4242-4242-4242-4242", "•••• 4242"),
        ("4242.4242.4242.4242", "•••• 4242"),
        ("4242\u00a04242\u202f4242\n4242", "•••• 4242"),
        ("3782 822463 10005", "•••• 0005"),
        ("Ma carte : 4242 4242 4242 4242, exp. 12/27", "Ma carte : •••• 4242, exp. 12/27"),
        ("5555555555554444 et 4242424242424242.", "•••• 4444 et •••• 4242."),
    ],
)
def test_card_numbers_are_masked_in_any_grouping(text: str, masked_text: str) -> None:
    assert mask_card_numbers(text) == masked_text


def test_a_number_before_the_card_does_not_hide_it() -> None:
    assert VISA_NUMBER not in mask_card_numbers(f"2026 {VISA_NUMBER}")
    assert "4242 4242 4242" not in mask_card_numbers("2026 4242 4242 4242 4242")


@pytest.mark.parametrize(
    "text",
    [
        "06 12 34 56 78",
        "+33 1 42 68 53 00",
        "SIREN 404 833 048",
        "CAM-2026-000123",
        "FA-2026-000042",
        "4242424242424241",
        "123456789012",
        "12 345 678,90 EUR",
        "",
    ],
)
def test_other_numbers_are_unchanged(text: str) -> None:
    assert mask_card_numbers(text) == text


def test_a_siret_is_masked_because_it_has_the_same_checksum() -> None:
    assert mask_card_numbers("SIRET 404 833 048 00022") == "SIRET •••• 0022"


def test_an_iban_is_only_masked_where_its_groups_form_a_card_number() -> None:
    assert (
        mask_card_numbers("FR14 2004 1010 0505 0001 3M02 606")
        == "FR14 2004 1010 0505 0001 3M02 606"
    )


digits = some.text("0123456789", min_size=12, max_size=18)


@given(digits, some.integers(1, 6))
def test_every_number_with_the_checksum_is_masked(number: str, size: int) -> None:
    card = number + str(luhn.calc_check_digit(number))
    grouped = " ".join(card[start : start + size] for start in range(0, len(card), size))
    assert mask_card_numbers(card) == f"•••• {card[-4:]}"
    assert card not in mask_card_numbers(f"Voici {grouped} merci").replace(" ", "")


@given(some.text())
def test_masking_is_idempotent(text: str) -> None:
    assert mask_card_numbers(mask_card_numbers(text)) == mask_card_numbers(text)
