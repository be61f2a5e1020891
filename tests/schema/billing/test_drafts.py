"""P2.2: what a purchase costs is known before anything is stored, and a draft keeps its price."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from billing.documents.facts import InvoiceFacts
from models.action import Action
from models.billing.invoice import Invoice
from models.billing.offer import Price
from models.billing.purchase import Purchase, PurchaseStatus
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

QUOTE = """query($price: ID!, $quantity: Int!) {
  purchaseQuote(priceId: $price, quantity: $quantity) {
    lines { label quantity unitNet { amountCents } net { amountCents } vatRate }
    net { amountCents } vat { amountCents } gross { amountCents }
    vatByRate { rate net { amountCents } vat { amountCents } } vatMention
    period { index start end } nextDates } }"""
ADDRESS = {"street": "3 rue du Four", "postalCode": "69001", "city": "Lyon"}


async def mutate(
    execute: "Execute", viewer: Viewer, name: str, **input_fields: Any
) -> dict[str, Any]:
    """The payload of a mutation on a purchase."""
    kind = name[0].upper() + name[1:] + "Input"
    response = await execute(
        viewer,
        f"mutation($i: {kind}!) {{ {name}(input: $i) {{ purchase {{ id status expiresAt quantity "
        "price { net { amountCents } } } userErrors { code message field } } }",
        i=input_fields,
    )
    assert "errors" not in response, response
    return dict(response["data"][name])


async def confirmed_draft(
    execute: "Execute", viewer: Viewer, price: Price, quantity: int = 1
) -> str:
    """The ID of a draft with confirmed billing details."""
    draft = await mutate(
        execute,
        viewer,
        "purchaseDraft",
        priceId=encode("Price", price.pk),
        quantity=quantity,
        idempotencyKey="draft",
    )
    purchase: str = draft["purchase"]["id"]
    await mutate(
        execute, viewer, "purchaseConfirmBilling", purchaseId=purchase, billingAddress=ADDRESS
    )
    return purchase


async def test_an_error_of_a_query_names_the_argument(
    execute: "Execute", dataset: "Dataset", price: Price
) -> None:
    response = await execute(dataset.paul.owner, QUOTE, price=encode("Price", price.pk), quantity=0)
    (error,) = response["errors"]
    assert error["extensions"] == {"code": "VALUE_INVALID", "field": ["quantity"]}


async def test_all_errors_of_a_query_are_reported_at_once(
    execute: "Execute", dataset: "Dataset", price: Price
) -> None:
    query = """query($p: ID!, $price: ID!) { purchaseChangePreview(
        purchaseId: $p, priceId: $price, quantity: 0, anchor: "2027-01-01") { kind } }"""
    response = await execute(dataset.paul.owner, query, p="none", price="none")
    (error,) = response["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND"
    assert error["extensions"]["field"] == ["purchaseId"]
    assert [(each["code"], each["field"]) for each in error["extensions"]["errors"]] == [
        ("NOT_FOUND", ["purchaseId"]),
        ("NOT_FOUND", ["priceId"]),
        ("VALUE_INVALID", ["quantity"]),
        ("VALUE_INVALID", ["anchor"]),
    ]
    query = """query($price: ID!) {
        purchaseQuote(priceId: $price, quantity: 0, promotionCode: "NONE") { vatMention } }"""
    response = await execute(dataset.paul.owner, query, price=encode("Price", price.pk))
    (error,) = response["errors"]
    fields = [each["field"] for each in error["extensions"]["errors"]]
    assert fields == [["quantity"], ["promotionCode"]]


async def test_p2_2_the_quote_equals_the_invoice_to_the_cent(
    execute: "Execute", dataset: "Dataset", price: Price
) -> None:
    await Price.filter(pk=price.pk).update(net_cents=113)
    owner = dataset.paul.owner
    invoices_before = await Invoice.all().count()
    variables = {"price": encode("Price", price.pk), "quantity": 3}
    quote = (await execute(owner, QUOTE, **variables))["data"]["purchaseQuote"]
    assert await Invoice.all().count() == invoices_before
    purchase = await confirmed_draft(execute, owner, price, 3)
    gross = quote["gross"]["amountCents"]
    payment = await mutate(
        execute,
        owner,
        "purchasePay",
        purchaseId=purchase,
        paymentMethod="pm_sandbox_success",
        idempotencyKey="pay",
        expectedGrossCents=gross,
    )
    assert payment["userErrors"] == []
    invoice = await Invoice.all().order_by("-id").first()
    assert invoice is not None
    facts = InvoiceFacts.from_json(invoice.facts)
    assert [quote[name]["amountCents"] for name in ("net", "vat", "gross")] == [339, 68, 407]
    assert (invoice.net_cents, invoice.vat_cents, invoice.gross_cents) == (339, 68, 407)
    assert quote["vatByRate"] == [
        {"rate": 2000, "net": {"amountCents": 339}, "vat": {"amountCents": 68}}
    ]
    assert quote["lines"][0]["label"] == facts.lines[0].label
    assert quote["period"] == {"index": 0, "start": "2026-11-23", "end": "2026-12-23"}
    assert quote["nextDates"] == ["2026-12-23", "2027-01-23", "2027-02-23"]


async def test_another_total_than_expected_is_not_charged(
    execute: "Execute", dataset: "Dataset", price: Price
) -> None:
    owner = dataset.paul.owner
    purchase = await confirmed_draft(execute, owner, price)
    payload = await mutate(
        execute,
        owner,
        "purchasePay",
        purchaseId=purchase,
        paymentMethod="pm_sandbox_success",
        idempotencyKey="pay",
        expectedGrossCents=3479,
    )
    (error,) = payload["userErrors"]
    assert (error["code"], error["field"]) == ("PRICE_CHANGED", ["input", "expectedGrossCents"])
    assert "34,80" in error["message"]


async def test_a_draft_expires_and_is_paid_at_the_price_that_the_buyer_accepts(
    execute: "Execute",
    dataset: "Dataset",
    price: Price,
    services: Services,
    clock: "MovableClock",
    action: Action,
) -> None:
    owner = dataset.paul.owner
    purchase = await confirmed_draft(execute, owner, price)
    clock.advance(timedelta(days=30))
    later = Action(None, clock.now(), action.bus)
    await Price.filter(pk=price.pk).update(valid_until=later.at)
    await Price.create(
        offer_id=price.offer_id,
        interval=price.interval,
        net_cents=3_100,
        vat_rate=2000,
        valid_from=later.at,
    )
    pay: dict[str, Any] = {"purchaseId": purchase, "paymentMethod": "pm_sandbox_success"}
    refused = await mutate(execute, owner, "purchasePay", **pay, idempotencyKey="late")
    assert refused["userErrors"][0]["code"] == "TRANSITION_ILLEGAL"
    assert await Purchase.expire_drafts(later) == 1
    assert await Purchase.expire_drafts(later) == 0
    changed = await mutate(execute, owner, "purchaseReprice", purchaseId=purchase, grossCents=3480)
    assert changed["userErrors"][0]["code"] == "PRICE_CHANGED"
    assert "37,20" in changed["userErrors"][0]["message"]
    accepted = await mutate(execute, owner, "purchaseReprice", purchaseId=purchase, grossCents=3720)
    assert accepted["purchase"]["status"] == "BILLING_CONFIRMED"
    assert accepted["purchase"]["price"] == {"net": {"amountCents": 3100}}
    paid = await mutate(execute, owner, "purchasePay", **pay, idempotencyKey="now")
    assert paid["purchase"]["status"] == "ACTIVE"


async def test_a_draft_is_discarded_and_a_confirmation_left(
    execute: "Execute", dataset: "Dataset", price: Price
) -> None:
    owner = dataset.paul.owner
    purchase = await confirmed_draft(execute, owner, price)
    document = """mutation($i: PurchasePayInput!) { purchasePay(input: $i) {
        payment { id status } } }"""
    waiting = {
        "purchaseId": purchase,
        "paymentMethod": "pm_sandbox_confirmation",
        "idempotencyKey": "pay",
    }
    payment = (await execute(owner, document, i=waiting))["data"]["purchasePay"]["payment"]
    refused = await mutate(execute, owner, "purchaseDiscard", purchaseId=purchase)
    assert refused["userErrors"][0]["code"] == "TRANSITION_ILLEGAL"
    for _ in range(2):
        left = await mutate(execute, owner, "paymentCancel", paymentId=payment["id"])
        assert left["purchase"]["status"] == "BILLING_CONFIRMED"
    for _ in range(2):
        discarded = await mutate(execute, owner, "purchaseDiscard", purchaseId=purchase)
        assert discarded["purchase"]["status"] == "CANCELED"
    other = await mutate(execute, dataset.marie.owner, "purchaseDiscard", purchaseId=purchase)
    assert other["userErrors"][0]["code"] == "NOT_FOUND"
    active = dataset.paul.row(Purchase)
    assert active.status is PurchaseStatus.ACTIVE
    kept = await mutate(execute, owner, "purchaseDiscard", purchaseId=encode("Purchase", active.pk))
    assert kept["userErrors"][0]["code"] == "TRANSITION_ILLEGAL"
