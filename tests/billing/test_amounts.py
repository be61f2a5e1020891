"""The draft, the database, the XML and the ledger state the same amounts to the cent, whatever is
billed: validators tolerate a cent (BR-CO-17), and we don't.
"""

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from billing.documents.element import NAMESPACES
from billing.documents.facts import InvoiceFacts
from billing.invoicing import DraftLine, InvoiceRequest, PaymentTerms, finalise, prepare
from billing.quotes import Item, quote
from billing.settlement import apply_payment, lock_for_settlement, reverse_payment
from billing.tax import buyer_of
from models.action import Action
from models.billing.billing_profile import BillingProfile
from models.billing.invoice import Invoice, InvoiceLine
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.promotion import Promotion
from models.billing.receivable import Allocation, Receivable
from models.billing.tax_rule import TaxCategory
from models.database.sql import execute
from tests.billing.purchase_fixtures import ADDRESS, Shop

GENERATED_EXAMPLES = settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
RATES = (2_000, 1_000, 850, 550, 210)


class Billed(NamedTuple):
    """A line to bill."""

    cents: int
    quantity: int
    rate: int


billed_lines = st.lists(
    st.builds(
        Billed,
        st.integers(1, 999_999),
        st.integers(1, 40),
        st.sampled_from(RATES),
    ),
    min_size=1,
    max_size=12,
)


async def issue(shop: Shop, action: Action, billed: list[Billed]) -> Invoice:
    """An unpaid invoice of these lines."""
    async with action.transaction() as tx:
        account = await tx.lock(type(shop.account), shop.account.pk)
        profile = await BillingProfile.store(tx, account, ADDRESS, None)
    lines = [
        DraftLine(
            label=f"Ligne {number}",
            unit_net_cents=each.cents,
            quantity=each.quantity,
            vat_basis_points=each.rate,
        )
        for number, each in enumerate(billed, 1)
    ]
    terms = PaymentTerms(text="30 jours", due_days=30)
    request = InvoiceRequest(profile=profile, lines=lines, on=action.day, payment=terms)
    draft = await prepare(shop.services.seller, request, trial=False)
    async with action.transaction() as tx:
        invoice = await finalise(tx, draft)
    assert invoice.gross_cents == draft.gross_cents
    return invoice


def expected_totals(billed: list[Billed]) -> tuple[int, int]:
    """Net and VAT, calculated in another way than in the code: VAT once per rate, half up."""
    nets: defaultdict[int, int] = defaultdict(int)
    for each in billed:
        nets[each.rate] += each.cents * each.quantity
    vat = sum(
        (Decimal(net) * rate / 10_000).quantize(Decimal(1), ROUND_HALF_UP)
        for rate, net in nets.items()
    )
    return sum(nets.values()), int(vat)


def xml_cents(invoice: Invoice, name: str) -> int:
    """An amount of the summation of the XML."""
    path = f".//ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:{name}"
    node = etree.fromstring(invoice.xml or b"").find(path, NAMESPACES)
    assert node is not None
    return int(Decimal(node.text or "") * 100)


async def balance_of(account_id: int) -> int:
    """What an account owes according to the ledger."""
    (row,) = await execute(
        "SELECT COALESCE(SUM(debit_cents - credit_cents), 0) AS cents FROM ledger_line "
        "WHERE account_id = ?",
        account_id,
    )
    return int(row["cents"])


@GENERATED_EXAMPLES
@given(billed=billed_lines)
async def test_every_place_states_the_same_amounts(
    shop: Shop, action: Action, billed: list[Billed]
) -> None:
    before = await balance_of(shop.account.pk)
    issued = await issue(shop, action, billed)
    invoice = await Invoice.get(pk=issued.pk)
    net, vat = expected_totals(billed)
    assert (invoice.net_cents, invoice.vat_cents, invoice.gross_cents) == (net, vat, net + vat)
    facts = InvoiceFacts.from_json(invoice.facts)
    assert (facts.totals.net_cents, facts.totals.vat_cents) == (net, vat)
    for name, cents in (
        ("LineTotalAmount", net),
        ("TaxBasisTotalAmount", net),
        ("TaxTotalAmount", vat),
        ("GrandTotalAmount", net + vat),
        ("DuePayableAmount", net + vat),
    ):
        assert xml_cents(invoice, name) == cents
    lines = await InvoiceLine.filter(invoice_id=invoice.pk)
    assert sum(line.net_cents for line in lines) == net
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == net + vat
    assert await balance_of(shop.account.pk) - before == net + vat
    unbalanced = await execute(
        "SELECT entry_id FROM ledger_line GROUP BY entry_id "
        "HAVING SUM(debit_cents) <> SUM(credit_cents)"
    )
    assert unbalanced == []


