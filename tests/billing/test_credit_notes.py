"""Credit notes mirror their invoice, never exceed it, and give back what was paid."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.bank.transfer import pay_by_transfer
from billing.credit_notes import (
    CreditLine,
    CreditRequest,
    Remainder,
    credit_invoice,
    credited,
    remainder,
)
from billing.documents.facts import InvoiceFacts
from billing.gateways.gateway import GatewayUnavailable, RefundOutcome
from billing.gateways.sandbox import Sandbox
from billing.reconciliation import reconciliation
from billing.refunds import refund_pending
from billing.renewals import bill_due_periods
from models.action import Action
from models.billing.billing_period import BillingPeriod
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentType, Invoice, InvoiceLine
from models.billing.ledger import LedgerEntry
from models.billing.money import VatBand, totals, vat_amount
from models.billing.payment import Payment
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import InvoiceState, Receivable
from models.billing.refund import Refund, RefundDestination, RefundStatus
from models.errors import Refusal
from models.event import INBOX, Event
from models.identity.user import Staff, User
from models.operations.email import Email
from models.support.ticket import Ticket
from tests.billing.documents.invoice_fixtures import LINE
from tests.billing.documents.invoice_fixtures import invoice as invoice_facts
from tests.billing.purchase_fixtures import Shop
from tests.people import create_staff

if TYPE_CHECKING:
    from tests.conftest import MovableClock


class SilentSandbox(Sandbox):
    """A provider that doesn't answer questions about refunds."""

    async def find_refund(self, key: str, reference: str) -> RefundOutcome | None:
        raise GatewayUnavailable


async def operator(action: Action) -> User:
    return await create_staff(action, "Omar", Staff.OPERATOR)


async def credit(
    shop: Shop,
    action: Action,
    actor: User,
    invoice: Invoice,
    key: str = "credit",
    refund: RefundDestination = RefundDestination.PAYMENT,
    lines: tuple[CreditLine, ...] = (),
    cents: int | None = None,
) -> Invoice:
    request = CreditRequest(invoice.pk, "Geste commercial", refund, lines, cents)
    return await credit_invoice(replace(action, actor=actor), shop.services, actor, request, key)


async def assert_books_agree() -> None:
    """The ledger, the receivables and the payments agree."""
    assert (await reconciliation()).errors == ()


async def test_p3_2_a_whole_credit_note_mirrors_its_invoice_and_is_refunded(
    shop: Shop, action: Action
) -> None:
    payment = await shop.buy(action, "1", quantity=3)
    invoice = await Invoice.get()
    credit_note = await credit(shop, action, await operator(action), invoice)
    assert credit_note.type is DocumentType.CREDIT_NOTE
    assert credit_note.number.startswith("AV-")
    facts, original = (
        InvoiceFacts.from_json(credit_note.facts),
        InvoiceFacts.from_json(invoice.facts),
    )
    assert facts.originals[0].number == invoice.number
    assert (facts.totals, facts.buyer, facts.lines) == (
        original.totals,
        original.buyer,
        original.lines,
    )
    assert facts.notes[0].text == "Geste commercial"
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert (receivable.open_cents, receivable.state) == (0, InvoiceState.CREDITED)
    refund = await Refund.get()
    assert (refund.status, refund.amount_cents) == (RefundStatus.SUCCEEDED, 10_440)
    assert (await Payment.get(pk=payment.pk)).refunded_cents == 10_440
    labels = [entry.label_key for entry in await LedgerEntry.all().order_by("id")]
    assert labels == ["invoice", "payment", "credit_note", "refund"]
    await assert_books_agree()


async def test_a_purchase_whose_unpaid_invoice_is_credited_ends(shop: Shop, action: Action) -> None:
    """It would have started when the transfer arrived: crediting its invoice doesn't start it free
    of charge.
    """
    purchase = await shop.confirmed_purchase(action, "1")
    invoice = await pay_by_transfer(action, shop.services, purchase, "transfer")
    await credit(shop, action, await operator(action), invoice, refund=RefundDestination.NONE)
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.bills_on) == (PurchaseStatus.CANCELED, None)
    assert await BillingPeriod.filter(purchase_id=purchase.pk).count() == 0


