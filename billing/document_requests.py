"""The documents of invoices: made after the commit, from the frozen content alone.

`finalise` stores a request with each invoice. A job claims the requests that are due, any number of
processes at once, and renders outside of the event loop and of any transaction. A download makes
the document at once when it is missing. Rendering is deterministic, so a second rendering has the
same bytes and is ignored. The emails are written in the transaction that deletes the request, so
each goes out once.
"""

import hashlib
from datetime import datetime

import structlog

from auth.tokens import Purpose, Signer
from billing.delivery.sending import begin_delivery, lock_for_delivery
from billing.documents.facts import InvoiceFacts
from billing.documents.rendering import render
from billing.invoice_emails import send_invoice
from models.action import Action
from models.billing.delivery import DeliveryChannel
from models.billing.invoice import DocumentRequest, Invoice, InvoiceDocument
from models.billing.purchase import Purchase
from models.claims import claim_due
from models.database.sql import execute
from models.tracing import SpanKind, is_tracing, span

log = structlog.stdlib.get_logger()


async def render_due(
    action: Action,
    signer: Signer,
    limit: int = 100,
    channel: DeliveryChannel = DeliveryChannel.MAIL,
) -> int:
    """Make the documents that are due, at most `limit`. Returns how many were made. One that fails
    is tried again after 1, 2, 4, ... minutes, at most 4 hours, and delays no other.
    """
    made_count = 0
    for _ in range(limit):
        invoice_id = await claim_due(action, "document_request", "invoice_id")
        if invoice_id is None:
            break
        try:
            with span("document", SpanKind.TASK, parent=await _cause(invoice_id)):
                await make_document(action, signer, await Invoice.get(pk=invoice_id), channel)
        except Exception as error:
            log.error(
                "document.failed", invoice=invoice_id, error=type(error).__name__, exc_info=error
            )
        else:
            made_count += 1
    return made_count


async def _cause(invoice_id: int) -> str | None:
    """What caused a document, if that is to be traced."""
    if not is_tracing():
        return None
    request = await DocumentRequest.get_or_none(invoice_id=invoice_id)
    return request.traceparent if request else None


async def document_of(
    action: Action,
    signer: Signer,
    invoice_id: int,
    channel: DeliveryChannel = DeliveryChannel.MAIL,
) -> InvoiceDocument | None:
    """The document of an invoice, with its `invoice`, made now if it is missing. None if there is
    no such invoice, or if its buyer was removed after ten years. Raises RenderingError.
    """
    query = InvoiceDocument.filter(invoice_id=invoice_id).select_related("invoice")
    if document := await query.first():
        return document
    invoice = await Invoice.get_or_none(pk=invoice_id)
    if invoice is None or invoice.is_without_buyer:
        return None
    await make_document(action, signer, invoice, channel)
    return await query.first()


async def make_document(
    action: Action,
    signer: Signer,
    invoice: Invoice,
    channel: DeliveryChannel = DeliveryChannel.MAIL,
) -> None:
    """Render an invoice, store the document, send it by email, and begin its delivery through this
    channel. Concurrent calls store and send it once. Raises RenderingError.
    """
    pdf = await render(InvoiceFacts.from_json(invoice.facts), invoice.locale)
    async with action.transaction() as tx:
        await lock_for_delivery(tx, invoice, channel)
        await execute(
            "INSERT INTO invoice_document (invoice_id, pdf, sha256, created_at) "
            "VALUES (?, ?, ?, ?) ON CONFLICT (invoice_id) DO NOTHING",
            invoice.pk,
            pdf,
            hashlib.sha256(pdf).hexdigest(),
            action.at,
            db=tx.db,
        )
        request = DocumentRequest.filter(invoice_id=invoice.pk).using_db(tx.db)
        if await request.delete():
            await begin_delivery(tx, invoice, channel)
            purchase = await Purchase.get_or_none(pk=invoice.purchase_id or 0, using_db=tx.db)
            await send_invoice(tx, signer, purchase, invoice)


def download_link(
    signer: Signer, base_url: str, invoice: Invoice, at: datetime, reader_id: int | None = None
) -> str:
    """A link to the invoice's PDF that is valid for five minutes. `reader_id` is the operator whose
    download is recorded, because the invoice may be kept of an erased company.
    """
    reader = {"reader": reader_id} if reader_id else {}
    token = signer.sign(Purpose.DOWNLOAD, at, invoice=invoice.pk, **reader)
    return f"{base_url}/downloads/{token}"
