"""Invoices are issued completely, in order and without gaps, whatever happens at the same time."""

import asyncio
from collections import Counter as Count
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tortoise.exceptions import IntegrityError

from billing import charging, checkout
from billing.bank.reference import payment_reference
from billing.document_requests import document_of, render_due
from billing.documents import rendering
from billing.documents.cii import build_cii
from billing.documents.facts import InvoiceFacts, PaymentMeans
from billing.documents.rendering import RenderingError
from billing.invoicing import InvoiceDraft, finalise
from models.action import Action
from models.billing.billing_period import BillingItem, BillingPeriod
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentRequest, Invoice, InvoiceDocument, InvoiceLine
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Allocation, InvoiceState, Receivable
from models.billing.sandbox import SandboxCharge
from models.database.sql import execute
from models.errors import Refusal
from models.operations.email import Email
from operations.invoice_numbering import numbering_errors
from tests.billing.purchase_fixtures import Shop

if TYPE_CHECKING:
    from tests.conftest import RecordingBus

NEW_YEAR = datetime(2026, 12, 31, 22, 59, 59, 900_000, tzinfo=UTC)  # a tenth of a second before


async def balances() -> dict[str, int]:
    """The sum of each account of the ledger, debits minus credits."""
    rows = await execute(
        "SELECT code, SUM(debit_cents - credit_cents) AS cents FROM ledger_line GROUP BY code"
    )
    return {row["code"]: int(row["cents"]) for row in rows}


async def assert_ledger_is_whole() -> None:
    """Every entry balances, and the numbers of each journal have no gap and ascend with time."""
    unbalanced = await execute(
        "SELECT entry_id FROM ledger_line GROUP BY entry_id "
        "HAVING SUM(debit_cents) <> SUM(credit_cents)"
    )
    assert unbalanced == []
    entries = await execute("SELECT journal, number, at FROM ledger_entry ORDER BY number")
    for journal in {row["journal"] for row in entries}:
        own = [row for row in entries if row["journal"] == journal]
        assert [row["number"] for row in own] == list(range(1, len(own) + 1))
        times = [str(row["at"]) for row in own]
        assert times == sorted(times)


async def test_p2_2_a_paid_purchase_is_invoiced_posted_and_settled(
    shop: Shop, action: Action
) -> None:
    payment = await shop.buy(action, "1", quantity=3)
    invoice = await Invoice.get()
    facts = InvoiceFacts.from_json(invoice.facts)
    assert payment.amount_cents == invoice.gross_cents == facts.totals.gross_cents == 10_440
    assert (invoice.xml, facts.process) == (build_cii(facts), "S2")
    assert (facts.buyer.address.city, facts.order_number) == ("Paris", "PO 7")
    assert facts.buyer.billing_address is not None
    assert facts.buyer.billing_address.city == "Lyon"
    assert facts.lines[0].description == "Abonnement mensuel · Une page · Un nom"
    line = await InvoiceLine.get()
    assert (line.quantity, line.net_cents, line.unit) == (3, 8_700, "MON")
    claimed = await BillingPeriod.get()
    assert (claimed.index, claimed.starts_on, claimed.invoice_id) == (0, action.day, invoice.pk)
    item = await BillingItem.get()
    assert (item.invoice_line_id, item.billing_period_id) == (line.pk, claimed.pk)
    receivable = await Receivable.get()
    assert (receivable.open_cents, receivable.state) == (0, InvoiceState.PAID)
    allocation = await Allocation.get()
    assert (allocation.payment_id, allocation.amount_cents) == (payment.pk, 10_440)
    purchase = await Purchase.get()
    assert (purchase.status, purchase.next_period_index) == (PurchaseStatus.ACTIVE, 1)
    assert await balances() == {
        "411000": 0,
        "706000": -8_700,
        "445710": -1_740,
        "512000": 10_440,
    }
    await assert_ledger_is_whole()


