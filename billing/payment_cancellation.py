"""Payments that end without money: the customer leaves the bank's confirmation page, or doesn't
finish in time. If such a payment brings money nevertheless, it is applied like any other
(billing/payment_outcomes.py).
"""

from billing.changes.applying import cancel_unpaid_change, lock_pending_changes
from billing.settlement import announce
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.errors import CommonErrorCode, Refusal
from models.measurements import PAYMENTS
from models.translations import _


async def cancel_payment(action: Action, payment: Payment) -> Payment:
    """Cancel a payment that waits for the bank's confirmation, so that the purchase or the invoice
    can be paid by other means. A repeat changes nothing. Raises TRANSITION_ILLEGAL for any other
    payment.
    """
    async with action.transaction() as tx:
        purchases = await tx.lock_rows(Purchase.filter(pk=payment.purchase_id or 0))
        purchase = purchases[0] if purchases else None
        if purchase:
            await lock_pending_changes(tx, purchase)
        payment = await tx.lock(Payment, payment.pk)
        if payment.status is PaymentStatus.CANCELED:
            return payment
        if payment.status is not PaymentStatus.REQUIRES_ACTION:
            raise Refusal(
                CommonErrorCode.TRANSITION_ILLEGAL,
                "input",
                "paymentId",
                message=_("Only a payment that waits for a confirmation can be canceled."),
            )
        await cancel_waiting(tx, purchase, payment)
    return payment


async def cancel_confirmations(tx: Transaction, purchase: Purchase) -> None:
    """Cancel the payments of a locked purchase that wait for the customer, so that other means can
    be used at once. The provider is still queried about them, so that money which it collects
    nevertheless isn't lost.
    """
    waiting = Payment.filter(purchase_id=purchase.pk, status=PaymentStatus.REQUIRES_ACTION)
    for payment in await tx.lock_rows(waiting):
        await cancel_waiting(tx, purchase, payment)


async def cancel_waiting(tx: Transaction, purchase: Purchase | None, payment: Payment) -> None:
    """Cancel a payment that waits for the customer. It is locked, and so is its purchase."""
    await end_payment(tx, payment, PaymentStatus.CANCELED)
    await await_other_payment(tx, purchase, payment)


async def end_payment(tx: Transaction, payment: Payment, status: PaymentStatus) -> None:
    payment.status, payment.settled_at = status, tx.action.at
    payment.confirmation_url = None
    await payment.save(using_db=tx.db)
    await cancel_unpaid_change(tx, payment)
    await announce_payment(tx, payment)


async def await_other_payment(tx: Transaction, purchase: Purchase | None, payment: Payment) -> None:
    """Let a purchase be paid for by other means after a payment that failed. Purchases whose
    invoice is issued keep their status.
    """
    is_first_payment = payment.invoice_id is None and not payment.is_off_session
    if purchase and is_first_payment and purchase.status is PurchaseStatus.PAYMENT_PENDING:
        await purchase.transition_to(tx, PurchaseStatus.BILLING_CONFIRMED)


async def announce_payment(tx: Transaction, payment: Payment) -> None:
    await announce(tx, payment)
    if payment.status.is_final:
        tx.count(PAYMENTS, payment.provider, payment.status.value)
    tx.audit(BillingAuditAction.PAYMENT_CHANGE, payment, status=payment.status.value)
