"""Reporting collected amounts: VAT on services is due when they are paid, so the seller reports
each payment of an invoice with its amounts by VAT rate (status 212; CGI, article 290 A). A payment
that is taken back is reported with negative amounts. For buyers abroad, and others who receive no
electronic invoice, the platform declares the payment to the tax office.

The job sends a report once the platform has the invoice. Those of one invoice are sent one after
the other, because the amounts of each depend on those before.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

import structlog

from billing.credit_notes import remainder
from billing.delivery.flows import (
    FlowRefused,
    FlowService,
    FlowSyntax,
    FlowType,
    NewFlow,
    PlatformUnavailable,
    ProcessingRule,
)
from billing.delivery.life_cycle import LifeCycle, collection_message
from billing.delivery.sending import processing_rule, submit_once
from billing.delivery.statuses import store_status
from billing.documents.facts import InvoiceFacts
from models.action import Action
from models.billing.delivery import CollectionReport, DeliveryState, InvoiceDelivery
from models.billing.platform_status import PlatformStatusCode
from models.claims import claim_due
from models.clock import local_date

# A report waits for its invoice, and for the earlier reports of it. No payment of a refused invoice
# is reported, unless one was before: then those that follow may take it back.
_READY = (
    "collection_report.state = 'WAITING' AND EXISTS (SELECT 1 FROM invoice_delivery AS delivery "
    "WHERE delivery.id = collection_report.delivery_id AND delivery.state = 'SENT' "
    "AND (delivery.status IS NULL "
    "OR delivery.status NOT IN ('REFUSED', 'REJECTED', 'INADMISSIBLE') "
    "OR EXISTS (SELECT 1 FROM collection_report AS sent "
    "WHERE sent.delivery_id = delivery.id AND sent.state = 'SENT'))) "
    "AND NOT EXISTS (SELECT 1 FROM collection_report AS earlier "
    "WHERE earlier.delivery_id = collection_report.delivery_id "
    "AND earlier.allocation_id < collection_report.allocation_id AND earlier.state = 'WAITING')"
)
_MAX_ERROR_LENGTH = 60

log = structlog.stdlib.get_logger()


async def report_due(action: Action, platform: FlowService | None, limit: int = 100) -> int:
    """Send the reports that are ready, at most `limit`. Returns how many were sent."""
    sent_count = 0
    for _ in range(limit if platform else 0):
        key = await claim_due(action, "collection_report", where=_READY)
        if key is None or platform is None:
            break
        try:
            sent_count += await _report(action, platform, key)
        except PlatformUnavailable as error:
            log.warning("collection_report.unavailable", report=key, error=error.reason)
            await CollectionReport.filter(pk=key).update(error=error.reason[:_MAX_ERROR_LENGTH])
            break  # the next run goes on with the others
    return sent_count


async def _report(action: Action, platform: FlowService, key: int) -> bool:
    """Send a report. Returns whether it was accepted. Raises PlatformUnavailable."""
    report = await CollectionReport.get(pk=key).select_related("delivery__invoice")
    if report.bands is None:
        report.bands = await _bands(report)
        await report.save(update_fields=["bands"])
    invoice = report.delivery.invoice
    facts = InvoiceFacts.from_json(invoice.facts)
    tracking_id = f"{invoice.number}-{report.allocation_id}"
    message = collection_message(
        facts,
        processing_rule(facts),
        tracking_id,
        local_date(report.collected_at),
        {int(rate): cents for rate, cents in report.bands.items()},
        report.collected_at,
    )
    flow = NewFlow(
        tracking_id=tracking_id,
        name=f"{tracking_id}.xml",
        syntax=FlowSyntax.CDAR,
        rule=ProcessingRule.NOT_APPLICABLE,
        content=message,
    )
    try:
        flow_id = await submit_once(platform, flow, FlowType.LIFE_CYCLE, report.attempts)
    except FlowRefused as error:
        log.error("collection_report.refused", report=key, error=error.code)
        await CollectionReport.filter(pk=key).update(
            state=DeliveryState.FAILED,
            error=error.code[:_MAX_ERROR_LENGTH],
            next_attempt_at=None,
        )
        return False
    await _record_sent(action, report, flow_id)
    return True


async def _record_sent(action: Action, report: CollectionReport, flow_id: str) -> None:
    status = LifeCycle(
        report.delivery.invoice.number, PlatformStatusCode.COLLECTED, report.collected_at
    )
    async with action.transaction() as tx:
        delivery = await tx.lock(InvoiceDelivery, report.delivery_id)
        [report] = await tx.lock_rows(CollectionReport.filter(pk=report.pk))
        report.state, report.flow_id, report.error = DeliveryState.SENT, flow_id, None
        report.next_attempt_at = None
        await report.save(using_db=tx.db)
        await store_status(tx, delivery, status, flow_id)


async def _bands(report: CollectionReport) -> dict[str, int]:
    """The amounts of a payment in cents with VAT, by VAT rate: what has been collected in all is
    split in proportion to what credit notes have left of the invoice at each rate, or to the whole
    invoice when nothing is left; what was reported before is deducted. So the reports of an invoice
    that is paid add up to it at each rate, to the cent.
    """
    rest = await remainder(report.delivery.invoice)
    bands_left = rest.bands.values() if rest.gross_cents else rest.facts.totals.bands
    left = {band.basis_points: band.net_cents + band.vat_cents for band in bands_left}
    earlier = await CollectionReport.filter(
        delivery_id=report.delivery_id, allocation_id__lt=report.allocation_id
    )
    collected = report.amount_cents + sum(each.amount_cents for each in earlier)
    bands = split(collected, left)
    for each in earlier:
        for rate, cents in (each.bands or {}).items():
            bands[int(rate)] = bands.get(int(rate), 0) - cents
    return {str(rate): cents for rate, cents in sorted(bands.items(), reverse=True) if cents}


def split(cents: int, weights: Mapping[int, int]) -> dict[int, int]:
    """An amount split in proportion to the weights by VAT rate. The parts add up to the amount, and
    equal the weights when the amount is their sum.
    """
    total = sum(weights.values())
    if not total:
        return {}
    parts, weight_before, part_before = {}, 0, 0
    for rate, weight in weights.items():
        weight_before += weight
        exact = Decimal(cents * weight_before) / total
        part_until = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
        parts[rate] = part_until - part_before
        part_before = part_until
    return parts
