"""Applying a provider's answer about a payment: the money is used, or other means can be tried."""

from datetime import timedelta

from auth.tokens import Signer
from billing.changes.applying import (
    apply_paid_change,
    cancel_unpaid_change,
    lock_pending_changes,
)
from billing.collection import handle_failed_collection, issue_renewal
from billing.first_invoice import PAYABLE
from billing.gateways.gateway import PAYPAL, Outcome
from billing.invoicing import InvoiceDraft, finalise
from billing.means import RECONCILE_DELAY
from billing.payment_cancellation import announce_payment, await_other_payment, end_payment
from billing.promotions import keep_paid_terms
from billing.settlement import apply_payment, lock_for_settlement, restore, start_purchase
from mail import emails
from models.action import Action, Transaction
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase
from models.identity.user import User


async def apply_outcome(
    action: Action, signer: Signer, payment: Payment, outcome: Outcome
) -> Payment:
    """Apply the provider's result to the payment. Concurrent and late results change nothing
    twice; a status only moves forward. Money that a canceled or expired payment brings is applied
    like any other.
    """
    async with action.transaction() as tx:
        purchases = await lock_for_settlement(tx, payment.account_id, payment.purchase_id)
        purchase = purchases.get(payment.purchase_id or 0)
        if purchase and payment.purchase_change_id:
            await lock_pending_changes(tx, purchase)
        if purchase and outcome.status is PaymentStatus.SUCCEEDED:
            await _keep_paid_terms(tx, purchase, payment)
        payment = await tx.lock(Payment, payment.pk)
        is_late = payment.status in (PaymentStatus.CANCELED, PaymentStatus.EXPIRED)
        if payment.status.is_final and not is_late:
            return payment
        if is_late and outcome.status is not PaymentStatus.SUCCEEDED:
            await _schedule_check(tx, payment, is_over=outcome.status.is_final)
            return payment
        if payment.status is outcome.status:
            _copy_outcome(payment, outcome)
            await payment.save(using_db=tx.db)
            await _expire_or_wait(tx, purchase, payment)
            return payment
        _copy_outcome(payment, outcome)
        payment.settled_at = action.at if outcome.status.is_final else None
        payment.next_check_at = None if outcome.status.is_final else payment.next_check_at
        await payment.save(using_db=tx.db)
        if payment.status is PaymentStatus.SUCCEEDED:
            await _receive(tx, purchases, payment)
        else:
            await _handle_outcome(tx, signer, purchase, payment)
        await announce_payment(tx, payment)
    return payment


async def _keep_paid_terms(tx: Transaction, purchase: Purchase, payment: Payment) -> None:
    """Set the price and the promotion of a purchase that starts to those that were paid for."""
    if purchase.status in PAYABLE and payment.invoice_draft:
        draft = InvoiceDraft.from_json(payment.invoice_draft)
        await keep_paid_terms(tx, purchase, draft.lines[0].data)


async def _expire_or_wait(tx: Transaction, purchase: Purchase | None, payment: Payment) -> None:
    """Expire a confirmation that nobody finished in time, and ask the provider less and less
    often.
    """
    is_waiting = payment.status is PaymentStatus.REQUIRES_ACTION
    if is_waiting and payment.expires_at and payment.expires_at <= tx.action.at:
        await end_payment(tx, payment, PaymentStatus.EXPIRED)
        await await_other_payment(tx, purchase, payment)
    await _schedule_check(tx, payment, is_over=False)


async def _schedule_check(tx: Transaction, payment: Payment, *, is_over: bool) -> None:
    """When to query the provider next: after a quarter of the payment's age, at most a day, for as
    long as it may still collect the money.
    """
    wait = min(max((tx.action.at - payment.created_at) / 4, RECONCILE_DELAY), timedelta(days=1))
    payment.next_check_at = None if is_over else tx.action.at + wait
    await payment.save(using_db=tx.db, update_fields=["next_check_at"])


def _copy_outcome(payment: Payment, outcome: Outcome) -> None:
    payment.status = outcome.status
    payment.provider_reference = outcome.reference
    payment.confirmation_url = outcome.confirmation_url
    payment.decline_code = outcome.decline_code
    payment.brand, payment.last_four = outcome.brand, outcome.last_four


async def _receive(tx: Transaction, purchases: dict[int, Purchase], payment: Payment) -> None:
    """Use the money of a payment: for the purchase that waits for it, or for the invoice that it is
    for. What is left over, such as when an invoice was paid twice or corrected meanwhile, pays
    other open invoices.
    """
    purchase = purchases.get(payment.purchase_id or 0)
    if purchase and purchase.status in PAYABLE and payment.invoice_draft:
        await _activate(tx, purchase, payment)
        return
    if purchase and payment.purchase_change_id:
        if await apply_paid_change(tx, purchase, payment):
            return
    elif purchase and payment.invoice_draft and payment.is_off_session:
        await issue_renewal(tx, purchase, payment)
        return
    targets = [(payment.invoice_id, None)] if payment.invoice_id else None
    await apply_payment(tx, payment, targets, and_others=True)
    await restore(tx, purchases)


async def _activate(tx: Transaction, purchase: Purchase, payment: Payment) -> None:
    """Issue the first invoice, and start the purchase on the day of its issue."""
    draft = InvoiceDraft.from_json(payment.invoice_draft or {})
    invoice = await finalise(tx, draft, payment)
    purchase.payment_method_id = payment.payment_method_id
    await start_purchase(tx, purchase, invoice.issued_on, draft.months or 1)
    payment.invoice_draft = None
    await payment.save(using_db=tx.db, update_fields=["invoice_draft"])


async def _handle_outcome(
    tx: Transaction, signer: Signer, purchase: Purchase | None, payment: Payment
) -> None:
    if payment.status.is_final:
        await cancel_unpaid_change(tx, payment)
    if purchase and payment.is_off_session:
        await handle_failed_collection(tx, signer, purchase, payment)
    elif payment.status in (PaymentStatus.DECLINED, PaymentStatus.CANCELED):
        await await_other_payment(tx, purchase, payment)
    elif payment.provider == PAYPAL:  # a page that the customer chose just now, not their bank's
        return
    elif purchase and payment.confirmation_url:
        buyer = await User.get_or_none(pk=purchase.buyer_id, using_db=tx.db)
        link = payment.confirmation_url
        if buyer:
            await emails.send_payment_confirmation_needed(tx, buyer, link, payment.amount)
