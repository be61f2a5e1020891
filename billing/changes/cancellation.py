"""Cancellations of purchases at the end of the period, and undoing them."""

from datetime import date

from accounts.contacts import billing_contacts
from billing.changes.applying import cancel_changes, lock_pending_changes, scheduled
from billing.changes.ordering import lock_unpaid
from billing.payment_cancellation import end_payment
from mail import emails
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.offer import Price
from models.billing.payment import PaymentStatus
from models.billing.purchase import RENEWING_STATUSES, Purchase, PurchaseStatus


async def cancel(action: Action, purchase: Purchase, reason: str | None) -> Purchase:
    """Cancel a purchase at the end of the period that is paid, together with the change that would
    take effect then. It can be undone until then. A paused purchase ends at once, and a payment to
    resume it that waits for the customer is canceled. A repeat changes nothing. Raises
    TRANSITION_ILLEGAL for what doesn't renew, and PAYMENT_IN_PROGRESS while the provider is
    charging the payment to resume it.
    """
    async with action.transaction() as tx:
        purchase = await tx.lock(Purchase, purchase.pk)
        purchase.require_status(*RENEWING_STATUSES)
        if purchase.cancel_at_period_end:
            return purchase
        pending = await lock_pending_changes(tx, purchase)
        changes = scheduled(pending)
        await cancel_changes(tx, changes)
        purchase.cancel_at_period_end, purchase.cancel_reason = True, reason
        purchase.canceled_at = action.at
        ends_on = purchase.bills_on
        if purchase.status is PurchaseStatus.PAUSED:
            ends_on = action.day
            for payment in await lock_unpaid(tx, pending):
                await end_payment(tx, payment, PaymentStatus.CANCELED)
            await purchase.end(tx, ends_on)
        else:
            await purchase.transition_to(tx, purchase.status)
        tx.audit(BillingAuditAction.PURCHASE_CANCEL, purchase)
        await _notify(tx, purchase, ends_on, has_change=bool(changes))
    return purchase


async def undo(action: Action, purchase: Purchase) -> Purchase:
    """Let a purchase renew again, without the change that the cancellation canceled. A repeat
    changes nothing. Raises TRANSITION_ILLEGAL once it has ended.
    """
    async with action.transaction() as tx:
        purchase = await tx.lock(Purchase, purchase.pk)
        purchase.require_status(*RENEWING_STATUSES)
        if purchase.cancel_at_period_end:
            purchase.cancel_at_period_end, purchase.cancel_reason = False, None
            purchase.canceled_at = None
            await purchase.transition_to(tx, purchase.status)
            tx.audit(BillingAuditAction.PURCHASE_UNDO_CANCELLATION, purchase)
            await _notify(tx, purchase, None)
    return purchase


async def _notify(
    tx: Transaction, purchase: Purchase, ends_on: date | None, *, has_change: bool = False
) -> None:
    price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
    for user in await billing_contacts(tx, purchase.account_id):
        await emails.send_purchase_canceled(
            tx,
            user,
            price.offer.text(user.locale)["name"],
            ends_on,
            renews_on=purchase.bills_on,
            has_change=has_change,
        )
