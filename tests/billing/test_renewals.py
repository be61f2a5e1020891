"""P3.6 and P3.7: purchases are billed on their anniversary, and late invoices are collected."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing import charging, checkout
from billing.balance import pay_open_invoices, shares_for, use_balance
from billing.checkout_services import CheckoutServices
from billing.document_requests import render_due
from billing.dunning import dun_late_invoices
from billing.gateways.sandbox import Sandbox
from billing.invoice_payments import pay_invoice
from billing.renewals import bill_due_periods
from billing.seller import seller
from billing.settlement import apply_payment, lock_for_settlement, restore, reverse_payment
from models.accounts.account import Account, AccountStatus, Role
from models.action import Action
from models.billing.billing_period import BillingPeriod
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.ledger import LedgerLine
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind, PaymentMethod, PaymentMethodStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Allocation, InvoiceState, Receivable
from models.database import batches
from models.database.sql import execute
from models.errors import Refusal
from models.event import Event, EventKind, account_stream
from models.identity.user import User
from models.measurements import DUNNING_STEPS, PAYMENTS
from models.operations.email import Email
from operations.database_metrics import read_numbers
from settings import PACKAGED_SELLER
from tests.billing.purchase_fixtures import UnavailableOnce
from tests.people import add_member, create_account, create_user
from tests.quick_auth import quick_auth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import MovableClock

URL = "https://camcha.example"
JANUARY = datetime(2027, 1, 31, 9, tzinfo=UTC)


@pytest.fixture
def services(clock: "MovableClock") -> "Iterator[CheckoutServices]":
    auth = quick_auth(clock)
    yield CheckoutServices(Sandbox(URL), seller(PACKAGED_SELLER), auth.signer)
    auth.passwords.close()


def on(action: Action, day: date) -> Action:
    """The same action at noon on another day."""
    return replace(action, at=datetime(day.year, day.month, day.day, 11, tzinfo=UTC))


@pytest.fixture
async def price(db: str, action: Action) -> Price:
    texts: Any = {
        locale: {"name": "Essentiel", "description": "x", "features": ["a"], "advantages": ["b"]}
        for locale in ("fr", "en")
    }
    offer = await Offer.create(slug="essentiel", segment=Segment.TPE, position=1, texts=texts)
    return await Price.create(
        offer=offer, interval=Interval.MONTH, net_cents=2900, vat_rate=2000, valid_from=action.at
    )


@pytest.fixture
async def purchase(price: Price, action: Action, services: CheckoutServices) -> Purchase:
    """An active purchase, bought on 31 January 2027 by card."""
    action = replace(action, at=JANUARY)
    account = await create_account(
        action, street="1 rue du Four", postal_code="75011", city="Paris", country="FR"
    )
    owner = await create_user(action, "Camille Aubry")
    await add_member(action, account, owner, Role.OWNER)
    draft = await checkout.draft(action, account, owner, price, "draft")
    await draft.confirm_billing(action)
    await checkout.pay(action, services, draft, "pm_sandbox_success", "pay")
    await Email.all().delete()
    return await Purchase.get(pk=draft.pk)


async def use_method(purchase: Purchase, token: str) -> None:
    """Makes this the payment method of the purchase's account."""
    earlier = PaymentMethod.filter(account_id=purchase.account_id)
    await earlier.update(status=PaymentMethodStatus.REMOVED, is_default=False)
    await PaymentMethod.create(
        account_id=purchase.account_id,
        provider="sandbox",
        token=token,
        status=PaymentMethodStatus.ACTIVE,
        is_default=True,
        created_at=JANUARY,
    )


async def templates() -> list[str]:
    """The templates of the emails since the last call."""
    emails = await Email.all().order_by("id")
    await Email.all().delete()
    return [email.template.removesuffix(".fr") for email in emails]


async def run_daily(action: Action, services: CheckoutServices, first: date, last: date) -> None:
    """Runs the jobs once a day."""
    day = first
    while day <= last:
        await bill_due_periods(on(action, day), services)
        await dun_late_invoices(on(action, day), services)
        day += timedelta(days=1)


