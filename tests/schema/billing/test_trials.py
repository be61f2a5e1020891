"""P2.1: an offer is tried free of charge, once, and then charged or ended."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing.charging import reconcile
from billing.checkout_services import CheckoutServices
from billing.renewals import bill_due_periods
from billing.trials import has_tried, send_trial_reminders
from models.accounts.account import Account
from models.action import Action
from models.billing.billing_period import BillingPeriod
from models.billing.invoice import Invoice
from models.billing.offer import Offer, Price, Segment
from models.billing.payment import Payment
from models.billing.payment_method import PaymentMethod, PaymentMethodStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.database import batches
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode, key_of
from tests.billing.purchase_fixtures import UnavailableOnce
from tests.schema.billing.catalogue_fixtures import (
    codes,
    confirmed,
    create_operator,
    mutate,
    noon,
)

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

STARTED = "purchase { status trialEndsOn anchor billsOn }"
QUOTE = """query($price: ID!) { purchaseQuote(priceId: $price) { trial {
    endsOn requiresPaymentMethod dueToday { amountCents } dueAtEnd { amountCents } } } }"""
END = date(2026, 12, 7)


@pytest.fixture
async def trial_price(price: Price) -> Price:
    """A price with a trial of 14 days, from 23 November to 7 December 2026."""
    price.trial_days = 14
    await price.save()
    return price


@pytest.fixture
def checkout(services: Services) -> CheckoutServices:
    return CheckoutServices(services.gateway, services.seller, services.auth.signer)


def on(action: Action, day: date) -> Action:
    return replace(action, at=noon(day))


async def save_card(viewer: Viewer, action: Action, token: str = "pm_sandbox_success") -> str:  # noqa: S107 - the sandbox's
    """The ID of a saved card of the viewer's company."""
    assert viewer.account
    method = await PaymentMethod.create(
        account=viewer.account,
        provider="sandbox",
        token=token,
        brand="visa",
        last_four="4242",
        status=PaymentMethodStatus.ACTIVE,
        created_at=action.at,
    )
    return encode("PaymentMethod", method.pk)


async def start(
    execute: "Execute", viewer: Viewer, price: Price, method: str | None, key: str = "draft"
) -> tuple[Purchase, dict[str, Any]]:
    """A draft, and the payload of its start."""
    purchase = await confirmed(execute, viewer, price.pk, key)
    fields = {"purchaseId": purchase, "paymentMethodId": method, "idempotencyKey": key}
    payload = await mutate(execute, viewer, "purchaseStart", STARTED, **fields)
    return await Purchase.get(pk=key_of(Purchase, purchase)), payload


async def sent() -> list[str]:
    """The templates of the emails since the last call."""
    emails = await Email.all().order_by("id")
    await Email.all().delete()
    return [email.template.removesuffix(".fr") for email in emails]


async def test_p2_1_a_trial_is_quoted_started_announced_and_charged_at_its_end(
    execute: "Execute",
    dataset: "Dataset",
    trial_price: Price,
    action: Action,
    checkout: CheckoutServices,
) -> None:
    owner = dataset.paul.owner
    quote = (await execute(owner, QUOTE, price=encode("Price", trial_price.pk)))["data"]
    assert quote["purchaseQuote"]["trial"] == {
        "endsOn": "2026-12-07",
        "requiresPaymentMethod": True,
        "dueToday": {"amountCents": 0},
        "dueAtEnd": {"amountCents": 3_480},
    }
    refused = await start(execute, owner, trial_price, None, "none")
    assert codes(refused[1]) == [("PAYMENT_METHOD_REQUIRED", "paymentMethodId")]
    payments, invoices = await Payment.all().count(), await Invoice.all().count()
    purchase, payload = await start(execute, owner, trial_price, await save_card(owner, action))
    assert payload["purchase"] == {
        "status": "TRIALING",
        "trialEndsOn": "2026-12-07",
        "anchor": "2026-12-07",
        "billsOn": "2026-12-07",
    }
    entitled = "query($id: ID!) { account(id: $id) { entitlements { status since until } } }"
    account = await execute(owner, entitled, id=encode("Account", dataset.paul.account.pk))
    assert account["data"]["account"]["entitlements"][-1] == {
        "status": "TRIALING",
        "since": "2026-11-23",
        "until": "2026-12-07",
    }
    await sent()
    assert await send_trial_reminders(on(action, END - timedelta(days=4)), checkout) == 0
    announced = on(action, END - timedelta(days=3))
    counts = await asyncio.gather(*(send_trial_reminders(announced, checkout) for _ in range(2)))
    assert sum(counts) == 1
    assert await sent() == ["trial_ends"]
    assert await bill_due_periods(on(action, END - timedelta(days=1)), checkout) == 0
    assert (await Payment.all().count(), await Invoice.all().count()) == (payments, invoices)
    billed = await asyncio.gather(*(bill_due_periods(on(action, END), checkout) for _ in range(3)))
    assert sum(billed) == 1
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.bills_on) == (PurchaseStatus.ACTIVE, date(2027, 1, 7))
    (invoice,) = await Invoice.filter(purchase_id=purchase.pk)
    assert (invoice.issued_on, invoice.gross_cents) == (END, 3_480)
    (period,) = await BillingPeriod.filter(purchase_id=purchase.pk)
    assert (period.index, period.starts_on, period.ends_on) == (0, END, date(2027, 1, 7))
    (payment,) = await Payment.filter(purchase_id=purchase.pk)
    assert payment.is_off_session


