"""Issuing an invoice: it is numbered, frozen, rendered and put into the outbox in the transaction
that records the payment.
"""

import hashlib
from datetime import timedelta
from typing import Any

from billing.documents.cii import build_cii
from billing.documents.conversion import buyer_party, paid_means
from billing.documents.facts import InvoiceFacts, Line, Party
from billing.documents.rendering import render
from billing.ledger import post_invoice, post_payment
from billing.seller import Seller
from billing.tax import decide_tax
from models.accounts.account import Account
from models.action import Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_period import BillingItem, BillingItemKind, BillingPeriod
from models.billing.billing_profile import BillingProfile
from models.billing.invoice import (
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    IssuedNumber,
    Series,
    next_number,
)
from models.billing.money import totals
from models.billing.offer import Offer, Price
from models.billing.payment import Payment
from models.billing.periods import Period, period
from models.billing.purchase import Purchase
from models.billing.receivable import Allocation, Receivable
from models.billing.tax import TaxDecision
from models.clock import local_date
from models.event import EventKind, account_stream
from models.identity.user import User
from models.locale import Locale
from models.translations import day


async def issue(
    tx: Transaction,
    seller: Seller,
    account: Account,
    purchase: Purchase,
    payment: Payment,
    locale: Locale,
    index: int,
) -> Invoice:
    """Issue the paid invoice of one period of an active purchase, whose account is locked. The
    database rejects a second one for the same period.
    """
    price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
    profile = await BillingProfile.get(pk=purchase.billing_profile_id, using_db=tx.db)
    assert purchase.anchor is not None, "an invoice is issued for an active purchase"  # noqa: S101
    billing_period = period(purchase.anchor, price.interval.months, index)
    issued = await next_number(tx, Series.INVOICE)
    tax = await decide_tax(
        tx.db, seller, profile, price.tax_category, local_date(payment.created_at)
    )
    buyer = await User.get_or_none(pk=purchase.buyer_id, using_db=tx.db)
    facts = _invoice_facts(
        seller,
        profile,
        buyer_party(profile, buyer.email if buyer else ""),
        payment,
        price,
        tax,
        billing_period,
        issued,
        locale,
    )
    invoice = await _store_invoice(tx, facts, issued, purchase, profile, locale)
    await _store_lines(tx, invoice, facts, price, await _store_period(tx, invoice, billing_period))
    pdf = await render(facts, locale)
    await InvoiceDocument.create(
        using_db=tx.db,
        invoice=invoice,
        pdf=pdf,
        sha256=hashlib.sha256(pdf).hexdigest(),
        created_at=tx.action.at,
    )
    await _settle(tx, invoice, payment)
    await tx.append(
        account_stream(purchase.account_id), EventKind.INVOICE_ISSUED, invoice_id=invoice.pk
    )
    tx.audit(BillingAuditAction.INVOICE_ISSUE, invoice, gross_cents=invoice.gross_cents)
    return invoice


def _invoice_facts(
    seller: Seller,
    profile: BillingProfile,
    buyer: Party,
    payment: Payment,
    price: Price,
    tax: TaxDecision,
    billing_period: Period,
    issued: IssuedNumber,
    locale: Locale,
) -> InvoiceFacts:
    lines = (_line(price, price.offer, tax, billing_period, locale),)
    terms = seller.terms_on(issued.day)
    return InvoiceFacts(
        number=issued.number,
        issued_on=issued.day,
        due_on=issued.day,
        seller=seller.party,
        buyer=buyer,
        lines=lines,
        notes=terms.notes(locale),
        totals=totals(lines),
        treatment=tax.treatment,
        vat_mention=tax.mention,
        exemption_code=tax.exemption_code or "",
        period_start=billing_period.start,
        period_end=billing_period.end - timedelta(days=1),
        order_number=profile.order_number or "",
        payment=paid_means(payment),
        payment_terms=terms.paid_notice(locale, day(issued.day, locale)),
        paid_cents=totals(lines).gross_cents,
    )


def _line(
    price: Price, offer: Offer, tax: TaxDecision, billing_period: Period, locale: Locale
) -> Line:
    return Line(
        label=offer.text(locale)["name"],
        unit_price_cents=price.net_cents,
        vat_basis_points=tax.rate_basis_points,
        unit="MON" if price.interval.months == 1 else "ANN",
        period_start=billing_period.start,
        period_end=billing_period.end - timedelta(days=1),
    )


async def _store_invoice(
    tx: Transaction,
    facts: InvoiceFacts,
    issued: IssuedNumber,
    purchase: Purchase,
    profile: BillingProfile,
    locale: Locale,
) -> Invoice:
    return await Invoice.create(
        using_db=tx.db,
        type=facts.type,
        series=Series.INVOICE,
        position=issued.position,
        number=issued.number,
        account_id=purchase.account_id,
        billing_profile=profile,
        purchase=purchase,
        issued_at=issued.at,
        issued_on=issued.day,
        due_on=facts.due_on,
        net_cents=facts.totals.net_cents,
        vat_cents=facts.totals.vat_cents,
        gross_cents=facts.totals.gross_cents,
        treatment=facts.treatment,
        locale=locale,
        facts=facts.to_json(),
        xml=build_cii(facts),
    )


async def _store_period(tx: Transaction, invoice: Invoice, billing_period: Period) -> BillingPeriod:
    return await BillingPeriod.create(
        using_db=tx.db,
        purchase_id=invoice.purchase_id,
        index=billing_period.index,
        starts_on=billing_period.start,
        ends_on=billing_period.end,
        invoice=invoice,
        created_at=tx.action.at,
    )


async def _store_lines(
    tx: Transaction,
    invoice: Invoice,
    facts: InvoiceFacts,
    price: Price,
    billing_period: BillingPeriod,
) -> None:
    for position, line in enumerate(facts.lines, 1):
        columns: dict[str, Any] = {
            "quantity": int(line.quantity),
            "unit_net_cents": line.unit_price_cents,
            "tax_category": price.tax_category,
            "starts_on": billing_period.starts_on,
            "ends_on": billing_period.ends_on,
        }
        invoice_line = await InvoiceLine.create(
            using_db=tx.db,
            invoice=invoice,
            position=position,
            label=line.label,
            unit=line.unit,
            net_cents=line.net_cents,
            vat_rate=line.vat_basis_points,
            treatment=facts.treatment,
            **columns,
        )
        await BillingItem.create(
            using_db=tx.db,
            account_id=invoice.account_id,
            purchase_id=invoice.purchase_id,
            billing_period=billing_period,
            kind=BillingItemKind.CYCLE,
            description_key="offer",
            data={},
            created_at=tx.action.at,
            invoice_line=invoice_line,
            **columns,
        )


async def _settle(tx: Transaction, invoice: Invoice, payment: Payment) -> None:
    await Receivable.create(
        using_db=tx.db,
        invoice=invoice,
        account_id=invoice.account_id,
        due_on=invoice.due_on,
        gross_cents=invoice.gross_cents,
        open_cents=0,
        settled_at=tx.action.at,
    )
    await Allocation.create(
        using_db=tx.db,
        account_id=invoice.account_id,
        invoice=invoice,
        payment=payment,
        amount_cents=invoice.gross_cents,
        created_at=tx.action.at,
    )
    await post_invoice(tx, invoice)
    await post_payment(tx, payment)