@GENERATED_EXAMPLES
@given(
    net_cents=st.integers(1, 2_000_000),
    quantity=st.integers(1, 1_000),
    category=st.sampled_from(TaxCategory),
    share=st.none() | st.integers(1, 10_000),
    amount=st.none() | st.integers(1, 5_000_000),
)
async def test_p2_2_a_quote_equals_its_invoice_whatever_the_code_takes_off(
    shop: Shop,
    action: Action,
    net_cents: int,
    quantity: int,
    category: TaxCategory,
    share: int | None,
    amount: int | None,
) -> None:
    price = await Price.get(pk=shop.price.pk).select_related("offer")
    price.net_cents, price.tax_category = net_cents, category
    promotion = None
    if share or amount:
        amount_cents = None if share else amount
        promotion = Promotion(id=1, code="LAUNCH", basis_points=share, amount_cents=amount_cents)
    seller, buyer = shop.services.seller, await buyer_of(shop.account)
    item = Item(price, quantity, promotion)
    quoted = await quote(None, seller, item, buyer, action.day)
    async with action.transaction() as tx:
        account = await tx.lock(type(shop.account), shop.account.pk)
        profile = await BillingProfile.store(tx, account, ADDRESS, None)
    terms = PaymentTerms(text="30 jours")
    request = InvoiceRequest(profile=profile, lines=quoted.lines, on=action.day, payment=terms)
    draft = await prepare(seller, request, trial=False)
    async with action.transaction() as tx:
        invoice = await finalise(tx, draft)
    totals = quoted.totals
    gross = totals.gross_cents
    assert 0 <= gross == invoice.gross_cents == draft.gross_cents
    assert (totals.net_cents, totals.vat_cents) == (invoice.net_cents, invoice.vat_cents)
    assert xml_cents(invoice, "DuePayableAmount") == gross
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == gross
    discount = net_cents * quantity - totals.net_cents
    if share:
        exact = Decimal(net_cents * quantity * share) / 10_000
        assert discount == int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    else:
        assert discount == min(amount or 0, net_cents * quantity)


@GENERATED_EXAMPLES
@given(
    amounts=st.lists(st.integers(1, 200_000), min_size=1, max_size=4),
    payments=st.lists(st.tuples(st.integers(1, 300_000), st.booleans()), max_size=5),
)
async def test_what_is_open_is_what_was_not_allocated(
    shop: Shop, action: Action, amounts: list[int], payments: list[tuple[int, bool]]
) -> None:
    """After any payments, some of them taken back, receivables, allocations and ledger agree."""
    for cents in amounts:
        await issue(shop, action, [Billed(cents, 1, 2_000)])
    for cents, is_reversed in payments:
        payment = await Payment.create(
            account=shop.account,
            amount_cents=cents,
            method="transfer",
            status=PaymentStatus.SUCCEEDED,
            created_at=action.at,
        )
        async with action.transaction() as tx:
            await lock_for_settlement(tx, shop.account.pk)
            payment = await tx.lock(Payment, payment.pk)
            await apply_payment(tx, payment)
            if is_reversed:
                await reverse_payment(tx, payment, cents)
    receivables = await Receivable.all()
    for receivable in receivables:
        allocated = sum(
            each.amount_cents for each in await Allocation.filter(invoice_id=receivable.invoice_id)
        )
        assert receivable.open_cents == receivable.gross_cents - allocated >= 0
        assert (receivable.settled_at is None) == (receivable.open_cents > 0)
    open_cents = sum(receivable.open_cents for receivable in receivables)
    unused = await execute(
        "SELECT COALESCE(SUM(amount_cents - refunded_cents), 0) AS cents FROM payment"
    )
    allocated = sum(each.amount_cents for each in await Allocation.all())
    assert await balance_of(shop.account.pk) == open_cents - (int(unused[0]["cents"]) - allocated)


@pytest.mark.parametrize("quantity", [-1, -3])
async def test_a_credit_has_a_negative_quantity(shop: Shop, action: Action, quantity: int) -> None:
    """EN 16931 BR-27: a unit price is never negative."""
    invoice = await issue(shop, action, [Billed(10_000, 4, 2_000), Billed(2_500, quantity, 2_000)])
    assert invoice.net_cents == 40_000 + 2_500 * quantity
    assert xml_cents(invoice, "LineTotalAmount") == invoice.net_cents
