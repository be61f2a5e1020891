"""Issuing an invoice: it is numbered, frozen, rendered and put into the outbox in the transaction
that records the payment.
"""

import hashlib
from datetime import timedelta

from billing.documents.facts import Address, InvoiceFacts, Line, Party, PaymentMeans
from billing.documents.rendering import render
from billing.seller import Seller
from models.accounts.account import Account
from models.action import Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.invoice import (
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    Series,
    invoice_number,
    next_position,
)
from models.billing.money import totals
from models.billing.offer import Offer, Price
from models.billing.payment import Payment
from models.billing.periods import Period, period
from models.billing.purchase import Purchase
from models.event import EventKind, account_stream
from models.locale import Locale
from models.translations import day

_CARD_PAYMENT = 48  # UNTDID 4461


async def issue(
    tx: Transaction,
    seller: Seller,
    purchase: Purchase,
    payment: Payment,
    locale: Locale,
    index: int,
) -> Invoice:
    """Issue the paid invoice of one period of an active purchase. The database rejects a second one
    for the same period.
    """
    price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
    account = await Account.get(pk=purchase.account_id, using_db=tx.db)
    assert purchase.anchor is not None, "an invoice is issued for an active purchase"  # noqa: S101
    billing_period = period(purchase.anchor, price.interval.months, index)
    position = await next_position(tx, Series.INVOICE)
    facts = _invoice_facts(
        tx,
        seller,
        purchase,
        payment,
        account,
        price,
        billing_period,
        invoice_number(Series.INVOICE, tx.action.day, position),
        locale,
    )
    return await _store_invoice(
        tx,
        facts,
        position,
        purchase,
        payment,
        price.offer,
        billing_period,
        await render(facts, locale),
    )


def _invoice_facts(
    tx: Transaction,
    seller: Seller,
    purchase: Purchase,
    payment: Payment,
    account: Account,
    price: Price,
    billing_period: Period,
    number: str,
    locale: Locale,
) -> InvoiceFacts:
    lines = (_line(price, price.offer, billing_period, locale),)
    terms = seller.terms_on(tx.action.day)
    return InvoiceFacts(
        number=number,
        issued_on=tx.action.day,
        due_on=tx.action.day,
        seller=seller.party,
        buyer=_buyer(account, purchase),
        lines=lines,
        notes=terms.notes(locale),
        totals=totals(lines),
        period_start=billing_period.start,
        period_end=billing_period.end - timedelta(days=1),
        order_number=purchase.order_number or "",
        payment=PaymentMeans(code=_CARD_PAYMENT, card_last4=payment.last_four or ""),
        payment_terms=terms.paid_notice(locale, day(tx.action.day, locale)),
        paid_cents=totals(lines).gross_cents,
    )


def _line(price: Price, offer: Offer, billing_period: Period, locale: Locale) -> Line:
    return Line(
        label=offer.text(locale)["name"],
        unit_price_cents=price.net_cents,
        vat_basis_points=price.vat_rate,
        unit="MON" if price.interval.months == 1 else "ANN",
        period_start=billing_period.start,
        period_end=billing_period.end - timedelta(days=1),
    )


def _buyer(account: Account, purchase: Purchase) -> Party:
    address = Address(
        lines=(purchase.street or "",),
        postcode=purchase.postal_code or "",
        city=purchase.city or "",
        country=purchase.country or "FR",
    )
    return Party(
        name=account.legal_name, siren=account.siren, vat_number=account.vat_number, address=address
    )


async def _store_invoice(
    tx: Transaction,
    facts: InvoiceFacts,
    position: int,
    purchase: Purchase,
    payment: Payment,
    offer: Offer,
    billing_period: Period,
    pdf: bytes,
) -> Invoice:
    invoice = await Invoice.create(
        using_db=tx.db,
        series=Series.INVOICE,
        position=position,
        number=facts.number,
        account_id=purchase.account_id,
        purchase=purchase,
        payment=payment,
        offer=offer,
        period_index=billing_period.index,
        issued_at=tx.action.at,
        issued_on=facts.issued_on,
        due_on=facts.due_on,
        net_cents=facts.totals.net_cents,
        vat_cents=facts.totals.vat_cents,
        gross_cents=facts.totals.gross_cents,
        facts=facts.to_json(),
        sha256=hashlib.sha256(pdf).hexdigest(),
    )
    await InvoiceDocument.create(using_db=tx.db, invoice=invoice, pdf=pdf)
    for line_position, line in enumerate(facts.lines, 1):
        await InvoiceLine.create(
            using_db=tx.db,
            invoice=invoice,
            position=line_position,
            label=line.label,
            quantity=int(line.quantity),
            unit_net_cents=line.unit_price_cents,
            net_cents=line.net_cents,
            vat_rate=line.vat_basis_points,
        )
    await tx.append(
        account_stream(purchase.account_id), EventKind.INVOICE_ISSUED, invoice_id=invoice.pk
    )
    tx.audit(BillingAuditAction.INVOICE_ISSUE, invoice, gross_cents=invoice.gross_cents)
    return invoice
