"""The customer's confirmation of a charge that was made without them.

When a renewal needs 3-D Secure again, the provider waits for the customer. They come by the link in
an email, and the provider begins the confirmation only then: the bank's page is valid for minutes.
"""

from auth.tokens import Purpose, Signer, invalid_token
from billing import checkout
from billing.checkout import CheckoutServices
from billing.gateways.gateway import GatewayUnavailable
from models.action import Action
from models.billing.audit_actions import BillingAuditAction
from models.billing.errors import BillingErrorCode
from models.billing.payment import Payment, PaymentStatus
from models.errors import Refusal


async def payment_of(action: Action, signer: Signer, token: str) -> Payment:
    """The payment of a link. Raises TOKEN_INVALID."""
    data = signer.read(Purpose.PAYMENT_CONFIRMATION, token, action.at)
    payment = await Payment.get_or_none(pk=data["payment"])
    if payment is None:
        raise invalid_token()
    return payment


async def begin_confirmation(
    action: Action, services: CheckoutServices, payment: Payment, return_url: str | None = None
) -> Payment:
    """Begin the confirmation of a payment that REQUIRES_ACTION: `confirmation_url` is the bank's
    page then. Returns any other payment in its current state. Raises PAYMENT_UNAVAILABLE.
    """
    payment = await checkout.refresh(action, services, payment)
    reference = payment.provider_reference
    if payment.status is not PaymentStatus.REQUIRES_ACTION or reference is None:
        return payment
    try:
        outcome = await services.gateway.confirm(reference, payment.method, return_url)
    except GatewayUnavailable:
        raise Refusal(BillingErrorCode.PAYMENT_UNAVAILABLE, "input") from None
    payment = await checkout.apply_outcome(action, services.signer, payment, outcome)
    async with action.transaction() as tx:
        tx.audit(BillingAuditAction.PAYMENT_CONFIRM, payment)
    return payment
