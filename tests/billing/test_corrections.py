"""Corrective invoices replace an invoice exactly: its payments, its books, its dispute."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from billing import corrections
from billing.bank.matching import match_new_lines
from billing.bank.transfer import pay_by_transfer
from billing.corrections import (
    CorrectedLine,
    Correction,
    CorrectionRequest,
    build_correction,
    correct_invoice,
)
from billing.credit_notes import (
    CreditRequest,
    credit_invoice,
    issue_credit_note,
    lock_for_credit,
    prepare_credit,
)
from billing.document_requests import render_due
from billing.documents.checks import check_facts
from billing.documents.facts import InvoiceFacts
from billing.exports.fec import fec, fec_file_name
from billing.reconciliation import reconciliation
from billing.renewals import bill_due_periods
from billing.settlement import apply_payment, lock_for_settlement, restore
from models.accounts.account import Account
from models.action import Action
from models.billing.bank import BankLine, BankLineMatch, BankStatement, StatementFormat
from models.billing.billing_period import BillingItem, BillingPeriod
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentType, Invoice, InvoiceLine
from models.billing.ledger import LedgerEntry
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import InvoiceState, Receivable
from models.billing.refund import Refund, RefundDestination
from models.errors import CommonErrorCode, Refusal
from models.identity.user import Staff, User
from models.operations.email import Email
from tests.billing.exports.fec_reader import read_fec
from tests.billing.purchase_fixtures import Shop
from tests.people import create_staff

GROSS = 3_480


async def operator(action: Action) -> User:
    return await create_staff(action, "Omar", Staff.OPERATOR)


async def request_for(
    invoice: Invoice,
    *,
    label: str | None = None,
    net_cents: int | None = None,
    quantity: int | None = None,
    refund: RefundDestination = RefundDestination.NONE,
    order_number: str | None = None,
    renews_buyer: bool = False,
) -> CorrectionRequest:
    """A correction of the only line of an invoice."""
    line = await InvoiceLine.get(invoice_id=invoice.pk)
    lines = (CorrectedLine(line.pk, label, quantity, net_cents),)
    return CorrectionRequest(
        invoice.pk, "Erreur de saisie", lines, renews_buyer, order_number, refund
    )


async def correct(
    shop: Shop, action: Action, actor: User, request: CorrectionRequest, key: str = "k"
) -> Invoice:
    return await correct_invoice(replace(action, actor=actor), shop.services, actor, request, key)


async def assert_books_agree() -> None:
    assert (await reconciliation()).errors == ()


async def test_a_credit_note_that_was_prepared_before_a_correction_is_refused(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1")
    invoice, actor = await Invoice.get(), await operator(action)
    request = CreditRequest(invoice.pk, "Geste", RefundDestination.BALANCE)
    prepared = await prepare_credit(shop.services.seller, action, request)
    await correct(shop, action, actor, await request_for(invoice, order_number="PO 99"))
    async with action.transaction() as tx:
        purchases = await lock_for_credit(tx, invoice)
        with pytest.raises(Refusal, match="NOT_CREDITABLE"):
            await issue_credit_note(tx, shop.services.seller, actor, purchases, request, prepared)


async def test_p2_4_another_wording_and_order_number_replace_a_paid_invoice(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1")
    invoice = await Invoice.get()
    request = await request_for(invoice, label="Essentiel, poste 2", order_number="PO 99")
    corrective = await correct(shop, action, await operator(action), request)
    assert (corrective.type, corrective.original_id) == (
        DocumentType.CORRECTIVE_INVOICE,
        invoice.pk,
    )
    assert corrective.number == "FA-2026-000002"
    facts = InvoiceFacts.from_json(corrective.facts)
    original = InvoiceFacts.from_json(invoice.facts)
    assert [each.number for each in facts.originals] == [invoice.number]
    assert (facts.lines[0].label, facts.order_number) == ("Essentiel, poste 2", "PO 99")
    assert (facts.totals, facts.buyer, facts.payment) == (
        original.totals,
        original.buyer,
        original.payment,
    )
    assert (facts.paid_cents, facts.process, facts.notes[0].text) == (
        GROSS,
        "S2",
        "Erreur de saisie",
    )
    assert check_facts(facts) == []
    states = [each.state for each in await Receivable.all().order_by("invoice_id")]
    assert states == [InvoiceState.CREDITED, InvoiceState.PAID]
    labels = [each.label_key for each in await LedgerEntry.all().order_by("id")]
    assert labels == ["invoice", "payment", "invoice", "invoice_replaced"]
    assert await Refund.all().count() == 0
    await assert_books_agree()
    await render_due(action, shop.services.signer)
    email = await Email.get(invoice_id=corrective.pk)
    assert "Facture remplacée" in email.text
    assert invoice.number in email.text


async def test_the_accounting_entries_say_what_was_replaced(shop: Shop, action: Action) -> None:
    await shop.buy(action, "1")
    request = await request_for(await Invoice.get(), label="Autre")
    corrective = await correct(shop, action, await operator(action), request)
    content = b"".join([piece async for piece in fec(2026)])
    lines = read_fec(fec_file_name("404833048", date(2026, 12, 31)), content)
    replaced = [
        (line["CompteNum"], line["Debit"], line["Credit"])
        for line in lines
        if line["EcritureLib"] == f"Facture remplacée par {corrective.number}"
    ]
    assert replaced == [
        ("411000", "0,00", "34,80"),
        ("706000", "29,00", "0,00"),
        ("445710", "5,80", "0,00"),
    ]
    assert {line["PieceRef"] for line in lines if line["JournalCode"] == "VE"} == {
        "FA-2026-000001",
        "FA-2026-000002",
    }
    assert {line["EcritureLet"] for line in lines if line["CompteNum"] == "411000"} == {"A"}


async def test_a_lower_amount_gives_back_what_was_paid_too_much(shop: Shop, action: Action) -> None:
    await shop.buy(action, "1")
    invoice, actor = await Invoice.get(), await operator(action)
    request = await request_for(invoice, net_cents=2_000)
    with pytest.raises(Refusal, match=BillingErrorCode.REFUND_REQUIRED):
        await correct(shop, action, actor, request)
    request = replace(request, refund=RefundDestination.PAYMENT)
    preview = await build_correction(shop.services.seller, action, request)
    corrective = await correct(shop, action, actor, request)
    assert corrective.gross_cents == 2_400
    assert (preview.totals.gross_cents, preview.surplus_cents, preview.open_cents) == (
        2_400,
        1_080,
        0,
    )
    refund = await Refund.get()
    assert (refund.amount_cents, refund.credit_note_id) == (1_080, corrective.pk)
    await assert_books_agree()
    # The corrective invoice is an invoice like any other: it can be credited and corrected.
    again = await request_for(corrective, label="Autre")
    second = await correct(shop, action, actor, again, "again")
    credit = CreditRequest(second.pk, "Geste", RefundDestination.BALANCE)
    await credit_invoice(action, shop.services, actor, credit, "credit")
    await assert_books_agree()


async def test_an_unpaid_invoice_is_replaced_by_one_that_is_due_on_the_same_day(
    shop: Shop, action: Action
) -> None:
    purchase = await shop.confirmed_purchase(action, "1")
    invoice = await pay_by_transfer(action, shop.services, purchase, "transfer")
    later = replace(action, at=action.at + timedelta(days=3))
    request = await request_for(invoice, net_cents=1_000)
    corrective = await correct(shop, later, await operator(action), request)
    receivable = await Receivable.get(invoice_id=corrective.pk)
    assert (receivable.open_cents, receivable.due_on) == (1_200, invoice.due_on)
    facts = InvoiceFacts.from_json(corrective.facts)
    assert facts.payment is not None
    assert facts.payment.reference == corrective.reference != invoice.reference
    purchase = await Purchase.get(pk=purchase.pk)
    assert purchase.status is PurchaseStatus.PAYMENT_PENDING
    await pay(later, corrective, 1_200)
    purchase = await Purchase.get(pk=purchase.pk)
    assert purchase.status is PurchaseStatus.ACTIVE
    assert (await BillingPeriod.get()).invoice_id == corrective.pk
    await assert_no_difference_but_bank()


async def test_a_transfer_with_the_former_reference_pays_the_corrective_invoice(
    shop: Shop, action: Action
) -> None:
    purchase = await shop.confirmed_purchase(action, "1")
    invoice = await pay_by_transfer(action, shop.services, purchase, "transfer")
    request = await request_for(invoice, net_cents=2_000)
    corrective = await correct(shop, action, await operator(action), request)
    statement = await BankStatement.create(
        sha256="0" * 64,
        name="statement.xml",
        format=StatementFormat.CAMT_053,
        created_at=action.at,
        line_count=1,
        new_count=1,
        pending_count=0,
    )
    line = await BankLine.create(
        statement=statement,
        position=1,
        fingerprint="0" * 64,
        iban="FR7630006000011234567890189",
        booked_on=action.day,
        amount_cents=2_400,
        text="",
        structured_reference=invoice.reference,
        counterparty_name="Fournil",
        created_at=action.at,
    )
    assert await match_new_lines(action) == 1
    line = await BankLine.get(pk=line.pk)
    assert line.match is BankLineMatch.REFERENCE_AND_AMOUNT
    assert (await Receivable.get(invoice_id=corrective.pk)).open_cents == 0
    await assert_books_agree()


async def pay(action: Action, invoice: Invoice, cents: int) -> None:
    """Record money that came in for an invoice."""
    payment = await Payment.create(
        account_id=invoice.account_id,
        kind=PaymentKind.TRANSFER,
        status=PaymentStatus.SUCCEEDED,
        amount_cents=cents,
        method="transfer",
        provider="bank",
        created_at=action.at,
    )
    async with action.transaction() as tx:
        purchases = await lock_for_settlement(tx, invoice.account_id)
        payment = await tx.lock(Payment, payment.pk)
        await apply_payment(tx, payment, [(invoice.pk, None)])
        await restore(tx, purchases)


async def assert_no_difference_but_bank() -> None:
    """The books agree, except with the bank statement, which the tests don't import."""
    assert [each for each in (await reconciliation()).errors if "bank line" not in each] == []


