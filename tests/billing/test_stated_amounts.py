"""P2.2: the quote, the charge, the database, the page, the XML and the ledger of a purchase state
the same amounts to the cent.
"""

import re
from decimal import Decimal
from io import BytesIO

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lxml import etree
from pypdf import PdfReader

from billing import checkout
from billing.documents.element import NAMESPACES
from billing.documents.facts import InvoiceFacts
from billing.documents.rendering import render
from billing.gateways.gateway import MAX_CHARGE_CENTS, MIN_CHARGE_CENTS
from billing.ledger import BANK, REVENUE, VAT_COLLECTED
from billing.quotes import Item, quote
from billing.tax import buyer_of
from models.action import Action
from models.billing.invoice import Invoice
from models.billing.money import Money
from models.billing.offer import Price
from models.billing.receivable import Receivable
from models.billing.sandbox import SandboxCharge
from models.database.sql import execute
from models.locale import Locale
from tests.billing.purchase_fixtures import Shop

_SUMMATION = ".//ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:"


def xml_amounts(invoice: Invoice) -> tuple[int, int, int]:
    """Net, VAT and gross of the XML, in cents."""
    root = etree.fromstring(invoice.xml or b"")
    texts = [
        root.findtext(f"{_SUMMATION}{name}", "", NAMESPACES)
        for name in ("TaxBasisTotalAmount", "TaxTotalAmount", "GrandTotalAmount")
    ]
    net, vat, gross = (int(Decimal(text) * 100) for text in texts)
    return net, vat, gross


async def page_text(invoice: Invoice) -> str:
    """The text of the PDF, without any space."""
    pdf = await render(InvoiceFacts.from_json(invoice.facts), invoice.locale)
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    return re.sub(r"\s", "", text)


async def posted(invoice: Invoice) -> dict[str, int]:
    """What the ledger contains about an invoice and its payment, by account."""
    rows = await execute(
        "SELECT code, SUM(debit_cents - credit_cents) AS cents FROM ledger_line "
        "JOIN ledger_entry ON ledger_entry.id = entry_id "
        "WHERE invoice_id = ? OR payment_id IN "
        "(SELECT payment_id FROM allocation WHERE invoice_id = ?) GROUP BY code",
        invoice.pk,
        invoice.pk,
    )
    return {row["code"]: int(row["cents"]) for row in rows if row["cents"]}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    net_cents=st.integers(MIN_CHARGE_CENTS, 2_000_000),
    quantity=st.integers(1, 1_000),
    city=st.sampled_from([("75001", "Paris"), ("97110", "Pointe-à-Pitre"), ("97300", "Cayenne")]),
    locale=st.sampled_from(list(Locale)),
)
async def test_p2_2_every_place_states_what_the_quote_said(
    shop: Shop,
    action: Action,
    net_cents: int,
    quantity: int,
    city: tuple[str, str],
    locale: Locale,
) -> None:
    shop.account.postal_code, shop.account.city = city
    await shop.account.save()
    shop.buyer.locale = locale
    await shop.buyer.save()
    await Price.filter(pk=shop.price.pk).update(net_cents=net_cents)
    price = await Price.get(pk=shop.price.pk).select_related("offer")
    buyer = await buyer_of(shop.account)
    quoted = await quote(None, shop.services.seller, Item(price, quantity), buyer, action.day)
    assume(quoted.totals.gross_cents <= MAX_CHARGE_CENTS)
    count = await Invoice.all().count()
    purchase = await checkout.draft(
        action, shop.account, shop.buyer, price, f"draft-{count}", quantity
    )
    await purchase.confirm_billing(action)
    payment = await checkout.pay(
        action, shop.services, purchase, "pm_sandbox_success", f"pay-{count}"
    )
    invoice = await Invoice.get(purchase_id=purchase.pk)
    sums = quoted.totals
    net, vat, gross = sums.net_cents, sums.vat_cents, sums.gross_cents
    assert (invoice.net_cents, invoice.vat_cents, invoice.gross_cents) == (net, vat, gross)
    assert xml_amounts(invoice) == (net, vat, gross)
    assert InvoiceFacts.from_json(invoice.facts).totals == sums
    assert payment.amount_cents == gross
    assert (await SandboxCharge.get(reference=payment.provider_reference)).amount_cents == gross
    assert (await Receivable.get(invoice_id=invoice.pk)).gross_cents == gross
    expected = {REVENUE: -net, VAT_COLLECTED: -vat, BANK: gross}
    assert await posted(invoice) == {code: cents for code, cents in expected.items() if cents}
    text = await page_text(invoice)
    for cents in (net, vat, gross):
        assert re.sub(r"\s", "", Money(cents).formatted(locale.value)) in text
