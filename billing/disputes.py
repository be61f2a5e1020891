"""Disputes of invoices, and purchases that were paid but can't be used.

A dispute opens a ticket, whose first message has its text and files. Until it is decided, the
invoice is not dunned; then dunning goes on from where it was. An accepted dispute is settled by a
credit note (billing/credit_notes.py), a rejected one by a reason. Both are written in the ticket,
which sends them to the requester.
"""

from dataclasses import dataclass
from enum import StrEnum

from auth.services import AuthServices
from billing.checkout_services import CheckoutServices
from billing.credit_notes import (
    CreditRequest,
    issue_credit_note,
    lock_for_credit,
    prepare_credit,
)
from billing.dispute_decisions import answer, decide, lock_open, require_open, settle_accepted
from billing.refunds import refund_pending
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.dispute import Dispute, DisputeReason, DisputeStatus
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentType, Invoice
from models.billing.payment import Payment
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.errors import Refusal, TransactionConflict
from models.idempotency import earlier_result, has_earlier_result, store_result
from models.identity.user import User
from models.support.classification import Category, Channel
from models.support.file import attach_to_message, lock_files
from models.support.ticket import Ticket
from models.translations import _, text

TEXT_LENGTH = 4_000
_SUBJECT = _("Dispute of invoice %(number)s")
_REJECTED = _("We can’t accept your dispute of invoice %(number)s. %(reason)s")


@dataclass(frozen=True)
class DisputeRequest:
    """A company member's objection to an invoice."""

    invoice_id: int
    reason: DisputeReason
    body: str
    file_ids: tuple[int, ...] = ()


async def open_dispute(
    action: Action,
    auth: AuthServices,
    account: Account,
    requester: User,
    request: DisputeRequest,
    key: str,
) -> Dispute:
    """Dispute an invoice of a company: open a ticket, and stop the dunning of the invoice.
    Repeating the key returns the same dispute.

    Raises NOT_DISPUTABLE, ALREADY_DISPUTED, DISPUTE_REJECTED, FILE_REFUSED, IDEMPOTENCY_MISMATCH
    and Throttled.
    """
    owner = f"user:{requester.pk}"
    arguments = [request.invoice_id, request.reason.value, request.body, list(request.file_ids)]
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "invoiceDispute", key, arguments):
            return await Dispute.get(pk=earlier_id, using_db=tx.db)
        await auth.count_ticket(requester, account.pk)
        await tx.lock(Account, account.pk)
        invoice = await Invoice.get(pk=request.invoice_id, using_db=tx.db)
        if invoice.type is DocumentType.CREDIT_NOTE:
            raise Refusal(BillingErrorCode.NOT_DISPUTABLE, "input", "invoiceId")
        [receivable] = await tx.lock_rows(Receivable.filter(invoice_id=invoice.pk))
        if receivable.is_credited:
            raise Refusal(BillingErrorCode.NOT_DISPUTABLE, "input", "invoiceId")
        if receivable.disputed_at:
            raise Refusal(BillingErrorCode.ALREADY_DISPUTED, "input", "invoiceId")
        if await Dispute.was_rejected(tx, invoice.pk, request.reason):
            raise Refusal(BillingErrorCode.DISPUTE_REJECTED, "input", "reason")
        name = f"dispute:{key}"[:64]
        dispute = await store_dispute(tx, account, requester, invoice, receivable, request, name)
        await store_result(tx, owner, "invoiceDispute", key, dispute.pk)
    return dispute


async def store_dispute(
    tx: Transaction,
    account: Account,
    requester: User,
    invoice: Invoice,
    receivable: Receivable,
    request: DisputeRequest,
    key: str,
) -> Dispute:
    """Store a dispute of an invoice that has none, with its ticket. The account and the receivable
    are locked. `key` identifies the message.
    """
    receivable.disputed_at = tx.action.at
    await receivable.save(using_db=tx.db, update_fields=["disputed_at"])
    await lock_files(tx, request.file_ids)
    ticket = await Ticket.open(
        tx,
        account,
        requester,
        subject=text(_SUBJECT, requester.locale, number=invoice.number),
        channel=Channel.WEB,
        category=Category.BILLING,
    )
    message = await ticket.post(tx, requester, request.body, key, is_final=True)
    await attach_to_message(tx, account.pk, message, requester, request.file_ids)
    dispute = await Dispute.create(
        using_db=tx.db,
        account=account,
        invoice=invoice,
        ticket=ticket,
        reason=request.reason,
        created_at=tx.action.at,
    )
    tx.audit(BillingAuditAction.INVOICE_DISPUTE, dispute, reason=request.reason.value)
    return dispute


