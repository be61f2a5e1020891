"""A company pays with PayPal: it leaves PayPal's page, comes back, pays, gets its invoice, and is
refunded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.billing.gateways.paypal_server import CLIENT_ID, SECRET, PaypalServer, serve_paypal
from tests.people import hire, sign_up
from tests.story.server_fixtures import Client, Server, http_client, run_server

BACK = "https://shop.example/account/thanks"
PAYMENT = "payment { id status confirmationUrl brand }"
PURCHASE = """query($id: ID!) { purchase(id: $id) { status
    invoices { id number state } payments { status refunds { status } } } }"""


@dataclass
class PaypalShop(Server):
    """A server that offers PayPal in addition to the sandbox."""

    paypal_url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "CAMCHA_PAYPAL_CLIENT_ID": CLIENT_ID,
            "CAMCHA_PAYPAL_CLIENT_SECRET": SECRET,
            "CAMCHA_PAYPAL_URL": self.paypal_url,
            "CAMCHA_RETURN_URLS": "https://shop.example/account",
        }


@pytest.fixture(scope="module")
def paypal_server() -> Iterator[PaypalServer]:
    with serve_paypal() as server:
        yield server


@pytest.fixture
def shop(catalogue_url: str, tmp_path: Path, paypal_server: PaypalServer) -> Iterator[PaypalShop]:
    paypal_server.reset()
    with run_server(PaypalShop(catalogue_url, tmp_path, paypal_url=paypal_server.url)) as server:
        yield server


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p2_3_a_company_pays_with_paypal_and_is_refunded(
    shop: PaypalShop, paypal_server: PaypalServer
) -> None:
    paul = await sign_up(shop, "paul@boulangerie.example")
    purchase_id = await confirmed_purchase(paul)
    arguments = {"purchaseId": purchase_id, "paymentMethod": "paypal", "idempotencyKey": "1"}
    refused = await paul.try_mutation(
        "purchasePay",
        "PurchasePayInput",
        arguments | {"returnUrl": "https://evil.example"},
        PAYMENT,
    )
    assert [error["code"] for error in refused["userErrors"]] == ["VALUE_INVALID"]
    arguments["returnUrl"] = BACK
    payment = (await paul.mutate("purchasePay", "PurchasePayInput", arguments, PAYMENT))["payment"]
    assert (payment["status"], payment["brand"]) == ("REQUIRES_ACTION", "paypal")
    # Paul leaves PayPal's page without paying, and returns to it.
    assert "PayerID" not in await decide(payment["confirmationUrl"], "cancel")
    payment = await refreshed(paul, payment["id"])
    assert payment["status"] == "REQUIRES_ACTION"
    assert "PayerID" in await decide(payment["confirmationUrl"], "approve")
    payment = await refreshed(paul, payment["id"])
    assert payment["status"] == "SUCCEEDED"
    assert payment["confirmationUrl"] is None
    purchase = (await paul.data(PURCHASE, id=purchase_id))["purchase"]
    assert purchase["status"] == "ACTIVE"
    [invoice] = purchase["invoices"]
    assert invoice["state"] == "PAID"
    assert "FA-" in str((await shop.email("paul@boulangerie.example", 2))["Subject"])
    await refund(shop, invoice["id"])
    purchase = (await paul.data(PURCHASE, id=purchase_id))["purchase"]
    assert purchase["payments"] == [{"status": "SUCCEEDED", "refunds": [{"status": "SUCCEEDED"}]}]
    [order] = paypal_server.orders.values()
    [refunded] = paypal_server.refunds(order["id"])
    assert refunded["amount"]["value"] == "10.00"
    assert SECRET not in shop.log


async def confirmed_purchase(paul: Client) -> str:
    """A purchase whose billing details are confirmed, at a price that can be paid with PayPal."""
    offers = await paul.data("{ offers { nodes { prices { id } } } }")
    price = offers["offers"]["nodes"][0]["prices"][0]["id"]
    quote = "query($id: ID!) { purchaseQuote(priceId: $id) { acceptsPaypal } }"
    assert (await paul.data(quote, id=price))["purchaseQuote"] == {"acceptsPaypal": True}
    arguments = {"priceId": price, "idempotencyKey": "draft"}
    draft = await paul.mutate("purchaseDraft", "PurchaseDraftInput", arguments, "purchase { id }")
    purchase_id = str(draft["purchase"]["id"])
    address = {"street": "3 rue du Four", "postalCode": "69001", "city": "Lyon"}
    await paul.mutate(
        "purchaseConfirmBilling",
        "PurchaseConfirmBillingInput",
        {"purchaseId": purchase_id, "billingAddress": address},
        "purchase { status }",
    )
    return purchase_id


async def decide(url: str, outcome: str) -> dict[str, list[str]]:
    """Decide as the customer does on PayPal's page. Returns the query with which they return."""
    async with http_client() as browser:
        assert "PayPal" in (await browser.get(url)).text
        response = await browser.post(url, data={"outcome": outcome})
    page = urlsplit(response.headers["location"])
    assert f"{page.scheme}://{page.netloc}{page.path}" == BACK
    return parse_qs(page.query)


async def refreshed(paul: Client, payment_id: str) -> dict[str, Any]:
    payload = await paul.mutate(
        "paymentRefresh", "PaymentRefreshInput", {"paymentId": payment_id}, PAYMENT
    )
    return dict(payload["payment"])


async def refund(shop: PaypalShop, invoice_id: str) -> None:
    """An operator credits 10 € and refunds them."""
    staff = await hire(shop, "olga@camcha.example", "OPERATOR")
    olga = await staff.sign_in(shop)
    await staff.step_up(olga)
    arguments = {
        "invoiceId": invoice_id,
        "amountCents": 1_000,
        "reason": "Geste commercial",
        "refund": "PAYMENT",
        "idempotencyKey": "refund",
    }
    await olga.mutate("invoiceCredit", "InvoiceCreditInput", arguments, "creditNote { number }")
