"""P2.1: operators manage offers and prices, and what was bought stays as it was bought."""

import re
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from billing.catalogue import apply_due_changes, publish_offer, update_offer
from billing.checkout_services import CheckoutServices
from billing.renewals import bill_due_periods
from models.action import Action
from models.billing.invoice import Invoice
from models.billing.offer import Offer, OfferStatus, Price
from models.billing.purchase import Purchase
from models.billing.tax_rule import TaxCategory, TaxRule
from models.errors import Refusal
from models.identity.session import Session
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode, key_of
from tests.schema.billing.catalogue_fixtures import (
    TEXTS,
    codes,
    confirmed,
    create_operator,
    mutate,
    noon,
)
from tests.schema.billing.test_invoice_emails import buy
from tests.story.generated import operations

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

USER_ERRORS = "{ userErrors { code field } }"
CATALOGUE = """{ offers { nodes { slug name prices { net { amountCents } } } } }"""


@pytest.fixture
async def operator(db: str, action: Action) -> Viewer:
    return await create_operator(action)


async def slugs(execute: "Execute", viewer: Viewer, statuses: str = "") -> list[str]:
    """The slugs of the offers that a viewer sees."""
    conditions = f"(filter: {{status: {{in: [{statuses}]}}}})" if statuses else ""
    response = await execute(viewer, f"{{ offers{conditions} {{ nodes {{ slug }} }} }}")
    return [node["slug"] for node in response["data"]["offers"]["nodes"]]


async def create_offer(
    execute: "Execute", operator: Viewer, slug: str = "standard", **values: Any
) -> str:
    fields = {"slug": slug, "segment": "PME", "fr": TEXTS, "en": TEXTS | {"name": "Switchboard"}}
    payload = await mutate(
        execute, operator, "offerCreate", "offer { id }", **fields, idempotencyKey=slug, **values
    )
    assert not payload["userErrors"], payload
    offer_id: str = payload["offer"]["id"]
    return offer_id


async def add_price(
    execute: "Execute", operator: Viewer, offer_id: str, cents: int, key: str, **values: Any
) -> dict[str, Any]:
    fields = {"offerId": offer_id, "interval": "MONTH", "netCents": cents, "idempotencyKey": key}
    selection = "price { id validFrom validUntil net { amountCents } }"
    return await mutate(execute, operator, "priceCreate", selection, **fields | values)


async def test_p2_1_an_offer_is_drafted_priced_published_and_withdrawn(
    execute: "Execute", operator: Viewer, dataset: "Dataset", clock: "MovableClock"
) -> None:
    visitor, buyer = Viewer(), dataset.paul.owner
    offer_id = await create_offer(execute, operator)
    assert await create_offer(execute, operator) == offer_id
    node = "query($id: ID!) { node(id: $id) { id } }"
    for viewer in (visitor, buyer):
        assert await slugs(execute, viewer, "DRAFT, ON_SALE") == ["essentiel"]
        assert (await execute(viewer, '{ offer(slug: "standard") { id } }'))["data"] == {
            "offer": None
        }
        assert (await execute(viewer, node, id=offer_id))["data"] == {"node": None}
    assert await slugs(execute, operator) == ["essentiel"]
    assert await slugs(execute, operator, "DRAFT") == ["standard"]
    early = await mutate(execute, operator, "offerPublish", "offer { status }", offerId=offer_id)
    assert codes(early) == [("OFFER_WITHOUT_PRICE", "offerId")]
    price = (await add_price(execute, operator, offer_id, 4_900, "p"))["price"]
    assert (await execute(buyer, node, id=price["id"]))["data"] == {"node": None}
    draft = {"priceId": price["id"], "idempotencyKey": "draft"}
    refused = await mutate(execute, buyer, "purchaseDraft", "purchase { id }", **draft)
    assert codes(refused) == [("NOT_FOUND", "priceId")]
    published = await mutate(
        execute, operator, "offerPublish", "offer { status publishesOn }", offerId=offer_id
    )
    assert published["offer"] == {"status": "ON_SALE", "publishesOn": None}
    assert (await execute(visitor, CATALOGUE))["data"]["offers"]["nodes"][1] == {
        "slug": "standard",
        "name": "Standard",
        "prices": [{"net": {"amountCents": 4_900}}],
    }
    purchase = await confirmed(execute, buyer, key_of(Price, price["id"]) or 0)
    await confirmed(execute, buyer, key_of(Price, price["id"]) or 0, "waiting")
    withdrawn = await mutate(
        execute, operator, "offerWithdraw", "offer { status }", offerId=offer_id
    )
    assert withdrawn["offer"] == {"status": "WITHDRAWN"}
    assert await slugs(execute, visitor) == ["essentiel"]
    # The draft keeps its price until it expires.
    pay = {"purchaseId": purchase, "paymentMethod": "pm_sandbox_success"}
    paid = await mutate(
        execute, buyer, "purchasePay", "purchase { status }", **pay, idempotencyKey="pay"
    )
    assert paid["purchase"] == {"status": "ACTIVE"}
    clock.advance(timedelta(days=31))
    waiting = await Purchase.filter(account_id=dataset.paul.account.pk).order_by("-id").first()
    assert waiting
    expired = {"purchaseId": encode("Purchase", waiting.pk), "grossCents": 5_880}
    await Purchase.filter(pk=waiting.pk).update(status="EXPIRED")
    kept = await mutate(execute, buyer, "purchaseReprice", "purchase { id }", **expired)
    assert codes(kept) == [("NOT_FOUND", "purchaseId")]
    again = await mutate(
        execute, buyer, "purchaseDraft", "purchase { id }", **draft | {"idempotencyKey": "again"}
    )
    assert codes(again) == [("NOT_FOUND", "priceId")]


