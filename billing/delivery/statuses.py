"""Reading the statuses of our invoices from the platform.

A job searches for the flows that changed since it last did: messages about the life cycle of our
invoices, and acknowledgements of what we handed over. Each message is stored once, whenever it
arrives and in whatever order; the status of an invoice moves only as the standard allows
(models/billing/platform_status.py). A refusal or a dispute by the buyer opens a dispute with its
ticket, unless there is one.
"""

from datetime import timedelta

import structlog

from accounts.contacts import billing_contacts
from billing.delivery.flows import (
    PAGE_SIZE,
    Acknowledgement,
    Flow,
    FlowService,
    FlowSyntax,
    FlowType,
    PlatformUnavailable,
)
from billing.delivery.life_cycle import LifeCycle, read_life_cycle
from billing.delivery.sending import announce_delivery, fail_delivery
from billing.disputes import DisputeRequest, store_dispute
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.delivery import (
    CollectionReport,
    DeliveryState,
    InvoiceDelivery,
    PlatformCursor,
    PlatformStatus,
)
from models.billing.dispute import Dispute, DisputeReason
from models.billing.invoice import Invoice
from models.billing.platform_status import PlatformStatusCode
from models.billing.receivable import Receivable
from models.claims import LEASE
from models.database.sql import execute
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.translations import _, text

# Flows of one moment may appear one after the other, so each search begins a little earlier.
_OVERLAP = timedelta(minutes=5)
_FIRST_RANGE = timedelta(days=1)
_RETRY_TIME = timedelta(days=1)
_SMALLEST_STEP = timedelta(milliseconds=1)
_MAX_UNAVAILABLE = 3  # flows of which the platform doesn't give the content, until it is down
_OBJECTIONS = (PlatformStatusCode.DISPUTED, PlatformStatusCode.REFUSED)

_SUBJECT = _("Invoice %(number)s on the invoicing platform")
_REFUSED = _("Our company refused invoice %(number)s on the invoicing platform. Reason: %(reason)s")
_DISPUTED = _(
    "Our company disputes invoice %(number)s on the invoicing platform. Reason: %(reason)s"
)

log = structlog.stdlib.get_logger()


async def read_statuses(action: Action, platform: FlowService | None) -> int:
    """Read the statuses that are new since the last time, unless another process is doing so.
    Returns how many flows were read. When the platform is unavailable, the next run goes on from
    there.
    """
    cursor = await _claim(action, platform) if platform else None
    if platform is None or cursor is None:
        return 0
    count, newest, after = 0, cursor.updated_after, cursor.updated_after - _OVERLAP
    # The cursor stays before the first flow that fails. It is passed once it has failed for a day,
    # in which the platform answered.
    gives_up = bool(cursor.failing_since and cursor.failing_since < action.at - _RETRY_TIME)
    failing_since, fails_since = None, cursor.failing_since or action.at
    unavailable_count = 0
    try:
        while True:
            flows = await platform.search(
                [FlowType.INVOICE, FlowType.LIFE_CYCLE], updated_after=after
            )
            for flow in flows:
                try:
                    count += await _read(action, platform, flow)
                except Exception as error:
                    # It is read again, and keeps no other from being read.
                    name = type(error).__name__
                    log.error("platform_status.failed", flow=flow.flow_id, error=name)
                    unavailable_count += isinstance(error, PlatformUnavailable)
                    if unavailable_count >= _MAX_UNAVAILABLE:
                        raise
                    if flow.updated_at <= cursor.updated_after:
                        continue  # it was passed before
                    if gives_up:
                        log.error("platform_status.given_up", flow=flow.flow_id)
                        gives_up, fails_since = False, action.at
                    else:
                        failing_since = fails_since
                if failing_since is None:
                    newest = max(newest, flow.updated_at)
            if len(flows) < PAGE_SIZE:
                break
            # The next page begins with the flows of this one's last moment, unless all are.
            last = flows[-1].updated_at - _SMALLEST_STEP
            after = last if last > after else flows[-1].updated_at
    except PlatformUnavailable as error:
        log.warning("platform_statuses.unavailable", error=error.reason)
        failing_since = None
    finally:
        await PlatformCursor.filter(platform=platform.name).update(
            updated_after=newest, claimed_until=action.at, failing_since=failing_since
        )
    return count


