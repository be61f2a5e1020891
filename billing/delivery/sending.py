"""Handing invoices over: by email, as document_requests.py does, or through the platform as well.

The transaction that stores the PDF begins the delivery. A job then hands each invoice over, outside
of any transaction, as one flow whose trackingId is the number of the invoice. When an answer is
lost, the flow is searched for before it is submitted again, so that an invoice is never submitted
twice. What the platform refuses for its content waits for an operator.
"""

import structlog

from billing.delivery.flows import (
    Acknowledgement,
    FlowRefused,
    FlowService,
    FlowSyntax,
    FlowType,
    NewFlow,
    PlatformUnavailable,
    ProcessingRule,
)
from billing.delivery.reports import report_earlier_payments
from billing.documents.facts import InvoiceFacts
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.delivery import (
    CollectionReport,
    DeliveryChannel,
    DeliveryState,
    InvoiceDelivery,
)
from models.billing.invoice import Invoice, InvoiceDocument
from models.billing.receivable import Receivable
from models.billing.territory import SIREN_COUNTRY_CODES
from models.claims import claim_due
from models.errors import CommonErrorCode, Refusal
from models.event import EventKind, account_stream

_MAX_ERROR_LENGTH = 60

log = structlog.stdlib.get_logger()


def processing_rule(facts: InvoiceFacts) -> ProcessingRule:
    """What the platform does with an invoice: it goes to the buyer's platform when the buyer is a
    French business. Sales abroad, and to those who aren't businesses, such as associations without
    a SIREN, are reported to the tax office (CGI, articles 289 bis and 290).
    """
    if facts.buyer.siren:
        return ProcessingRule.B2B
    is_french = facts.buyer.address.country in SIREN_COUNTRY_CODES
    return ProcessingRule.B2C if is_french else ProcessingRule.B2B_INTERNATIONAL


async def lock_for_delivery(tx: Transaction, invoice: Invoice, channel: DeliveryChannel) -> None:
    """Lock the payment state of an invoice before its delivery begins, so that no payment is stored
    in between and left unreported.
    """
    if channel is DeliveryChannel.PLATFORM:
        await tx.lock_rows(Receivable.filter(invoice_id=invoice.pk))


async def begin_delivery(tx: Transaction, invoice: Invoice, channel: DeliveryChannel) -> None:
    """Store the delivery of an invoice whose document was just made. By email, that is all: the
    emails are written in this transaction.
    """
    is_mail = channel is DeliveryChannel.MAIL
    delivery = await InvoiceDelivery.create(
        using_db=tx.db,
        invoice_id=invoice.pk,
        account_id=invoice.account_id,
        channel=channel,
        state=DeliveryState.SENT if is_mail else DeliveryState.WAITING,
        next_attempt_at=None if is_mail else tx.action.at,
        created_at=tx.action.at,
        sent_at=tx.action.at if is_mail else None,
    )
    if not is_mail:
        await report_earlier_payments(tx, delivery)


async def deliver_due(action: Action, platform: FlowService | None, limit: int = 100) -> int:
    """Hand over the invoices that wait for the platform, at most `limit`. Returns how many were
    handed over. While the platform is unavailable, each is tried again at increasing intervals.
    """
    sent_count = 0
    for _ in range(limit if platform else 0):
        key = await claim_due(action, "invoice_delivery", where="state = 'WAITING'")
        if key is None or platform is None:
            break
        try:
            sent_count += await _deliver(action, platform, key)
        except PlatformUnavailable as error:
            log.warning("invoice_delivery.unavailable", delivery=key, error=error.reason)
            await InvoiceDelivery.filter(pk=key).update(error=error.reason[:_MAX_ERROR_LENGTH])
            break  # the next run goes on with the others
    return sent_count


async def _deliver(action: Action, platform: FlowService, key: int) -> bool:
    """Hand an invoice over. Returns whether it was accepted. Raises PlatformUnavailable."""
    delivery = await InvoiceDelivery.get(pk=key).select_related("invoice")
    document = await InvoiceDocument.get(invoice_id=delivery.invoice_id)
    number = delivery.invoice.number
    flow = NewFlow(
        tracking_id=number,
        name=f"{number}.pdf",
        syntax=FlowSyntax.FACTUR_X,
        rule=processing_rule(InvoiceFacts.from_json(delivery.invoice.facts)),
        content=document.pdf,
    )
    try:
        flow_id = await submit_once(platform, flow, FlowType.INVOICE, delivery.attempts)
    except FlowRefused as error:
        await fail_delivery(action, key, error.code)
        return False
    await _record_sent(action, key, flow_id)
    return True