async def test_p2_1_a_price_change_never_touches_running_purchases(
    execute: "Execute",
    operator: Viewer,
    dataset: "Dataset",
    price: Price,
    action: Action,
    services: Services,
    clock: "MovableClock",
) -> None:
    offer_id = encode("Offer", price.offer_id)
    await buy(action, services, price, dataset.paul.owner)
    clock.advance(timedelta(hours=1))
    changed = (await add_price(execute, operator, offer_id, 3_500, "raise"))["price"]
    await price.refresh_from_db()
    assert price.valid_until == clock.now()
    quote = "query($id: ID!) { purchaseQuote(priceId: $id) { net { amountCents } } }"
    quoted = await execute(dataset.marie.owner, quote, id=changed["id"])
    assert quoted["data"]["purchaseQuote"] == {"net": {"amountCents": 3_500}}
    former = await execute(dataset.marie.owner, quote, id=encode("Price", price.pk))
    assert former["data"] == {"purchaseQuote": None}
    renewal = replace(action, at=noon(date(2026, 12, 23)))
    checkout = CheckoutServices(services.gateway, services.seller, services.auth.signer)
    assert await bill_due_periods(renewal, checkout)
    last = await Invoice.all().order_by("-id").first()
    assert last
    assert last.net_cents == 2_900


async def test_prices_are_planned_follow_each_other_and_are_deleted_before_they_begin(
    execute: "Execute",
    operator: Viewer,
    dataset: "Dataset",
    price: Price,
    action: Action,
    clock: "MovableClock",
) -> None:
    offer_id, day = encode("Offer", price.offer_id), "2026-12-01"
    past = await add_price(execute, operator, offer_id, 3_000, "past", validFrom="2026-11-22")
    assert codes(past) == [("DATE_PAST", "validFrom")]
    planned = await add_price(execute, operator, offer_id, 3_000, "a", validFrom=day)
    assert planned["price"]["validFrom"] == "2026-11-30T23:00:00+00:00"
    for overlap in (day, "2026-11-30"):
        refused = await add_price(execute, operator, offer_id, 3_100, overlap, validFrom=overlap)
        assert codes(refused) == [("PRICE_OVERLAPS", "validFrom")]
    versions = "query($id: ID!) { node(id: $id) { ... on Offer { priceVersions { id } } } }"
    seen = {
        name: len((await execute(viewer, versions, id=offer_id))["data"]["node"]["priceVersions"])
        for name, viewer in (("operator", operator), ("buyer", dataset.paul.owner))
    }
    assert seen == {"operator": 2, "buyer": 1}
    await price.refresh_from_db()
    assert price.valid_until is not None
    used = await mutate(
        execute, operator, "priceDelete", "offer { id }", priceId=encode("Price", price.pk)
    )
    assert codes(used) == [("PRICE_IN_USE", "priceId")]
    deleted = await mutate(
        execute, operator, "priceDelete", "offer { id }", priceId=planned["price"]["id"]
    )
    assert deleted["offer"] == {"id": offer_id}
    await price.refresh_from_db()
    assert price.valid_until is None
    # Once it has begun everybody sees it, and it stays.
    again = await add_price(execute, operator, offer_id, 3_000, "b", validFrom=day)
    clock.advance(timedelta(days=8))
    await apply_due_changes(Action(None, clock.now(), action.bus))
    begun = await mutate(
        execute, operator, "priceDelete", "offer { id }", priceId=again["price"]["id"]
    )
    assert codes(begun) == [("PRICE_IN_USE", "priceId")]
    catalogue = (await execute(Viewer(), CATALOGUE))["data"]["offers"]["nodes"]
    assert catalogue[0]["prices"] == [{"net": {"amountCents": 3_000}}]


