"""The section of the seller's file about its bank account."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

import billing
from billing.bank.account import BankAccount, TransferStart
from billing.seller import seller
from tests.billing.bank.statement_fixtures import IBAN, OTHER_PAYER_IBAN

CONFIG: dict[str, Any] = {"iban": "FR76 3000 6000 0112 3456 7890 189", "bic": "bnkafrppxxx"}


def test_an_account_needs_an_iban_and_a_bic_only() -> None:
    account = BankAccount.from_config(CONFIG)
    assert (account.iban, account.bic) == (IBAN, "BNKAFRPPXXX")
    assert account.starts is TransferStart.PAYMENT
    assert account.due_on(date(2026, 11, 23)) == date(2026, 12, 23)
    assert account.ibans == (IBAN,)


def test_everything_can_be_configured() -> None:
    account = BankAccount.from_config(
        {
            **CONFIG,
            "due_days": 0,
            "starts": "ORDER",
            "other_ibans": [OTHER_PAYER_IBAN],
            "columns": {"text": "Zweck"},
        }
    )
    assert account.starts is TransferStart.ORDER
    assert account.ibans == (IBAN, OTHER_PAYER_IBAN)
    assert account.columns.text[0] == "zweck"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iban": "FR7630006000011234567890188"}, "isn't an IBAN"),
        ({"bic": "X"}, "isn't a BIC"),
        ({"due_days": 61}, "due_days"),
        ({"due_days": "30"}, "due_days"),
        ({"starts": "LATER"}, "LATER"),
        ({"other_ibans": ["x"]}, "isn't an IBAN"),
        ({"columns": {"x": "y"}}, "unknown columns: x"),
        ({"owner": "x"}, "unknown owner"),
    ],
)
def test_mistakes_are_found_when_the_server_starts(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BankAccount.from_config({**CONFIG, **change})


def test_the_packaged_seller_accepts_transfers() -> None:
    packaged_seller = seller(Path(billing.__file__).with_name("seller.toml"))
    assert packaged_seller.bank
    assert packaged_seller.bank.iban == IBAN