async def test_a_trial_is_charged_once_although_the_run_is_killed_in_between(
    execute: "Execute",
    dataset: "Dataset",
    trial_price: Price,
    action: Action,
    checkout: CheckoutServices,
) -> None:
    owner = dataset.paul.owner
    purchase, _ = await start(execute, owner, trial_price, await save_card(owner, action))
    checkout = replace(checkout, gateway=UnavailableOnce("https://bank.example"))
    await bill_due_periods(on(action, END), checkout)
    assert not await Invoice.filter(purchase_id=purchase.pk).exists()
    for _ in range(2):
        later = on(action, END)
        later = replace(later, at=later.at + timedelta(minutes=5))
        await bill_due_periods(later, checkout)
        await reconcile(later, checkout)
    assert await Invoice.filter(purchase_id=purchase.pk).count() == 1
    assert await Payment.filter(purchase_id=purchase.pk).count() == 1


async def test_a_canceled_trial_ends_without_a_charge(
    execute: "Execute",
    dataset: "Dataset",
    trial_price: Price,
    action: Action,
    checkout: CheckoutServices,
) -> None:
    owner = dataset.paul.owner
    purchase, _ = await start(execute, owner, trial_price, await save_card(owner, action))
    fields = {"purchaseId": encode("Purchase", purchase.pk)}
    canceled = await mutate(execute, owner, "purchaseCancel", STARTED, **fields)
    assert canceled["purchase"]["status"] == "TRIALING"
    await sent()
    assert await send_trial_reminders(on(action, END - timedelta(days=1)), checkout) == 0
    assert await bill_due_periods(on(action, END), checkout) == 0
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.ended_on) == (PurchaseStatus.CANCELED, END)
    assert not await Invoice.filter(purchase_id=purchase.pk).exists()
    assert await sent() == []


async def test_a_company_tries_an_offer_once(
    execute: "Execute",
    dataset: "Dataset",
    trial_price: Price,
    action: Action,
    checkout: CheckoutServices,
) -> None:
    paul, marie = dataset.paul.owner, dataset.marie.owner
    card = await save_card(paul, action)
    purchase, _ = await start(execute, paul, trial_price, card)
    await mutate(
        execute, paul, "purchaseCancel", STARTED, purchaseId=encode("Purchase", purchase.pk)
    )
    await bill_due_periods(on(action, END), checkout)
    _, again = await start(execute, paul, trial_price, card, "again")
    assert codes(again) == [("TRIAL_USED", "purchaseId")]
    quote = await execute(paul, QUOTE, price=encode("Price", trial_price.pk))
    assert quote["data"]["purchaseQuote"] == {"trial": None}
    # Another account of the same company is the same company.
    await Account.filter(pk=dataset.marie.account.pk).update(siren=dataset.paul.account.siren)
    _, other = await start(execute, marie, trial_price, await save_card(marie, action), "other")
    assert codes(other) == [("TRIAL_USED", "purchaseId")]


async def test_of_two_accounts_of_a_company_that_start_at_once_one_gets_the_trial(
    execute: "Execute", dataset: "Dataset", trial_price: Price, action: Action
) -> None:
    await Account.filter(pk=dataset.marie.account.pk).update(siren=dataset.paul.account.siren)
    viewers = (dataset.paul.owner, dataset.marie.owner)
    cards = [await save_card(viewer, action) for viewer in viewers]
    results = await asyncio.gather(
        *(
            start(execute, viewer, trial_price, card, "at once")
            for viewer, card in zip(viewers, cards, strict=True)
        )
    )
    assert sorted(codes(payload) for _, payload in results) == [[], [("TRIAL_USED", "purchaseId")]]