async def test_the_monthly_price_ends_and_the_yearly_one_stays_on_sale(
    execute: "Execute",
    operator: Viewer,
    dataset: "Dataset",
    price: Price,
    action: Action,
    services: Services,
    clock: "MovableClock",
) -> None:
    offer_id, monthly = encode("Offer", price.offer_id), encode("Price", price.pk)
    await buy(action, services, price, dataset.paul.owner)
    clock.advance(timedelta(hours=1))
    end = partial(mutate, execute, operator, "priceEnd", "price { validUntil }")
    assert codes(await end(priceId=monthly)) == [("OFFER_WITHOUT_PRICE", "priceId")]
    yearly = await add_price(execute, operator, offer_id, 29_000, "y", interval="YEAR")
    # One of the two prices stays.
    planned = await end(priceId=monthly, on="2026-12-15")
    assert planned["price"] == {"validUntil": "2026-12-14T23:00:00+00:00"}
    refused = await end(priceId=yearly["price"]["id"], on="2026-12-15")
    assert codes(refused) == [("OFFER_WITHOUT_PRICE", "priceId")]
    for _ in range(2):
        planned = await end(priceId=monthly, on="2026-12-01")
        assert planned["price"] == {"validUntil": "2026-11-30T23:00:00+00:00"}
    amounts = [{"net": {"amountCents": cents}} for cents in (2_900, 29_000)]
    visitor = Viewer()
    assert (await execute(visitor, CATALOGUE))["data"]["offers"]["nodes"][0]["prices"] == amounts
    clock.time = noon(date(2026, 12, 1))
    (offer,) = (await execute(visitor, CATALOGUE))["data"]["offers"]["nodes"]
    assert offer["prices"] == amounts[1:]
    draft = {"priceId": monthly, "idempotencyKey": "draft"}
    sold_out = await mutate(
        execute, dataset.paul.owner, "purchaseDraft", "purchase { id }", **draft
    )
    assert codes(sold_out) == [("NOT_FOUND", "priceId")]
    # It has ended: a repeat changes nothing, and what was bought renews.
    assert await end(priceId=monthly, on="2027-01-01") == planned
    renewal = replace(action, at=noon(date(2026, 12, 23)))
    assert await bill_due_periods(renewal, services.checkout)
    last = await Invoice.all().order_by("-id").first()
    assert last
    assert (last.net_cents, last.issued_on) == (2_900, date(2026, 12, 23))
    # The interval can be sold again, and then its last version is the one that ends.
    again = await add_price(execute, operator, offer_id, 3_900, "m", validFrom="2027-01-01")
    assert codes(await end(priceId=monthly)) == [("PRICE_OVERLAPS", "priceId")]
    early = await end(priceId=again["price"]["id"], on="2027-01-01")
    assert codes(early) == [("VALUE_INVALID", "on")]
    assert not (await end(priceId=again["price"]["id"], on="2027-02-01"))["userErrors"]


async def test_the_only_price_may_end_once_its_offer_is_withdrawn(
    execute: "Execute", operator: Viewer, price: Price
) -> None:
    offer_id, monthly = encode("Offer", price.offer_id), encode("Price", price.pk)
    end = partial(mutate, execute, operator, "priceEnd", "price { id }", priceId=monthly)
    await mutate(
        execute, operator, "offerWithdraw", "offer { id }", offerId=offer_id, on="2026-12-01"
    )
    assert codes(await end(on="2026-11-30")) == [("OFFER_WITHOUT_PRICE", "priceId")]
    assert not (await end(on="2026-12-01"))["userErrors"]
    planned = await create_offer(execute, operator)
    only = await add_price(execute, operator, planned, 4_900, "p")
    await mutate(
        execute, operator, "offerPublish", "offer { id }", offerId=planned, on="2026-12-10"
    )
    end = partial(
        mutate, execute, operator, "priceEnd", "price { id }", priceId=only["price"]["id"]
    )
    for day in ("2026-12-09", "2026-12-10"):
        assert codes(await end(on=day)) == [("OFFER_WITHOUT_PRICE", "priceId")]
    assert (await Price.get(net_cents=4_900)).valid_until is None


