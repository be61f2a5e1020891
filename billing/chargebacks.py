"""Charges that a customer's bank took back: chargebacks of cards, and returned direct debits.

While the bank decides, nothing changes here. Once the money is lost, the invoices that it paid are
open again.
"""

import structlog

from billing import charging
from billing.checkout_services import CheckoutServices
from billing.gateways.gateway import DisputeOutcome, DisputeStatus, Gateway
from billing.settlement import lock_for_settlement, reverse_payment
from models.action import Action
from models.billing.audit_actions import BillingAuditAction
from models.billing.payment import Payment, PaymentStatus
from models.billing.refund import Refund, RefundStatus
from models.idempotency import earlier_result, provider_owner, store_result

log = structlog.stdlib.get_logger()


class PaymentUnsettled(Exception):
    """The bank disputes a charge whose success or refund we haven't heard of yet."""


async def apply_dispute(action: Action, services: CheckoutServices, reference: str) -> bool:
    """Read a dispute from the provider, and apply it once. Returns whether it is about one of our
    payments. Raises GatewayUnavailable, and PaymentUnsettled while we don't know the result of the
    charge or of a refund of it: these have to be posted first.
    """
    gateway = services.gateway
    dispute = await gateway.find_dispute(reference)
    if dispute is None:
        return False
    payment = await _disputed_payment(action, services, dispute)
    if payment is None:
        return False
    if dispute.status is DisputeStatus.LOST:
        await _take_back(action, gateway, payment, dispute)
    else:
        log.warning("payment.disputed", payment=payment.pk, status=dispute.status.value)
    return True


async def _disputed_payment(
    action: Action, services: CheckoutServices, dispute: DisputeOutcome
) -> Payment | None:
    payments = Payment.filter(provider=services.gateway.name)
    payment = await payments.get_or_none(provider_reference=dispute.payment_reference)
    if payment is None:
        unanswered = payments.filter(provider_reference=None, next_check_at__not_isnull=True)
        if await unanswered.exists():
            raise PaymentUnsettled
        return None
    if payment.status is not PaymentStatus.SUCCEEDED:
        payment = await charging.refresh(action, services, payment)
        if payment.status is not PaymentStatus.SUCCEEDED:
            raise PaymentUnsettled
    return payment


async def _take_back(
    action: Action, gateway: Gateway, payment: Payment, dispute: DisputeOutcome
) -> None:
    async with action.transaction() as tx:
        await lock_for_settlement(tx, payment.account_id, payment.purchase_id)
        payment = await tx.lock(Payment, payment.pk)
        owner, key = provider_owner(gateway.name), dispute.reference[:64]
        if await earlier_result(tx, owner, "dispute", key, dispute.amount_cents):
            return
        pending = Refund.filter(payment_id=payment.pk, status=RefundStatus.PENDING)
        if await pending.using_db(tx.db).exists():
            raise PaymentUnsettled
        left = payment.amount_cents - payment.refunded_cents
        cents = min(dispute.amount_cents, left)
        if cents > 0:
            await reverse_payment(tx, payment, cents)
            tx.audit(BillingAuditAction.PAYMENT_TAKE_BACK, payment, amount_cents=cents)
        await store_result(tx, owner, "dispute", key, payment.pk)
