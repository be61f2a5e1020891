"""The story of a company that pays with Stripe, over real HTTP: a card with 3-D Secure is saved, a
purchase is paid with it, a notification arrives, and the card is removed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.billing.gateways.stripe_server import (
    AUTHENTICATED_CARD,
    DECLINED_CARD,
    KEY,
    WEBHOOK_SECRET,
    StripeServer,
    serve_stripe,
    signed,
)
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Client, Server, http_client, run_server

METHODS = "{ viewer { account { paymentMethods { status lastFour isDefault } } } }"
SELECTION = "paymentMethod { id status lastFour } clientSecret confirmationUrl"


@dataclass
class StripeShop(Server):
    """A server that collects money with Stripe."""

    stripe_url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "CAMCHA_STRIPE_KEY": KEY,
            "CAMCHA_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "CAMCHA_STRIPE_URL": self.stripe_url,
            "CAMCHA_RETURN_URLS": "https://shop.example/account",
        }


@pytest.fixture(scope="module")
def stripe_server() -> Iterator[StripeServer]:
    with serve_stripe() as server:
        yield server


@pytest.fixture
def shop(catalogue_url: str, tmp_path: Path, stripe_server: StripeServer) -> Iterator[StripeShop]:
    with run_server(StripeShop(catalogue_url, tmp_path, stripe_url=stripe_server.url)) as server:
        yield server


@pytest.mark.parametrize("catalogue_url", ["sqlite"], indirect=True)
async def test_p2_2_p3_1_a_company_saves_a_card_pays_with_it_and_removes_it(
    shop: StripeShop, stripe_server: StripeServer
) -> None:
    paul = await sign_up(shop, "paul@boulangerie.example")
    refused = await paul.try_mutation(
        "paymentMethodAdd", "PaymentMethodAddInput", {"idempotencyKey": "0"}, SELECTION
    )
    assert [error["code"] for error in refused["userErrors"]] == ["STEP_UP_REQUIRED"]
    await paul.mutate(
        "sessionStepUp", "SessionStepUpInput", {"password": PASSWORD}, "stepUpExpiresAt"
    )
    method = await saved_card(paul, stripe_server)
    purchase, payment = await paid_purchase(paul, stripe_server, shop, method)
    assert purchase["status"] == "ACTIVE"
    assert payment["lastFour"] == "3155"
    assert "FA-" in str((await shop.email("paul@boulangerie.example", 3))["Subject"])
    await a_forged_notification_is_refused(shop, stripe_server)
    removed = await paul.try_mutation(
        "paymentMethodRemove", "PaymentMethodRemoveInput", {"paymentMethodId": method}, "__typename"
    )
    assert [error["code"] for error in removed["userErrors"]] == ["PAYMENT_METHOD_IN_USE"]
    other = await saved_card(paul, stripe_server, "2")
    await paul.mutate(
        "paymentMethodRemove", "PaymentMethodRemoveInput", {"paymentMethodId": method}, "__typename"
    )
    account = (await paul.data(METHODS))["viewer"]["account"]
    assert account["paymentMethods"] == [
        {"status": "ACTIVE", "lastFour": "3155", "isDefault": True}
    ]
    assert other != method
    assert "4000" not in shop.log


async def saved_card(paul: Client, stripe_server: StripeServer, key: str = "1") -> str:
    """P3.1: the card goes to Stripe from the browser, and the bank asks for a confirmation."""
    payload = await paul.mutate(
        "paymentMethodAdd", "PaymentMethodAddInput", {"idempotencyKey": key}, SELECTION
    )
    assert payload["paymentMethod"]["status"] == "PENDING"
    secret = payload["clientSecret"]
    await stripe_server.confirm_setup(secret, await stripe_server.save_card(AUTHENTICATED_CARD))
    await stripe_server.authenticate(secret.partition("_secret_")[0], succeeds=True)
    confirmed = await paul.mutate(
        "paymentMethodConfirm",
        "PaymentMethodConfirmInput",
        {"paymentMethodId": payload["paymentMethod"]["id"]},
        SELECTION,
    )
    assert confirmed["paymentMethod"]["status"] == "ACTIVE"
    return str(confirmed["paymentMethod"]["id"])


async def paid_purchase(
    paul: Client, stripe_server: StripeServer, shop: StripeShop, method: str
) -> tuple[dict[str, str], dict[str, str]]:
    """P2.2, P2.3: a declined card, then the saved one, which the bank wants confirmed. A
    notification by Stripe activates the purchase.
    """
    offers = await paul.data("{ offers { nodes { prices { id } } } }")
    price = offers["offers"]["nodes"][0]["prices"][0]["id"]
    draft = await paul.mutate(
        "purchaseDraft",
        "PurchaseDraftInput",
        {"priceId": price, "idempotencyKey": "draft"},
        "purchase { id }",
    )
    purchase_id = draft["purchase"]["id"]
    address = {"street": "3 rue du Four", "postalCode": "69001", "city": "Lyon"}
    await paul.mutate(
        "purchaseConfirmBilling",
        "PurchaseConfirmBillingInput",
        {"purchaseId": purchase_id, "billingAddress": address},
        "purchase { status }",
    )
    selection = "purchase { status } payment { id status confirmationUrl declineCode lastFour }"
    card = await stripe_server.save_card(DECLINED_CARD, decline_code="insufficient_funds")
    declined = await paul.try_mutation(
        "purchasePay",
        "PurchasePayInput",
        {"purchaseId": purchase_id, "paymentMethod": card, "idempotencyKey": "1"},
        selection,
    )
    assert [error["code"] for error in declined["userErrors"]] == ["PAYMENT_DECLINED"]
    assert declined["payment"]["declineCode"] == "insufficient_funds"
    pending = await paul.mutate(
        "purchasePay",
        "PurchasePayInput",
        {
            "purchaseId": purchase_id,
            "paymentMethodId": method,
            "returnUrl": "https://shop.example/account/thanks",
            "idempotencyKey": "2",
        },
        selection,
    )
    assert pending["payment"]["status"] == "REQUIRES_ACTION"
    reference = pending["payment"]["confirmationUrl"].rpartition("/")[2]
    await stripe_server.authenticate(reference, succeeds=True)
    event = await stripe_server.event(
        "payment_intent.succeeded", f"/v1/payment_intents/{reference}"
    )
    async with paul.socket() as websocket:
        subscription = await websocket.subscribe(
            "subscription { accountEvents(after: 0) { kind } }"
        )
        for _ in range(2):
            assert await notify(shop, event) == 200
        await subscription.until("INVOICE_ISSUED")
    result = await paul.data(
        "query($id: ID!) { purchase(id: $id) { status payments { lastFour } } }", id=purchase_id
    )
    return result["purchase"], result["purchase"]["payments"][-1]


async def notify(shop: StripeShop, event: dict[str, object], secret: str = WEBHOOK_SECRET) -> int:
    headers, body = signed(event, secret=secret)
    async with http_client(base_url=shop.url) as http:
        response = await http.post("/webhooks/stripe", content=body, headers=headers)
    return response.status_code


async def a_forged_notification_is_refused(shop: StripeShop, stripe_server: StripeServer) -> None:
    event = await stripe_server.event("payment_intent.succeeded", "/v1/payment_intents/none")
    assert await notify(shop, event, "whsec_another") == 400