async def test_p2_1_an_offer_is_withdrawn_when_its_last_price_ends_and_purchases_renew_at_it(
    execute: "Execute",
    operator: Viewer,
    dataset: "Dataset",
    price: Price,
    action: Action,
    services: Services,
    clock: "MovableClock",
) -> None:
    offer_id, monthly = encode("Offer", price.offer_id), encode("Price", price.pk)
    await buy(action, services, price, dataset.paul.owner)
    bought = await Purchase.all().order_by("-id").first()
    assert bought
    change = partial(mutate, execute, operator)
    plan = {"offerId": offer_id, "on": "2026-12-01"}
    await change("offerWithdraw", "offer { id }", **plan)
    await change("priceEnd", "price { id }", priceId=monthly, on="2026-12-01")
    # Publishing again drops the withdrawal only where the offer still has a price.
    published = await change("offerPublish", "offer { withdrawsOn }", offerId=offer_id)
    assert published["offer"] == {"withdrawsOn": "2026-12-01"}
    late = await change("offerWithdraw", "offer { id }", offerId=offer_id, on="2026-12-02")
    assert codes(late) == [("OFFER_WITHOUT_PRICE", "on")]
    yearly = {"interval": "YEAR", "validFrom": "2026-12-01"}
    planned = (await add_price(execute, operator, offer_id, 29_000, "y", **yearly))["price"]["id"]
    published = await change("offerPublish", "offer { withdrawsOn }", offerId=offer_id)
    assert published["offer"] == {"withdrawsOn": None}
    kept = await change("priceDelete", "offer { id }", priceId=planned)
    assert codes(kept) == [("OFFER_WITHOUT_PRICE", "priceId")]
    await change("offerWithdraw", "offer { id }", **plan)
    assert not (await change("priceDelete", "offer { id }", priceId=planned))["userErrors"]
    clock.time = noon(date(2026, 12, 1))
    assert await apply_due_changes(Action(None, clock.now(), action.bus)) == 1
    assert await slugs(execute, Viewer()) == []
    renewal = replace(action, at=noon(date(2026, 12, 23)))
    assert await bill_due_periods(renewal, services.checkout)
    last = await Invoice.all().order_by("-id").first()
    assert last
    assert last.net_cents == 2_900
    clock.time = renewal.at
    preview = """query($id: ID!) { purchaseChangePreview(purchaseId: $id, quantity: 3) {
        renewal { net { amountCents } } } }"""
    response = await execute(dataset.paul.owner, preview, id=encode("Purchase", bought.pk))
    assert response["data"]["purchaseChangePreview"]["renewal"]["net"]["amountCents"] == 8_700


async def test_a_repeat_on_the_next_day_returns_the_price_that_was_created(
    execute: "Execute", operator: Viewer, price: Price, clock: "MovableClock"
) -> None:
    clock.advance(timedelta(hours=1))
    offer_id = encode("Offer", price.offer_id)
    created = await add_price(execute, operator, offer_id, 900, "p")
    on_a_day = {"interval": "YEAR", "validFrom": "2026-11-23"}
    yearly = await add_price(execute, operator, offer_id, 9_000, "y", **on_a_day)
    clock.advance(timedelta(days=1))
    assert await add_price(execute, operator, offer_id, 900, "p") == created
    assert await add_price(execute, operator, offer_id, 9_000, "y", **on_a_day) == yearly
    assert yearly["price"]


async def test_a_category_without_a_rate_of_vat_has_no_price(
    execute: "Execute", operator: Viewer, price: Price, clock: "MovableClock"
) -> None:
    clock.advance(timedelta(hours=1))
    await TaxRule.filter(category=TaxCategory.REDUCED).delete()
    offer_id = encode("Offer", price.offer_id)
    refused = await add_price(execute, operator, offer_id, 900, "p", taxCategory="REDUCED")
    assert codes(refused) == [("VALUE_INVALID", "taxCategory")]
    assert (await Price.get(pk=price.pk)).valid_until is None


