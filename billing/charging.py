"""Asking the provider about payments: to charge one that has just been stored, and to query the
state of the others.

The payment provider is never called inside a transaction. A payment is stored first, then the
provider is called with a key derived from it, then the result is applied. If the process dies in
between, `reconcile` calls the provider again with the same key and applies the result: no one pays
twice, and no one pays for nothing.
"""

import asyncio

import structlog
from tortoise.expressions import Q

from billing.checkout_services import CheckoutServices
from billing.first_invoice import prepare_first_invoice
from billing.gateways.gateway import ChargeGateway, GatewayUnavailable, Outcome
from billing.means import RECONCILE_DELAY
from billing.payment_outcomes import apply_outcome
from models.action import Action
from models.billing.errors import BillingErrorCode
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_customer import PaymentCustomer
from models.billing.purchase import Purchase
from models.errors import Refusal

UNKNOWN_METHOD = "unknown_method"
_BATCH_SIZE = 500

log = structlog.stdlib.get_logger()


async def charge_new(action: Action, services: CheckoutServices, payment: Payment) -> Payment:
    """Charge a payment that has just been stored. When the provider has already answered, the
    payment is returned as it is.
    """
    is_new = payment.status is PaymentStatus.PROCESSING
    return await refresh(action, services, payment) if is_new else payment


async def refresh(action: Action, services: CheckoutServices, payment: Payment) -> Payment:
    """Query the provider for the state of a payment, and apply it. Raises PAYMENT_UNAVAILABLE."""
    if payment.status.is_final and payment.next_check_at is None:
        return payment
    await _ensure_draft(action, services, payment)
    try:
        outcome = await _query_charge(services.gateway_of(payment), payment)
    except GatewayUnavailable:
        raise Refusal(BillingErrorCode.PAYMENT_UNAVAILABLE, "input") from None
    return await apply_outcome(action, services.signer, payment, outcome)


async def _ensure_draft(action: Action, services: CheckoutServices, payment: Payment) -> None:
    """Prepare the invoice of a payment that was stored before drafts were stored with payments."""
    if payment.invoice_draft is not None or payment.purchase_id is None or payment.invoice_id:
        return
    purchase = await Purchase.get(pk=payment.purchase_id)
    if draft := await prepare_first_invoice(action, services, purchase):
        await Payment.filter(pk=payment.pk, invoice_draft=None).update(
            invoice_draft=draft.to_json()
        )


async def _query_charge(gateway: ChargeGateway, payment: Payment) -> Outcome:
    key = f"camcha-payment-{payment.pk}"
    try:
        found = await gateway.find(key, payment.provider_reference)
        if found and payment.status.is_final and found.status is PaymentStatus.REQUIRES_ACTION:
            return await gateway.cancel(found.reference)
        if found is None and payment.status.is_final:  # it was left before it was ever charged
            return Outcome(
                PaymentStatus.DECLINED, payment.provider_reference or f"none-{payment.pk}"
            )
        if found and found.is_approved:
            # Unless the customer has chosen another means since the payment was read.
            is_waiting = await Payment.filter(pk=payment.pk, status=payment.status).exists()
            return await gateway.capture(found.reference) if is_waiting else found
        return found or await _charge(gateway, key, payment)
    except ValueError:
        return Outcome(PaymentStatus.DECLINED, f"refused-{payment.pk}", decline_code=UNKNOWN_METHOD)


async def _charge(gateway: ChargeGateway, key: str, payment: Payment) -> Outcome:
    """Charge a payment. A repeat sends the same arguments, because the provider rejects different
    ones under the same key.
    """
    customer = (
        await PaymentCustomer.get_or_none(account_id=payment.account_id, provider=gateway.name)
        if payment.payment_method_id
        else None
    )
    return await gateway.charge(
        key,
        payment.amount_cents,
        payment.method,
        customer=customer.reference if customer else None,
        off_session=payment.is_off_session,
        return_url=payment.return_url,
    )


async def reconcile(action: Action, services: CheckoutServices) -> int:
    """Query the provider about the payments that are due to be checked, and apply the answers.
    Returns how many changed. A payment is checked, less and less often, until the provider's answer
    is final: nothing that was charged stays unapplied.

    A payment that can't be settled doesn't delay the others, and no provider delays another.
    """
    return sum(
        await asyncio.gather(
            *(_reconcile(action, services, gateway) for gateway in services.gateways)
        )
    )


async def _reconcile(action: Action, services: CheckoutServices, gateway: ChargeGateway) -> int:
    # A payment that is newer than the current time was created before the clock was set back.
    is_due = Q(next_check_at__lte=action.at) | Q(
        next_check_at__not_isnull=True, created_at__gt=action.at + RECONCILE_DELAY
    )
    payments = (
        Payment.filter(is_due, provider=gateway.name)
        .order_by("next_check_at", "id")
        .limit(_BATCH_SIZE)
    )
    return sum([await _settle(action, services, payment) for payment in await payments])


async def _settle(action: Action, services: CheckoutServices, payment: Payment) -> bool:
    try:
        return (await refresh(action, services, payment)).status is not payment.status
    except Exception as error:
        log.warning("payment.unresolved", payment=payment.pk, error=type(error).__name__)
        await Payment.filter(pk=payment.pk, next_check_at=payment.next_check_at).update(
            next_check_at=action.at + RECONCILE_DELAY
        )
        return False