async def test_a_partial_payment_moves_to_the_corrective_invoice(
    shop: Shop, action: Action
) -> None:
    purchase = await shop.confirmed_purchase(action, "1")
    invoice = await pay_by_transfer(action, shop.services, purchase, "transfer")
    await pay(action, invoice, 1_000)
    request = await request_for(invoice, net_cents=2_000)
    corrective = await correct(shop, action, await operator(action), request)
    facts = InvoiceFacts.from_json(corrective.facts)
    assert (facts.paid_cents, facts.payable_cents, facts.process) == (1_000, 1_400, "S1")
    assert (await Receivable.get(invoice_id=corrective.pk)).open_cents == 1_400
    await assert_no_difference_but_bank()


async def test_a_payment_that_comes_in_between_is_taken_over_too(
    shop: Shop, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase = await shop.confirmed_purchase(action, "1")
    invoice = await pay_by_transfer(action, shop.services, purchase, "transfer")
    request, actor = await request_for(invoice, label="Autre"), await operator(action)
    build = corrections.build_correction

    async def build_then_pay(*arguments: Any, trial: bool = True, **options: Any) -> Correction:
        correction = await build(*arguments, trial=trial, **options)
        if trial:
            await pay(action, invoice, GROSS)
        return correction

    monkeypatch.setattr(corrections, "build_correction", build_then_pay)
    corrective = await correct(shop, action, actor, request)
    facts = InvoiceFacts.from_json(corrective.facts)
    assert (facts.paid_cents, facts.process) == (GROSS, "S2")
    assert (await Receivable.get(invoice_id=corrective.pk)).state is InvoiceState.PAID
    await assert_no_difference_but_bank()


async def test_it_is_issued_to_the_company_as_it_is_now(shop: Shop, action: Action) -> None:
    await shop.buy(action, "1")
    invoice = await Invoice.get()
    await Account.filter(pk=shop.account.pk).update(legal_name="Fournil SAS", street="9 rue Y")
    request = await request_for(invoice, renews_buyer=True)
    corrective = await correct(shop, action, await operator(action), request)
    buyer = InvoiceFacts.from_json(corrective.facts).buyer
    assert (buyer.name, buyer.address.lines) == ("Fournil SAS", ("9 rue Y",))
    assert corrective.billing_profile_id != invoice.billing_profile_id
    # An Italian company isn't charged French VAT: that is no correction.
    await Account.filter(pk=shop.account.pk).update(
        country="CH", siren=None, registration_number="CHE-1", city="Genève"
    )
    with pytest.raises(Refusal, match=BillingErrorCode.NOT_CORRECTABLE):
        await correct(
            shop,
            action,
            await User.get(staff=Staff.OPERATOR),
            await request_for(corrective, renews_buyer=True),
            "abroad",
        )


async def test_what_cannot_be_corrected_is_refused(shop: Shop, action: Action) -> None:
    await shop.buy(action, "1")
    invoice, actor = await Invoice.get(), await operator(action)

    async def code_of(request: CorrectionRequest, actor: User = actor) -> str:
        with pytest.raises(Refusal) as refusal:
            await correct(shop, action, actor, request, "refused")
        return refusal.value.code

    assert await code_of(await request_for(invoice)) == CommonErrorCode.VALUE_INVALID
    too_large = await request_for(invoice, net_cents=2_901)
    assert await code_of(too_large) == BillingErrorCode.CORRECTION_TOO_LARGE
    assert await code_of(await request_for(invoice, quantity=0)) == BillingErrorCode.NOT_CORRECTABLE
    assert await code_of(await request_for(invoice, quantity=-1)) == CommonErrorCode.VALUE_INVALID
    assert await code_of(await request_for(invoice, net_cents=-1)) == CommonErrorCode.VALUE_INVALID
    free = await request_for(invoice, net_cents=0, refund=RefundDestination.BALANCE)
    assert await code_of(free) == BillingErrorCode.NOT_CORRECTABLE
    stranger = replace(too_large, lines=(CorrectedLine(999, "x"),))
    assert await code_of(stranger) == CommonErrorCode.NOT_FOUND
    request = CreditRequest(invoice.pk, "Geste", RefundDestination.BALANCE)
    credit_note = await credit_invoice(action, shop.services, actor, request, "credit")
    for document in (invoice, credit_note):
        assert await code_of(await request_for(document, label="x")) == (
            BillingErrorCode.NOT_CORRECTABLE
        )


async def test_a_role_corrects_within_its_limit(shop: Shop, action: Action) -> None:
    await shop.buy(action, "1", quantity=10)
    invoice, refund = await Invoice.get(), RefundDestination.BALANCE
    agent = await create_staff(action, "Alice", Staff.AGENT)
    request = await request_for(invoice, quantity=3, refund=refund)
    with pytest.raises(Refusal, match=BillingErrorCode.CREDIT_LIMIT_EXCEEDED):
        await correct(shop, action, agent, request)
    corrective = await correct(
        shop,
        action,
        agent,
        await request_for(invoice, quantity=5, refund=refund),
    )
    # A chain of corrections has the same limit as one.
    request = await request_for(corrective, quantity=4, refund=refund)
    with pytest.raises(Refusal, match=BillingErrorCode.CREDIT_LIMIT_EXCEEDED):
        await correct(shop, action, agent, request, "again")
    # So has a credit note of the corrective invoice.
    credit = CreditRequest(corrective.pk, "Geste", refund, gross_cents=10_000)
    with pytest.raises(Refusal, match=BillingErrorCode.CREDIT_LIMIT_EXCEEDED):
        await credit_invoice(action, shop.services, agent, credit, "credit")


async def test_two_corrections_at_once_replace_the_invoice_once(shop: Shop, action: Action) -> None:
    await shop.buy(action, "1")
    invoice, actor = await Invoice.get(), await operator(action)
    request = await request_for(invoice, label="Autre")
    results = await asyncio.gather(
        *(correct(shop, action, actor, request, key) for key in ("a", "b")), return_exceptions=True
    )
    refusals = [each for each in results if isinstance(each, Refusal)]
    assert [each.code for each in refusals] == [BillingErrorCode.NOT_CORRECTABLE]
    assert await Invoice.filter(type=DocumentType.CORRECTIVE_INVOICE).count() == 1
    key = "b" if isinstance(results[0], Refusal) else "a"
    repeated = await correct(shop, action, actor, request, key)
    assert repeated.original_id == invoice.pk
    with pytest.raises(Refusal, match=CommonErrorCode.IDEMPOTENCY_MISMATCH):
        await correct(shop, action, actor, replace(request, reason="x"), key)
    with pytest.raises(Refusal, match=BillingErrorCode.NOT_CREDITABLE):
        await credit_invoice(action, shop.services, actor, CreditRequest(invoice.pk, "x"), "credit")


async def test_a_partly_credited_invoice_is_replaced_by_what_is_left(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1")
    invoice, actor = await Invoice.get(), await operator(action)
    credit = CreditRequest(invoice.pk, "Geste", RefundDestination.BALANCE, gross_cents=480)
    await credit_invoice(action, shop.services, actor, credit, "credit")
    with pytest.raises(Refusal, match=BillingErrorCode.CORRECTION_TOO_LARGE):
        await correct(shop, action, actor, await request_for(invoice, label="Autre"))
    request = await request_for(invoice, net_cents=2_500)
    corrective = await correct(shop, action, actor, request)
    assert corrective.gross_cents == 3_000
    await assert_books_agree()


async def test_a_corrected_period_renews_and_is_reported_by_its_offer(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1")
    invoice = await Invoice.get()
    corrective = await correct(
        shop, action, await operator(action), await request_for(invoice, label="Autre")
    )
    item = await BillingItem.get(invoice_line__invoice_id=corrective.pk)
    assert item.data["price"] == shop.price.pk
    later = replace(action, at=action.at + timedelta(days=31))
    assert await bill_due_periods(later, shop.services) == 1