async def test_offers_are_published_and_withdrawn_on_their_day(
    execute: "Execute", operator: Viewer, price: Price, action: Action, clock: "MovableClock"
) -> None:
    offer_id = await create_offer(execute, operator)
    only = await add_price(execute, operator, offer_id, 4_900, "p")
    day = {"offerId": offer_id, "on": "2026-11-25"}
    planned = await mutate(execute, operator, "offerPublish", "offer { status publishesOn }", **day)
    assert planned["offer"] == {"status": "DRAFT", "publishesOn": "2026-11-25"}
    kept = await mutate(
        execute, operator, "priceDelete", "offer { id }", priceId=only["price"]["id"]
    )
    assert codes(kept) == [("OFFER_WITHOUT_PRICE", "priceId")]
    assert await Price.filter(net_cents=4_900).exists()
    old = encode("Offer", price.offer_id)
    for _ in range(2):
        await mutate(
            execute, operator, "offerWithdraw", "offer { id }", offerId=old, on="2026-11-25"
        )
    assert await apply_due_changes(Action(None, clock.now(), action.bus)) == 0
    assert await slugs(execute, Viewer()) == ["essentiel"]
    clock.advance(timedelta(days=2))
    assert await apply_due_changes(Action(None, clock.now(), action.bus)) == 2
    assert await apply_due_changes(Action(None, clock.now(), action.bus)) == 0
    assert await slugs(execute, Viewer()) == ["standard"]
    # It can be sold again.
    back = await mutate(execute, operator, "offerPublish", "offer { status }", offerId=old)
    assert back["offer"] == {"status": "ON_SALE"}
    for name, planned_status in (("offerWithdraw", "withdrawsOn"), ("offerPublish", "publishesOn")):
        fields = {"offerId": old} | ({"on": "2027-01-01"} if name == "offerWithdraw" else {})
        result = await mutate(execute, operator, name, f"offer {{ {planned_status} }}", **fields)
        assert not result["userErrors"]
    assert (await Offer.get(pk=price.offer_id)).withdraws_on is None
    draft = await create_offer(execute, operator, "brouillon")
    refused = await mutate(execute, operator, "offerWithdraw", "offer { id }", offerId=draft)
    assert codes(refused) == [("TRANSITION_ILLEGAL", "offerId")]


async def test_texts_and_order_are_changed(
    execute: "Execute", operator: Viewer, price: Price
) -> None:
    offer_id, old = await create_offer(execute, operator), encode("Offer", price.offer_id)
    taken = await mutate(
        execute,
        operator,
        "offerCreate",
        "offer { id }",
        slug="essentiel",
        segment="TPE",
        fr=TEXTS,
        en=TEXTS,
        idempotencyKey="taken",
    )
    assert codes(taken) == [("SLUG_TAKEN", "slug")]
    order = await mutate(
        execute, operator, "offerReorder", "offers { slug position }", offerIds=[offer_id]
    )
    assert order["offers"] == [
        {"slug": "standard", "position": 1},
        {"slug": "essentiel", "position": 2},
    ]
    twice = await mutate(execute, operator, "offerReorder", "offers { slug }", offerIds=[old, old])
    assert codes(twice) == [("NOT_FOUND", "offerIds.1")]
    texts = TEXTS | {"name": "Essentiel+", "features": ["Trois lignes"]}
    changed = await mutate(
        execute,
        operator,
        "offerUpdate",
        "offer { name(locale: FR) english: name(locale: EN) features segment }",
        offerId=old,
        fr=texts,
        segment="PME",
    )
    assert changed["offer"] == {
        "name": "Essentiel+",
        "english": "Essentiel",
        "features": ["Trois lignes"],
        "segment": "PME",
    }


async def test_what_cannot_be_invoiced_is_not_published(
    price: Price, action: Action, services: Services
) -> None:
    seller = services.seller
    broken = replace(seller, party=replace(seller.party, siren="1"))
    offer = await Offer.get(pk=price.offer_id)
    with pytest.raises(Refusal, match="OFFER_NOT_PRINTABLE"):
        await publish_offer(action, broken, offer, action.day)
    with pytest.raises(Refusal, match="OFFER_NOT_PRINTABLE"):
        await update_offer(action, broken, offer, None, {"fr": offer.texts["en"] | {"name": "N"}})


async def test_only_operators_manage_the_catalogue(
    execute: "Execute", dataset: "Dataset", price: Price
) -> None:
    document = "mutation($i: OfferWithdrawInput!) { offerWithdraw(input: $i) { offer { id } } }"
    for viewer in (dataset.paul.owner, dataset.alice):
        response = await execute(viewer, document, i={"offerId": encode("Offer", price.offer_id)})
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert (await Offer.get(pk=price.offer_id)).status is OfferStatus.ON_SALE


async def test_every_change_of_the_catalogue_requires_a_step_up(
    execute: "Execute", operator: Viewer, action: Action
) -> None:
    """Whatever their input is: it is checked afterwards."""
    changes = [
        each
        for each in operations({})
        if each.variant == "valid" and re.match("(offer|price|promotion)[A-Z]", each.name)
    ]
    assert len(changes) == 10
    assert operator.session
    await Session.filter(pk=operator.session.pk).update(step_up_expires_at=action.at)
    for each in changes:
        document = re.sub("{.*", f"{{ {each.name}(input: $input) {USER_ERRORS} }}", each.query)
        payload = (await execute(operator, document, **each.variables))["data"][each.name]
        assert payload["userErrors"] == [{"code": "STEP_UP_REQUIRED", "field": None}], each.name