async def submit_once(platform: FlowService, flow: NewFlow, type_: FlowType, attempts: int) -> str:
    """Submit a flow, unless an earlier attempt whose answer was lost has submitted it. Returns its
    flowId. A flow that the platform couldn't use doesn't count. Raises FlowRefused and
    PlatformUnavailable.
    """
    if attempts > 1:
        for earlier in await platform.search([type_], tracking_id=flow.tracking_id):
            if (
                earlier.tracking_id == flow.tracking_id
                and not earlier.is_incoming
                and earlier.acknowledgement is not Acknowledgement.ERROR
            ):
                return earlier.flow_id
    return await platform.submit(flow)


async def _record_sent(action: Action, key: int, flow_id: str) -> None:
    async with action.transaction() as tx:
        delivery = await tx.lock(InvoiceDelivery, key)
        delivery.state, delivery.flow_id, delivery.error = DeliveryState.SENT, flow_id, None
        delivery.sent_at, delivery.next_attempt_at = action.at, None
        await delivery.save(using_db=tx.db)
        await announce_delivery(tx, delivery, delivery.state.value)
        tx.audit(BillingAuditAction.INVOICE_DELIVER, delivery, state=delivery.state.value)


async def fail_delivery(action: Action, key: int, code: str) -> bool:
    """Record that the platform refuses an invoice for its content. An operator can retry. Returns
    whether that is new.
    """
    async with action.transaction() as tx:
        delivery = await tx.lock(InvoiceDelivery, key)
        if delivery.state is DeliveryState.FAILED:
            return False
        delivery.state, delivery.error = DeliveryState.FAILED, code[:_MAX_ERROR_LENGTH]
        delivery.next_attempt_at = None
        await delivery.save(using_db=tx.db)
        await announce_delivery(tx, delivery, delivery.state.value)
        tx.audit(BillingAuditAction.INVOICE_DELIVER, delivery, state=delivery.state.value)
    log.error("invoice_delivery.refused", delivery=key, error=code)
    return True


async def announce_delivery(tx: Transaction, delivery: InvoiceDelivery, status: str) -> None:
    """Append an event about the delivery of an invoice to its account's stream."""
    await tx.append(
        account_stream(delivery.account_id),
        EventKind.INVOICE_DELIVERY_CHANGED,
        invoice_id=delivery.invoice_id,
        status=status,
    )


async def retry_delivery(action: Action, delivery: InvoiceDelivery) -> InvoiceDelivery:
    """Hand over again an invoice that the platform refused, or one that is waiting for its next
    attempt, and report again the payments that it refused. A repeat changes nothing. Raises
    TRANSITION_ILLEGAL when everything was handed over.
    """
    async with action.transaction() as tx:
        delivery = await tx.lock(InvoiceDelivery, delivery.pk)
        unsent = CollectionReport.filter(delivery_id=delivery.pk, state__not=DeliveryState.SENT)
        rows: list[InvoiceDelivery | CollectionReport] = [delivery, *await tx.lock_rows(unsent)]
        unsent_rows = [row for row in rows if row.state is not DeliveryState.SENT]
        if not unsent_rows:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "invoiceDeliveryId")
        postponed = [row for row in unsent_rows if not _is_due(row, action)]
        for row in postponed:
            row.state, row.next_attempt_at = DeliveryState.WAITING, action.at
            # The next attempt searches for the flow of an earlier one first.
            row.attempts, row.flow_id = min(row.attempts, 1), None
            if isinstance(row, InvoiceDelivery):
                row.status = row.status_at = row.reason_code = row.reason = None
                row.sent_at = None
            await row.save(using_db=tx.db)
        if postponed:
            tx.audit(BillingAuditAction.INVOICE_DELIVERY_RETRY, delivery)
    return delivery


def _is_due(row: InvoiceDelivery | CollectionReport, action: Action) -> bool:
    return row.next_attempt_at is not None and row.next_attempt_at <= action.at
