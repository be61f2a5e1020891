"""The customer's confirmation of a charge that was made without them.

When a renewal needs 3-D Secure again, the provider waits for the customer. They follow a link in an
email, and the provider begins the confirmation only then: the bank's page is valid for minutes.
"""

from auth.tokens import Purpose, Signer, invalid_token
from billing import charging, payment_cancellation, payment_outcomes
from billing.checkout_services import CheckoutServices
from billing.gateways.gateway import GatewayUnavailable, Outcome, RequestRejected
from models.accounts.account import Account
from models.action import Action
from models.billing.audit_actions import BillingAuditAction
from models.billing.errors import BillingErrorCode
from models.billing.payment import Payment, PaymentStatus
from models.billing.receivable import Receivable
from models.errors import Refusal


async def payment_of(action: Action, signer: Signer, token: str) -> Payment:
    """The payment that the token of a link belongs to. Raises TOKEN_INVALID."""
    data = signer.read(Purpose.PAYMENT_CONFIRMATION, token, action.at)
    payment = await Payment.get_or_none(pk=data["payment"])
    if payment is None:
        raise invalid_token()
    return payment


async def begin_confirmation(
    action: Action, services: CheckoutServices, payment: Payment, return_url: str | None = None
) -> Payment:
    """Begin the confirmation of a payment that REQUIRES_ACTION: `confirmation_url` is the bank's
    page then. A payment whose invoice was settled otherwise is canceled, and one that the provider
    can't collect any more is declined. Returns any other payment in its current state. Raises
    PAYMENT_UNAVAILABLE.
    """
    payment = await charging.refresh(action, services, payment)
    payment = await _cancel_if_settled(action, payment)
    reference = payment.provider_reference
    if payment.status is not PaymentStatus.REQUIRES_ACTION or reference is None:
        return payment
    if payment.provider != services.gateway.name:  # such as PayPal: it has begun already
        return payment
    try:
        outcome = await services.gateway.confirm(reference, payment.method, return_url)
    except GatewayUnavailable:
        raise Refusal(BillingErrorCode.PAYMENT_UNAVAILABLE, "input") from None
    except RequestRejected:
        outcome = Outcome(PaymentStatus.DECLINED, reference, decline_code=charging.UNKNOWN_METHOD)
    payment = await payment_outcomes.apply_outcome(action, services.signer, payment, outcome)
    async with action.transaction() as tx:
        tx.audit(BillingAuditAction.PAYMENT_CONFIRM, payment)
    return payment


async def _cancel_if_settled(action: Action, payment: Payment) -> Payment:
    """Cancel a payment that waits for the customer when nothing is open on its invoice any more."""
    if payment.invoice_id is None or payment.status is not PaymentStatus.REQUIRES_ACTION:
        return payment
    async with action.transaction() as tx:
        await tx.lock(Account, payment.account_id)
        payment = await tx.lock(Payment, payment.pk)
        receivable = await Receivable.get(invoice_id=payment.invoice_id, using_db=tx.db)
        if receivable.open_cents <= 0 and payment.status is PaymentStatus.REQUIRES_ACTION:
            await payment_cancellation.end_payment(tx, payment, PaymentStatus.CANCELED)
    return payment
