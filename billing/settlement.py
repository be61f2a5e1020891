"""Settling invoices: a payment is allocated to what is open, and a reversed payment opens it again.

The customer's account is locked by the caller (`lock_for_settlement`), so that the receivables of a
customer change one transaction after the other. What is open on an invoice is stored in its
receivable, and the balance of a customer in the ledger, in the same transaction
(billing/ledger.py).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date

from tortoise.expressions import Q

from accounts.contacts import billing_contacts
from billing.delivery.reports import report_payment
from billing.ledger import post_payment
from mail import emails
from models.accounts.account import Account
from models.action import Transaction
from models.billing.billing_period import BillingPeriod
from models.billing.dunning import CompletedDunningStep
from models.billing.invoice import DocumentType, Invoice
from models.billing.offer import Price
from models.billing.payment import Payment
from models.billing.periods import period
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Allocation, InvoiceState, Receivable
from models.database.writing import insert_all
from models.event import EventKind, account_stream

Targets = Sequence[tuple[int, int | None]]
_OVERDUE = (PurchaseStatus.PAST_DUE, PurchaseStatus.SUSPENDED)
_WAITING = (*_OVERDUE, PurchaseStatus.PAYMENT_PENDING)


async def lock_for_settlement(
    tx: Transaction, account_id: int, *purchase_ids: int | None
) -> dict[int, Purchase]:
    """Lock an account, the purchases of these keys, and those that a payment may restore, before
    the payment itself is locked (models/lock_order.py). Returns the purchases by key.
    """
    await tx.lock(Account, account_id)
    waiting = Purchase.filter(account_id=account_id, status__in=_WAITING).using_db(tx.db)
    keys = {key for key in purchase_ids if key} | {purchase.pk for purchase in await waiting}
    purchases = await tx.lock_rows(Purchase.filter(pk__in=sorted(keys))) if keys else []
    return {purchase.pk: purchase for purchase in purchases}


async def apply_payment(
    tx: Transaction,
    payment: Payment,
    invoices: Targets | None = None,
    *,
    and_others: bool = False,
) -> list[Allocation]:
    """Post a payment that succeeded, and allocate it to invoices of its customer: each with the
    largest amount in cents that it takes, None for all that is open. Without such invoices, and
    after them with `and_others`, it pays whatever is open and not disputed, the oldest due date
    first. What is left over stays on the customer's balance (billing/balance.py).
    """
    await post_payment(tx, payment)
    return await allocate(tx, payment, payment.amount_cents, invoices, and_others=and_others)


async def allocate(
    tx: Transaction,
    payment: Payment,
    amount: int,
    invoices: Targets | None = None,
    *,
    and_others: bool = False,
    except_ids: Collection[int] = (),
    least_rest: int = 0,
) -> list[Allocation]:
    """Allocate an amount in cents of a payment, as `apply_payment` does, except to the invoices
    with these keys. What remains of an invoice is zero, or at least `least_rest`.
    """
    receivables = [
        receivable
        for receivable in await _open_receivables(tx, payment.account_id, invoices, and_others)
        if receivable.invoice_id not in except_ids
    ]
    limits = dict(invoices or ())
    left = amount
    allocations = []
    for receivable in receivables:
        limit = limits.get(receivable.invoice_id)
        cents = min(left, receivable.open_cents, receivable.open_cents if limit is None else limit)
        if 0 < receivable.open_cents - cents < least_rest:
            cents = receivable.open_cents - least_rest
        if cents > 0:
            allocations.append(await _allocate(tx, receivable, payment, cents))
            left -= cents
    return allocations


async def restore(tx: Transaction, purchases: Mapping[int, Purchase]) -> None:
    """Reactivate purchases that were past due or suspended, which `lock_for_settlement` has locked,
    once no invoice of their account is overdue, other than that of an order for which nothing has
    been supplied yet. They keep their anchor. Purchases that waited for the payment of their first
    invoice start.
    """
    for purchase in purchases.values():
        if purchase.status is PurchaseStatus.PAYMENT_PENDING:
            await _start_when_paid(tx, purchase)
    for purchase in purchases.values():
        if purchase.status not in _OVERDUE:
            continue
        overdue = Receivable.filter(
            account_id=purchase.account_id,
            open_cents__gt=0,
            due_on__lte=tx.action.day,
            disputed_at=None,
        ).exclude(invoice__purchase__status=PurchaseStatus.PAYMENT_PENDING)
        if await overdue.using_db(tx.db).exists():
            return
        was_suspended = purchase.status is PurchaseStatus.SUSPENDED
        await purchase.restore(tx)
        if was_suspended:
            for user in await billing_contacts(tx, purchase.account_id):
                await emails.send_purchase_restored(tx, user)


async def _start_when_paid(tx: Transaction, purchase: Purchase) -> None:
    """Start a purchase whose first invoice was issued before its payment and is settled now. The
    invoice states no days, because the first period begins here. If the invoice was credited
    instead, the purchase ends.
    """
    invoices = Invoice.filter(purchase_id=purchase.pk).exclude(type=DocumentType.CREDIT_NOTE)
    # The last one is the first invoice itself, or the corrective one that has replaced it.
    invoice = await invoices.using_db(tx.db).order_by("-id").first()
    if invoice is None:
        return
    receivable = await Receivable.get(invoice_id=invoice.pk, using_db=tx.db)
    if receivable.open_cents > 0:
        return
    if receivable.state is InvoiceState.CREDITED:
        await purchase.end(tx, tx.action.day)
        return
    price = await Price.get(pk=purchase.price_id, using_db=tx.db)
    first = period(tx.action.day, price.interval.months, 0)
    values = {
        "purchase_id": purchase.pk,
        "index": first.index,
        "starts_on": first.start,
        "ends_on": first.end,
        "invoice_id": invoice.pk,
        "created_at": tx.action.at,
    }
    await insert_all(BillingPeriod, [values], db=tx.db)
    await start_purchase(tx, purchase, tx.action.day, price.interval.months)


async def start_purchase(tx: Transaction, purchase: Purchase, day: date, months: int) -> None:
    """Make a locked purchase active from a day on, with its first period billed."""
    purchase.anchor, purchase.activated_at = day, tx.action.at
    purchase.next_period_index, purchase.expires_at = 1, None
    purchase.bills_on = period(day, months, 1).start
    purchase.use_promotion()
    await purchase.transition_to(tx, PurchaseStatus.ACTIVE)


async def reverse_payment(tx: Transaction, payment: Payment, cents: int) -> None:
    """Take back an amount of a payment: first what wasn't allocated, then its allocations, the most
    recent first, whose invoices are then open again. Raises ValueError for more than the payment
    has left.
    """
    allocated = await _allocated(tx, payment)
    unallocated = payment.amount_cents - payment.refunded_cents - sum(allocated.values())
    if not 0 < cents <= payment.amount_cents - payment.refunded_cents:
        raise ValueError(f"payment {payment.pk}: {cents} cents can't be taken back")
    await post_payment(tx, payment, -cents, "payment_reversed")
    left = cents - min(cents, unallocated)
    receivables = await tx.lock_rows(Receivable.filter(invoice_id__in=list(allocated)))
    for receivable in sorted(receivables, key=lambda each: each.invoice_id, reverse=True):
        taken = min(left, allocated[receivable.invoice_id])
        if taken > 0:
            await _allocate(tx, receivable, payment, -taken)
            left -= taken
    payment.refunded_cents += cents
    await payment.save(using_db=tx.db, update_fields=["refunded_cents"])
    await announce(tx, payment)


async def _open_receivables(
    tx: Transaction, account_id: int, invoices: Targets | None, and_others: bool
) -> list[Receivable]:
    """The receivables to pay, in the order in which they are paid."""
    keys = [key for key, _ in invoices or ()]
    conditions = Q(invoice_id__in=keys)
    if invoices is None or and_others:
        conditions |= Q(disputed_at=None)
    rows = Receivable.filter(conditions, account_id=account_id, open_cents__gt=0)
    places = {key: place for place, key in enumerate(keys)}
    return sorted(
        await tx.lock_rows(rows),
        key=lambda each: (
            places.get(each.invoice_id, len(keys)),
            each.due_on,
            each.invoice_id,
        ),
    )


async def _allocate(
    tx: Transaction, receivable: Receivable, payment: Payment, cents: int
) -> Allocation:
    receivable.open_cents -= cents
    receivable.settled_at = None if receivable.open_cents else tx.action.at
    if not receivable.open_cents:
        receivable.next_dunning_on = None
    elif cents < 0:  # it is due again, and the dunning schedule begins anew
        receivable.due_on = max(receivable.due_on, tx.action.day)
        receivable.next_dunning_on = receivable.due_on
        await CompletedDunningStep.filter(invoice_id=receivable.invoice_id).using_db(tx.db).delete()
    await receivable.save(
        using_db=tx.db,
        update_fields=["open_cents", "settled_at", "due_on", "next_dunning_on"],
    )
    allocation = await Allocation.create(
        using_db=tx.db,
        account_id=payment.account_id,
        invoice_id=receivable.invoice_id,
        payment_id=payment.pk,
        amount_cents=cents,
        created_at=tx.action.at,
    )
    await report_payment(tx, allocation)
    return allocation


async def _allocated(tx: Transaction, payment: Payment) -> dict[int, int]:
    """How much a payment has paid of each invoice, in cents."""
    allocated: dict[int, int] = defaultdict(int)
    for allocation in await Allocation.filter(payment_id=payment.pk).using_db(tx.db):
        allocated[allocation.invoice_id] += allocation.amount_cents
    return {key: cents for key, cents in allocated.items() if cents}


async def announce(tx: Transaction, payment: Payment) -> None:
    """Append an event about a payment to its account's stream."""
    await tx.append(
        account_stream(payment.account_id),
        EventKind.PAYMENT_CHANGED,
        purchase_id=payment.purchase_id,
        status=payment.status.value,
    )
