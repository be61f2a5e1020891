"""Differences between what billing keeps in several places are found."""

import pytest

from billing.reconciliation import reconciliation
from models.action import Action
from models.billing.bank import BankLine
from models.billing.payment import Payment
from models.billing.receivable import Allocation, Receivable
from models.database.sql import execute
from tests.billing.bank.statement_fixtures import Transfer
from tests.billing.bank.test_matching import Bank, create_bank, reference_of


@pytest.fixture
async def bank(db: str, action: Action) -> Bank:
    bank = await create_bank(action)
    invoice = await bank.invoice()
    await bank.invoice(bank.marie, 1200)
    await bank.receive(
        Transfer(cents=3480, reference=reference_of(invoice)), Transfer(cents=77, text="merci")
    )
    return bank


async def test_p3_4_the_sums_agree(bank: Bank) -> None:
    result = await reconciliation()
    assert result.errors == ()
    assert (result.owed_cents, result.open_cents, result.received_cents) == (1200, 1200, 3480)
    assert (result.unmatched_count, result.unmatched_cents) == (1, 77)


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("receivable", "open_cents = open_cents + 1", "1 are open, but 0 aren't allocated"),
        ("payment", "amount_cents = amount_cents - 1", "its documents and payments make 1"),
        ("payment", "kind = 'CARD'", "it is matched, but its payment is"),
        ("payment", "status = 'DECLINED'", "it is matched, but its payment is"),
        ("bank_line", "status = 'DISMISSED'", "no bank line has its transfer of 3480"),
    ],
)
async def test_a_change_by_hand_is_found(bank: Bank, table: str, change: str, message: str) -> None:
    condition = {
        "receivable": f"invoice_id = {(await Receivable.all().order_by('invoice_id'))[0].pk}",
        "payment": f"id = {(await Payment.get()).pk}",
        "bank_line": f"id = {(await BankLine.get(status='MATCHED')).pk}",
    }[table]
    await execute(f"UPDATE {table} SET {change} WHERE {condition}")  # noqa: S608 - of this test
    assert any(message in error for error in (await reconciliation()).errors)


async def test_a_lost_allocation_is_found(bank: Bank) -> None:
    await Allocation.all().delete()
    (error,) = (await reconciliation()).errors
    assert "0 are open, but 3480 aren't allocated" in error
