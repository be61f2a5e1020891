"""Settling invoices: a payment is allocated to what is open, and a reversed payment opens it again.

The customer's account is locked by the caller, so that the receivables of a customer change one
transaction after the other. What an invoice has open is kept in its receivable, and the balance of
a customer in the ledger, both in the same transaction (billing/ledger.py).
"""

from collections import defaultdict
from collections.abc import Sequence

from billing.ledger import post_payment
from models.action import Transaction
from models.billing.payment import Payment
from models.billing.receivable import Allocation, Receivable
from models.event import EventKind, account_stream

Targets = Sequence[tuple[int, int | None]]


async def apply_payment(
    tx: Transaction, payment: Payment, invoices: Targets | None = None
) -> list[Allocation]:
    """Post a payment that succeeded, and allocate it to invoices of its customer: each with the
    largest amount in cents that it takes, None for all that is open. By default it pays what is
    open, the oldest due date first. What is left over stays on the customer's balance.
    """
    await post_payment(tx, payment)
    receivables = await _open_receivables(tx, payment.account_id, invoices)
    limits = dict(invoices or ())
    left = payment.amount_cents
    allocations = []
    for receivable in receivables:
        limit = limits.get(receivable.invoice_id)
        cents = min(left, receivable.open_cents, receivable.open_cents if limit is None else limit)
        if cents > 0:
            allocations.append(await _allocate(tx, receivable, payment, cents))
            left -= cents
    await _announce(tx, payment)
    return allocations


async def reverse_payment(tx: Transaction, payment: Payment, cents: int) -> None:
    """Take back an amount of a payment: its allocations, the most recent first, so that their
    invoices are open again, and before them what wasn't allocated. Raises ValueError for more than
    the payment has left.
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
    await _announce(tx, payment)


async def _open_receivables(
    tx: Transaction, account_id: int, invoices: Targets | None
) -> list[Receivable]:
    """The receivables to pay, in the order in which they are paid."""
    rows = Receivable.filter(account_id=account_id, open_cents__gt=0)
    if invoices is None:
        receivables = await tx.lock_rows(rows)
        return sorted(receivables, key=lambda each: (each.due_on, each.invoice_id))
    keys = [key for key, _ in invoices]
    receivables = await tx.lock_rows(rows.filter(invoice_id__in=keys))
    return sorted(receivables, key=lambda each: keys.index(each.invoice_id))


async def _allocate(
    tx: Transaction, receivable: Receivable, payment: Payment, cents: int
) -> Allocation:
    receivable.open_cents -= cents
    receivable.settled_at = None if receivable.open_cents else tx.action.at
    await receivable.save(using_db=tx.db, update_fields=["open_cents", "settled_at"])
    return await Allocation.create(
        using_db=tx.db,
        account_id=payment.account_id,
        invoice_id=receivable.invoice_id,
        payment=payment,
        amount_cents=cents,
        created_at=tx.action.at,
    )


async def _allocated(tx: Transaction, payment: Payment) -> dict[int, int]:
    """What a payment has paid of each invoice, in cents."""
    allocated: dict[int, int] = defaultdict(int)
    for allocation in await Allocation.filter(payment_id=payment.pk).using_db(tx.db):
        allocated[allocation.invoice_id] += allocation.amount_cents
    return {key: cents for key, cents in allocated.items() if cents}


async def _announce(tx: Transaction, payment: Payment) -> None:
    await tx.append(
        account_stream(payment.account_id),
        EventKind.PAYMENT_CHANGED,
        purchase_id=payment.purchase_id,
        status=payment.status.value,
    )
