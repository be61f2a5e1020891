"""Refunds: money goes back to a customer after a credit note, by the way it came: by the payment
provider, or by a transfer that an operator makes.

The provider is never called inside a transaction. A refund is stored first, together with the
credit note; then the provider is called with a key derived from it, and the result is applied. A
job queries the provider about refunds without a result, so nobody is refunded twice or not at all.
What is being refunded counts as refunded (`Payment.refunded_cents`) until the provider refuses, or
the customer's bank returns the money weeks later: then it is on the customer's balance.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from accounts.contacts import billing_contacts
from billing import settlement
from billing.gateways.gateway import ChargeGateway, RefundOutcome, RequestRejected
from billing.ledger import post_refund
from mail import emails
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.bank import BankLine
from models.billing.invoice import Invoice
from models.billing.payment import Payment
from models.billing.payment_method import PaymentKind
from models.billing.refund import Refund, RefundStatus
from models.errors import CommonErrorCode, Refusal
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.translations import _, text

REJECTED = "rejected"
CHECK_DELAY = timedelta(minutes=1)
RETURN_PERIOD = timedelta(days=30)  # in which a bank may return a refund that succeeded
_BATCH_SIZE = 100
_FAILED_SUBJECT = _("Failed refund of %(amount)s (credit note %(credit_note)s)")
log = structlog.stdlib.get_logger()


def refund_key(refund_id: int) -> str:
    """The key with which the provider is called for a refund."""
    return f"camcha-refund-{refund_id}"


async def create_refunds(
    tx: Transaction, credit_note: Invoice, released: Sequence[tuple[Payment, int]]
) -> list[Refund]:
    """Store refunds of these amounts of locked payments, which are not allocated to any invoice.
    Those of transfers wait for an operator (`settle_transfer`).
    """
    refunds = []
    for payment, cents in released:
        if payment.refunded_cents + cents > payment.amount_cents:
            raise ValueError(f"payment {payment.pk}: more would be refunded than was paid")
        payment.refunded_cents += cents
        await payment.save(using_db=tx.db, update_fields=["refunded_cents"])
        is_transfer = payment.kind is PaymentKind.TRANSFER
        lines = BankLine.filter(payment_id=payment.pk).using_db(tx.db)
        line = await lines.order_by("-id").first() if is_transfer else None
        refunds.append(
            await Refund.create(
                using_db=tx.db,
                account_id=payment.account_id,
                payment=payment,
                credit_note_id=credit_note.pk,
                amount_cents=cents,
                bank_line=line,
                created_at=tx.action.at,
                next_check_at=None if is_transfer else tx.action.at,
            )
        )
    return refunds


async def refund_pending(
    action: Action, *gateways: ChargeGateway, credit_note_id: int | None = None
) -> int:
    """Query the providers about the refunds that are due to be checked, or about the pending ones
    of a credit note. Returns how many changed their status. One that can't be settled is checked
    less and less often, and delays no other.
    """
    providers = {gateway.name: gateway for gateway in gateways}
    refunds = Refund.filter(payment__provider__in=list(providers), next_check_at__not_isnull=True)
    if credit_note_id is not None:
        refunds = refunds.filter(credit_note_id=credit_note_id, status=RefundStatus.PENDING)
    else:
        refunds = refunds.filter(next_check_at__lte=action.at)
    changed_count = 0
    due = refunds.order_by("next_check_at", "id").limit(_BATCH_SIZE).select_related("payment")
    for refund in await due:
        try:
            gateway = providers[refund.payment.provider]
            changed_count += await refresh(action, gateway, refund)
        except Exception as error:
            log.warning("refund.unresolved", refund=refund.pk, error=type(error).__name__)
            await Refund.filter(pk=refund.pk, status=refund.status).update(
                # Also the last question needs an answer.
                next_check_at=_next_check_at(refund, action) or action.at + timedelta(days=1)
            )
    return changed_count


def _next_check_at(refund: Refund, action: Action) -> datetime | None:
    """When to query the provider next: while a refund is pending, after a quarter of its age, and
    once it succeeded, at longer intervals as long as a bank may still return the money.
    """
    if refund.status is RefundStatus.PENDING:
        age = action.at - refund.created_at
        return action.at + min(max(age / 4, CHECK_DELAY), timedelta(days=1))
    age = action.at - (refund.settled_at or refund.created_at)
    if refund.status is RefundStatus.SUCCEEDED and age < RETURN_PERIOD:
        return action.at + min(max(age, timedelta(hours=1)), timedelta(days=3))
    return None


async def refresh(action: Action, gateway: ChargeGateway, refund: Refund) -> bool:
    """Ask the provider about a refund, and apply the answer. Returns whether its status changed.
    Raises GatewayUnavailable.
    """
    payment = await Payment.get(pk=refund.payment_id)
    outcome = await _query_provider(gateway, refund, payment.provider_reference or "")
    return await apply_refund(action, refund.pk, outcome) if outcome else False


async def _query_provider(
    gateway: ChargeGateway, refund: Refund, charge_reference: str
) -> RefundOutcome | None:
    key = refund_key(refund.pk)
    try:
        found = await gateway.find_refund(key, charge_reference)
        if found or refund.status is not RefundStatus.PENDING:
            return found
        return await gateway.refund(key, charge_reference, refund.amount_cents)
    except RequestRejected:
        return RefundOutcome(RefundStatus.FAILED, "", REJECTED)


async def apply_refund(action: Action, refund_id: int, outcome: RefundOutcome) -> bool:
    """Apply the provider's answer. Returns whether the status changed. A repeat changes nothing,
    and nothing follows a failure; but a refund that succeeded may fail later, when the customer's
    bank returns the money.
    """
    stored = await Refund.get(pk=refund_id)
    async with action.transaction() as tx:
        purchases = await settlement.lock_for_settlement(tx, stored.account_id)
        payment = await tx.lock(Payment, stored.payment_id)
        refund = await tx.lock(Refund, refund_id)
        former = refund.status
        is_new = outcome.status is not former and outcome.status is not RefundStatus.PENDING
        is_applied = is_new and former is not RefundStatus.FAILED
        if is_applied:
            refund.status, refund.settled_at = outcome.status, action.at
            refund.provider_reference = outcome.reference or refund.provider_reference
            refund.failure_code = outcome.failure_code
        is_asked = payment.kind is not PaymentKind.TRANSFER
        refund.next_check_at = _next_check_at(refund, action) if is_asked else None
        await refund.save(using_db=tx.db)
        if not is_applied:
            return False
        if refund.status is RefundStatus.SUCCEEDED:
            await post_refund(tx, refund)
        else:
            await _take_back(tx, payment, refund, was_posted=former is RefundStatus.SUCCEEDED)
            await settlement.restore(tx, purchases)
        await settlement.announce(tx, payment)
        tx.audit(
            BillingAuditAction.REFUND_CHANGE,
            refund,
            status=refund.status.value,
            amount_cents=refund.amount_cents,
        )
    return True


async def settle_transfer(
    action: Action, refund: Refund, status: RefundStatus, reference: str = ""
) -> Refund:
    """Record that the refund of a transfer was sent, under this reference, or that it failed: it
    couldn't be sent, or came back. A repeat changes nothing. Raises TRANSITION_ILLEGAL for a refund
    that a provider makes, and for one that has failed.
    """
    payment = await Payment.get(pk=refund.payment_id)
    if payment.kind is not PaymentKind.TRANSFER:
        message = _("The payment provider makes this refund. It reports the result by itself.")
        raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "refundId", message=message)
    await apply_refund(action, refund.pk, RefundOutcome(status, reference))
    refund = await Refund.get(pk=refund.pk)
    if refund.status is not status:
        message = _("This refund has failed, and its money is on the company’s balance.")
        raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "refundId", message=message)
    return refund


async def _take_back(
    tx: Transaction, payment: Payment, refund: Refund, *, was_posted: bool
) -> None:
    """The money of a refund that failed is on the customer's balance again, and pays what is open.
    The customer is told, and a ticket is opened for the staff.
    """
    payment.refunded_cents -= refund.amount_cents
    await payment.save(using_db=tx.db, update_fields=["refunded_cents"])
    await settlement.allocate(tx, payment, refund.amount_cents)
    if was_posted:
        await post_refund(tx, refund, has_failed=True)
    contacts = await billing_contacts(tx, refund.account_id)
    if not contacts:
        return
    requester = contacts[0]
    credit_note = await Invoice.get_or_none(pk=refund.credit_note_id or 0, using_db=tx.db)
    ticket = await Ticket.open(
        tx,
        await Account.get(pk=refund.account_id, using_db=tx.db),
        requester,
        subject=text(
            _FAILED_SUBJECT,
            requester.locale,
            amount=refund.amount.formatted(requester.locale.value),
            credit_note=credit_note.number if credit_note else "-",
        ),
        channel=Channel.WEB,
        category=Category.BILLING,
        reply_awaited_since=tx.action.at,
    )
    for user in contacts:
        await emails.send_refund_failed(tx, user, refund.account_id, refund.amount, ticket)