async def _claim(action: Action, platform: FlowService) -> PlatformCursor | None:
    """How far the statuses were read, None while another process reads."""
    await execute(
        "INSERT INTO platform_cursor (platform, updated_after, claimed_until) VALUES (?, ?, ?) "
        "ON CONFLICT (platform) DO NOTHING",
        platform.name,
        action.at - _FIRST_RANGE,
        action.at,
    )
    claimed_count = await PlatformCursor.filter(
        platform=platform.name, claimed_until__lte=action.at
    ).update(claimed_until=action.at + LEASE)
    return await PlatformCursor.get(platform=platform.name) if claimed_count else None


async def _read(action: Action, platform: FlowService, flow: Flow) -> bool:
    """Apply one flow. Returns whether it was new."""
    if not flow.is_incoming:
        return await _apply_acknowledgement(action, flow)
    if flow.syntax != FlowSyntax.CDAR:
        return False
    content = await platform.content(flow.flow_id)
    try:
        statuses = read_life_cycle(content)
    except ValueError as error:
        log.error("platform_status.unreadable", flow=flow.flow_id, error=str(error))
        return False
    results = [await apply_status(action, status, flow.flow_id) for status in statuses]
    return any(results)


async def _apply_acknowledgement(action: Action, flow: Flow) -> bool:
    """Apply what the platform says about a flow of ours. An invoice that it accepted is deposited;
    one that it couldn't use is rejected, and an operator can hand it over again.
    """
    if flow.acknowledgement is Acknowledgement.PENDING:
        return False
    is_error = flow.acknowledgement is Acknowledgement.ERROR
    delivery = await InvoiceDelivery.get_or_none(flow_id=flow.flow_id).select_related("invoice")
    if delivery is None:
        return is_error and await _fail_report(flow)
    code = PlatformStatusCode.REJECTED if is_error else PlatformStatusCode.DEPOSITED
    status = LifeCycle(
        number=delivery.invoice.number,
        code=code,
        at=flow.updated_at,
        reason_code=flow.reason_code or None,
        reason=flow.reason or None,
    )
    is_new = await apply_status(action, status, flow.flow_id)
    if is_error:
        is_new |= await fail_delivery(action, delivery.pk, flow.reason_code or "Error")
    return is_new


async def _fail_report(flow: Flow) -> bool:
    updated_count = await CollectionReport.filter(
        flow_id=flow.flow_id, state=DeliveryState.SENT
    ).update(state=DeliveryState.FAILED, error=flow.reason_code or "Error")
    if updated_count:
        log.error("collection_report.refused", flow=flow.flow_id, error=flow.reason_code or "Error")
    return updated_count > 0


async def apply_status(action: Action, status: LifeCycle, flow_id: str) -> bool:
    """Store a status of an invoice, and set it. Returns whether it was new: the same message
    changes nothing, and an invoice that isn't ours is ignored.
    """
    invoice = await Invoice.get_or_none(number=status.number)
    delivery = await InvoiceDelivery.get_or_none(invoice_id=invoice.pk) if invoice else None
    if invoice is None or delivery is None:
        log.warning("platform_status.unknown_invoice", flow=flow_id)
        return False
    if status.code.needs_reason and not status.reason_code:
        log.warning("platform_status.without_reason", flow=flow_id, code=status.code.number)
    async with action.transaction() as tx:
        receivable = None
        if status.code in _OBJECTIONS:
            await tx.lock(Account, invoice.account_id)
            rows = await tx.lock_rows(Receivable.filter(invoice_id=invoice.pk))
            receivable = rows[0] if rows else None
        delivery = await tx.lock(InvoiceDelivery, delivery.pk)
        known = PlatformStatus.filter(flow_id=flow_id, delivery_id=delivery.pk, status=status.code)
        if await known.using_db(tx.db).exists():
            return False
        await store_status(tx, delivery, status, flow_id)
        is_current = not await _is_outdated(tx, delivery, status, flow_id) and await _move(
            tx, delivery, status
        )
        if is_current and status.code in _OBJECTIONS:
            await _record_objection(tx, invoice, receivable, status, flow_id)
        if is_current:
            await announce_delivery(tx, delivery, status.code.value)
    return True


