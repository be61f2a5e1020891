"""The queue of collected amounts to report to the platform: stored in the transaction that
allocates a payment, and sent by billing/delivery/collections.py.

Payments are reported where the VAT is due when they are collected (CGI, article 290 A): not without
VAT, not when the buyer owes it, and not when the seller pays it on invoicing.
"""

from models.action import Transaction
from models.billing.delivery import CollectionReport, DeliveryChannel, InvoiceDelivery
from models.billing.invoice import Invoice
from models.billing.receivable import Allocation
from models.billing.tax_rule import Treatment


async def report_payment(tx: Transaction, allocation: Allocation) -> None:
    """Queue the report of a payment that was just allocated, or taken back, when its invoice is
    delivered through the platform. The receivable of the invoice is locked.
    """
    if allocation.payment_id is None:
        return
    deliveries = InvoiceDelivery.filter(
        invoice_id=allocation.invoice_id, channel=DeliveryChannel.PLATFORM
    )
    if delivery := await deliveries.using_db(tx.db).first():
        await _queue(tx, delivery, allocation)


async def report_earlier_payments(tx: Transaction, delivery: InvoiceDelivery) -> None:
    """Queue the reports of what was paid before the delivery of the invoice began."""
    allocations = Allocation.filter(invoice_id=delivery.invoice_id, payment_id__not_isnull=True)
    for allocation in await allocations.using_db(tx.db).order_by("id"):
        await _queue(tx, delivery, allocation)


async def _queue(tx: Transaction, delivery: InvoiceDelivery, allocation: Allocation) -> None:
    invoice = await Invoice.get(pk=delivery.invoice_id, using_db=tx.db)
    if invoice.treatment is not Treatment.STANDARD or invoice.facts.get("vat_on_debits"):
        return
    await CollectionReport.create(
        using_db=tx.db,
        allocation=allocation,
        delivery=delivery,
        amount_cents=allocation.amount_cents,
        next_attempt_at=tx.action.at,
        collected_at=allocation.created_at,
    )