async def test_money_that_the_provider_does_not_refund_stays_on_the_balance(
    shop: Shop, action: Action
) -> None:
    payment = await shop.buy(action, "1", "pm_sandbox_unrefundable")
    await credit(shop, action, await operator(action), await Invoice.get())
    refund = await Refund.get()
    assert (refund.status, bool(refund.failure_code)) == (RefundStatus.FAILED, True)
    assert (await Payment.get(pk=payment.pk)).refunded_cents == 0
    assert (await reconciliation()).owed_cents == -3_480
    await assert_books_agree()


async def test_a_refund_that_the_provider_did_not_answer_is_asked_for_again(
    shop: Shop, action: Action
) -> None:
    payment = await shop.buy(action, "1")
    silent = replace(shop, services=replace(shop.services, gateway=SilentSandbox("")))
    credit_note = await credit(silent, action, await operator(action), await Invoice.get())
    assert (await Refund.get()).status is RefundStatus.PENDING
    assert (await Payment.get(pk=payment.pk)).refunded_cents == 3_480
    await assert_books_agree()
    assert await refund_pending(action, shop.services.gateway) == 0  # it has just been asked
    later = replace(action, at=action.at + timedelta(minutes=1))
    assert await refund_pending(later, shop.services.gateway) == 1
    assert await refund_pending(later, shop.services.gateway) == 0
    refund = await Refund.get()
    assert (refund.status, refund.credit_note_id) == (RefundStatus.SUCCEEDED, credit_note.pk)
    await assert_books_agree()


async def test_a_refund_that_the_bank_returns_is_on_the_balance_again(
    shop: Shop, action: Action, clock: "MovableClock"
) -> None:
    payment = await shop.buy(action, "1", "pm_sandbox_refund_returned")
    await credit(shop, action, await operator(action), await Invoice.get())
    assert (await Refund.get()).status is RefundStatus.SUCCEEDED
    clock.advance(timedelta(hours=1))
    later = replace(action, at=clock.now())
    assert [await refund_pending(later, shop.services.gateway) for _ in range(2)] == [1, 0]
    refund = await Refund.get()
    assert (refund.status, refund.next_check_at) == (RefundStatus.FAILED, None)
    assert (await Payment.get(pk=payment.pk)).refunded_cents == 0
    labels = [entry.label_key for entry in await LedgerEntry.all().order_by("id")]
    assert labels == ["invoice", "payment", "credit_note", "refund", "refund_failed"]
    # The customer is told, and an agent finds a ticket in the inbox.
    ticket = await Ticket.get()
    [email] = await Email.filter(template__startswith="refund_failed")
    assert (email.recipient, ticket.number in email.text) == (shop.buyer.email, True)
    assert "34,80" in ticket.subject
    assert await Event.filter(stream=INBOX, ticket_id=ticket.pk).exists()
    # It pays the next invoice.
    renewed = replace(action, at=action.at + timedelta(days=31))
    await bill_due_periods(renewed, shop.services)
    assert await Payment.filter(is_off_session=True).count() == 0
    assert (await reconciliation()).owed_cents == 0
    await assert_books_agree()


async def test_a_refund_that_the_provider_made_late_may_still_be_returned(
    shop: Shop, action: Action, clock: "MovableClock"
) -> None:
    """The days in which a bank returns the money begin when it was sent."""
    await shop.buy(action, "1", "pm_sandbox_refund_returned")
    silent = SilentSandbox("https://bank.example", clock)
    gateway, shop.services = shop.services.gateway, replace(shop.services, gateway=silent)
    await credit(shop, action, await operator(action), await Invoice.get())
    for days, status in ((40, RefundStatus.SUCCEEDED), (45, RefundStatus.FAILED)):
        clock.time = action.at + timedelta(days=days)
        assert await refund_pending(replace(action, at=clock.now()), gateway) == 1
        assert (await Refund.get()).status is status


