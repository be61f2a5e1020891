"""The verification of invoice numbering detects every kind of error, even in data that the
application can't write.
"""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from tortoise.connection import get_connection

from models.action import Action
from models.audit import AuditChain
from models.billing.invoice import Counter, Invoice, Series
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.purchase import Purchase
from models.database.append_only import allow_changes
from operations import invoice_numbering
from operations.invoice_numbering import NumberedInvoice, numbering_errors, series_errors
from operations.verification_cost import audit_proof_cost, count_rows, numbering_cost
from tests.invoices import create_invoice
from tests.people import create_account

ISSUED_AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def numbered_invoice(position: int, at: datetime = ISSUED_AT) -> NumberedInvoice:
    return NumberedInvoice(position, f"FA-{at.year}-{position:06d}", at.date(), at)


def test_a_sequence_across_the_new_year_is_valid() -> None:
    invoices = [
        numbered_invoice(1),
        numbered_invoice(2, ISSUED_AT + timedelta(days=1)),
        numbered_invoice(3, ISSUED_AT + timedelta(days=60)),
    ]
    assert series_errors(Series.INVOICE, invoices, 3) == []


NUMBERING_ERRORS = [
    ([numbered_invoice(1), numbered_invoice(3)], 3, "missing between positions 1 and 3"),
    ([numbered_invoice(2)], 2, "missing between positions 0 and 2"),
    (
        [numbered_invoice(1), numbered_invoice(2), numbered_invoice(2)],
        2,
        "position 2 was given twice",
    ),
    ([numbered_invoice(1)], 2, "the counter stands at 2"),
    ([numbered_invoice(1)], 0, "the counter stands at 0"),
    (
        [numbered_invoice(1), numbered_invoice(2, ISSUED_AT - timedelta(seconds=1))],
        2,
        "FA-2026-000002: issued 2026-11-23T08:59:59+00:00, before",
    ),
    (
        [NumberedInvoice(1, "FA-2025-000001", date(2026, 11, 23), ISSUED_AT)],
        1,
        "must read FA-2026-000001",
    ),
]


@pytest.mark.parametrize(("invoices", "last_position", "error"), NUMBERING_ERRORS)
def test_an_error_is_reported(
    invoices: list[NumberedInvoice], last_position: int, error: str
) -> None:
    (entries,) = series_errors(Series.INVOICE, invoices, last_position)
    assert error in entries


@pytest.fixture
async def three_invoices(db: str, action: Action) -> list[Invoice]:
    """Three invoices, one per day, whose rows the database allows us to tamper with."""
    await allow_changes(get_connection("default"), ["invoice"])
    account = await create_account(action, "Le Fournil")
    offer = await Offer.create(slug="o", segment=Segment.TPE, texts={})
    price = await Price.create(
        offer=offer, interval=Interval.MONTH, net_cents=100, vat_rate=2000, valid_from=action.at
    )
    purchase = await Purchase.create(account=account, price=price, created_at=action.at)
    await Counter.create(series=Series.INVOICE.value, last_position=3)
    return [
        await create_invoice(
            action,
            account,
            purchase,
            n,
            issued_at=action.at + timedelta(days=n),
            issued_on=action.day + timedelta(days=n),
        )
        for n in (1, 2, 3)
    ]


async def test_a_valid_database_is_verified(three_invoices: list[Invoice]) -> None:
    assert await numbering_errors() == []


async def test_an_empty_database_is_verified(db: str) -> None:
    assert await numbering_errors() == []


async def test_a_deleted_invoice_is_detected(three_invoices: list[Invoice]) -> None:
    await three_invoices[1].delete()
    assert await numbering_errors() == ["FA: missing between positions 1 and 3"]


async def test_the_deletion_of_the_last_invoice_is_detected(three_invoices: list[Invoice]) -> None:
    await three_invoices[2].delete()
    assert await numbering_errors() == [
        "FA: the last invoice has position 2, but the counter stands at 3"
    ]


async def test_a_backdated_invoice_is_detected(three_invoices: list[Invoice]) -> None:
    await Invoice.filter(pk=three_invoices[2].pk).update(issued_on=three_invoices[0].issued_on)
    (error,) = await numbering_errors()
    assert error.startswith("FA-2026-000003: issued")


async def test_pages_are_verified_across_their_boundaries(
    three_invoices: list[Invoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is the same whatever the size of a page, and other tasks run between the pages."""
    await Counter.filter(series=Series.INVOICE.value).update(last_position=4)
    iteration_count = 0

    async def count_iterations() -> None:
        nonlocal iteration_count
        while True:
            iteration_count += 1
            await asyncio.sleep(0)

    count_task = asyncio.create_task(count_iterations())
    for size in (1, 2, 3, 4):
        monkeypatch.setattr(invoice_numbering, "_PAGE_SIZE", size)
        before = iteration_count
        (error,) = await numbering_errors()
        assert "the last invoice has position 3, but the counter stands at 4" in error
        assert iteration_count - before >= 3 // size
    count_task.cancel()


async def test_the_cost_of_verification_grows_with_the_data(three_invoices: list[Invoice]) -> None:
    await count_rows()
    initial_costs = numbering_cost({}), audit_proof_cost({})
    await Counter.filter(series=Series.INVOICE.value).update(last_position=1_000_000)
    await Counter.create(series="BQ", last_position=2_000_000)  # a journal of the ledger
    await AuditChain.filter(id=1).update(last_sequence=3_000_000, expired_sequence=2_000_000)
    await count_rows()
    assert (numbering_cost({}), audit_proof_cost({})) == (2_100, 2_100)
    assert initial_costs[0] < 2_100
    await Counter.all().delete()
    await AuditChain.filter(id=1).update(last_sequence=0, expired_sequence=0)
    await count_rows()
    assert (numbering_cost({}), audit_proof_cost({})) == (100, 100)
