"""Refunds: money goes back to a customer after a credit note, by the way it came.

The provider is never asked inside a transaction. A refund is stored first, together with the credit
note; then the provider is asked under a key made from it, and the result is applied. A job asks
again about what was left open, so nobody is refunded twice or not at all. What is being refunded
counts as refunded (`Payment.refunded_cents`) until the provider refuses: then the money is on the
customer's balance.
"""

from collections.abc import Sequence

import structlog

from billing.gateways.gateway import Gateway, RefundOutcome, RequestRejected
from billing.ledger import post_refund
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.payment import Payment
from models.billing.payment_method import PaymentKind
from models.billing.refund import Refund, RefundStatus
from models.errors import Refusal
from models.event import EventKind, account_stream

REJECTED = "rejected"
_BATCH_SIZE = 100
log = structlog.stdlib.get_logger()


def refund_key(refund_id: int) -> str:
    """The key under which the provider is asked for a refund."""
    return f"camcha-refund-{refund_id}"


async def create_refunds(
    tx: Transaction, credit_note: Invoice, released: Sequence[tuple[Payment, int]]
) -> list[Refund]:
    """Store the refunds of these amounts of locked payments, which no invoice takes any more.
    Raises REFUND_NOT_POSSIBLE for a payment that no provider can refund, such as a transfer.
    """
    refunds = []
    for payment, cents in released:
        if payment.kind is PaymentKind.TRANSFER or not payment.provider_reference:
            raise Refusal(BillingErrorCode.REFUND_NOT_POSSIBLE, "input", "refund")
        if payment.refunded_cents + cents > payment.amount_cents:
            raise ValueError(f"payment {payment.pk}: more would be refunded than was paid")
        payment.refunded_cents += cents
        await payment.save(using_db=tx.db, update_fields=["refunded_cents"])
        refunds.append(
            await Refund.create(
                using_db=tx.db,
                account_id=payment.account_id,
                payment=payment,
                credit_note_id=credit_note.pk,
                amount_cents=cents,
                created_at=tx.action.at,
            )
        )
    return refunds


async def refund_pending(
    action: Action, gateway: Gateway, *, credit_note_id: int | None = None
) -> int:
    """Ask the provider about the refunds that are pending, or only those of a credit note. Returns
    how many are final now. One that fails is tried again by the next run, and delays no other.
    """
    pending = Refund.filter(status=RefundStatus.PENDING).order_by("id").limit(_BATCH_SIZE)
    if credit_note_id is not None:
        pending = pending.filter(credit_note_id=credit_note_id)
    final_count = 0
    for refund in await pending:
        try:
            final_count += await refresh(action, gateway, refund)
        except Exception as error:
            log.warning("refund.unresolved", refund=refund.pk, error=type(error).__name__)
    return final_count


async def refresh(action: Action, gateway: Gateway, refund: Refund) -> bool:
    """Ask the provider about a refund, and apply the answer. Returns whether it became final by it.
    Raises GatewayUnavailable.
    """
    return await apply_refund(action, refund.pk, await _ask(gateway, refund))


async def _ask(gateway: Gateway, refund: Refund) -> RefundOutcome:
    payment = await Payment.get(pk=refund.payment_id)
    key, reference = refund_key(refund.pk), payment.provider_reference or ""
    try:
        return await gateway.find_refund(key, reference) or await gateway.refund(
            key, reference, refund.amount_cents
        )
    except RequestRejected:
        return RefundOutcome(RefundStatus.FAILED, "", REJECTED)


async def apply_refund(action: Action, refund_id: int, outcome: RefundOutcome) -> bool:
    """Apply the provider's answer. Returns whether the refund became final by it; a repeat and a
    late answer change nothing.
    """
    stored = await Refund.get(pk=refund_id)
    async with action.transaction() as tx:
        await tx.lock(Account, stored.account_id)
        payment = await tx.lock(Payment, stored.payment_id)
        refund = await tx.lock(Refund, refund_id)
        if refund.status is not RefundStatus.PENDING or outcome.status is RefundStatus.PENDING:
            return False
        refund.status, refund.settled_at = outcome.status, action.at
        refund.provider_reference = outcome.reference or None
        refund.failure_code = outcome.failure_code
        await refund.save(using_db=tx.db)
        if refund.status is RefundStatus.SUCCEEDED:
            await post_refund(tx, refund)
        else:
            payment.refunded_cents -= refund.amount_cents
            await payment.save(using_db=tx.db, update_fields=["refunded_cents"])
        await tx.append(
            account_stream(payment.account_id),
            EventKind.PAYMENT_CHANGED,
            purchase_id=payment.purchase_id,
            status=payment.status.value,
        )
        tx.audit(
            BillingAuditAction.REFUND_CHANGE,
            refund,
            status=refund.status.value,
            amount_cents=refund.amount_cents,
        )
    return True