async def test_a_refund_is_asked_about_again_when_the_last_question_had_no_answer(
    shop: Shop, action: Action, clock: "MovableClock"
) -> None:
    await shop.buy(action, "1", "pm_sandbox_refund_returned")
    await credit(shop, action, await operator(action), await Invoice.get())
    silent = SilentSandbox("https://bank.example", clock)
    clock.time = action.at + timedelta(days=31)
    assert await refund_pending(replace(action, at=clock.now()), silent) == 0
    clock.time = action.at + timedelta(days=33)
    assert await refund_pending(replace(action, at=clock.now()), shop.services.gateway) == 1
    assert (await Refund.get()).status is RefundStatus.FAILED


async def test_a_refund_is_asked_about_less_and_less_often(shop: Shop, action: Action) -> None:
    await shop.buy(action, "1")
    await credit(shop, action, await operator(action), await Invoice.get())
    checked_at = []
    for _ in range(40):
        refund = await Refund.get()
        if refund.next_check_at is None:
            break
        checked_at.append(refund.next_check_at - action.at)
        await refund_pending(replace(action, at=refund.next_check_at), shop.services.gateway)
    assert checked_at[:3] == [timedelta(hours=hours) for hours in (1, 2, 4)]
    assert timedelta(days=27) < checked_at[-1] <= timedelta(days=33)
    assert (await Refund.get()).status is RefundStatus.SUCCEEDED


async def test_a_repeat_credits_once(shop: Shop, action: Action) -> None:
    await shop.buy(action, "1")
    invoice, actor = await Invoice.get(), await operator(action)
    first = await credit(shop, action, actor, invoice)
    assert (await credit(shop, action, actor, invoice)).pk == first.pk
    assert await Refund.all().count() == 1