async def accept_dispute(
    action: Action,
    services: CheckoutServices,
    actor: User,
    dispute: Dispute,
    request: CreditRequest,
    key: str,
) -> Dispute:
    """Accept an open dispute with a credit note. The same key returns the same result. Raises
    TRANSITION_ILLEGAL for a decided one, and what `credit_notes.credit_invoice` raises.
    """
    owner, operation = f"user:{actor.pk}", "disputeAccept"
    arguments = [dispute.pk, request.reason, request.refund.value, request.gross_cents]
    arguments.append([[line.line_id, line.quantity, line.net_cents] for line in request.lines])
    is_repeat = await has_earlier_result(owner, operation, key)
    if not is_repeat:
        require_open(dispute)
    prepared = None if is_repeat else await prepare_credit(services.seller, action, request)
    async with action.transaction() as tx:
        if not await earlier_result(tx, owner, operation, key, arguments):
            if prepared is None:
                raise TransactionConflict("the earlier request was rolled back")
            purchases = await lock_for_credit(tx, prepared.invoice)
            dispute, ticket = await lock_open(tx, dispute)
            # Before the credit note, for which a disputed invoice isn't overdue.
            await decide(tx, dispute, actor, DisputeStatus.ACCEPTED)
            credit_note = await issue_credit_note(
                tx, services.seller, actor, purchases, request, prepared
            )
            await settle_accepted(tx, actor, (dispute, ticket), prepared.invoice, credit_note)
            await store_result(tx, owner, operation, key, dispute.pk)
    dispute = await Dispute.get(pk=dispute.pk)
    await refund_pending(action, *services.gateways, credit_note_id=dispute.credit_note_id)
    return dispute


async def reject_dispute(action: Action, actor: User, dispute: Dispute, reason: str) -> Dispute:
    """Reject an open dispute for a reason, which the requester reads in the ticket. A repeat
    changes nothing. Raises TRANSITION_ILLEGAL for an accepted one.
    """
    async with action.transaction() as tx:
        await tx.lock(Account, dispute.account_id)
        await tx.lock_rows(Receivable.filter(invoice_id=dispute.invoice_id))
        dispute = await tx.lock(Dispute, dispute.pk)
        if dispute.status is DisputeStatus.REJECTED:
            return dispute
        dispute, ticket = await lock_open(tx, dispute)
        await decide(tx, dispute, actor, DisputeStatus.REJECTED)
        invoice = await Invoice.get(pk=dispute.invoice_id, using_db=tx.db)
        await answer(tx, actor, dispute, ticket, _REJECTED, number=invoice.number, reason=reason)
    return dispute


class AccessReason(StrEnum):
    """Why the staff lets a company use a purchase before its invoice is paid."""

    PAYMENT_PROVEN = "PAYMENT_PROVEN"
    PROVIDER_ERROR = "PROVIDER_ERROR"
    GOODWILL = "GOODWILL"


_NO_ACCESS_SUBJECT = _("Paid, but no access: payment %(payment)s")
_PAYMENT_DETAILS = _(
    "Payment %(payment)s: %(amount)s, %(status)s. Purchase %(purchase)s: %(purchase_status)s. "
    "Invoice: %(invoice)s."
)


@dataclass(frozen=True)
class NoAccessReport:
    """A payment of a company, and what a member says about it."""

    payment: Payment
    body: str


async def report_no_access(
    action: Action,
    auth: AuthServices,
    account: Account,
    requester: User,
    report: NoAccessReport,
    key: str,
) -> Ticket:
    """Open a ticket about a payment after which a purchase can't be used. Its message carries the
    details of the transaction. The same key returns the same ticket. Raises IDEMPOTENCY_MISMATCH
    and Throttled.
    """
    owner, operation = f"user:{requester.pk}", "paymentReportNoAccess"
    async with action.transaction() as tx:
        arguments = [report.payment.pk, report.body]
        if earlier_id := await earlier_result(tx, owner, operation, key, arguments):
            return await Ticket.get(pk=earlier_id, using_db=tx.db)
        await auth.count_ticket(requester, account.pk)
        ticket = await Ticket.open(
            tx,
            account,
            requester,
            subject=text(_NO_ACCESS_SUBJECT, requester.locale, payment=str(report.payment.pk)),
            channel=Channel.WEB,
            category=Category.BILLING,
        )
        body = f"{report.body}\n\n{await _payment_details(tx, report.payment, requester)}"
        await ticket.post(tx, requester, body, f"no-access:{key}"[:64], is_final=True)
        await store_result(tx, owner, operation, key, ticket.pk)
        tx.audit(BillingAuditAction.PAYMENT_REPORT_NO_ACCESS, ticket, payment=report.payment.pk)
    return ticket


async def _payment_details(tx: Transaction, payment: Payment, reader: User) -> str:
    purchase = await Purchase.get_or_none(pk=payment.purchase_id or 0, using_db=tx.db)
    invoices = Invoice.filter(purchase_id=payment.purchase_id or 0).using_db(tx.db)
    paid = await Invoice.get_or_none(pk=payment.invoice_id or 0, using_db=tx.db)
    paid = paid or await invoices.order_by("id").first()
    return text(
        _PAYMENT_DETAILS,
        reader.locale,
        payment=str(payment.pk),
        amount=payment.amount.formatted(reader.locale.value),
        status=payment.status.value,
        purchase=str(payment.purchase_id or "-"),
        purchase_status=purchase.status.value if purchase else "-",
        invoice=paid.number if paid else "-",
    )


async def grant_access(action: Action, purchase: Purchase, reason: AccessReason) -> Purchase:
    """Let a company use a purchase that is past due or suspended, although an invoice is still
    open. A repeat changes nothing. Raises TRANSITION_ILLEGAL for any other status.
    """
    async with action.transaction() as tx:
        await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        if purchase.status is PurchaseStatus.ACTIVE:
            return purchase
        purchase.require_status(PurchaseStatus.PAST_DUE, PurchaseStatus.SUSPENDED)
        await purchase.restore(tx)
        tx.audit(BillingAuditAction.PURCHASE_GRANT_ACCESS, purchase, reason=reason.value)
    return purchase
