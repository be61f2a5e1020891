"""Credit notes, refunds, and what is left of invoices after them."""

from collections.abc import Sequence
from typing import Any

from tortoise.queryset import QuerySet

from auth.reauthentication import require_step_up
from billing import credit_notes
from billing.credit_notes import REASON_LENGTH, CreditLine, CreditRequest
from engine import Deferred
from models.accounts.account import AccountStatus
from models.billing.invoice import DocumentType, Invoice, InvoiceLine
from models.billing.money import Money
from models.billing.payment import Payment
from models.billing.receivable import InvoiceState, Receivable
from models.billing.refund import Refund
from models.checks import Checks
from models.database.reading import read
from models.errors import CommonErrorCode, Refusal
from models.text import client_key, line
from models.translations import _
from models.viewer import Viewer
from resolvers.billing.credit_enums import InvoiceType
from resolvers.billing.credit_inputs import InvoiceCreditInput, InvoiceCreditLineInput
from resolvers.billing.kept_invoices import recorded
from resolvers.context import Context, Info
from resolvers.ids import key_of
from resolvers.rows import RowByForeignKey, RowsByParent

MAX_LINES = 100


async def credit(info: Info, input: InvoiceCreditInput) -> dict[str, Any]:
    """Issue a credit note for an invoice."""
    context, action = info.context, info.context.action()
    assert action.actor is not None, "the field's rule lets in staff only"  # noqa: S101
    await require_step_up(action, context.session)
    with Checks() as check:
        invoice = await check.wait(load_invoice(input.invoice_id, context.viewer))
        lines = check(credit_lines, input.lines)
        check(require_one_kind, input.whole, input.lines, input.amount_cents)
        reason = check(line, input.reason, "reason", REASON_LENGTH)
        key = check(client_key, input.idempotency_key)
    request = CreditRequest(invoice.pk, reason, input.refund, lines, input.amount_cents)
    credit_note = await credit_notes.credit_invoice(
        action, context.services.checkout, action.actor, request, key
    )
    return {"credit_note": credit_note, "invoice": invoice}


async def load_invoice(invoice_id: str, viewer: Viewer) -> Invoice:
    """The invoice that a member of staff named by its ID. Raises NOT_FOUND."""
    invoice = await find_invoice(invoice_id, viewer)
    if invoice is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "invoiceId")
    return invoice


async def find_invoice(invoice_id: str, viewer: Viewer) -> Invoice | None:
    """The invoice that a member of staff named by its ID. Operators, whose list of invoices has
    only those of erased accounts, may name any other one.
    """
    rows = (
        Invoice.visible_to(viewer)
        if viewer.is_agent
        else Invoice.filter(account__status__not=AccountStatus.ERASED)
    )
    return await rows.get_or_none(pk=key_of(Invoice, invoice_id))


def credit_lines(lines: Sequence[InvoiceCreditLineInput]) -> tuple[CreditLine, ...]:
    """The lines to credit. Raises TOO_MANY, NOT_FOUND and VALUE_INVALID."""
    if len(lines) > MAX_LINES:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", "lines", limit=MAX_LINES)
    with Checks() as check:
        return tuple(check(_credit_line, each, index) for index, each in enumerate(lines))


def _credit_line(each: InvoiceCreditLineInput, index: int) -> CreditLine:
    path = ("input", "lines", str(index))
    key = key_of(InvoiceLine, each.line_id)
    if key is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, *path, "lineId")
    if (each.quantity is None) == (each.net_cents is None):
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            *path,
            message=_("Choose either a quantity or an amount."),
        )
    return CreditLine(key, each.quantity, each.net_cents)


def require_one_kind(
    is_whole: bool, lines: Sequence[InvoiceCreditLineInput], amount_cents: int | None
) -> None:
    """Raise VALUE_INVALID unless exactly one of the three is chosen."""
    if [is_whole, bool(lines), amount_cents is not None].count(True) != 1:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            message=_("Choose the whole invoice, lines of it, or an amount."),
        )


def credit_notes_of(context: Context, parents: Sequence[Invoice]) -> Deferred:
    """The credit notes of each invoice that the viewer may see, in the order of issue."""
    rows = Invoice.visible_to(context.viewer).filter(type=DocumentType.CREDIT_NOTE)
    return recorded(context, RowsByParent(parents, rows, "original_id", "id"))


def original_of(context: Context, parents: Sequence[Invoice]) -> Deferred:
    """The invoice that each credit note or corrective invoice cites."""
    return recorded(
        context, RowByForeignKey(parents, "original_id", Invoice.visible_to(context.viewer))
    )


def refunds_of_credit_note(context: Context, parents: Sequence[Invoice]) -> RowsByParent:
    """The refunds for each credit note."""
    return RowsByParent(parents, Refund.visible_to(context.viewer), "credit_note_id", "id")


def refunds_of_payment(context: Context, parents: Sequence[Payment]) -> RowsByParent:
    """The refunds of each payment."""
    return RowsByParent(parents, Refund.visible_to(context.viewer), "payment_id", "id")


def credit_note_of(context: Context, parents: Sequence[Refund]) -> Deferred:
    """The credit note for which each refund was made."""
    return recorded(
        context, RowByForeignKey(parents, "credit_note_id", Invoice.visible_to(context.viewer))
    )


def payment_of(context: Context, parents: Sequence[Refund]) -> RowByForeignKey:
    """The payment that each refund pays back."""
    return RowByForeignKey(parents, "payment_id", Payment.visible_to(context.viewer))


async def _receivables_of(parents: Sequence[Invoice]) -> list[Receivable | None]:
    keys = [parent.pk for parent in parents]
    rows = await read(QuerySet(Receivable), where_in=("invoice_id", keys))
    by_key = {row.invoice_id: row for row in rows}
    return [by_key.get(key) for key in keys]


async def states(context: Context, parents: Sequence[Invoice]) -> list[InvoiceState | None]:
    """Whether each invoice is paid, None for credit notes."""
    return [each.state if each else None for each in await _receivables_of(parents)]


async def open_amounts(context: Context, parents: Sequence[Invoice]) -> list[Money | None]:
    """What is open on each invoice, None for credit notes."""
    return [Money(each.open_cents) if each else None for each in await _receivables_of(parents)]


async def credited_amounts(context: Context, parents: Sequence[Invoice]) -> list[Money | None]:
    """What was credited of each invoice, None for credit notes."""
    return [Money(each.credited_cents) if each else None for each in await _receivables_of(parents)]


def invoice_type(root: Invoice) -> InvoiceType:
    """The type of a document."""
    return InvoiceType[DocumentType(root.type).name]