async def test_p3_6_a_purchase_of_the_31st_is_billed_on_each_anniversary(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    assert purchase.bills_on == date(2027, 2, 28)
    assert await bill_due_periods(on(action, date(2027, 2, 27)), services) == 0
    await run_daily(action, services, date(2027, 2, 27), date(2027, 5, 1))
    invoices = await Invoice.filter(purchase_id=purchase.pk).order_by("id")
    assert [invoice.issued_on for invoice in invoices] == [
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
    ]
    periods = await BillingPeriod.filter(purchase_id=purchase.pk).order_by("index")
    assert [each.starts_on for each in periods[1:]] == [each.ends_on for each in periods[:-1]]
    assert [each.invoice_id for each in periods] == [invoice.pk for invoice in invoices]
    assert {each.state for each in await Receivable.all()} == {InvoiceState.PAID}
    # A card renewal is paid when it is issued (EN 16931, framework S2).
    assert {invoice.facts["paid_cents"] for invoice in invoices} == {3480}


async def test_p3_6_every_missed_period_is_billed_once_after_downtime(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    late = on(action, date(2027, 7, 15))
    assert await bill_due_periods(late, services) == 5
    assert await bill_due_periods(late, services) == 0
    periods = await BillingPeriod.filter(purchase_id=purchase.pk).order_by("index")
    assert [each.index for each in periods] == [0, 1, 2, 3, 4, 5]
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.next_period_index, purchase.bills_on) == (6, date(2027, 7, 31))


async def test_two_runs_at_once_bill_each_period_once(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    late = on(action, date(2027, 5, 15))
    counts = await asyncio.gather(*(bill_due_periods(late, services) for _ in range(3)))
    assert sum(counts) == 3
    assert await Invoice.filter(purchase_id=purchase.pk).count() == 4
    assert await Payment.filter(purchase_id=purchase.pk).count() == 4


async def test_a_purchase_or_an_invoice_that_fails_holds_up_no_other(
    purchase: Purchase,
    price: Price,
    action: Action,
    services: CheckoutServices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    january = replace(action, at=JANUARY)
    account, owner = await Account.get(), await User.get()
    draft = await checkout.draft(january, account, owner, price, "another")
    await draft.confirm_billing(january)
    await checkout.pay(january, services, draft, "pm_sandbox_success", "another")
    await use_method(purchase, "pm_sandbox_declined")
    nameless = await Offer.create(slug="x", segment=Segment.TPE, texts={})
    nameless_price = await Price.create(
        offer=nameless, interval="MONTH", net_cents=1, vat_rate=2_000, valid_from=JANUARY
    )
    await Purchase.filter(pk=purchase.pk).update(price_id=nameless_price.pk)
    due = date(2027, 2, 28)
    for expected_count in (1, 0):
        assert await bill_due_periods(on(action, due), services) == expected_count
    await Purchase.filter(pk=purchase.pk).update(price_id=price.pk)
    assert await bill_due_periods(on(action, due), services) == 1
    first, _ = await Invoice.filter(issued_on=due).order_by("id")
    await execute("UPDATE payment SET kind = 'X' WHERE invoice_id = ?", first.pk)
    for expected_count in (1, 0):
        day = on(action, due + timedelta(days=5))
        assert await dun_late_invoices(day, services) == expected_count


async def test_a_lost_answer_is_applied_later_and_charged_once(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    due = on(action, date(2027, 2, 28))
    services = replace(services, gateway=UnavailableOnce(URL))
    assert await bill_due_periods(due, services) == 1
    assert await Invoice.filter(purchase_id=purchase.pk).count() == 1
    later = replace(due, at=due.at + timedelta(minutes=5))
    assert await charging.reconcile(later, services) == 1
    assert await Invoice.filter(purchase_id=purchase.pk).count() == 2
    payments = await Payment.filter(purchase_id=purchase.pk)
    assert [payment.status for payment in payments] == [PaymentStatus.SUCCEEDED] * 2


async def test_p3_7_an_unpaid_purchase_is_dunned_suspended_and_ended(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    steps_before, payments_before = DUNNING_STEPS.counts, PAYMENTS.counts
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due)
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.past_due_since) == (PurchaseStatus.PAST_DUE, due)
    assert await templates() == ["invoice_unpaid"]
    await run_daily(action, services, due, due + timedelta(days=13))
    invoice = await Invoice.get(purchase_id=purchase.pk, issued_on=due)
    attempts = await Payment.filter(invoice_id=invoice.pk).order_by("id")
    assert [payment.attempt for payment in attempts] == [1, 2, 3, 4]
    assert await templates() == ["invoice_unpaid"] * 3
    await run_daily(action, services, due + timedelta(days=14), due + timedelta(days=44))
    purchase = await Purchase.get(pk=purchase.pk)
    assert purchase.status is PurchaseStatus.SUSPENDED
    assert await templates() == ["purchase_suspended"]
    assert (await read_numbers(action.at))["camcha_companies_suspended"] == 1
    await run_daily(action, services, due + timedelta(days=45), due + timedelta(days=60))
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.ended_on) == (
        PurchaseStatus.CANCELED,
        due + timedelta(days=45),
    )
    assert await templates() == ["purchase_ended_unpaid"]
    # A suspended purchase isn't billed for further periods.
    assert await Invoice.filter(purchase_id=purchase.pk).count() == 2
    assert (await Receivable.get(invoice_id=invoice.pk)).state is InvoiceState.UNPAID
    steps = {key[0]: n - steps_before[key] for key, n in DUNNING_STEPS.counts.items()}
    assert steps == {"REMIND": 1, "RETRY": 3, "SUSPEND": 1, "CANCEL": 1}
    declined = ("sandbox", "DECLINED")
    assert PAYMENTS.counts[declined] - payments_before.get(declined, 0) == 4


async def test_after_downtime_every_due_step_is_recorded_and_the_last_one_taken(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    due = date(2027, 2, 28)
    await bill_due_periods(on(action, due), services)
    await templates()
    for _ in range(2):
        await dun_late_invoices(on(action, due + timedelta(days=20)), services)
    assert await templates() == ["purchase_suspended"]
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.SUSPENDED


async def test_a_retry_that_succeeds_makes_the_purchase_active_again(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due + timedelta(days=2))
    await use_method(purchase, "pm_sandbox_success")
    await templates()
    await run_daily(action, services, due + timedelta(days=3), due + timedelta(days=4))
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.past_due_since) == (PurchaseStatus.ACTIVE, None)
    assert await templates() == []
    await assert_books_are_right(purchase)


async def test_a_confirmation_that_the_bank_asks_for_is_no_decline(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_reconfirmation")
    due = date(2027, 2, 28)
    await bill_due_periods(on(action, due), services)
    [email] = await Email.filter(template__startswith="payment_confirmation_needed")
    assert "/payments/confirm?token=" in email.text
    payment = await Payment.get(purchase_id=purchase.pk, is_off_session=True)
    assert (payment.status, payment.decline_code) == (PaymentStatus.REQUIRES_ACTION, None)
    assert isinstance(services.gateway, Sandbox)
    await services.gateway.decide(payment.provider_reference or "", is_approved=True)
    await charging.refresh(on(action, due), services, payment)
    restored = await Purchase.get(pk=purchase.pk)
    assert restored.status is PurchaseStatus.ACTIVE
    await assert_books_are_right(purchase)


@pytest.mark.parametrize("status", [AccountStatus.DEACTIVATED, AccountStatus.CLOSING])
async def test_a_company_that_cannot_use_its_account_is_neither_billed_nor_dunned(
    purchase: Purchase, action: Action, services: CheckoutServices, status: AccountStatus
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    await bill_due_periods(on(action, date(2027, 2, 28)), services)
    await Account.filter(pk=purchase.account_id).update(status=status)
    await run_daily(action, services, date(2027, 3, 1), date(2027, 4, 2))
    assert await Invoice.filter(purchase_id=purchase.pk).count() == 2
    assert await templates() == []


async def test_periods_that_pass_while_an_account_is_deactivated_are_not_billed(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    reactivated = on(action, date(2027, 5, 12))  # within the period that began on 30 April
    async with reactivated.transaction() as tx:
        await tx.lock(Account, purchase.account_id)
        await Purchase.skip_inactive_periods(tx, purchase.account_id)
    assert await bill_due_periods(reactivated, services) == 1
    periods = await BillingPeriod.filter(purchase_id=purchase.pk).order_by("index")
    assert [each.starts_on for each in periods] == [date(2027, 1, 31), date(2027, 4, 30)]


async def test_the_dunning_of_an_account_goes_on_from_where_it_was(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    """Nobody's service ends on the day on which their account is reactivated."""
    await use_method(purchase, "pm_sandbox_declined")
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due + timedelta(days=7))
    await templates()
    reactivated = due + timedelta(days=60)
    async with on(action, reactivated).transaction() as tx:
        await tx.lock(Account, purchase.account_id)
        await Receivable.resume_dunning(tx, purchase.account_id)
    await dun_late_invoices(on(action, reactivated), services)
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.SUSPENDED
    assert await templates() == ["purchase_suspended"]


async def test_a_purchase_that_ended_meanwhile_ends_on_its_day(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await Purchase.filter(pk=purchase.pk).update(cancel_at_period_end=True)
    reactivated = on(action, date(2027, 5, 12))
    async with reactivated.transaction() as tx:
        await tx.lock(Account, purchase.account_id)
        await Purchase.skip_inactive_periods(tx, purchase.account_id)
    await bill_due_periods(reactivated, services)
    assert (await Purchase.get(pk=purchase.pk)).ended_on == date(2027, 2, 28)


async def test_without_a_payment_method_the_invoice_is_issued_unpaid(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    # The seller takes no transfers, and there is nothing to charge.
    services = replace(services, seller=replace(services.seller, bank=None))
    await Payment.filter(purchase_id=purchase.pk).update(status=PaymentStatus.CANCELED)
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due + timedelta(days=3))
    assert await Payment.filter(status=PaymentStatus.DECLINED).count() == 0
    assert await templates() == ["invoice_unpaid"] * 3
    invoice = await Invoice.get(purchase_id=purchase.pk, issued_on=due)
    assert invoice.facts["paid_cents"] == 0


async def test_periods_that_pass_during_a_suspension_are_not_billed(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due + timedelta(days=14))
    paid_at = on(action, date(2027, 4, 12))  # within the period that began on 31 March
    await bill_due_periods(paid_at, services)
    invoice = await Invoice.get(purchase_id=purchase.pk, issued_on=due)
    await pay_invoice(paid_at, services, invoice, "pm_sandbox_success", "key")
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.bills_on) == (PurchaseStatus.ACTIVE, date(2027, 3, 31))
    await use_method(purchase, "pm_sandbox_success")
    await bill_due_periods(on(action, date(2027, 4, 30)), services)
    periods = await BillingPeriod.filter(purchase_id=purchase.pk).order_by("index")
    assert [each.starts_on for each in periods] == [
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
    ]


async def test_a_retry_leaves_an_unfinished_confirmation(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    """So an invoice isn't paid twice, by the retry and by the link in the email."""
    await use_method(purchase, "pm_sandbox_reconfirmation")
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due)
    await use_method(purchase, "pm_sandbox_success")
    await run_daily(action, services, due + timedelta(days=1), due + timedelta(days=1))
    first, retry = await Payment.filter(purchase_id=purchase.pk, is_off_session=True).order_by("id")
    assert (first.status, retry.status) == (PaymentStatus.CANCELED, PaymentStatus.SUCCEEDED)
    later = on(action, due + timedelta(days=2))
    await charging.reconcile(later, services)
    assert isinstance(services.gateway, Sandbox)
    await services.gateway.decide(first.provider_reference or "", is_approved=True)
    await charging.reconcile(replace(later, at=later.at + timedelta(days=3)), services)
    assert (await Payment.get(pk=first.pk)).status is PaymentStatus.CANCELED
    await assert_books_are_right(purchase)


async def test_p3_7_a_card_that_has_expired_is_not_charged_again_and_emails_say_so(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_expired")
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due)
    invoice = await Invoice.get(purchase_id=purchase.pk, issued_on=due)
    await pay_invoice(on(action, due), services, invoice, "pm_sandbox_declined", "other card")
    await run_daily(action, services, due + timedelta(days=1), due + timedelta(days=8))
    methods = [each.method for each in await Payment.filter(invoice_id=invoice.pk).order_by("id")]
    assert methods == ["pm_sandbox_expired", "pm_sandbox_declined"]
    await run_daily(action, services, due + timedelta(days=9), due + timedelta(days=14))
    dunning = Email.filter(template__in=["invoice_unpaid.fr", "purchase_suspended.fr"])
    texts = [each.text for each in await dunning.order_by("id")]
    assert len(texts) == 5
    assert all("La carte a expiré" in each for each in texts)


async def test_a_payment_that_is_taken_back_begins_the_schedule_anew(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    """A direct debit can come back after eight weeks: nobody is suspended without a reminder."""
    returned_on = date(2027, 3, 30)
    first = await Payment.get(purchase_id=purchase.pk)
    async with on(action, returned_on).transaction() as tx:
        await lock_for_settlement(tx, purchase.account_id, purchase.pk)
        await reverse_payment(tx, await tx.lock(Payment, first.pk), first.amount_cents)
    await use_method(purchase, "pm_sandbox_declined")
    await run_daily(action, services, returned_on, returned_on)
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.PAST_DUE
    assert (await templates())[-1] == "invoice_unpaid"


async def test_who_pays_by_transfer_gets_the_account_and_the_time_to_pay(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await Payment.filter(purchase_id=purchase.pk).update(kind=PaymentKind.TRANSFER)
    bank = services.seller.bank
    assert bank
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due)
    invoice = await Invoice.get(purchase_id=purchase.pk, issued_on=due)
    assert invoice.due_on == due + timedelta(days=bank.due_days)
    assert invoice.facts["payment"]["iban"] == bank.iban
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.ACTIVE
    assert await templates() == []


async def test_a_disputed_invoice_is_not_dunned(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    due = date(2027, 2, 28)
    await bill_due_periods(on(action, due), services)
    await Receivable.filter(open_cents__gt=0).update(disputed_at=action.at)
    await templates()
    await run_daily(action, services, due, due + timedelta(days=20))
    assert await templates() == []
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.PAST_DUE


async def test_a_purchase_that_is_canceled_at_the_end_of_its_period_isnt_billed_again(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await Purchase.filter(pk=purchase.pk).update(cancel_at_period_end=True)
    assert await bill_due_periods(on(action, date(2027, 3, 5)), services) == 0
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.ended_on) == (PurchaseStatus.CANCELED, date(2027, 2, 28))
    assert purchase.bills_on is None


async def pay_ahead(
    purchase: Purchase, action: Action, cents: int, *, pays_open: bool = False
) -> Payment:
    """A transfer that leaves an amount on the balance of the purchase's account."""
    async with action.transaction() as tx:
        purchases = await lock_for_settlement(tx, purchase.account_id)
        payment = await Payment.create(
            using_db=tx.db,
            account_id=purchase.account_id,
            kind=PaymentKind.TRANSFER,
            status=PaymentStatus.SUCCEEDED,
            amount_cents=cents,
            method="transfer",
            created_at=action.at,
        )
        await apply_payment(tx, payment, None if pays_open else [])
        await restore(tx, purchases)
    return payment


async def test_p3_6_a_balance_pays_renewals_before_the_card_is_charged(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await pay_ahead(purchase, action, 5_000)
    february, march = date(2027, 2, 28), date(2027, 3, 31)
    await run_daily(action, services, february, february)
    assert await Payment.filter(is_off_session=True).count() == 0
    first = await Invoice.get(issued_on=february)
    assert (first.facts["paid_cents"], first.facts["payment"]["code"]) == (3_480, 97)
    assert (await Receivable.get(invoice_id=first.pk)).state is InvoiceState.PAID
    await run_daily(action, services, march, march)
    charge = await Payment.get(is_off_session=True)
    assert (charge.status, charge.amount_cents) == (PaymentStatus.SUCCEEDED, 1_960)
    second = await Invoice.get(issued_on=march)
    assert (second.facts["paid_cents"], second.facts["payment"]["code"]) == (3_480, 48)
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.ACTIVE
    await assert_books_are_right(purchase)


async def test_a_balance_leaves_an_amount_that_providers_accept(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await pay_ahead(purchase, action, 3_460)
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due)
    charge = await Payment.get(is_off_session=True)
    assert charge.amount_cents == 50
    invoice = await Invoice.get(issued_on=due)
    assert (await Receivable.get(invoice_id=invoice.pk)).state is InvoiceState.PAID
    async with action.transaction() as tx:
        shares = await shares_for(tx, purchase.account_id, 1_000)
    assert sum(cents for _, cents in shares) == 30  # stays for the next one


async def test_a_balance_leaves_an_amount_that_can_be_charged_again_after_a_decline(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    await pay_ahead(purchase, action, 3_460)
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due + timedelta(days=1))
    invoice = await Invoice.get(issued_on=due)
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == 50
    attempts = Payment.filter(is_off_session=True).order_by("id")
    assert [payment.amount_cents for payment in await attempts] == [50, 50]


async def test_a_rest_that_providers_don_t_charge_is_left_to_a_transfer(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due)
    await pay_ahead(purchase, on(action, due), 3_450, pays_open=True)
    await use_method(purchase, "pm_sandbox_success")
    await templates()
    await run_daily(action, services, due + timedelta(days=1), due + timedelta(days=1))
    assert await templates() == ["invoice_unpaid"]
    assert await Payment.filter(is_off_session=True).count() == 1
    invoice = await Invoice.get(issued_on=due)
    with pytest.raises(Refusal) as refused:
        await pay_invoice(on(action, due), services, invoice, "pm_sandbox_success", "rest")
    assert refused.value.code is BillingErrorCode.AMOUNT_TOO_SMALL
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == 30


async def test_a_period_that_costs_less_than_providers_charge_is_billed_without_a_charge(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await Price.filter(pk=purchase.price_id).update(net_cents=40)
    due = date(2027, 2, 28)
    await bill_due_periods(on(action, due), services)
    assert await Payment.filter(is_off_session=True).count() == 0
    invoice = await Invoice.get(issued_on=due)
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == 48


async def test_what_the_balance_doesn_t_cover_is_open_when_the_card_is_declined(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    await pay_ahead(purchase, action, 1_000)
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due)
    invoice = await Invoice.get(issued_on=due)
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert (receivable.open_cents, receivable.state) == (2_480, InvoiceState.PARTIALLY_PAID)
    assert invoice.facts["paid_cents"] == 1_000
    [email] = await Email.filter(template__startswith="invoice_unpaid")
    assert "24,80" in email.text
    await render_due(on(action, due), services.signer)
    issued = await Email.filter(template__startswith="invoice_issued").order_by("-id").first()
    assert issued
    assert "24,80" in issued.text
    await assert_books_are_right(purchase)


async def test_a_balance_pays_a_late_invoice_before_it_is_dunned(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due + timedelta(days=15))
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.SUSPENDED
    await templates()
    late = due + timedelta(days=45)
    await pay_ahead(purchase, on(action, late), 3_480)
    stream = account_stream(purchase.account_id)
    payments = Event.filter(kind=EventKind.PAYMENT_CHANGED, stream=stream)
    before = await payments.count()
    await dun_late_invoices(on(action, late), services)
    assert await payments.count() == before + 1
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.ACTIVE
    assert await templates() == ["purchase_restored"]
    await assert_books_are_right(purchase)


async def test_p3_7_a_customer_pays_what_the_balance_leaves_open(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    due = on(action, date(2027, 2, 28))
    await bill_due_periods(due, services)
    await pay_ahead(purchase, due, 1_000)
    invoice = await Invoice.get(issued_on=due.day)
    # While it is being charged, the balance doesn't pay it as well.
    processing = await pay_invoice(due, services, invoice, "pm_sandbox_processing_declined", "a")
    assert processing.amount_cents == 2_480
    await pay_ahead(purchase, due, 500)
    await use_balance(due, purchase.account_id)
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == 2_480
    assert isinstance(services.gateway, Sandbox)
    await services.gateway.settle(processing.provider_reference or "")
    await charging.refresh(due, services, processing)
    payment = await pay_invoice(due, services, invoice, "pm_sandbox_success", "one")
    assert (payment.status, payment.amount_cents) == (PaymentStatus.SUCCEEDED, 1_980)
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.ACTIVE
    await assert_books_are_right(purchase)


async def test_a_balance_is_reserved_for_a_renewal_that_is_being_charged(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await pay_ahead(purchase, action, 1_500)
    due = on(action, date(2027, 2, 28))
    services = replace(services, gateway=UnavailableOnce(URL))
    await bill_due_periods(due, services)
    async with due.transaction() as tx:
        await tx.lock(Account, purchase.account_id)
        assert await shares_for(tx, purchase.account_id, 3_480) == []
        assert not await pay_open_invoices(tx, purchase.account_id)
    await charging.reconcile(replace(due, at=due.at + timedelta(minutes=5)), services)
    invoice = await Invoice.get(issued_on=due.day)
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == 0
    await assert_books_are_right(purchase)


async def test_a_payment_without_a_target_pays_no_disputed_invoice(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    await use_method(purchase, "pm_sandbox_declined")
    due = date(2027, 2, 28)
    await run_daily(action, services, due, due)
    await Receivable.filter(open_cents__gt=0).update(disputed_at=action.at)
    await pay_ahead(purchase, on(action, due), 3_480, pays_open=True)
    assert (await Receivable.get(open_cents__gt=0)).open_cents == 3_480


async def test_p2_3_a_direct_debit_names_its_mandate_on_the_invoice(
    purchase: Purchase, action: Action, services: CheckoutServices
) -> None:
    seller = replace(services.seller, creditor_identifier="FR72ZZZ123456")
    services = replace(services, seller=seller)
    await use_method(purchase, "pm_sandbox_debit")
    await PaymentMethod.filter(token="pm_sandbox_debit").update(
        kind=PaymentKind.DIRECT_DEBIT, mandate_reference="M-42", iban_last_four="3000"
    )
    due = on(action, date(2027, 2, 28))
    await bill_due_periods(due, services)
    assert isinstance(services.gateway, Sandbox)
    charge = await Payment.get(is_off_session=True)
    await services.gateway.settle(charge.provider_reference or "")
    await charging.reconcile(replace(due, at=due.at + timedelta(hours=1)), services)
    means = (await Invoice.get(issued_on=due.day)).facts["payment"]
    assert (means["code"], means["mandate_reference"]) == (59, "M-42")
    assert (means["account_last4"], means["creditor_identifier"]) == ("3000", "FR72ZZZ123456")


async def assert_books_are_right(purchase: Purchase) -> None:
    """What is open is what was invoiced minus what was allocated, in the ledger too."""
    receivables = await Receivable.filter(account_id=purchase.account_id)
    for receivable in receivables:
        allocations = await Allocation.filter(invoice_id=receivable.invoice_id)
        paid_cents = sum(each.amount_cents for each in allocations)
        assert receivable.open_cents == receivable.gross_cents - paid_cents
    lines = await LedgerLine.filter(code="411000", account_id=purchase.account_id)
    balance = sum(line.debit_cents - line.credit_cents for line in lines)
    assert balance == sum(receivable.open_cents for receivable in receivables)
