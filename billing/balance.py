"""A customer's credit balance: the part of their payments that pays nothing yet, such as money that
was transferred twice, or paid for an invoice that was credited.

It is used when an invoice is issued unpaid, before dunning takes a step, and before the customer
pays an invoice. A renewal is charged only what the balance doesn't cover. Until the provider has
answered, the rest is reserved for that renewal.

All functions except `use_balance` run in a transaction that has locked the account.
"""

from collections.abc import Sequence

from billing import settlement
from billing.gateways.gateway import MIN_CHARGE_CENTS
from billing.invoicing import InvoiceDraft
from models.action import Action, Transaction
from models.billing.payment import Payment, PaymentStatus
from models.database.sql import execute

Shares = Sequence[tuple[int, int]]
_LEFT = """
SELECT payment.id, payment.amount_cents - payment.refunded_cents - COALESCE((
  SELECT SUM(amount_cents) FROM allocation WHERE allocation.payment_id = payment.id), 0) AS cents
FROM payment WHERE payment.account_id = ? AND payment.status = ? ORDER BY payment.id
"""


async def shares_for(
    tx: Transaction, account_id: int, cents: int, *, paid_by: Payment | None = None
) -> list[tuple[int, int]]:
    """The payments of the balance that pay an amount, by key, each with its share in cents. The
    amount that remains is zero, or one that a provider can charge. `paid_by` is a payment that pays
    another part of the same invoice.
    """
    left = await _remaining_amounts(tx, account_id, except_id=paid_by.pk if paid_by else None)
    available = sum(share for _, share in left) - await _reserved_cents(tx, account_id)
    share = min(cents, available)
    if 0 < cents - share < MIN_CHARGE_CENTS:
        share = cents - MIN_CHARGE_CENTS
    return _take(left, share)


async def use_balance(action: Action, account_id: int) -> None:
    """Use the balance of an account for its open invoices, and restore the purchases that are
    thereby paid.
    """
    async with action.transaction() as tx:
        purchases = await settlement.lock_for_settlement(tx, account_id)
        used = await pay_open_invoices(tx, account_id)
        if used:
            await settlement.restore(tx, purchases)
        for payment in used:
            await settlement.announce(tx, payment)


async def pay_open_invoices(tx: Transaction, account_id: int) -> list[Payment]:
    """Use the balance for open invoices that aren't being charged at this moment, the oldest due
    date first. What remains of an invoice is zero, or an amount that a provider can charge. Returns
    the payments that were used; the caller announces them, after it has taken its last locks.
    """
    charged = Payment.filter(
        account_id=account_id, status=PaymentStatus.PROCESSING, invoice_id__not_isnull=True
    )
    charged_ids = {payment.invoice_id or 0 for payment in await charged.using_db(tx.db)}
    left = await _remaining_amounts(tx, account_id)
    available = sum(share for _, share in left) - await _reserved_cents(tx, account_id)
    used = []
    for payment_id, cents in _take(left, available):
        payment = await Payment.get(pk=payment_id, using_db=tx.db)
        allocations = await settlement.allocate(
            tx, payment, cents, except_ids=charged_ids, least_rest=MIN_CHARGE_CENTS
        )
        if allocations:
            used.append(payment)
    return used


async def _remaining_amounts(
    tx: Transaction, account_id: int, except_id: int | None = None
) -> list[tuple[int, int]]:
    """What is left of each payment, the oldest payment first."""
    rows = await execute(_LEFT, account_id, PaymentStatus.SUCCEEDED.value, db=tx.db)
    return [
        (int(row["id"]), int(row["cents"]))
        for row in rows
        if int(row["cents"]) > 0 and int(row["id"]) != except_id
    ]


async def _reserved_cents(tx: Transaction, account_id: int) -> int:
    """The part of the balance that renewals in progress will use, in cents."""
    charged = Payment.filter(
        account_id=account_id,
        status=PaymentStatus.PROCESSING,
        is_off_session=True,
        invoice_draft__not_isnull=True,
    )
    return sum(
        InvoiceDraft.from_json(payment.invoice_draft or {}).gross_cents - payment.amount_cents
        for payment in await charged.using_db(tx.db)
    )


def _take(left: Shares, cents: int) -> list[tuple[int, int]]:
    shares = []
    for payment_id, available in left:
        share = min(available, cents)
        if share > 0:
            shares.append((payment_id, share))
            cents -= share
    return shares