async def test_an_unpaid_invoice_names_the_reference_to_quote(shop: Shop, action: Action) -> None:
    payment = await shop.buy(action, "1", "pm_sandbox_confirmation")
    draft = InvoiceDraft.from_json((await Payment.get(pk=payment.pk)).invoice_draft or {})
    means = PaymentMeans(code=58, iban="FR7630006000011234567890189", bic="AGRIFRPP")
    facts = replace(draft.facts, payment=means, payment_terms="30 jours")
    async with action.transaction() as tx:
        await finalise(tx, replace(draft, facts=facts, due_days=30))
    invoice = await Invoice.get()
    facts = InvoiceFacts.from_json(invoice.facts)
    assert facts.payment is not None
    assert facts.number == invoice.number
    assert facts.payment.reference == invoice.reference == payment_reference(invoice.number)
    assert (invoice.xml, facts.process) == (build_cii(facts), "S1")
    assert invoice.due_on == action.day + timedelta(days=30)


async def test_the_document_is_made_after_the_commit_and_mailed_once(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1")
    invoice = await Invoice.get()
    assert not await InvoiceDocument.exists()
    assert not await Email.exists()
    signer = shop.services.signer
    documents = await asyncio.gather(
        *(document_of(action, signer, invoice.pk) for _ in range(3)),
        render_due(action, signer),
    )
    assert len({document.sha256 for document in documents[:3] if document}) == 1  # type: ignore[union-attr] # a document
    assert await DocumentRequest.all().count() == 0
    assert await Email.filter(template="invoice_issued.fr", invoice_id=invoice.pk).count() == 1
    assert await render_due(action, signer) == 0
    assert await document_of(action, signer, 999) is None


async def test_a_document_that_fails_is_tried_again_and_delays_no_other(
    shop: Shop, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("1", "2"):
        await shop.buy(action, key)
    first = await Invoice.all().order_by("id").first()
    assert first is not None
    exchange = rendering._exchange

    def fail_first(process: "rendering._Process", request: bytes) -> bytes:
        if first.number.encode() in request:
            process.end()
            raise RenderingError("out of memory")
        return exchange(process, request)

    with monkeypatch.context() as patch:
        patch.setattr(rendering, "_exchange", fail_first)
        assert await render_due(action, shop.services.signer) == 1
    assert await DocumentRequest.all().count() == 1
    later = replace(action, at=action.at + timedelta(minutes=2))
    assert await render_due(later, shop.services.signer) == 1
    assert await InvoiceDocument.all().count() == 2


async def test_nothing_is_charged_for_what_cannot_be_invoiced(shop: Shop, action: Action) -> None:
    """Terms that begin next year, and a seller without a wording, are refused before the bank is
    asked.
    """
    sound = shop.services
    late = replace(sound.seller.terms[0], since=action.day.replace(year=2027))
    texts = {name: dict(words) for name, words in sound.seller.terms[0].texts.items()}
    del texts["fr"]["PMT"]
    broken = replace(sound.seller.terms[0], texts=texts)
    for number, terms in enumerate((late, broken)):
        shop.services = replace(sound, seller=replace(sound.seller, terms=(terms,)))
        with pytest.raises(Refusal) as refusal:
            await shop.buy(action, str(number))
        assert refusal.value.code is BillingErrorCode.INVOICE_NOT_POSSIBLE
    assert not await SandboxCharge.exists()
    assert not await Payment.exists()
    assert {each.status for each in await Purchase.all()} == {PurchaseStatus.BILLING_CONFIRMED}


async def test_a_period_is_billed_once(shop: Shop, action: Action) -> None:
    payment = await shop.buy(action, "1", "pm_sandbox_confirmation")
    draft = InvoiceDraft.from_json((await Payment.get(pk=payment.pk)).invoice_draft or {})
    async with action.transaction() as tx:
        await finalise(tx, draft)
    with pytest.raises(IntegrityError):
        async with action.transaction() as tx:
            await finalise(tx, draft)
    assert await numbering_errors() == []
    assert await Invoice.all().count() == 1


async def test_200_purchases_at_once_over_new_year_are_numbered_in_order(
    shop: Shop, bus: "RecordingBus"
) -> None:
    """The times of the actions are up to a fifth of a second apart, in no order."""
    drafts = []
    base = Action(None, NEW_YEAR, bus)
    payment = await shop.buy(base, "template", "pm_sandbox_confirmation")
    template = InvoiceDraft.from_json((await Payment.get(pk=payment.pk)).invoice_draft or {})
    for number in range(200):
        purchase = await Purchase.create(account=shop.account, price=shop.price, created_at=base.at)
        delay = timedelta(milliseconds=(number * 77) % 200)
        drafts.append(
            (Action(None, base.at + delay, bus), replace(template, purchase_id=purchase.pk))
        )

    async def issue(action: Action, draft: InvoiceDraft) -> None:
        async with action.transaction() as tx:
            await finalise(tx, draft)

    # The first one before midnight. Of the others, any may come next, and no time goes back.
    await issue(*drafts[0])
    await asyncio.gather(*(issue(action, draft) for action, draft in drafts[1:]))
    assert await numbering_errors() == []
    invoices = await Invoice.all().order_by("position")
    assert len(invoices) == 200
    years = Count(invoice.issued_on.year for invoice in invoices)
    assert years.keys() == {2026, 2027}
    for invoice in invoices:
        assert invoice.facts["issued_on"] == invoice.issued_on.isoformat()
    await assert_ledger_is_whole()


async def test_numbers_stay_whole_when_transactions_end_early(shop: Shop, action: Action) -> None:
    """A third of the transactions is cancelled at some point, as when their process stops."""
    payment = await shop.buy(action, "template", "pm_sandbox_confirmation")
    template = InvoiceDraft.from_json((await Payment.get(pk=payment.pk)).invoice_draft or {})
    template = replace(template, months=None, period=None)

    async def issue() -> None:
        async with action.transaction() as tx:
            await finalise(tx, template)

    tasks = [asyncio.create_task(issue()) for _ in range(60)]
    for turn, task in enumerate(tasks[::3]):
        for _ in range(turn * 7 % 50):
            await asyncio.sleep(0)
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    issued_count = sum(result is None for result in results)
    assert 40 <= issued_count < 60
    assert await Invoice.all().count() == issued_count
    assert await numbering_errors() == []
    await assert_ledger_is_whole()


async def test_a_confirmation_is_left_and_another_means_taken_at_once(
    shop: Shop, action: Action
) -> None:
    """P2.2. What the bank collects for the first one afterwards stays on the balance."""
    purchase = await shop.confirmed_purchase(action, "1")
    first = await checkout.pay(action, shop.services, purchase, "pm_sandbox_confirmation", "a")
    assert first.status is PaymentStatus.REQUIRES_ACTION
    second = await checkout.pay(action, shop.services, purchase, "pm_sandbox_success", "b")
    assert second.status is PaymentStatus.SUCCEEDED
    first = await Payment.get(pk=first.pk)
    assert first.status is PaymentStatus.CANCELED
    assert await Invoice.all().count() == 1
    charge = await SandboxCharge.get(method="pm_sandbox_confirmation")
    await SandboxCharge.filter(pk=charge.pk).update(status=PaymentStatus.SUCCEEDED)
    later = replace(action, at=action.at + timedelta(days=40))
    assert await charging.reconcile(later, shop.services) == 1
    assert (await Payment.get(pk=first.pk)).status is PaymentStatus.SUCCEEDED
    assert (await balances())["411000"] == -3_480
    assert await charging.reconcile(later, shop.services) == 0


async def test_a_confirmation_expires_after_a_day_and_is_applied_when_it_comes_late(
    shop: Shop, action: Action
) -> None:
    payment = await shop.buy(action, "1", "pm_sandbox_confirmation")
    next_day = replace(action, at=action.at + timedelta(hours=24))
    assert await charging.reconcile(next_day, shop.services) == 1
    assert (await Payment.get(pk=payment.pk)).status is PaymentStatus.EXPIRED
    assert (await Purchase.get()).status is PurchaseStatus.BILLING_CONFIRMED
    await SandboxCharge.all().update(status=PaymentStatus.SUCCEEDED)
    much_later = replace(action, at=action.at + timedelta(days=30))
    assert await charging.reconcile(much_later, shop.services) == 1
    assert (await Purchase.get()).status is PurchaseStatus.ACTIVE
    assert (await Invoice.get()).issued_on == much_later.day
    assert (await balances())["411000"] == 0


async def test_the_option_for_debits_is_stated_when_the_seller_chose_it(
    shop: Shop, action: Action
) -> None:
    options = replace(shop.services.seller.tax_options_on(action.day), on_debits=True)
    shop.services = replace(shop.services, seller=replace(shop.services.seller, tax=(options,)))
    await shop.buy(action, "1")
    invoice = await Invoice.get()
    assert InvoiceFacts.from_json(invoice.facts).vat_on_debits
    assert invoice.xml is not None
    assert "Option pour le paiement de la taxe d’après les débits".encode() in invoice.xml
