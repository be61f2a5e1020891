"""Disputes of invoices, and purchases that were paid but can't be used."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from auth.reauthentication import require_step_up
from billing import disputes
from billing.credit_notes import REASON_LENGTH, CreditRequest
from billing.disputes import TEXT_LENGTH, DisputeRequest, NoAccessReport
from models.accounts.account import Account
from models.billing.dispute import Dispute
from models.billing.invoice import Invoice
from models.billing.payment import Payment
from models.billing.purchase import Purchase
from models.checks import Checks, require_keys
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.support.file import File
from models.support.ticket import Ticket
from models.text import client_key, line, message_text
from models.viewer import Viewer
from resolvers.billing.credit_notes import credit_lines, require_one_kind
from resolvers.billing.dispute_inputs import (
    DisputeAcceptInput,
    DisputeRejectInput,
    InvoiceDisputeInput,
    PaymentReportNoAccessInput,
    PurchaseGrantAccessInput,
)
from resolvers.billing.filters import DisputeFilter, DisputeOrder
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, filter_range, order_or_default
from resolvers.ids import key_of, load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.rows import RowByForeignKey, RowsByParent

MAX_FILES = 10
OLDEST_FIRST = Order("created_at")


def _member(viewer: Viewer) -> tuple[Account, User]:
    assert viewer.account is not None, "the field's rule lets in buyers only"  # noqa: S101
    assert viewer.user is not None, "the field's rule lets in buyers only"  # noqa: S101
    return viewer.account, viewer.user


async def dispute_invoice(info: Info, input: InvoiceDisputeInput) -> Dispute:
    """Dispute an invoice of the company."""
    context = info.context
    account, requester = _member(context.viewer)
    with Checks() as check:
        invoice = await check.wait(
            load_visible(Invoice, input.invoice_id, context.viewer, "invoiceId")
        )
        body = check(message_text, input.body, "body", TEXT_LENGTH)
        files = check(_file_keys, input.file_ids)
        key = check(client_key, input.idempotency_key)
    request = DisputeRequest(invoice.pk, input.reason, body, files)
    return await disputes.open_dispute(
        context.action(), context.services.auth, account, requester, request, key
    )


def _file_keys(file_ids: Sequence[str]) -> tuple[int, ...]:
    if len(file_ids) > MAX_FILES:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", "fileIds", limit=MAX_FILES)
    return require_keys([key_of(File, file_id) for file_id in file_ids], "fileIds")


async def accept(info: Info, input: DisputeAcceptInput) -> Dispute:
    """Accept a dispute with a credit note."""
    context, action = info.context, info.context.action()
    await require_step_up(action, context.session)
    with Checks() as check:
        dispute = await check.wait(
            load_visible(Dispute, input.dispute_id, context.viewer, "disputeId")
        )
        lines = check(credit_lines, input.lines)
        check(require_one_kind, input.whole, input.lines, input.amount_cents)
        reason = check(line, input.reason, "reason", REASON_LENGTH)
        key = check(client_key, input.idempotency_key)
    request = CreditRequest(dispute.invoice_id, reason, input.refund, lines, input.amount_cents)
    return await disputes.accept_dispute(
        action, context.services.checkout, context.user, dispute, request, key
    )


async def reject(info: Info, input: DisputeRejectInput) -> Dispute:
    """Reject a dispute, with a reason."""
    context = info.context
    with Checks() as check:
        dispute = await check.wait(
            load_visible(Dispute, input.dispute_id, context.viewer, "disputeId")
        )
        reason = check(message_text, input.reason, "reason", TEXT_LENGTH)
    return await disputes.reject_dispute(context.action(), context.user, dispute, reason)


async def report_no_access(info: Info, input: PaymentReportNoAccessInput) -> dict[str, Any]:
    """Report a payment after which a purchase can't be used."""
    context = info.context
    account, requester = _member(context.viewer)
    with Checks() as check:
        payment = await check.wait(
            load_visible(Payment, input.payment_id, context.viewer, "paymentId")
        )
        body = check(message_text, input.body, "body", TEXT_LENGTH)
        key = check(client_key, input.idempotency_key)
    report = NoAccessReport(payment, body)
    ticket = await disputes.report_no_access(
        context.action(), context.services.auth, account, requester, report, key
    )
    return {"ticket": ticket, "payment": payment}


async def grant_access(info: Info, input: PurchaseGrantAccessInput) -> Purchase:
    """Let a company use a purchase although an invoice is open."""
    context, action = info.context, info.context.action()
    await require_step_up(action, context.session)
    purchase = await load_visible(Purchase, input.purchase_id, context.viewer, "purchaseId")
    return await disputes.grant_access(action, purchase, input.reason)


def all_disputes(
    info: Info,
    filter: Annotated[
        DisputeFilter | None,
        strawberry.argument(description="Conditions on the disputes to return."),
    ] = None,
    order_by: Annotated[
        DisputeOrder | None,
        strawberry.argument(description="The order of the list. Defaults to oldest first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The disputes of all companies that the viewer may see."""
    viewer, conditions = info.context.viewer, filter or DisputeFilter()
    rows = filter_in(Dispute.visible_to(viewer), "status", accepted_values(conditions.status))
    return page(
        filter_range(rows, "created_at", conditions.created_at),
        order_or_default(order_by, OLDEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


def disputes_of(context: Context, parents: Sequence[Invoice]) -> RowsByParent:
    """The disputes of each invoice, oldest first."""
    return RowsByParent(parents, Dispute.visible_to(context.viewer), "invoice_id", "id")


def account_disputes(context: Context, parents: Sequence[Account]) -> RowsByParent:
    """The disputes of each company, oldest first."""
    return RowsByParent(parents, Dispute.visible_to(context.viewer), "account_id", "id")


def invoice_of(context: Context, parents: Sequence[Dispute]) -> RowByForeignKey:
    """The invoice of each dispute."""
    return RowByForeignKey(parents, "invoice_id", QuerySet(Invoice))


def ticket_of(context: Context, parents: Sequence[Dispute]) -> RowByForeignKey:
    """The ticket of each dispute."""
    return RowByForeignKey(parents, "ticket_id", QuerySet(Ticket))


def credit_note_of(context: Context, parents: Sequence[Dispute]) -> RowByForeignKey:
    """The credit note with which each dispute was accepted."""
    return RowByForeignKey(parents, "credit_note_id", QuerySet(Invoice))


def code(root: Dispute) -> str:
    """The code of the reason."""
    return root.reason.code