async def test_two_credit_notes_at_once_never_exceed_the_invoice(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1")
    invoice, actor = await Invoice.get(), await operator(action)
    results = await asyncio.gather(
        *(credit(shop, action, actor, invoice, f"k{n}", cents=2_000) for n in range(3)),
        return_exceptions=True,
    )
    refused = [each for each in results if isinstance(each, Refusal)]
    assert [each.code for each in refused] == [BillingErrorCode.CREDIT_TOO_LARGE] * 2
    assert (await remainder(invoice)).gross_cents == 1_480
    await assert_books_agree()


async def test_the_paid_part_stays_on_the_balance_and_pays_other_invoices(
    shop: Shop, action: Action
) -> None:
    payment = await shop.buy(action, "1")
    invoice = await Invoice.get()
    await credit(
        shop, action, await operator(action), invoice, refund=RefundDestination.BALANCE, cents=1_000
    )
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert (receivable.open_cents, receivable.state) == (0, InvoiceState.PAID)
    assert not await Refund.exists()
    assert (await Payment.get(pk=payment.pk)).refunded_cents == 0
    await assert_books_agree()


@pytest.mark.parametrize(
    ("lines", "cents", "code"),
    [
        ((), 3_481, BillingErrorCode.CREDIT_TOO_LARGE),
        ((CreditLine(1, net_cents=2_901),), None, BillingErrorCode.CREDIT_TOO_LARGE),
    ],
)
async def test_more_than_the_invoice_is_refused(
    shop: Shop,
    action: Action,
    lines: tuple[CreditLine, ...],
    cents: int | None,
    code: BillingErrorCode,
) -> None:
    await shop.buy(action, "1")
    line = await InvoiceLine.get()
    selected = tuple(replace(each, line_id=line.pk) for each in lines)
    with pytest.raises(Refusal) as refusal:
        await credit(
            shop, action, await operator(action), await Invoice.get(), lines=selected, cents=cents
        )
    assert refusal.value.code is code
    assert await Invoice.all().count() == 1


async def test_what_was_paid_is_not_given_back_without_a_decision(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1")
    with pytest.raises(Refusal) as refusal:
        await credit(
            shop, action, await operator(action), await Invoice.get(), refund=RefundDestination.NONE
        )
    assert refusal.value.code is BillingErrorCode.REFUND_REQUIRED


@pytest.mark.parametrize(
    ("role", "limit"), [(Staff.AGENT, 20_000), (Staff.SUPERVISOR, 100_000), (Staff.OPERATOR, None)]
)
async def test_a_role_credits_an_invoice_up_to_its_limit(
    shop: Shop, action: Action, role: Staff, limit: int | None
) -> None:
    await shop.buy(action, "1", quantity=40)
    invoice, actor = await Invoice.get(), await create_staff(action, "Alice", role)
    await credit(shop, action, actor, invoice, "1", cents=20_000)
    if limit is not None:
        with pytest.raises(Refusal) as refusal:
            await credit(shop, action, actor, invoice, "2", cents=limit - 20_000 + 1)
        assert refusal.value.code is BillingErrorCode.CREDIT_LIMIT_EXCEEDED
    else:
        await credit(shop, action, actor, invoice, "2")


def _rest(bands: list[VatBand], lines: dict[int, InvoiceLine], count: int = 0) -> Remainder:
    facts = invoice_facts(LINE)
    nets = {key: line.net_cents for key, line in lines.items()}
    stored = Invoice(number="FA-2026-000001")
    return Remainder(stored, facts, lines, nets, {each.basis_points: each for each in bands}, count)


LINES = st.lists(
    st.tuples(
        st.integers(1, 7), st.integers(0, 99_999), st.sampled_from([0, 210, 550, 850, 1000, 2000])
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(rows=LINES, data=st.data())
def test_credits_of_any_kind_add_up_to_the_invoice_rate_by_rate(
    rows: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    lines = {
        n: InvoiceLine(
            id=n,
            position=1,
            label="-",
            quantity=quantity,
            unit="C62",
            unit_net_cents=unit,
            net_cents=quantity * unit,
            vat_rate=rate,
        )
        for n, (quantity, unit, rate) in enumerate(rows, 1)
    }
    drawn = [
        type("Row", (), {"net_cents": line.net_cents, "vat_basis_points": line.vat_rate})()
        for line in lines.values()
    ]
    whole = totals(drawn)
    rest = _rest(list(whole.bands), lines)
    object.__setattr__(rest.facts, "totals", whole)
    for _ in range(data.draw(st.integers(0, 6))):
        request = data.draw(_requests(rest))
        try:
            credit = credited(rest, request)
        except Refusal:
            continue
        _assert_within_a_cent(credit.lines, credit.totals.bands)
        rest = _after(rest, request, credit)
        assert all(band.net_cents >= 0 and band.vat_cents >= 0 for band in rest.bands.values())
    if rest.gross_cents:
        last = credited(rest, CreditRequest(0, "-"))
        assert last.totals.gross_cents == rest.gross_cents
        _assert_within_a_cent(last.lines, last.totals.bands)


@st.composite
def _requests(draw: st.DrawFn, rest: Remainder) -> CreditRequest:
    if draw(st.booleans()):
        return CreditRequest(0, "-", gross_cents=draw(st.integers(1, max(rest.gross_cents, 1))))
    line = draw(st.sampled_from(list(rest.lines.values())))
    if draw(st.booleans()):
        chosen = CreditLine(line.pk, quantity=draw(st.integers(1, line.quantity)))
    else:
        chosen = CreditLine(line.pk, net_cents=draw(st.integers(1, max(line.net_cents, 1))))
    return CreditRequest(0, "-", lines=(chosen,))


def _assert_within_a_cent(lines: object, bands: tuple[VatBand, ...]) -> None:
    nets: dict[int, int] = {}
    for line in lines:  # type: ignore[attr-defined] # draft lines
        nets[line.vat_basis_points] = nets.get(line.vat_basis_points, 0) + line.printed().net_cents
    for band in bands:
        assert band.net_cents == nets[band.basis_points]
        assert abs(band.vat_cents - vat_amount(band.net_cents, band.basis_points)) <= 1


def _after(rest: Remainder, request: CreditRequest, credit: object) -> Remainder:
    bands = dict(rest.bands)
    for band in credit.totals.bands:  # type: ignore[attr-defined] # a credit
        left = bands[band.basis_points]
        bands[band.basis_points] = VatBand(
            band.basis_points, left.net_cents - band.net_cents, left.vat_cents - band.vat_cents
        )
    nets = dict(rest.net_by_line)
    for line in credit.lines:  # type: ignore[attr-defined] # a credit
        if "line" in line.data:
            nets[line.data["line"]] -= line.printed().net_cents
    return replace(rest, bands=bands, net_by_line=nets, count=rest.count + 1)
