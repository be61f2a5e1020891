"""P2.2: promotion codes, from the operator who creates them to the invoices that they reduce."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing.changes.applying import end_purchases
from billing.charging import reconcile
from billing.checkout_services import CheckoutServices
from billing.renewals import bill_due_periods
from models.accounts.account import Account
from models.action import Action
from models.billing.billing_period import BillingItem, BillingItemKind
from models.billing.invoice import Invoice
from models.billing.offer import Interval, Price
from models.billing.payment import Payment
from models.billing.promotion import Promotion, PromotionRedemption
from models.billing.purchase import Purchase
from models.billing.receivable import InvoiceState, Receivable
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode, key_of
from tests.schema.analytics.query_fixtures import TABLE, rows_of
from tests.schema.billing.catalogue_fixtures import (
    codes,
    confirmed,
    create_operator,
    mutate,
    noon,
)

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

QUOTE = """query($price: ID!, $code: String, $quantity: Int! = 1) {
  purchaseQuote(priceId: $price, promotionCode: $code, quantity: $quantity) {
    lines { label quantity unitNet { amountCents } net { amountCents } vatRate }
    net { amountCents } vat { amountCents } gross { amountCents }
    discount { code percentBasisPoints amount { amountCents } periodsLeft }
    undiscountedGross { amountCents } } }"""
PURCHASE = "purchase { id status discount { code periodsLeft } }"


@pytest.fixture
async def operator(db: str, action: Action) -> Viewer:
    return await create_operator(action)


async def create_code(
    execute: "Execute", operator: Viewer, code: str = "launch20", **values: Any
) -> dict[str, Any]:
    fields: dict[str, Any] = {"code": code, "idempotencyKey": code} | values
    if "amountCents" not in values:
        fields.setdefault("percentBasisPoints", 2_000)
    selection = "promotion { id code redemptionCount }"
    return await mutate(execute, operator, "promotionCreate", selection, **fields)


async def pay(execute: "Execute", viewer: Viewer, purchase: str, **values: Any) -> dict[str, Any]:
    fields = {
        "purchaseId": purchase,
        "paymentMethod": "pm_sandbox_success",
        "idempotencyKey": "pay",
    }
    return await mutate(execute, viewer, "purchasePay", PURCHASE, **{**fields, **values})


async def bill(action: Action, services: Services, day: date, purchase: str) -> Invoice:
    """Runs the billing run at noon of a day, and returns the last invoice of a purchase."""
    checkout = CheckoutServices(services.gateway, services.seller, services.auth.signer)
    await bill_due_periods(replace(action, at=noon(day)), checkout)
    invoices = await Invoice.filter(purchase_id=key_of(Purchase, purchase)).order_by("-id")
    return invoices[0]


async def test_p2_2_a_code_lowers_the_quote_the_invoice_and_the_renewals_it_is_for(
    execute: "Execute",
    operator: Viewer,
    dataset: "Dataset",
    price: Price,
    action: Action,
    services: Services,
) -> None:
    owner = dataset.paul.owner
    created = await create_code(execute, operator, periods=2)
    assert created["promotion"]["code"] == "LAUNCH20"
    values = {"price": encode("Price", price.pk), "code": " Launch20 "}
    quote = (await execute(owner, QUOTE, **values))["data"]["purchaseQuote"]
    assert quote["lines"][1] == {
        "label": "Remise avec le code LAUNCH20",
        "quantity": -1,
        "unitNet": {"amountCents": 580},
        "net": {"amountCents": -580},
        "vatRate": 2_000,
    }
    assert [quote[name]["amountCents"] for name in ("net", "vat", "gross")] == [2_320, 464, 2_784]
    assert quote["discount"] == {
        "code": "LAUNCH20",
        "percentBasisPoints": 2_000,
        "amount": None,
        "periodsLeft": 2,
    }
    assert quote["undiscountedGross"] == {"amountCents": 3_480}
    purchase = await confirmed(execute, owner, price.pk, promotionCode="launch20")
    paid = await pay(execute, owner, purchase, expectedGrossCents=2_784)
    assert paid["purchase"]["discount"] == {"code": "LAUNCH20", "periodsLeft": 1}
    first = await Invoice.all().order_by("-id").first()
    assert first
    assert (first.net_cents, first.vat_cents, first.gross_cents) == (2_320, 464, 2_784)
    item = await BillingItem.get(kind=BillingItemKind.DISCOUNT)
    assert (item.quantity, item.unit_net_cents, item.starts_on) == (-1, 580, date(2026, 11, 23))
    amounts = []
    for day in (date(2026, 12, 23), date(2027, 1, 23)):
        amounts.append((await bill(action, services, day, purchase)).net_cents)
    assert amounts == [2_320, 2_900]
    document = "query($id: ID!) { node(id: $id) { ... on Purchase { discount { code } } } }"
    assert (await execute(owner, document, id=purchase))["data"]["node"] == {"discount": None}
    listing = """{ promotion(code: "launch20") { redemptionCount
        redemptions { nodes { account { legalName } redeemedAt } } } }"""
    seen = (await execute(operator, listing))["data"]["promotion"]
    assert seen["redemptionCount"] == 1
    assert seen["redemptions"]["nodes"][0]["account"]["legalName"].startswith("PAULMARK")


async def test_a_repeat_on_a_later_day_returns_the_code_that_was_created(
    execute: "Execute", operator: Viewer, clock: "MovableClock"
) -> None:
    days = {"validFrom": "2026-11-23", "validUntil": "2026-11-25"}
    created = await create_code(execute, operator, **days)
    clock.advance(timedelta(days=3))
    assert await create_code(execute, operator, **days) == created
    late = await create_code(execute, operator, "LATE", **days)
    assert codes(late) == [("DATE_PAST", "validFrom")]


async def test_each_obstacle_is_one_error_in_the_viewers_language(
    execute: "Execute",
    operator: Viewer,
    dataset: "Dataset",
    price: Price,
    action: Action,
    clock: "MovableClock",
) -> None:
    owner, draft = dataset.paul.owner, {"priceId": encode("Price", price.pk)}
    await create_code(execute, operator, "YEARLY", interval="YEAR")
    await create_code(execute, operator, "FORPME", segment="PME")
    await create_code(execute, operator, "PACK10", minimumQuantity=10)
    await create_code(execute, operator, "FUTURE", validFrom="2026-12-01")
    await create_code(execute, operator, "ENDING", validUntil="2026-11-24")
    await create_code(execute, operator, "LIMITED", maxRedemptions=1)
    stopped = await create_code(execute, operator, "STOPPED")
    for _ in range(2):
        await mutate(
            execute,
            operator,
            "promotionDeactivate",
            "promotion { deactivatedAt }",
            promotionId=stopped["promotion"]["id"],
        )
    other = await confirmed(execute, dataset.marie.owner, price.pk, promotionCode="LIMITED")
    await pay(execute, dataset.marie.owner, other)
    clock.advance(timedelta(days=2))
    expected = {
        "YEARLY": "PROMOTION_NOT_APPLICABLE",
        "FORPME": "PROMOTION_NOT_APPLICABLE",
        "PACK10": "PROMOTION_NOT_APPLICABLE",
        "FUTURE": "PROMOTION_UNKNOWN",
        "NOSUCH": "PROMOTION_UNKNOWN",
        "ENDING": "PROMOTION_EXPIRED",
        "STOPPED": "PROMOTION_EXPIRED",
        "LIMITED": "PROMOTION_EXHAUSTED",
    }
    found = {}
    for code in expected:
        payload = await mutate(
            execute,
            owner,
            "purchaseDraft",
            "purchase { id }",
            **draft,
            promotionCode=code,
            idempotencyKey=code,
        )
        ((found[code], path),) = codes(payload)
        assert path == "promotionCode"
        response = await execute(owner, QUOTE, price=draft["priceId"], code=code)
        (error,) = response["errors"]
        assert error["extensions"]["code"] == expected[code]
        assert error["message"] == payload["userErrors"][0]["message"]
    assert found == expected
    assert not await Purchase.filter(account_id=dataset.paul.account.pk, status="DRAFT").exists()
    again = await mutate(
        execute,
        dataset.marie.owner,
        "purchaseDraft",
        "purchase { id }",
        **draft,
        promotionCode="LIMITED",
        idempotencyKey="again",
    )
    assert codes(again) == [("PROMOTION_REDEEMED", "promotionCode")]


@pytest.mark.parametrize("is_planned", [False, True])
async def test_guessing_codes_is_throttled(
    execute: "Execute", operator: Viewer, dataset: "Dataset", price: Price, is_planned: bool
) -> None:
    await create_code(execute, operator)
    await create_code(execute, operator, "SPRING", validFrom="2027-03-01")
    owner, values = dataset.paul.owner, {"price": encode("Price", price.pk)}
    for _ in range(15):  # what exists isn't a guess
        assert "errors" not in await execute(owner, QUOTE, **values, code="LAUNCH20")
    answers = [
        (await execute(owner, QUOTE, **values, code=guess))["errors"][0]["extensions"]["code"]
        for guess in (["SPRING"] * 14 if is_planned else [f"GUESS{n}" for n in range(14)])
    ]
    assert answers[0] == "PROMOTION_UNKNOWN"
    assert answers[-1] == "RATE_LIMITED"


async def test_of_two_buyers_at_once_one_gets_the_last_redemption(
    execute: "Execute", operator: Viewer, dataset: "Dataset", price: Price
) -> None:
    await create_code(execute, operator, maxRedemptions=1)
    buyers = (dataset.paul.owner, dataset.marie.owner)
    drafts = [await confirmed(execute, each, price.pk, promotionCode="LAUNCH20") for each in buyers]
    payloads = await asyncio.gather(
        *(pay(execute, buyer, draft) for buyer, draft in zip(buyers, drafts, strict=True))
    )
    errors = [codes(payload) for payload in payloads]
    assert sorted(errors) == [[], [("PROMOTION_EXHAUSTED", "purchaseId")]]
    assert await PromotionRedemption.all().count() == 1
    loser = errors.index([("PROMOTION_EXHAUSTED", "purchaseId")])
    purchase = await Purchase.get(pk=key_of(Purchase, drafts[loser]))
    assert not await Payment.filter(purchase_id=purchase.pk).exists()
    # Without the code the purchase can be paid at the full price.
    removed = await mutate(
        execute,
        buyers[loser],
        "purchaseApplyPromotion",
        PURCHASE,
        purchaseId=drafts[loser],
        promotionCode=None,
    )
    assert removed["purchase"]["discount"] is None
    paid = await pay(execute, buyers[loser], drafts[loser], expectedGrossCents=3_480)
    assert paid["purchase"]["status"] == "ACTIVE"


async def test_a_discarded_draft_gives_its_redemption_back(
    execute: "Execute", operator: Viewer, dataset: "Dataset", price: Price, action: Action
) -> None:
    await create_code(execute, operator, maxRedemptions=1)
    owner = dataset.paul.owner
    purchase = await confirmed(execute, owner, price.pk)
    applied = await mutate(
        execute,
        owner,
        "purchaseApplyPromotion",
        PURCHASE,
        purchaseId=purchase,
        promotionCode="launch20",
    )
    assert applied["purchase"]["discount"] == {"code": "LAUNCH20", "periodsLeft": None}
    declined = {"paymentMethod": "pm_sandbox_declined", "idempotencyKey": "declined"}
    await mutate(execute, owner, "purchasePay", PURCHASE, purchaseId=purchase, **declined)
    assert await PromotionRedemption.all().count() == 1
    await mutate(execute, owner, "purchaseDiscard", PURCHASE, purchaseId=purchase)
    assert await PromotionRedemption.all().count() == 0
    # So do one that expires, and one of a company that is erased.
    later = replace(action, at=action.at + timedelta(days=31))
    for key in ("expires", "erased"):
        other = await confirmed(execute, owner, price.pk, key, promotionCode="LAUNCH20")
        await pay(execute, owner, other, **declined | {"idempotencyKey": key})
        assert await PromotionRedemption.all().count() == 1
        if key == "expires":
            assert await Purchase.expire_drafts(later) == 1
        else:
            async with action.transaction() as tx:
                account = await tx.lock(Account, dataset.paul.account.pk)
                await end_purchases(tx, account.pk)
        assert await PromotionRedemption.all().count() == 0


async def test_a_draft_that_has_redeemed_its_code_is_repriced_with_it(
    execute: "Execute", operator: Viewer, dataset: "Dataset", price: Price
) -> None:
    await create_code(execute, operator, maxRedemptions=1)
    owner = dataset.paul.owner
    purchase = await confirmed(execute, owner, price.pk, promotionCode="LAUNCH20")
    await pay(execute, owner, purchase, paymentMethod="pm_sandbox_declined")
    accepted = {"purchaseId": purchase, "grossCents": 2_784}
    repriced = await mutate(execute, owner, "purchaseReprice", PURCHASE, **accepted)
    assert repriced["purchase"]["discount"] == {"code": "LAUNCH20", "periodsLeft": None}
    paid = await pay(execute, owner, purchase, idempotencyKey="again", expectedGrossCents=2_784)
    assert paid["purchase"]["status"] == "ACTIVE"


@pytest.mark.parametrize(("former", "later"), [("LAUNCH20", None), (None, "LAUNCH20")])
async def test_a_purchase_has_the_code_with_which_it_was_paid(
    execute: "Execute",
    operator: Viewer,
    dataset: "Dataset",
    price: Price,
    services: Services,
    clock: "MovableClock",
    action: Action,
    former: str | None,
    later: str | None,
) -> None:
    await create_code(execute, operator, maxRedemptions=1, periods=3)
    owner = dataset.paul.owner
    code = {"promotionCode": former} if former else {}
    purchase = await confirmed(execute, owner, price.pk, **code)
    await pay(execute, owner, purchase, paymentMethod="pm_sandbox_confirmation")
    payment = await Payment.get(purchase_id=key_of(Purchase, purchase))
    canceled = {"paymentId": encode("Payment", payment.pk)}
    await mutate(execute, owner, "paymentCancel", "payment { status }", **canceled)
    applied = {"purchaseId": purchase, "promotionCode": later}
    await mutate(execute, owner, "purchaseApplyPromotion", PURCHASE, **applied)
    # The customer approves the former payment at the bank nevertheless.
    await services.gateway.decide(payment.provider_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    clock.advance(timedelta(hours=1))
    await reconcile(replace(action, at=clock.time), services.checkout)
    bought = await Purchase.get(pk=key_of(Purchase, purchase))
    assert (bought.status, bought.promotion_periods_left) == ("ACTIVE", 2 if former else None)
    assert (await Invoice.get(purchase_id=bought.pk)).gross_cents == (2_784 if former else 3_480)
    assert await PromotionRedemption.all().count() == (1 if former else 0)
    # The code has no redemption left, or still has it.
    other = dataset.marie.owner
    price_and_code = {"priceId": encode("Price", price.pk), "promotionCode": "LAUNCH20"}
    draft = {**price_and_code, "idempotencyKey": "other"}
    asked = await mutate(execute, other, "purchaseDraft", PURCHASE, **draft)
    expected = [("PROMOTION_EXHAUSTED", "promotionCode")] if former else []
    assert codes(asked) == expected


async def test_a_free_purchase_starts_without_a_payment_and_renews_with_invoices_of_zero(
    execute: "Execute",
    operator: Viewer,
    dataset: "Dataset",
    price: Price,
    action: Action,
    services: Services,
) -> None:
    await create_code(execute, operator, "GIFT", percentBasisPoints=10_000, periods=2)
    owner = dataset.paul.owner
    purchase = await confirmed(execute, owner, price.pk, promotionCode="GIFT")
    asked = await pay(execute, owner, purchase)
    assert codes(asked) == [("NOTHING_TO_PAY", "purchaseId")]
    start = {"purchaseId": purchase, "idempotencyKey": "start"}
    for _ in range(2):
        started = await mutate(execute, owner, "purchaseStart", PURCHASE, **start)
        assert started["purchase"]["status"] == "ACTIVE"
    await bill(action, services, date(2026, 12, 23), purchase)
    key = key_of(Purchase, purchase)
    free = await Invoice.filter(purchase_id=key)
    assert [(each.net_cents, each.gross_cents) for each in free] == [(0, 0), (0, 0)]
    for each in free:
        assert (await Receivable.get(invoice_id=each.pk)).state is InvoiceState.PAID
    bought = await Purchase.get(pk=key)
    assert (bought.status, bought.past_due_since) == ("ACTIVE", None)
    assert not await Payment.filter(purchase_id=key).exists()
    last = await bill(action, services, date(2027, 1, 23), purchase)
    assert last.gross_cents == 3_480


CHANGE_PREVIEW = """query($p: ID!, $quantity: Int!) {
  purchaseChangePreview(purchaseId: $p, quantity: $quantity) { isImmediate
    quote { lines { quantity unitNet { amountCents } } net { amountCents } gross { amountCents } }
    renewal { net { amountCents } } } }"""


async def test_a_change_in_a_discounted_period_credits_what_was_paid(
    execute: "Execute",
    operator: Viewer,
    dataset: "Dataset",
    price: Price,
    clock: "MovableClock",
) -> None:
    await create_code(execute, operator, "HALF", percentBasisPoints=5_000)
    owner = dataset.paul.owner
    purchase = await confirmed(execute, owner, price.pk, promotionCode="HALF")
    await pay(execute, owner, purchase)
    clock.advance(timedelta(days=10))  # 20 of 30 days are left
    values = {"p": purchase, "quantity": 2}
    preview = (await execute(owner, CHANGE_PREVIEW, **values))["data"]["purchaseChangePreview"]
    lines = [
        (line["quantity"], line["unitNet"]["amountCents"]) for line in preview["quote"]["lines"]
    ]
    assert lines == [(-1, 1_933), (2, 1_933), (1, 967), (-1, 1_933)]
    assert preview["quote"]["net"] == {"amountCents": 967}
    assert preview["renewal"]["net"] == {"amountCents": 2_900}
    order = {
        "purchaseId": purchase,
        "quantity": 2,
        "expectedGrossCents": preview["quote"]["gross"]["amountCents"],
        "idempotencyKey": "change",
    }
    changed = await mutate(execute, owner, "purchaseChange", "purchase { quantity }", **order)
    assert changed["purchase"] == {"quantity": 2}
    last = await Invoice.filter(purchase_id=key_of(Purchase, purchase)).order_by("-id").first()
    assert last
    assert last.net_cents == 967
    descriptions = [line["description"].split(" · ")[:2] for line in last.facts["lines"]]
    assert descriptions[2:] == [
        ["Remise de 50\xa0%", "Déduction des jours non utilisés\xa0: 20 sur 30"],
        ["Remise de 50\xa0%", "Jours restants de la période\xa0: 20 sur 30"],
    ]
    # The recurring revenue of the two other purchases, and of two units at half the price.
    mrr = {"by": ["MONTH"], "measures": [{"function": "SUM", "of": "MRR"}]}
    answer = await execute(dataset.nadia, TABLE, query={"mrr": mrr})
    assert rows_of(answer["data"]["analytics"])[-1][1] == 3 * 2_900


async def test_a_code_for_another_offer_does_not_follow_a_change(
    execute: "Execute", operator: Viewer, dataset: "Dataset", price: Price, clock: "MovableClock"
) -> None:
    await create_code(execute, operator, "SINGLE", interval="MONTH", percentBasisPoints=10_000)
    yearly = await Price.create(
        offer_id=price.offer_id,
        interval=Interval.YEAR,
        net_cents=29_000,
        vat_rate=2_000,
        valid_from=clock.now(),
    )
    owner = dataset.paul.owner
    purchase = await confirmed(execute, owner, price.pk, promotionCode="SINGLE")
    start = {"purchaseId": purchase, "idempotencyKey": "start"}
    await mutate(execute, owner, "purchaseStart", PURCHASE, **start)
    document = """query($p: ID!, $price: ID!) {
      purchaseChangePreview(purchaseId: $p, priceId: $price) {
        isImmediate quote { net { amountCents } } } }"""
    values = {"p": purchase, "price": encode("Price", yearly.pk)}
    preview = (await execute(owner, document, **values))["data"]["purchaseChangePreview"]
    assert preview == {"isImmediate": False, "quote": {"net": {"amountCents": 29_000}}}
    # What is free stays free, although the price of a unit for 19 days is rounded up 999 times.
    clock.advance(timedelta(days=11))
    more = """query($p: ID!) { purchaseChangePreview(purchaseId: $p, quantity: 999) {
        isImmediate quote { net { amountCents } } } }"""
    preview = (await execute(owner, more, p=purchase))["data"]["purchaseChangePreview"]
    assert preview == {"isImmediate": False, "quote": {"net": {"amountCents": 0}}}


async def test_what_costs_something_and_has_no_trial_does_not_start_unpaid(
    execute: "Execute", dataset: "Dataset", price: Price
) -> None:
    purchase = await confirmed(execute, dataset.paul.owner, price.pk)
    started = await mutate(
        execute,
        dataset.paul.owner,
        "purchaseStart",
        PURCHASE,
        purchaseId=purchase,
        idempotencyKey="start",
    )
    assert codes(started) == [("PAYMENT_REQUIRED", "purchaseId")]


async def test_the_errors_of_a_new_code_are_reported_at_once(
    execute: "Execute", operator: Viewer, dataset: "Dataset"
) -> None:
    faulty = await create_code(
        execute,
        operator,
        "é",
        percentBasisPoints=10_001,
        amountCents=0,
        periods=0,
        maxRedemptions=0,
        minimumQuantity=0,
        validFrom="2026-12-02",
        validUntil="2026-12-01",
        offerIds=["x"],
    )
    assert {path for _, path in codes(faulty)} == {
        "code",
        "percentBasisPoints",
        "amountCents",
        "periods",
        "maxRedemptions",
        "minimumQuantity",
        "validUntil",
        "offerIds.0",
    }
    for _ in range(2):
        created = await create_code(execute, operator, "TWICE", amountCents=500)
        assert created["promotion"]["code"] == "TWICE"
    taken = await create_code(execute, operator, "twice", idempotencyKey="another")
    assert codes(taken) == [("CODE_TAKEN", "code")]
    assert await Promotion.all().count() == 1
    for viewer in (dataset.paul.owner, dataset.alice):
        response = await execute(viewer, "{ promotions { nodes { code } } }")
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
