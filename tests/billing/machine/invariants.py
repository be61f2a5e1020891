"""What is always true of a company's billing, whatever happened."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tortoise.expressions import Q

from billing.exports.fec import fec, fec_file_name
from billing.gateways.gateway import DisputeStatus
from billing.ledger import BANK, CUSTOMERS
from billing.movements import amounts_and_balances
from billing.reconciliation import reconciliation
from billing.refunds import refund_key
from models.billing.bank import BankLine, BankLineStatus
from models.billing.billing_period import BillingPeriod
from models.billing.invoice import DocumentType, Invoice
from models.billing.ledger import LedgerEntry
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind
from models.billing.receivable import Allocation, Receivable
from models.billing.refund import Refund, RefundStatus
from models.billing.sandbox import SandboxCharge, SandboxDispute, SandboxRefund
from models.database.sql import execute
from models.event import Event
from models.operations.email import Email
from operations.invoice_numbering import numbering_errors
from tests.billing.exports.fec_reader import read_fec

_LATE = (PurchaseStatus.PAST_DUE, PurchaseStatus.SUSPENDED)


async def assert_books_are_right() -> None:
    """Entries balance; what is open is what isn't allocated; a customer's balance is what their
    documents, payments and refunds make; numbers are whole and chronological.
    """
    assert (await reconciliation()).errors == ()
    assert await numbering_errors() == []
    entries = await LedgerEntry.all().order_by("journal", "number")
    for journal, own in _grouped(entries, lambda entry: entry.journal).items():
        assert [entry.number for entry in own] == list(range(1, len(own) + 1)), journal
        assert all(before.at <= after.at for before, after in pairwise(own)), journal


async def assert_credits_do_not_exceed_invoices() -> None:
    """Neither do their net amounts and VAT, together with the corrective invoice that replaces what
    they have left.
    """
    invoices = {invoice.pk: invoice for invoice in await Invoice.all()}
    documents = _grouped(invoices.values(), lambda invoice: invoice.original_id)
    documents.pop(None, None)
    for original_id, corrections in documents.items():
        original = invoices[original_id]
        for column in ("net_cents", "vat_cents", "gross_cents"):
            total = sum(getattr(each, column) for each in corrections)
            assert total <= getattr(original, column), (original.number, column)
        allocated = Allocation.filter(invoice_id=original_id, credit_note_id__not_isnull=True)
        credited = sum(allocation.amount_cents for allocation in await allocated)
        assert (await Receivable.get(invoice_id=original_id)).credited_cents == credited
        credit_notes = [each for each in corrections if each.type is DocumentType.CREDIT_NOTE]
        assert sum(each.gross_cents for each in credit_notes) <= credited


async def assert_periods_tile_time(day: date) -> None:
    """Each period was billed once, is being billed, or passed entirely while the purchase was
    suspended; each begins where the one before ends, or on the day on which a pause ended.
    """
    purchases = await Purchase.filter(anchor__not_isnull=True).order_by("id")
    drafts = await Payment.filter(invoice_draft__not_isnull=True)
    for purchase in purchases:
        periods = await BillingPeriod.filter(purchase_id=purchase.pk).order_by("index")
        known = {each.index: (each.starts_on, each.ends_on) for each in periods}
        assert len(known) == len(periods)
        for payment in drafts:
            draft = (payment.invoice_draft or {}).get("period")
            if payment.purchase_id == purchase.pk and payment.is_off_session and draft:
                assert draft["index"] not in known, "a period is billed twice"
                days = date.fromisoformat(draft["start"]), date.fromisoformat(draft["end"])
                known[draft["index"]] = days
        count = purchase.next_period_index
        count = max(known, default=-1) + 1 if count is None else count
        missing = set(range(count)) - set(known)
        assert set(known) <= set(range(count)), (purchase.pk, known, count)
        for index, (_, end) in sorted(known.items()):
            if index + 1 in known and known[index + 1][0] != end:
                start = known[index + 1][0]
                resumed = PurchaseChange.filter(
                    Q(effective_on=start) | Q(invoice__issued_on=start),
                    purchase_id=purchase.pk,
                    kind=PurchaseChangeKind.RESUME,
                )
                assert start > end, (purchase.pk, index)
                assert await resumed.exists(), (purchase.pk, index)
        if missing:
            events = Event.filter(purchase_id=purchase.pk, status=PurchaseStatus.SUSPENDED.value)
            assert await events.exists(), (purchase.pk, missing)
        is_paused = purchase.status is PurchaseStatus.PAUSED
        if purchase.bills_on and count - 1 in known and not is_paused:
            assert purchase.bills_on == known[count - 1][1], purchase.pk


async def assert_provider_agrees() -> None:
    """What the provider collected is what was received, or what it will be queried about."""
    charges = {charge.key: charge for charge in await SandboxCharge.all()}
    for payment in await Payment.filter(kind__not=PaymentKind.TRANSFER):
        charge = charges.pop(f"camcha-payment-{payment.pk}", None)
        if payment.status is PaymentStatus.SUCCEEDED:
            assert charge is not None, payment.pk
            assert (charge.status, charge.amount_cents, charge.reference) == (
                PaymentStatus.SUCCEEDED,
                payment.amount_cents,
                payment.provider_reference,
            )
        elif charge and not charge.status.is_final:
            assert payment.next_check_at is not None, payment.pk
        elif charge and charge.status is PaymentStatus.SUCCEEDED:
            assert payment.next_check_at is not None, f"{payment.pk} was collected"
    assert not charges, "the provider has charges that we don't know"
    refunds = {refund.key: refund for refund in await SandboxRefund.all()}
    for refund in await Refund.filter(payment__kind__not=PaymentKind.TRANSFER):
        made = refunds.pop(refund_key(refund.pk), None)
        if refund.status is RefundStatus.SUCCEEDED:
            assert made is not None, refund.pk
            assert made.amount_cents == refund.amount_cents
            # One that comes back later is heard of by asking.
            assert made.status is refund.status or refund.next_check_at, refund.pk
        elif refund.status is RefundStatus.FAILED and made:
            assert made.status is RefundStatus.FAILED, f"refund {refund.pk} was paid"
    assert not refunds, "the provider has refunds that we don't know"


async def assert_customers_see_the_ledger(account_id: int) -> None:
    """The last balance in the list of movements is what is open minus what was paid in advance."""
    last = await LedgerEntry.filter(account_id=account_id).order_by("-id").first()
    if last is None:
        return
    _, balance = (await amounts_and_balances([last.pk]))[last.pk]
    assert balance == await ledger_balance(CUSTOMERS)
    open_cents = sum(each.open_cents for each in await Receivable.all())
    payments = await Payment.filter(status=PaymentStatus.SUCCEEDED)
    refunds = await Refund.filter(status=RefundStatus.PENDING)
    received = sum(each.amount_cents - each.refunded_cents for each in payments)
    (row,) = await execute(
        "SELECT COALESCE(SUM(amount_cents), 0) AS cents FROM allocation "
        "WHERE payment_id IS NOT NULL"
    )
    ahead = received - int(row["cents"]) + sum(each.amount_cents for each in refunds)
    assert balance == open_cents - ahead


async def assert_nobody_is_late_without_debt(account_id: int) -> None:
    """P3.7: a purchase is active again as soon as everything is paid."""
    if not await Receivable.filter(account_id=account_id, open_cents__gt=0).exists():
        late = await Purchase.filter(account_id=account_id, status__in=_LATE)
        assert not late, [(each.pk, each.status) for each in late]


async def assert_no_email_was_sent_twice() -> None:
    """An email about one event would have the same text and the same time."""
    emails = [
        (email.template, email.recipient, email.invoice_id, email.text, email.created_at)
        for email in await Email.all()
    ]
    assert len(emails) == len(set(emails))
    documents = [
        (email.recipient, email.invoice_id)
        for email in await Email.filter(template__startswith="invoice_issued")
    ]
    assert len(documents) == len(set(documents))


async def assert_all_money_is_accounted_for() -> None:
    """Once nothing is in progress: the balance of the bank's account is what the provider
    collected, minus what it paid back and what banks took back, and what came by transfer.
    """
    charges = {charge.reference: charge for charge in await SandboxCharge.all()}
    collected = sum(
        charge.amount_cents
        for charge in charges.values()
        if charge.status is PaymentStatus.SUCCEEDED
    )
    refunded = sum(
        refund.amount_cents
        for refund in await SandboxRefund.all()
        if refund.status is not RefundStatus.FAILED
    )
    by_transfer = Refund.filter(status=RefundStatus.SUCCEEDED, payment__kind=PaymentKind.TRANSFER)
    refunded += sum(refund.amount_cents for refund in await by_transfer)
    lost = sum(
        dispute.amount_cents
        for dispute in await SandboxDispute.all()
        if dispute.status == DisputeStatus.LOST.value
    )
    transfers = await BankLine.filter(status=BankLineStatus.MATCHED)
    received = sum(line.amount_cents for line in transfers)
    balance = await ledger_balance(BANK)
    assert balance == collected - refunded - lost + received, (collected, refunded, lost, received)


async def ledger_balance(code: str) -> int:
    """The balance of an account of the ledger, in cents."""
    (row,) = await execute(
        "SELECT COALESCE(SUM(debit_cents - credit_cents), 0) AS cents FROM ledger_line "
        "WHERE code = ?",
        code,
    )
    return int(row["cents"])


def _grouped(rows: Iterable[Any], key: Any) -> dict[Any, list[Any]]:
    groups: defaultdict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


async def assert_accounting_entries_can_be_read(years: Iterable[int]) -> None:
    """The file of each year is one that the article allows, and what a year leaves is what the next
    one begins with.
    """
    left: dict[str, Decimal] = {}
    for year in years:
        content = b"".join([piece async for piece in fec(year)])
        lines = read_fec(fec_file_name("404833048", date(year, 12, 31)), content)
        opening: dict[str, Decimal] = defaultdict(Decimal)
        for line in lines:
            if line["JournalCode"] == "AN":
                opening[line["CompteNum"]] += line.amount
        assert {code: cents for code, cents in opening.items() if cents} == left, year
        closing: dict[str, Decimal] = defaultdict(Decimal)
        for line in lines:
            is_result = line["CompteNum"].startswith(("6", "7"))
            closing["120000" if is_result else line["CompteNum"]] += line.amount
        left = {code: amount for code, amount in closing.items() if amount}
    owed = sum(amount for code, amount in left.items() if code == CUSTOMERS)
    assert owed * 100 == await ledger_balance(CUSTOMERS)