async def store_status(
    tx: Transaction, delivery: InvoiceDelivery, status: LifeCycle, flow_id: str
) -> None:
    """Store a status of a locked delivery."""
    await PlatformStatus.create(
        using_db=tx.db,
        delivery=delivery,
        flow_id=flow_id,
        status=status.code,
        at=status.at,
        reason_code=status.reason_code,
        reason=status.reason,
        stored_at=tx.action.at,
    )


async def _is_outdated(
    tx: Transaction, delivery: InvoiceDelivery, status: LifeCycle, flow_id: str
) -> bool:
    """Whether a rejection is about an earlier flow of the invoice, which was handed over again
    since: platforms say twice that they rejected one, as an acknowledgement and as a message.
    """
    if not status.code.is_before_buyer or delivery.flow_id == flow_id:
        return False
    if delivery.sent_at and status.at >= delivery.sent_at:
        return False
    earlier = PlatformStatus.filter(delivery_id=delivery.pk).exclude(flow_id=flow_id)
    codes = [each.status for each in await earlier.using_db(tx.db)]
    return any(code.is_before_buyer for code in codes)


async def _move(tx: Transaction, delivery: InvoiceDelivery, status: LifeCycle) -> bool:
    """Set a locked delivery's status, if the standard allows it. Returns whether it is now the
    current one.
    """
    if not status.code.may_follow(status.at, delivery.status, delivery.status_at):
        return False
    delivery.status, delivery.status_at = status.code, status.at
    delivery.reason_code, delivery.reason = status.reason_code, status.reason
    await delivery.save(
        using_db=tx.db, update_fields=["status", "status_at", "reason_code", "reason"]
    )
    tx.audit(BillingAuditAction.INVOICE_STATUS, delivery, status=status.code.value)
    return True


async def _record_objection(
    tx: Transaction,
    invoice: Invoice,
    receivable: Receivable | None,
    status: LifeCycle,
    flow_id: str,
) -> None:
    """Open a dispute with its ticket, in the name of the member who manages the billing. Credit
    notes, and invoices that were credited, can't be disputed, and a reason that was rejected can't
    be disputed again: in these cases only a ticket is opened.
    """
    if receivable and receivable.disputed_at:
        return
    contacts = await billing_contacts(tx, invoice.account_id)
    if not contacts:
        log.warning("platform_status.no_contact", flow=flow_id)
        return
    requester = contacts[0]
    message = _REFUSED if status.code is PlatformStatusCode.REFUSED else _DISPUTED
    reason = " ".join(filter(None, (status.reason_code, status.reason))) or "-"
    body = text(message, requester.locale, number=invoice.number, reason=reason)
    account = await Account.get(pk=invoice.account_id, using_db=tx.db)
    key = f"platform:{flow_id}"
    dispute_reason = DisputeReason.of(status.reason_code or "")
    if (
        receivable
        and not receivable.is_credited
        and not await Dispute.was_rejected(tx, invoice.pk, dispute_reason)
    ):
        request = DisputeRequest(invoice.pk, dispute_reason, body)
        await store_dispute(tx, account, requester, invoice, receivable, request, key)
        return
    subject = text(_SUBJECT, requester.locale, number=invoice.number)
    ticket = await Ticket.open(
        tx, account, requester, subject=subject, channel=Channel.WEB, category=Category.BILLING
    )
    await ticket.post(tx, requester, body, key, is_final=True)
