"""Changes that take effect: when they are paid for, or when the billing run reaches their day.

All functions run in a transaction in which the account, the purchase and its pending changes are
locked, in this order and before the payments (models/lock_order.py).
"""

from collections.abc import Iterable, Sequence

from billing.changes.notices import ChangeNotice, notify
from billing.changes.terms import apply_terms
from billing.invoicing import InvoiceDraft, finalise
from models.action import Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.invoice import Invoice
from models.billing.offer import Price
from models.billing.payment import Payment
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import (
    PurchaseChange,
    PurchaseChangeKind,
    PurchaseChangeStatus,
)


async def lock_pending_changes(tx: Transaction, purchase: Purchase) -> list[PurchaseChange]:
    """Lock the pending changes of a locked purchase: at most one that is scheduled, and one that
    awaits its payment.
    """
    return await tx.lock_rows(PurchaseChange.pending().filter(purchase_id=purchase.pk))


def scheduled(changes: Iterable[PurchaseChange]) -> list[PurchaseChange]:
    """The scheduled change among pending changes, which takes effect at the end of the period, if
    there is one.
    """
    return [each for each in changes if each.status is PurchaseChangeStatus.SCHEDULED]


async def apply_change(
    tx: Transaction, purchase: Purchase, change: PurchaseChange, invoice: Invoice | None = None
) -> None:
    """Apply a pending change to its purchase. The caller announces it, after it has taken its last
    locks.
    """
    price = await Price.get(pk=purchase.price_id, using_db=tx.db)
    match change.kind:
        case PurchaseChangeKind.PAUSE:
            await purchase.pause(tx, change.resumes_on)
        case PurchaseChangeKind.RESUME:
            purchase.resume(invoice.issued_on if invoice else tx.action.day)
            purchase.move_to_next_period(price.interval.months)
            purchase.use_promotion()
        case _:
            new_price = await Price.get_or_none(pk=change.price_id, using_db=tx.db)
            apply_terms(purchase, change, price, new_price)
    change.applied_at = tx.action.at
    change.invoice_id = invoice.pk if invoice else None
    await change.save(using_db=tx.db)
    await purchase.save(using_db=tx.db)
    tx.audit(
        BillingAuditAction.PURCHASE_CHANGE_APPLY, purchase, kind=change.kind.value, change=change.pk
    )


async def cancel_changes(tx: Transaction, changes: Sequence[PurchaseChange]) -> None:
    """Cancel pending changes, which are locked."""
    for change in changes:
        change.canceled_at = tx.action.at
        await change.save(using_db=tx.db, update_fields=["canceled_at"])


async def apply_paid_change(tx: Transaction, purchase: Purchase, payment: Payment) -> bool:
    """Issue the invoice of a change that was paid, and apply it. Returns False when the change was
    canceled meanwhile: the money then pays open invoices.
    """
    pending = await lock_pending_changes(tx, purchase)
    change = next((each for each in pending if each.pk == payment.purchase_change_id), None)
    if change is None or payment.invoice_draft is None:
        return False
    invoice = await finalise(tx, InvoiceDraft.from_json(payment.invoice_draft), payment)
    payment.invoice_id, payment.invoice_draft = invoice.pk, None
    await payment.save(using_db=tx.db, update_fields=["invoice_id", "invoice_draft"])
    if change.sets_payment_method:
        purchase.payment_method_id = payment.payment_method_id
    await take_effect(tx, purchase, change, pending, invoice)
    return True


async def take_effect(
    tx: Transaction,
    purchase: Purchase,
    change: PurchaseChange,
    pending: Sequence[PurchaseChange],
    invoice: Invoice,
) -> None:
    """Apply an immediate change whose invoice is issued. It replaces a scheduled one, except
    a pause.
    """
    others = [each for each in pending if each.pk != change.pk]
    await cancel_changes(tx, [each for each in others if each.kind is not PurchaseChangeKind.PAUSE])
    await apply_change(tx, purchase, change, invoice)
    await purchase.transition_to(tx, purchase.status)
    await notify(tx, purchase, change, ChangeNotice.APPLIED)


async def cancel_unpaid_change(tx: Transaction, payment: Payment) -> None:
    """Cancel the change, which is locked, of a payment that failed."""
    if payment.purchase_change_id is None:
        return
    change = await tx.lock(PurchaseChange, payment.purchase_change_id)
    if change.status is PurchaseChangeStatus.AWAITING_PAYMENT:
        await cancel_changes(tx, [change])


async def apply_due_change(
    tx: Transaction, purchase: Purchase, changes: Iterable[PurchaseChange]
) -> None:
    """Apply the scheduled change of a purchase whose period has ended, before the next one is
    billed.
    """
    for change in scheduled(changes):
        if purchase.bills_on is None or change.effective_on > purchase.bills_on:
            continue
        await apply_change(tx, purchase, change)
        if change.kind is PurchaseChangeKind.PAUSE:
            await notify(tx, purchase, change, ChangeNotice.APPLIED)


async def store_resumption(tx: Transaction, purchase: Purchase, gross_cents: int) -> None:
    """Store and announce that a purchase has resumed by itself, on the day that was chosen.
    `gross_cents` is the total with VAT of the period that starts.
    """
    change = await PurchaseChange.create(
        using_db=tx.db,
        purchase=purchase,
        kind=PurchaseChangeKind.RESUME,
        price_id=purchase.price_id,
        quantity=purchase.quantity,
        gross_cents=gross_cents,
        effective_on=tx.action.day,
        created_at=tx.action.at,
        applied_at=tx.action.at,
    )
    await notify(tx, purchase, change, ChangeNotice.APPLIED)
    tx.audit(
        BillingAuditAction.PURCHASE_CHANGE_APPLY, purchase, kind=change.kind.value, change=change.pk
    )


async def end_purchases(tx: Transaction, account_id: int) -> None:
    """End the purchases of an account, which is locked, cancel their pending changes, and discard
    its drafts.
    """
    left = Purchase.filter(account_id=account_id).exclude(status=PurchaseStatus.CANCELED)
    purchases = await tx.lock_rows(left)
    for draft in (each for each in purchases if not each.anchor):
        await draft.release_promotion(tx)
    pending = PurchaseChange.pending().filter(purchase_id__in=[each.pk for each in purchases])
    await cancel_changes(tx, await tx.lock_rows(pending) if purchases else [])
    for purchase in purchases:
        if purchase.anchor:  # it has begun, as a trial or with its first payment
            await purchase.end(tx, tx.action.day)
            tx.audit(BillingAuditAction.PURCHASE_END, purchase)
        else:
            await purchase.cancel_draft(tx)
