"""Corrective invoices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry

from auth.reauthentication import require_step_up
from billing import corrections
from billing.corrections import CorrectedLine, Correction, CorrectionRequest
from billing.credit_notes import REASON_LENGTH
from engine import Deferred
from models.billing.invoice import DocumentType, Invoice, InvoiceLine
from models.billing.money import Money
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.text import client_key, line
from resolvers.billing.correction_inputs import (
    LINES,
    ORDER_NUMBER,
    REMOVES_ORDER_NUMBER,
    RENEWS_BUYER,
    InvoiceCorrectInput,
    InvoiceCorrectLineInput,
)
from resolvers.billing.credit_notes import MAX_LINES, find_invoice, load_invoice
from resolvers.billing.kept_invoices import recorded
from resolvers.billing.quotes import QuotedLine, QuotedVat
from resolvers.context import Context, Info
from resolvers.ids import key_of
from resolvers.rows import FirstRowByParent

_LABEL_LENGTH = 300
_ORDER_NUMBER_LENGTH = 50
_PREVIEW_REASON = "-"  # isn't part of the amounts


@dataclass(frozen=True)
class InvoiceCorrectionPreview:
    """What a corrective invoice would state, and what becomes of the payments."""

    lines: list[QuotedLine]
    net: Money
    vat: Money
    gross: Money
    vat_by_rate: list[QuotedVat]
    reduction: Money
    paid: Money
    open: Money
    surplus: Money


async def correct(info: Info, input: InvoiceCorrectInput) -> dict[str, Any]:
    """Issue a corrective invoice."""
    context, action = info.context, info.context.action()
    assert action.actor is not None, "the field's rule lets in staff only"  # noqa: S101
    await require_step_up(action, context.session)
    with Checks() as check:
        invoice = await check.wait(load_invoice(input.invoice_id, context.viewer))
        lines = check(_corrected_lines, input.lines)
        order_number = check(_order_number, input.order_number, input.removes_order_number)
        reason = check(line, input.reason, "reason", REASON_LENGTH)
        key = check(client_key, input.idempotency_key)
    request = CorrectionRequest(
        invoice.pk, reason, lines, input.renews_buyer, order_number, input.refund
    )
    corrective = await corrections.correct_invoice(
        action, context.services.checkout, action.actor, request, key
    )
    return {"corrective_invoice": corrective, "invoice": invoice}


async def preview(
    info: Info,
    invoice_id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of an invoice to correct.")
    ],
    lines: Annotated[
        list[InvoiceCorrectLineInput] | None, strawberry.argument(description=LINES)
    ] = None,
    renews_buyer: Annotated[bool, strawberry.argument(description=RENEWS_BUYER)] = False,
    order_number: Annotated[str | None, strawberry.argument(description=ORDER_NUMBER)] = None,
    removes_order_number: Annotated[
        bool, strawberry.argument(description=REMOVES_ORDER_NUMBER)
    ] = False,
) -> InvoiceCorrectionPreview | None:
    """What a corrective invoice would state, None for an invoice that the viewer can't see."""
    invoice = await find_invoice(invoice_id, info.context.viewer)
    if invoice is None:
        return None
    with Checks() as check:
        changed = check(_corrected_lines, lines or ())
        order_number = check(_order_number, order_number, removes_order_number)
    request = CorrectionRequest(invoice.pk, _PREVIEW_REASON, changed, renews_buyer, order_number)
    return _present(
        await corrections.build_correction(
            info.context.services.seller, info.context.action(), request
        )
    )


def _present(correction: Correction) -> InvoiceCorrectionPreview:
    totals = correction.totals
    return InvoiceCorrectionPreview(
        lines=[QuotedLine.of(line) for line in correction.draft.lines],
        net=Money(totals.net_cents),
        vat=Money(totals.vat_cents),
        gross=Money(totals.gross_cents),
        vat_by_rate=[
            QuotedVat(band.basis_points, Money(band.net_cents), Money(band.vat_cents))
            for band in totals.bands
        ],
        reduction=Money(correction.reduction_cents),
        paid=Money(min(correction.paid_cents, totals.gross_cents)),
        open=Money(correction.open_cents),
        surplus=Money(correction.surplus_cents),
    )


def _corrected_lines(lines: Sequence[InvoiceCorrectLineInput]) -> tuple[CorrectedLine, ...]:
    """The lines to change. Raises TOO_MANY, NOT_FOUND, and the errors of invalid texts."""
    if len(lines) > MAX_LINES:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", "lines", limit=MAX_LINES)
    with Checks() as check:
        return tuple(check(_corrected_line, each, index) for index, each in enumerate(lines))


def _corrected_line(each: InvoiceCorrectLineInput, index: int) -> CorrectedLine:
    path = ("input", "lines", str(index))
    with Checks() as check:
        key = check(_line_key, each.line_id, *path)
        label = check(_label, each.label, *path)
    return CorrectedLine(key, label, each.quantity, each.unit_net_cents)


def _line_key(line_id: str, *path: str) -> int:
    key = key_of(InvoiceLine, line_id)
    if key is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, *path, "lineId")
    return key


def _label(label: str | None, *path: str) -> str | None:
    try:
        return None if label is None else line(label, "label", _LABEL_LENGTH)
    except Refusal as refusal:
        refusal.field = (*path, "label")
        raise


def _order_number(order_number: str | None, is_removed: bool) -> str | None:
    """An order number: None keeps the former one, an empty one removes it."""
    if is_removed:
        return ""
    return None if order_number is None else line(order_number, "orderNumber", _ORDER_NUMBER_LENGTH)


def corrective_invoice_of(context: Context, parents: Sequence[Invoice]) -> Deferred:
    """The corrective invoice that replaces each invoice."""
    rows = Invoice.visible_to(context.viewer).filter(type=DocumentType.CORRECTIVE_INVOICE)
    return recorded(context, FirstRowByParent(parents, rows, "original_id", "id"))
