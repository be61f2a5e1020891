"""P3.6: a customer changes what they bought, and pays exactly what the preview said."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from auth.throttle.activity import ActivityLimits
from billing import charging, checkout, trials
from billing.changes.ordering import Agreement, order_change
from billing.changes.plan import ChangeRequest
from billing.changes.resume_reminders import send_resume_reminders
from billing.corrections import CorrectedLine, CorrectionRequest, correct_invoice
from billing.simulation import simulate
from models.accounts.vat_number import VatCheck, VatNumberStatus
from models.billing.billing_period import BillingPeriod
from models.billing.invoice import Invoice, InvoiceLine
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange, PurchaseChangeStatus
from models.billing.receivable import Receivable
from models.billing.refund import RefundDestination
from models.errors import Refusal
from models.identity.user import Staff
from models.operations.email import Email
from tests.billing.purchase_fixtures import UnavailableOnce
from tests.people import create_staff
from tests.schema.billing.change_fixtures import (
    CHANGE,
    RESUME,
    Subscriber,
    codes,
    price_id,
    subjects,
)
from tests.schema.billing.change_fixtures import subscriber as subscriber
from tests.schema.conftest import Dataset


def amounts(quote: dict[str, Any]) -> list[int]:
    return [
        *(line["net"]["amountCents"] for line in quote["lines"]),
        *(quote[name]["amountCents"] for name in ("net", "vat", "gross")),
    ]


async def last_invoice(subscriber: Subscriber) -> Invoice:
    invoice = await Invoice.filter(purchase_id=subscriber.purchase_id).order_by("-id").first()
    assert invoice
    return invoice


async def test_p3_6_an_upgrade_is_previewed_charged_by_day_and_applied_at_once(
    subscriber: Subscriber,
) -> None:
    await subscriber.go_to(date(2027, 2, 28))
    await subscriber.go_to(date(2027, 3, 10))
    await subjects()
    previewed = await subscriber.preview(price=price_id(subscriber.team))
    assert (previewed["kind"], previewed["isImmediate"]) == ("UPGRADE", True)
    assert amounts(previewed["quote"]) == [-1965, 5352, 3387, 677, 4064]
    assert previewed["quote"]["period"] == {"start": "2027-03-10", "end": "2027-03-31"}
    assert previewed["quote"]["nextDates"] == ["2027-03-31", "2027-04-30", "2027-05-31"]
    assert amounts(previewed["renewal"]) == [7900, 7900, 1580, 9480]

    changed = await subscriber.change(priceId=price_id(subscriber.team))
    assert changed["userErrors"] == []
    assert changed["purchase"]["price"] == {"id": price_id(subscriber.team)}
    assert changed["purchase"]["pendingChange"] is None
    assert changed["change"]["status"] == "APPLIED"
    assert changed["payment"]["amount"] == {"amountCents": 4064}
    invoice = await last_invoice(subscriber)
    assert changed["change"]["invoice"]["number"] == invoice.number
    lines = await invoice.lines.order_by("position")
    assert [(each.quantity, each.unit_net_cents) for each in lines] == [(-1, 1965), (1, 5352)]
    assert {(each.starts_on, each.ends_on) for each in lines} == {
        (date(2027, 3, 10), date(2027, 3, 31))
    }
    details = [each["description"] for each in previewed["quote"]["lines"]]
    assert details[0] == "Déduction des jours non utilisés\u00a0: 21 sur 31"
    assert details[1].startswith("Jours restants de la période\u00a0: 21 sur 31")
    document = "query($n: String!) { invoice(number: $n) { lines { description } } }"
    response = await subscriber.execute(subscriber.viewer, document, n=invoice.number)
    assert [each["description"] for each in response["data"]["invoice"]["lines"]] == details
    assert (invoice.net_cents, invoice.vat_cents, invoice.gross_cents) == (3387, 677, 4064)
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == 0
    assert await subjects() == ["Votre abonnement a changé"]

    await subscriber.go_to(date(2027, 3, 31))
    assert (await last_invoice(subscriber)).net_cents == 7900


async def test_p3_6_a_repeat_of_an_upgrade_changes_and_charges_nothing_more(
    subscriber: Subscriber,
) -> None:
    first = await subscriber.change(quantity=3)
    again = await subscriber.change(quantity=3, expected=first["payment"]["amount"]["amountCents"])
    assert again == first
    assert first["purchase"]["quantity"] == 3
    assert await Payment.filter(purchase_id=subscriber.purchase_id).count() == 2
    other = await subscriber.change(quantity=4, expected=1)
    assert codes(other) == ["IDEMPOTENCY_MISMATCH"]


async def test_p3_6_what_costs_less_takes_effect_at_the_end_of_the_period(
    subscriber: Subscriber,
) -> None:
    await subscriber.change("up", quantity=3)
    await subjects()
    previewed = await subscriber.preview(quantity=2)
    assert (previewed["isImmediate"], previewed["effectiveOn"]) == (False, "2027-02-28")
    assert amounts(previewed["quote"]) == [5800, 5800, 1160, 6960]
    scheduled = await subscriber.change("down", quantity=2)
    assert scheduled["payment"] is None
    assert scheduled["purchase"]["quantity"] == 3
    assert scheduled["purchase"]["pendingChange"] == {
        "kind": "QUANTITY",
        "status": "SCHEDULED",
        "effectiveOn": "2027-02-28",
    }
    assert await subjects() == ["Votre abonnement changera le 28 février 2027"]
    # Another one takes its place.
    await subscriber.change("less", quantity=1)
    statuses = await PurchaseChange.filter(purchase_id=subscriber.purchase_id).order_by("id")
    assert [each.status.value for each in statuses] == ["APPLIED", "CANCELED", "SCHEDULED"]
    await subscriber.go_to(date(2027, 2, 28))
    purchase = await subscriber.purchase()
    assert (purchase.quantity, purchase.status) == (1, PurchaseStatus.ACTIVE)
    assert (await last_invoice(subscriber)).net_cents == 2900


async def test_a_scheduled_change_can_be_canceled(subscriber: Subscriber) -> None:
    await subscriber.change("up", quantity=3)
    await subscriber.change("down", quantity=1)
    await subjects()
    for _ in range(2):
        canceled = await subscriber.mutate("purchaseCancelChange")
        assert canceled["purchase"]["pendingChange"] is None
    assert await subjects() == ["La modification de votre abonnement est annulée"]
    await subscriber.go_to(date(2027, 2, 28))
    assert (await last_invoice(subscriber)).net_cents == 8700


async def test_p3_6_another_interval_starts_with_the_next_period_and_keeps_the_anchor(
    subscriber: Subscriber,
) -> None:
    previewed = await subscriber.preview(price=price_id(subscriber.yearly))
    assert (previewed["kind"], previewed["isImmediate"]) == ("INTERVAL", False)
    assert previewed["quote"]["period"] == {"start": "2027-02-28", "end": "2028-02-29"}
    changed = await subscriber.change(priceId=price_id(subscriber.yearly))
    assert [each["start"] for each in changed["purchase"]["periods"]] == [
        "2027-01-31",
        "2027-02-28",
        "2028-02-29",
    ]
    await subscriber.go_to(date(2027, 2, 28))
    purchase = await subscriber.purchase()
    assert purchase.bills_on == date(2028, 2, 29)
    assert (await last_invoice(subscriber)).net_cents == 29000
    monthly = await Price.get(net_cents=2900)
    await subscriber.change("back", priceId=price_id(monthly))
    await subscriber.go_to(date(2028, 4, 1))
    purchase = await subscriber.purchase()
    assert (purchase.anchor, purchase.bills_on) == (date(2027, 1, 31), date(2028, 4, 30))
    periods = await BillingPeriod.filter(purchase_id=purchase.pk).order_by("index")
    assert [each.index for each in periods] == [0, 1, 2, 3]
    assert [each.ends_on for each in periods[:-1]] == [each.starts_on for each in periods[1:]]


async def test_p3_6_another_billing_day_makes_a_short_period(subscriber: Subscriber) -> None:
    assert await subscriber.preview_error(anchor="2027-02-28") == "VALUE_INVALID"
    assert await subscriber.preview_error(anchor="2027-03-31") == "VALUE_INVALID"
    previewed = await subscriber.preview(anchor="2027-03-15")
    # 15 of the 28 days from 28 February to 28 March.
    assert amounts(previewed["quote"]) == [1554, 1554, 311, 1865]
    assert previewed["quote"]["period"] == {"start": "2027-02-28", "end": "2027-03-15"}
    assert previewed["renewal"]["period"] == {"start": "2027-03-15", "end": "2027-04-15"}
    changed = await subscriber.change(anchor="2027-03-15")
    assert [each["start"] for each in changed["purchase"]["periods"]] == [
        "2027-01-31",
        "2027-02-28",
        "2027-03-15",
    ]
    await subscriber.go_to(date(2027, 2, 28))
    assert (await last_invoice(subscriber)).gross_cents == 1865
    assert await subscriber.preview_error(anchor="2027-03-20") == "TRANSITION_ILLEGAL"
    unchanged = await subscriber.mutate("purchaseCancelChange")
    assert [each["start"] for each in unchanged["purchase"]["periods"]] == [
        "2027-02-28",
        "2027-03-15",
        "2027-04-15",
    ]
    # An upgrade in the short period is for its days.
    previewed = await subscriber.preview(price=price_id(subscriber.team))
    assert amounts(previewed["quote"])[:2] == [-1554, 4232]
    assert previewed["quote"]["nextDates"][0] == "2027-03-15"
    await subscriber.go_to(date(2027, 4, 15))
    purchase = await subscriber.purchase()
    assert (purchase.anchor, purchase.bills_on) == (date(2027, 3, 15), date(2027, 5, 15))


async def test_p3_6_a_change_during_a_trial_takes_effect_at_its_end(
    subscriber: Subscriber, dataset: Dataset, price: Price
) -> None:
    await Price.filter(pk=price.pk).update(trial_days=14, trial_requires_payment_method=False)
    owner = dataset.paul.owner
    assert owner.account and owner.user  # noqa: PT018 - a member's
    draft = await checkout.draft(subscriber.now, owner.account, owner.user, price, "trial")
    await draft.confirm_billing(subscriber.now)
    await trials.start(subscriber.now, subscriber.checkout_services, draft, None, "trial")
    subscriber.purchase_id = draft.pk
    await subscriber.use_method("pm_sandbox_success")
    previewed = await subscriber.preview(price=price_id(subscriber.team))
    assert (previewed["kind"], previewed["isImmediate"]) == ("UPGRADE", False)
    previewed = await subscriber.preview(price=price_id(subscriber.yearly), quantity=2)
    assert (previewed["isImmediate"], previewed["effectiveOn"]) == (False, "2027-02-14")
    changed = await subscriber.change(priceId=price_id(subscriber.yearly), quantity=2)
    assert [each["start"] for each in changed["purchase"]["periods"]] == [
        "2027-02-14",
        "2028-02-14",
        "2029-02-14",
    ]
    assert codes(await subscriber.mutate("purchasePause")) == ["TRANSITION_ILLEGAL"]
    await subscriber.go_to(date(2027, 2, 14))
    invoice = await last_invoice(subscriber)
    assert invoice.gross_cents == previewed["quote"]["gross"]["amountCents"] == 69600
    assert (await subscriber.purchase()).bills_on == date(2028, 2, 14)


async def test_a_declined_upgrade_changes_nothing_and_says_why(subscriber: Subscriber) -> None:
    await subscriber.use_method("pm_sandbox_declined")
    declined = await subscriber.change(quantity=2)
    assert codes(declined) == ["PAYMENT_DECLINED"]
    assert declined["purchase"]["quantity"] == 1
    assert declined["purchase"]["pendingChange"] is None
    assert (declined["change"]["status"], declined["payment"]["status"]) == (
        "CANCELED",
        "DECLINED",
    )
    await subscriber.use_method("pm_sandbox_success")
    assert (await subscriber.change("again", quantity=2))["purchase"]["quantity"] == 2


async def test_an_upgrade_waits_for_the_banks_confirmation(subscriber: Subscriber) -> None:
    await subscriber.use_method("pm_sandbox_confirmation")
    waiting = await subscriber.change(quantity=2)
    assert waiting["payment"]["status"] == "REQUIRES_ACTION"
    assert waiting["payment"]["confirmationUrl"]
    assert waiting["purchase"]["quantity"] == 1
    assert waiting["purchase"]["pendingChange"]["status"] == "AWAITING_PAYMENT"
    # Another change leaves the confirmation.
    other = await subscriber.change("other", quantity=3)
    first, second = await Payment.filter(purchase_change_id__not_isnull=True).order_by("id")
    assert (first.status, second.status) == (
        PaymentStatus.CANCELED,
        PaymentStatus.REQUIRES_ACTION,
    )
    assert other["purchase"]["pendingChange"]["status"] == "AWAITING_PAYMENT"
    await subscriber.services.gateway.decide(second.provider_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    await subscriber.go_to(date(2027, 2, 1))
    await charging.reconcile(subscriber.now, subscriber.checkout_services)
    assert (await subscriber.purchase()).quantity == 3
    # What the one that was left brings late isn't lost, and changes nothing.
    assert (await PurchaseChange.get(pk=first.purchase_change_id)).status is (
        PurchaseChangeStatus.CANCELED
    )


async def test_a_change_that_was_not_confirmed_for_a_day_is_canceled(
    subscriber: Subscriber,
) -> None:
    await subscriber.use_method("pm_sandbox_confirmation")
    await subscriber.change(quantity=2)
    subscriber.clock.advance(timedelta(hours=25))
    await charging.reconcile(subscriber.now, subscriber.checkout_services)
    [change] = await PurchaseChange.filter(purchase_id=subscriber.purchase_id)
    assert change.status is PurchaseChangeStatus.CANCELED
    assert (await Payment.get(purchase_change_id=change.pk)).status is PaymentStatus.EXPIRED


async def test_an_increase_that_is_too_small_to_be_charged_waits_for_the_next_period(
    subscriber: Subscriber,
) -> None:
    await Price.filter(pk=subscriber.team.pk).update(net_cents=2950)
    previewed = await subscriber.preview(price=price_id(subscriber.team))
    assert previewed["isImmediate"] is True
    await subscriber.go_to(date(2027, 2, 20))
    previewed = await subscriber.preview(price=price_id(subscriber.team))
    assert (previewed["kind"], previewed["isImmediate"]) == ("UPGRADE", False)


async def test_an_increase_that_is_too_large_to_be_charged_is_refused(
    subscriber: Subscriber,
) -> None:
    await Price.filter(pk=subscriber.team.pk).update(net_cents=10_000_000)
    refused = await subscriber.change(priceId=price_id(subscriber.team), quantity=20)
    (error,) = refused["userErrors"]
    assert (error["code"], error["field"]) == ("AMOUNT_TOO_LARGE", ["input"])
    assert "999\u202f999,99" in error["message"]
    assert refused["payment"] is None


async def test_a_change_that_was_not_confirmed_ends_with_its_period(
    subscriber: Subscriber,
) -> None:
    await subscriber.go_to(date(2027, 2, 27))
    await subscriber.use_method("pm_sandbox_confirmation")
    await subscriber.change(quantity=2)
    await subscriber.use_method("pm_sandbox_success")
    await subscriber.go_to(date(2027, 2, 28))
    purchase = await subscriber.purchase()
    assert (purchase.quantity, purchase.bills_on) == (1, date(2027, 3, 31))
    [change] = await PurchaseChange.filter(purchase_id=purchase.pk)
    [payment] = await change.payments.all()  # type: ignore[attr-defined] # a reverse relation
    assert change.status is PurchaseChangeStatus.CANCELED
    assert payment.status is PaymentStatus.CANCELED


async def test_an_upgrade_is_applied_once_after_a_lost_answer(
    subscriber: Subscriber,
) -> None:
    gateway = UnavailableOnce("https://camcha.example", subscriber.clock)
    lost = replace(subscriber.checkout_services, gateway=gateway)
    previewed = await subscriber.preview(quantity=2)
    agreement = Agreement(previewed["quote"]["gross"]["amountCents"])
    purchase = await subscriber.purchase()
    with pytest.raises(Refusal, match="PAYMENT_UNAVAILABLE"):
        await order_change(
            subscriber.now, lost, purchase, ChangeRequest(quantity=2), agreement, "k"
        )
    assert (await subscriber.purchase()).quantity == 1
    busy = await subscriber.change("other", quantity=3)
    assert codes(busy) == ["PAYMENT_IN_PROGRESS"]
    subscriber.clock.advance(timedelta(minutes=5))
    for _ in range(2):
        await charging.reconcile(subscriber.now, lost)
    assert (await subscriber.purchase()).quantity == 2
    assert await Invoice.filter(purchase_id=purchase.pk).count() == 2


async def test_of_two_changes_at_once_one_is_charged(subscriber: Subscriber) -> None:
    expected = (await subscriber.preview(quantity=2))["quote"]["gross"]["amountCents"]
    both = await asyncio.gather(
        *(subscriber.change(key, quantity=2, expected=expected) for key in ("a", "b"))
    )
    assert (await subscriber.purchase()).quantity == 2
    assert await Payment.filter(purchase_change_id__not_isnull=True).count() == 1
    [refused] = [each for each in both if each["userErrors"]]
    assert codes(refused)[0] in ("NOTHING_TO_CHANGE", "PAYMENT_IN_PROGRESS")


async def test_changes_are_limited_and_repeats_are_not(subscriber: Subscriber) -> None:
    limits = ActivityLimits(purchases=1)
    auth = replace(subscriber.services.auth, activity_limits=limits)
    object.__setattr__(subscriber.services, "auth", auth)
    first = await subscriber.change("a", quantity=2)
    cents = first["payment"]["amount"]["amountCents"]
    await subscriber.change("b", quantity=1)
    for document, values in (
        (CHANGE, {"quantity": 3, "idempotencyKey": "c"}),
        (RESUME, {"idempotencyKey": "d"}),
    ):
        values |= {"purchaseId": subscriber.id, "expectedGrossCents": cents}
        response = await subscriber.execute(subscriber.viewer, document, i=values)
        assert response["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert (await subscriber.change("a", quantity=2, expected=cents))["userErrors"] == []


async def test_those_who_pay_by_transfer_get_the_change_and_an_invoice_that_is_due(
    subscriber: Subscriber,
) -> None:
    await Payment.filter(purchase_id=subscriber.purchase_id).update(kind=PaymentKind.TRANSFER)
    changed = await subscriber.change(quantity=2)
    assert (changed["userErrors"], changed["payment"]) == ([], None)
    assert changed["purchase"]["quantity"] == 2
    invoice = await last_invoice(subscriber)
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert receivable.open_cents == invoice.gross_cents == 3480
    assert receivable.due_on > date(2027, 1, 31)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"quantity": 1}, "NOTHING_TO_CHANGE"),
        ({"quantity": 1001}, "VALUE_INVALID"),
        ({"quantity": 2, "anchor": "2027-03-15"}, "VALUE_INVALID"),
        ({"quantity": 2, "expected": 1}, "PRICE_CHANGED"),
    ],
)
async def test_what_a_change_is_refused_for(
    subscriber: Subscriber, wanted: dict[str, Any], code: str
) -> None:
    refused = await subscriber.change(**{"expected": 3480, **wanted})
    assert codes(refused) == [code]
    assert not await PurchaseChange.filter(purchase_id=subscriber.purchase_id).exists()


async def test_a_retired_price_cannot_be_chosen_but_is_kept(subscriber: Subscriber) -> None:
    await Price.filter(net_cents__in=[2900, 7900]).update(valid_until=subscriber.now.at)
    refused = await subscriber.change(priceId=price_id(subscriber.team), expected=1)
    assert codes(refused) == ["NOT_FOUND"]
    kept = await subscriber.change("more", quantity=2)
    assert kept["purchase"]["quantity"] == 2


async def test_a_repeat_returns_the_change_although_its_price_has_ended(
    subscriber: Subscriber,
) -> None:
    first = await subscriber.change(priceId=price_id(subscriber.team))
    cents = first["payment"]["amount"]["amountCents"]
    await Price.filter(pk=subscriber.team.pk).update(valid_until=subscriber.clock.time)
    repeated = await subscriber.change(priceId=price_id(subscriber.team), expected=cents)
    assert (repeated["userErrors"], repeated["payment"]) == ([], first["payment"])


async def test_the_purchase_of_another_company_does_not_exist(
    subscriber: Subscriber, dataset: Dataset
) -> None:
    subscriber.viewer = dataset.marie.owner
    assert codes(await subscriber.change(quantity=2, expected=1)) == ["NOT_FOUND"]
    assert codes(await subscriber.mutate("purchaseCancelChange")) == ["NOT_FOUND"]
    response = await subscriber.execute(
        subscriber.viewer,
        "query($p: ID!) { purchaseResumePreview(purchaseId: $p) { kind } }",
        p=subscriber.id,
    )
    assert response["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_late_purchase_is_paid_before_it_is_changed(subscriber: Subscriber) -> None:
    await subscriber.use_method("pm_sandbox_declined")
    await subscriber.go_to(date(2027, 2, 28))
    refused = await subscriber.change(quantity=2, expected=1)
    assert codes(refused) == ["TRANSITION_ILLEGAL"]
    assert "retard" in refused["userErrors"][0]["message"]


async def test_a_change_waits_while_the_period_is_being_paid(subscriber: Subscriber) -> None:
    await subscriber.use_method("pm_sandbox_processing")
    await subscriber.go_to(date(2027, 2, 28))
    assert await subscriber.preview_error(quantity=2) == "PAYMENT_IN_PROGRESS"


async def test_what_is_overdue_is_paid_before_a_purchase_is_resumed(
    subscriber: Subscriber,
) -> None:
    assert codes(await subscriber.resume(expected=3480)) == ["TRANSITION_ILLEGAL"]
    await Payment.filter(purchase_id=subscriber.purchase_id).update(kind=PaymentKind.TRANSFER)
    await subscriber.change(quantity=2)
    await subscriber.mutate("purchasePause")
    for day in (date(2027, 2, 10), date(2027, 3, 10)):
        await subscriber.go_to(day)
    assert (await subscriber.purchase()).status is PurchaseStatus.PAUSED
    refused = await subscriber.resume("late", expected=3480)
    assert codes(refused) == ["TRANSITION_ILLEGAL"]
    assert "retard" in refused["userErrors"][0]["message"]


async def test_a_change_waits_for_the_decision_of_a_dispute(subscriber: Subscriber) -> None:
    receivables = Receivable.filter(invoice_id=(await last_invoice(subscriber)).pk)
    await receivables.update(disputed_at=subscriber.now.at)
    assert await subscriber.preview_error(quantity=2) == "TRANSITION_ILLEGAL"
    await receivables.update(disputed_at=None, credited_cents=100)
    assert await subscriber.preview_error(quantity=2) == "TRANSITION_ILLEGAL"


async def test_a_period_can_be_changed_after_a_correction_unless_it_gave_something_back(
    subscriber: Subscriber,
) -> None:
    actor = await create_staff(subscriber.action, "Omar", Staff.OPERATOR)

    async def correct(**values: Any) -> None:
        invoice = await last_invoice(subscriber)
        line = await InvoiceLine.get(invoice_id=invoice.pk)
        changed = CorrectedLine(line.pk, **values)
        request = CorrectionRequest(
            invoice.pk, "Erreur", (changed,), refund=RefundDestination.BALANCE
        )
        action = replace(subscriber.now, actor=actor)
        await correct_invoice(action, subscriber.checkout_services, actor, request, str(invoice.pk))

    await correct(label="Essentiel, poste 2")
    previewed = await subscriber.preview(quantity=2)
    assert amounts(previewed["quote"]) == [-2900, 5800, 2900, 580, 3480]
    await correct(unit_net_cents=2000)
    assert await subscriber.preview_error(quantity=2) == "TRANSITION_ILLEGAL"


async def test_a_change_on_the_first_and_on_the_last_day_of_a_period(
    subscriber: Subscriber,
) -> None:
    previewed = await subscriber.preview(price=price_id(subscriber.team))
    assert amounts(previewed["quote"])[:2] == [-2900, 7900]
    await subscriber.go_to(date(2027, 2, 27))
    previewed = await subscriber.preview(price=price_id(subscriber.team))
    assert amounts(previewed["quote"])[:2] == [-104, 282]
    subscriber.clock.advance(timedelta(days=1))
    assert await subscriber.preview_error(quantity=2) == "TRANSITION_ILLEGAL"


async def test_a_cancellation_takes_the_scheduled_change_with_it(subscriber: Subscriber) -> None:
    await subscriber.change("up", quantity=3)
    await subscriber.change("down", quantity=1)
    await subjects()
    for _ in range(2):
        canceled = await subscriber.mutate("purchaseCancel")
    assert canceled["purchase"]["pendingChange"] is None
    assert canceled["purchase"]["periods"] == [{"start": "2027-01-31"}]
    assert await subjects() == ["Votre abonnement prend fin le 28 février 2027"]
    assert await subscriber.preview_error(quantity=4) == "TRANSITION_ILLEGAL"
    for _ in range(2):
        undone = await subscriber.mutate("purchaseUndoCancellation")
    assert await subjects() == ["Votre abonnement se renouvellera de nouveau"]
    assert undone["purchase"]["pendingChange"] is None
    await subscriber.go_to(date(2027, 2, 28))
    assert (await subscriber.purchase()).quantity == 3


async def entitled(subscriber: Subscriber) -> list[dict[str, Any]]:
    """What the company may use now, and since when."""
    response = await subscriber.execute(
        subscriber.viewer, "{ viewer { account { entitlements { offer since } } } }"
    )
    entitlements: list[dict[str, Any]] = response["data"]["viewer"]["account"]["entitlements"]
    return entitlements


async def test_p3_6_a_pause_begins_with_the_next_period_and_ends_when_it_is_resumed(
    subscriber: Subscriber,
) -> None:
    before = await entitled(subscriber)
    paused = await subscriber.mutate("purchasePause")
    assert (paused["purchase"]["status"], paused["purchase"]["pendingChange"]) == (
        "ACTIVE",
        {"kind": "PAUSE"},
    )
    assert await subjects() == ["Votre abonnement sera mis en pause le 28 février 2027"]
    await subscriber.go_to(date(2027, 2, 28))
    assert await subjects() == ["Votre abonnement est en pause"]
    purchase = await subscriber.purchase()
    assert (purchase.status, purchase.bills_on) == (PurchaseStatus.PAUSED, None)
    assert len(await entitled(subscriber)) == len(before) - 1
    assert codes(await subscriber.change(quantity=2, expected=1)) == ["TRANSITION_ILLEGAL"]
    await subscriber.go_to(date(2027, 5, 10))
    assert await Invoice.filter(purchase_id=purchase.pk).count() == 1
    resumed = await subscriber.resume()
    assert resumed["userErrors"] == []
    assert resumed["payment"]["amount"] == {"amountCents": 3480}
    assert resumed["purchase"] == resumed["purchase"] | {
        "status": "ACTIVE",
        "anchor": "2027-05-10",
        "billsOn": "2027-06-10",
        "pausedAt": None,
    }
    assert await subscriber.resume(expected=3480) == resumed
    assert await entitled(subscriber) == before
    periods = await BillingPeriod.filter(purchase_id=purchase.pk).order_by("index")
    assert [(each.index, each.starts_on) for each in periods] == [
        (0, date(2027, 1, 31)),
        (1, date(2027, 5, 10)),
    ]


async def test_p3_6_a_pause_ends_by_itself_on_the_chosen_day(subscriber: Subscriber) -> None:
    for day in ("2027-02-28", "2028-03-01"):
        refused = await subscriber.mutate("purchasePause", resumesOn=day)
        assert codes(refused) == ["VALUE_INVALID"]
    for _ in range(2):
        await subscriber.mutate("purchasePause", resumesOn="2027-04-05")
    assert len(await subjects()) == 1
    await subscriber.go_to(date(2027, 2, 28))
    other = await subscriber.mutate("purchasePause", resumesOn="2027-04-10")
    assert other["purchase"]["resumesOn"] == "2027-04-10"
    await subscriber.go_to(date(2027, 4, 9))
    assert (await subscriber.purchase()).status is PurchaseStatus.PAUSED
    await subjects()
    checkout_services = subscriber.checkout_services
    for _ in range(2):
        await send_resume_reminders(subscriber.now, checkout_services)
    [reminder] = await Email.all()
    assert reminder.subject == "Votre abonnement Essentiel reprend le 10 avril 2027"
    assert "34,80\u00a0€" in reminder.text
    # Another day is announced again, once it is near.
    await subscriber.mutate("purchasePause", resumesOn="2027-04-20")
    await subjects()
    assert await send_resume_reminders(subscriber.now, checkout_services) == 0
    await subscriber.mutate("purchasePause", resumesOn="2027-04-11")
    assert await send_resume_reminders(subscriber.now, checkout_services) == 1
    await subscriber.mutate("purchasePause", resumesOn="2027-04-10")
    await subjects()
    await subscriber.go_to(date(2027, 4, 10))
    purchase = await subscriber.purchase()
    assert (purchase.status, purchase.anchor, purchase.bills_on) == (
        PurchaseStatus.ACTIVE,
        date(2027, 4, 10),
        date(2027, 5, 10),
    )
    assert (await last_invoice(subscriber)).gross_cents == 3480
    [email] = await Email.all()
    assert email.subject == "Votre abonnement a repris"
    assert "34,80\u00a0€" in email.text


async def test_an_upgrade_keeps_a_scheduled_pause(subscriber: Subscriber) -> None:
    await subscriber.mutate("purchasePause")
    upgraded = await subscriber.change(quantity=2)
    assert upgraded["purchase"]["quantity"] == 2
    assert upgraded["purchase"]["pendingChange"]["kind"] == "PAUSE"
    await subscriber.go_to(date(2027, 2, 28))
    assert (await subscriber.purchase()).status is PurchaseStatus.PAUSED


async def test_those_who_pay_by_transfer_resume_with_an_invoice_that_is_due(
    subscriber: Subscriber,
) -> None:
    await subscriber.mutate("purchasePause")
    await subscriber.go_to(date(2027, 3, 5))
    await Payment.filter(purchase_id=subscriber.purchase_id).update(kind=PaymentKind.TRANSFER)
    resumed = await subscriber.resume()
    assert (resumed["payment"], resumed["purchase"]["status"]) == (None, "ACTIVE")
    assert resumed["purchase"]["billsOn"] == "2027-04-05"
    assert (await Receivable.get(invoice_id=(await last_invoice(subscriber)).pk)).open_cents == 3480


async def test_a_pause_that_ends_with_a_declined_payment_is_late(subscriber: Subscriber) -> None:
    await subscriber.mutate("purchasePause", resumesOn="2027-03-10")
    await subscriber.use_method("pm_sandbox_declined")
    await subscriber.go_to(date(2027, 3, 12))
    purchase = await subscriber.purchase()
    # The service was resumed by the run, so the period starts on its day.
    assert (purchase.status, purchase.bills_on) == (PurchaseStatus.PAST_DUE, date(2027, 4, 12))
    assert codes(await subscriber.mutate("purchasePause")) == ["TRANSITION_ILLEGAL"]


async def test_a_declined_resumption_leaves_the_purchase_paused(subscriber: Subscriber) -> None:
    await subscriber.mutate("purchasePause")
    await subscriber.go_to(date(2027, 3, 5))
    await subscriber.use_method("pm_sandbox_declined")
    declined = await subscriber.resume()
    assert codes(declined) == ["PAYMENT_DECLINED"]
    assert declined["purchase"]["status"] == "PAUSED"
    await subscriber.use_method("pm_sandbox_success")
    assert (await subscriber.resume("again"))["purchase"]["status"] == "ACTIVE"


async def test_a_paused_purchase_that_is_canceled_ends_at_once(subscriber: Subscriber) -> None:
    await subscriber.mutate("purchasePause")
    await subscriber.go_to(date(2027, 3, 5))
    await subscriber.mutate("purchaseCancel")
    purchase = await subscriber.purchase()
    assert (purchase.status, purchase.ended_on) == (PurchaseStatus.CANCELED, date(2027, 3, 5))
    again = await subscriber.mutate("purchaseCancel")
    assert codes(again) == ["TRANSITION_ILLEGAL"]


async def test_a_payment_that_resumes_a_purchase_is_canceled_with_it(
    subscriber: Subscriber,
) -> None:
    await subscriber.mutate("purchasePause")
    await subscriber.go_to(date(2027, 3, 5))
    await subscriber.use_method("pm_sandbox_confirmation")
    waiting = await subscriber.resume()
    await subscriber.mutate("purchaseCancel")
    payment = await Payment.get(purchase_change_id__not_isnull=True)
    assert payment.status is PaymentStatus.CANCELED
    # What the bank confirms nevertheless is on the balance, and the purchase stays canceled.
    await subscriber.services.gateway.decide(payment.provider_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    await subscriber.go_to(date(2027, 3, 6))
    await charging.reconcile(subscriber.now, subscriber.checkout_services)
    assert waiting["change"]["status"] == "AWAITING_PAYMENT"
    assert (await PurchaseChange.get(pk=payment.purchase_change_id)).status is (
        PurchaseChangeStatus.CANCELED
    )
    assert (await Payment.get(pk=payment.pk)).status is PaymentStatus.SUCCEEDED
    assert (await subscriber.purchase()).status is PurchaseStatus.CANCELED


ADDRESS = {"street": "3 rue du Four", "postalCode": "69001", "city": "Lyon"}


async def test_p3_3_another_billing_address_is_on_the_next_invoices_only(
    subscriber: Subscriber,
) -> None:
    first = await last_invoice(subscriber)
    updated = await subscriber.mutate(
        "purchaseUpdateBilling", billingAddress=ADDRESS, orderNumber="PO 8"
    )
    assert updated["purchase"]["billingAddress"] == {"city": "Lyon"}
    assert updated["purchase"]["orderNumber"] == "PO 8"
    assert await subjects() == ["Vos coordonnées de facturation ont changé"]
    await subscriber.mutate("purchaseUpdateBilling", billingAddress=ADDRESS, orderNumber="PO 8")
    assert await subjects() == []
    await subscriber.change(quantity=2)
    await subscriber.go_to(date(2027, 2, 28))
    invoices = await Invoice.filter(purchase_id=subscriber.purchase_id).order_by("id")
    assert invoices[0].facts == first.facts
    cities = [each.facts["buyer"]["billing_address"] for each in invoices]
    assert [city and city["city"] for city in cities] == [None, "Lyon", "Lyon"]
    assert [each.facts["order_number"] for each in invoices] == ["", "PO 8", "PO 8"]
    kept = await subscriber.mutate("purchaseUpdateBilling", billingAddress=ADDRESS)
    assert kept["purchase"]["orderNumber"] == "PO 8"
    removed = await subscriber.mutate(
        "purchaseUpdateBilling", billingAddress=ADDRESS, orderNumber=None
    )
    assert removed["purchase"]["orderNumber"] is None


async def test_p3_3_one_address_for_all_purchases_keeps_their_order_numbers(
    subscriber: Subscriber, dataset: Dataset
) -> None:
    others = Purchase.filter(account_id=dataset.paul.account.pk).exclude(pk=subscriber.purchase_id)
    other = (
        await others.filter(status=PurchaseStatus.ACTIVE).select_related("billing_profile").first()
    )
    assert other and other.billing_profile  # noqa: PT018 - the dataset's
    await subscriber.mutate(
        "purchaseUpdateBilling", billingAddress=ADDRESS, orderNumber="PO 9", allPurchases=True
    )
    changed = await Purchase.get(pk=other.pk).select_related("billing_profile")
    assert changed.billing_profile
    assert changed.billing_profile.billing_address["city"] == "Lyon"
    assert changed.billing_profile.order_number == other.billing_profile.order_number


async def test_p3_3_another_territory_counts_from_the_next_period_on(
    subscriber: Subscriber, dataset: Dataset
) -> None:
    account = dataset.paul.account
    account.street, account.postal_code, account.city, account.country = (
        "1 rue Victor Hugo",
        "97400",
        "Saint-Denis",
        "RE",
    )
    await account.save()
    previewed = await subscriber.preview(quantity=2)
    assert amounts(previewed["quote"]) == [-2900, 5800, 2900, 580, 3480]
    assert amounts(previewed["renewal"]) == [5800, 5800, 493, 6293]
    await subscriber.change(quantity=2)
    assert (await last_invoice(subscriber)).vat_cents == 580
    await subscriber.go_to(date(2027, 2, 28))
    assert (await last_invoice(subscriber)).vat_cents == 493


async def test_a_vat_number_that_is_confirmed_counts_from_the_next_period_on(
    subscriber: Subscriber, dataset: Dataset
) -> None:
    account = dataset.paul.account
    account.street, account.postal_code, account.city, account.country = (
        "Hauptstraße 1",
        "10115",
        "Berlin",
        "DE",
    )
    account.vat_number = "DE123456788"
    await account.save()
    check = await VatCheck.create(
        account=account,
        vat_number=account.vat_number,
        status=VatNumberStatus.PENDING,
        due_at=subscriber.now.at,
    )
    await subscriber.go_to(date(2027, 2, 28))
    assert (await last_invoice(subscriber)).vat_cents == 580
    await VatCheck.filter(pk=check.pk).update(
        status=VatNumberStatus.VALID, checked_at=subscriber.now.at
    )
    previewed = await subscriber.preview(quantity=2)
    assert amounts(previewed["quote"]) == [-2900, 5800, 2900, 580, 3480]
    assert amounts(previewed["renewal"]) == [5800, 5800, 0, 5800]
    await subscriber.change(quantity=2)
    await subscriber.go_to(date(2027, 3, 31))
    assert (await last_invoice(subscriber)).vat_cents == 0


async def test_a_confirmation_that_is_canceled_cancels_its_change(subscriber: Subscriber) -> None:
    await subscriber.use_method("pm_sandbox_confirmation")
    waiting = await subscriber.change(quantity=2)
    response = await subscriber.execute(
        subscriber.viewer,
        """mutation($i: PaymentCancelInput!) { paymentCancel(input: $i) {
        payment { status } purchase { pendingChange { kind } } userErrors { code } } }""",
        i={"paymentId": waiting["payment"]["id"]},
    )
    assert response["data"]["paymentCancel"] == {
        "payment": {"status": "CANCELED"},
        "purchase": {"pendingChange": None},
        "userErrors": [],
    }
    payment = await Payment.get(purchase_change_id__not_isnull=True)
    # The money comes nevertheless: nothing changes, and it stays on the balance.
    await subscriber.services.gateway.decide(payment.provider_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    subscriber.clock.advance(timedelta(hours=1))
    await charging.reconcile(subscriber.now, subscriber.checkout_services)
    assert (await Payment.get(pk=payment.pk)).status is PaymentStatus.SUCCEEDED
    assert (await subscriber.purchase()).quantity == 1
    assert await Invoice.filter(purchase_id=subscriber.purchase_id).count() == 1


@pytest.mark.parametrize("wanted", [{"anchor": "2027-03-15"}, {"yearly": True}, {"pause": True}])
async def test_p3_6_the_simulation_is_what_is_billed(
    subscriber: Subscriber, wanted: dict[str, Any]
) -> None:
    if "pause" in wanted:
        await subscriber.mutate("purchasePause", resumesOn="2027-04-05")
    else:
        values = {"priceId": price_id(subscriber.yearly)} if "yearly" in wanted else wanted
        await subscriber.change(**values)
    events = await simulate(
        await subscriber.purchase(), subscriber.services.seller, subscriber.now.day, 5
    )
    expected = [event for event in events if event.quote]
    for event in expected:
        await subscriber.go_to(event.day)
        invoice = await last_invoice(subscriber)
        assert event.quote
        assert (invoice.issued_on, invoice.gross_cents) == (
            event.day,
            event.quote.totals.gross_cents,
        )
        period = await BillingPeriod.get(invoice_id=invoice.pk)
        assert (period.starts_on, period.ends_on) == (
            event.quote.period.start,
            event.quote.period.end,
        )
    assert len(expected) in (1, 3, 5)