async def test_a_trial_that_another_account_of_the_company_was_faster_to_start_is_refused(
    execute: "Execute",
    dataset: "Dataset",
    trial_price: Price,
    action: Action,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await Account.filter(pk=dataset.marie.account.pk).update(siren=dataset.paul.account.siren)
    paul, marie = dataset.paul.owner, dataset.marie.owner
    await start(execute, paul, trial_price, await save_card(paul, action))
    earlier_answers = [False]  # read before the other account's commit

    async def tried(*arguments: Any) -> bool:
        return earlier_answers.pop() if earlier_answers else await has_tried(*arguments)

    monkeypatch.setattr("billing.trials.has_tried", tried)
    _, late = await start(execute, marie, trial_price, await save_card(marie, action))
    assert codes(late) == [("TRIAL_USED", "purchaseId")]


async def test_trials_that_cannot_be_announced_do_not_hold_up_others(
    execute: "Execute",
    dataset: "Dataset",
    trial_price: Price,
    action: Action,
    checkout: CheckoutServices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    await Price.filter(pk=trial_price.pk).update(trial_requires_payment_method=False)
    first, _ = await start(execute, dataset.paul.owner, trial_price, None)
    await start(execute, dataset.marie.owner, trial_price, None)
    await sent()
    nameless = await Offer.create(slug="x", segment=Segment.TPE, texts={})
    nameless_price = await Price.create(
        offer=nameless, interval="MONTH", net_cents=1, vat_rate=2_000, valid_from=action.at
    )
    await Purchase.filter(pk=first.pk).update(price_id=nameless_price.pk)
    for expected_count in (1, 0):
        assert await send_trial_reminders(on(action, END), checkout) == expected_count
    assert await sent() == ["trial_ends"]


async def test_a_trial_without_a_payment_method_ends_with_an_email_instead_of_an_invoice(
    execute: "Execute",
    dataset: "Dataset",
    trial_price: Price,
    action: Action,
    checkout: CheckoutServices,
) -> None:
    await Price.filter(pk=trial_price.pk).update(trial_requires_payment_method=False)
    purchase, payload = await start(execute, dataset.paul.owner, trial_price, None)
    assert payload["purchase"]["status"] == "TRIALING"
    await sent()
    assert await send_trial_reminders(on(action, END), checkout) == 1
    for _ in range(2):
        assert await bill_due_periods(on(action, END), checkout) == 0
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.ended_on) == (PurchaseStatus.CANCELED, END)
    assert not await Invoice.filter(purchase_id=purchase.pk).exists()
    assert await sent() == ["trial_ends", "trial_ended"]


async def test_a_card_that_is_declined_at_the_end_of_a_trial_is_dunned(
    execute: "Execute",
    dataset: "Dataset",
    trial_price: Price,
    action: Action,
    checkout: CheckoutServices,
) -> None:
    owner = dataset.paul.owner
    card = await save_card(owner, action, "pm_sandbox_declined")
    purchase, _ = await start(execute, owner, trial_price, card)
    assert await bill_due_periods(on(action, END), checkout) == 1
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.status, purchase.past_due_since) == (PurchaseStatus.PAST_DUE, END)


async def test_a_promotion_applies_after_the_trial(
    execute: "Execute",
    dataset: "Dataset",
    trial_price: Price,
    action: Action,
    checkout: CheckoutServices,
) -> None:
    owner, operator = dataset.paul.owner, await create_operator(action)
    fields = {"code": "TRIAL50", "percentBasisPoints": 5_000, "periods": 1, "idempotencyKey": "k"}
    await mutate(execute, operator, "promotionCreate", "promotion { id }", **fields)
    purchase_id = await confirmed(execute, owner, trial_price.pk, promotionCode="TRIAL50")
    start = {
        "purchaseId": purchase_id,
        "paymentMethodId": await save_card(owner, action),
        "idempotencyKey": "start",
    }
    payload = await mutate(
        execute, owner, "purchaseStart", "purchase { discount { periodsLeft } }", **start
    )
    assert payload["purchase"] == {"discount": {"periodsLeft": 1}}
    key = key_of(Purchase, purchase_id)
    await bill_due_periods(on(action, END), checkout)
    await bill_due_periods(on(action, date(2027, 1, 7)), checkout)
    invoices = await Invoice.filter(purchase_id=key).order_by("id")
    assert [invoice.net_cents for invoice in invoices] == [1_450, 2_900]
