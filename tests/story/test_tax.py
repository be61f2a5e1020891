"""Companies of every territory buy on a real server, with a service for VAT numbers beside it: the
VAT in the catalogue, the payment and the invoice is that of docs/tax.md.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from settings import PACKAGED_SELLER
from tests.accounts.vat_server import CONSULTATION_NUMBER, VatServer, serve_vat_numbers
from tests.people import sign_up
from tests.story.server_fixtures import Client, Server

NUMBER = "BE0697449992"
PRICES_QUERY = """{ offer(slug: "tpe-essentiel") { prices {
    id interval net { amountCents } vat { amountCents } gross { amountCents } vatRate } } }"""
PURCHASE_QUERY = """query($id: ID!) { node(id: $id) { ... on Purchase {
    payments { amount { amountCents } }
    invoices { net { amountCents } vat { amountCents } gross { amountCents } lines { vatRate } }
} } }"""
_keys = count()


@dataclass
class TaxServer(Server):
    """A server that uses a service for VAT numbers."""

    vat_service: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"CAMCHA_VAT_SERVICE": self.vat_service}


@asynccontextmanager
async def run_server(
    catalogue_url: str, folder: Path
) -> AsyncIterator[tuple[TaxServer, VatServer]]:
    async with serve_vat_numbers() as authorities:
        server = TaxServer(catalogue_url, folder, vat_service=authorities.url)
        await asyncio.to_thread(server.start)
        try:
            yield server, authorities
        finally:
            server.stop()


async def move(client: Client, country: str, postal_code: str) -> None:
    address = {"street": "1 rue X", "postalCode": postal_code, "city": "X", "country": country}
    await client.mutate(
        "accountChangeAddress", "AccountChangeAddressInput", {"address": address}, "account { id }"
    )


async def prices(client: Client) -> dict[str, Any]:
    offer = (await client.data(PRICES_QUERY))["offer"]
    return dict(next(price for price in offer["prices"] if price["interval"] == "MONTH"))


async def buy(client: Client, country: str, postal_code: str) -> tuple[int, int]:
    """Buys at the price of the catalogue. Returns the rate and the VAT of the invoice, which are
    those of the catalogue.
    """
    price = await prices(client)
    payload = await try_to_buy(client, country, postal_code)
    assert payload["userErrors"] == [], payload
    node = (await client.data(PURCHASE_QUERY, id=payload["purchase"]["id"]))["node"]
    (invoice,), (paid,) = node["invoices"], node["payments"]
    assert {name: invoice[name] for name in ("net", "vat", "gross")} == {
        name: price[name] for name in ("net", "vat", "gross")
    }
    assert paid["amount"] == invoice["gross"]
    rate = price["vatRate"]
    assert [line["vatRate"] for line in invoice["lines"]] == [rate]
    return rate, invoice["vat"]["amountCents"]


async def try_to_buy(client: Client, country: str, postal_code: str) -> dict[str, Any]:
    """Buys at the monthly price, and returns the payload of the payment."""
    price, key = await prices(client), str(next(_keys))
    draft = {"priceId": price["id"], "idempotencyKey": key}
    purchase = (
        await client.mutate("purchaseDraft", "PurchaseDraftInput", draft, "purchase { id }")
    )["purchase"]["id"]
    address = {"street": "1 rue X", "postalCode": postal_code, "city": "X", "country": country}
    billing = {"purchaseId": purchase, "billingAddress": address}
    await client.mutate(
        "purchaseConfirmBilling", "PurchaseConfirmBillingInput", billing, "purchase { id }"
    )
    payment = {
        "purchaseId": purchase,
        "paymentMethod": "pm_sandbox_success",
        "idempotencyKey": key,
    }
    selection = "purchase { id } payment { status }"
    return await client.try_mutation("purchasePay", "PurchasePayInput", payment, selection)


# The rules of VAT are those of tests/billing/test_tax.py on either database.
@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_a_company_is_charged_the_vat_of_its_territory(
    catalogue_url: str, tmp_path: Path
) -> None:
    async with run_server(catalogue_url, tmp_path) as (server, _):
        visitor = await prices(Client(server))
        assert (visitor["vatRate"], visitor["net"]["amountCents"]) == (2000, 2900)
        french = await sign_up(server, "paul@france.example")
        for country, postal_code, expected in (
            ("FR", "75011", (2000, 580)),
            ("FR", "97400", (850, 247)),
            ("RE", "97400", (850, 247)),
            ("GP", "97110", (850, 247)),
            ("MQ", "97200", (850, 247)),
            ("FR", "97300", (0, 0)),
            ("YT", "97600", (0, 0)),
            ("MF", "97150", (0, 0)),
        ):
            await move(french, country, postal_code)
            assert await buy(french, country, postal_code) == expected, country
        # The registered address decides, not the address to which the invoice is sent.
        await move(french, "FR", "75011")
        assert await buy(french, "CH", "1200") == (2000, 580)
        refused = await french.try_mutation(
            "accountChangeAddress",
            "AccountChangeAddressInput",
            {"address": {"street": "1", "postalCode": "1200", "city": "X", "country": "CH"}},
            "account { id }",
        )
        assert [error["field"] for error in refused["userErrors"]] == [
            ["input", "address", "country"]
        ]
        monegasque = await sign_up(
            server, "paul@monaco.example", None, country="MC", registrationNumber="56S00557"
        )
        assert await buy(monegasque, "MC", "98000") == (2000, 580)
        overseas = await sign_up(
            server, "paul@noumea.example", None, country="NC", registrationNumber="1 234 567.001"
        )
        for country, postal_code in (("NC", "98800"), ("PF", "98714"), ("CH", "1200")):
            await move(overseas, country, postal_code)
            assert await buy(overseas, country, postal_code) == (0, 0), country
        association = await sign_up(server, "paul@club.example", None, organization="ASSOCIATION")
        assert await buy(association, "FR", "67000") == (2000, 580)


@pytest.mark.parametrize("catalogue_url", ["sqlite"], indirect=True)
async def test_a_belgian_company_is_charged_no_vat_once_its_number_is_confirmed(
    catalogue_url: str, tmp_path: Path
) -> None:
    async with run_server(catalogue_url, tmp_path) as (server, authorities):
        authorities.outage = "MS_UNAVAILABLE"
        belgian = await sign_up(
            server,
            "paul@bruxelles.example",
            None,
            country="BE",
            registrationNumber="0697.449.992",
            vatNumber="BE 0697.449.992",
        )
        await move(belgian, "BE", "1000")
        assert (await check_of(belgian))["status"] == "PENDING"
        assert await is_number_pending(belgian)
        assert await buy(belgian, "BE", "1000") == (2000, 580)
        authorities.outage = None
        authorities.names[NUMBER] = "Boulangerie Meunier SRL"
        for number in (None, NUMBER):  # entered again, so that the service is asked at once
            await enter_number(belgian, number)
        assert await check_of(belgian) == {
            "status": "VALID",
            "consultationNumber": CONSULTATION_NUMBER,
            "registeredName": "Boulangerie Meunier SRL",
        }
        assert not await is_number_pending(belgian)
        assert await buy(belgian, "BE", "1000") == (0, 0)
        payload = await belgian.mutate(
            "accountChangeIdentifiers",
            "AccountChangeIdentifiersInput",
            {"vatNumber": "BE 0428.759.497"},
            "account { vatNumber vatNumberCheck { status } }",
        )
        # The service answers at once.
        assert payload["account"]["vatNumberCheck"] == {"status": "INVALID"}
        assert await buy(belgian, "BE", "1000") == (2000, 580)


@dataclass
class RefusingServer(TaxServer):
    """A server whose seller refuses unverified buyers of other member states."""

    @property
    def environment(self) -> dict[str, str]:
        text = PACKAGED_SELLER.read_text(encoding="utf-8")
        path = self.folder / "seller.toml"
        path.write_text(text.replace('"local-rate"', '"refuse"'), encoding="utf-8")
        return super().environment | {"CAMCHA_SELLER": str(path)}


@pytest.mark.parametrize("catalogue_url", ["sqlite"], indirect=True)
async def test_a_seller_can_refuse_companies_without_a_confirmed_number(
    catalogue_url: str, tmp_path: Path
) -> None:
    async with serve_vat_numbers() as authorities:
        authorities.outage = "MS_UNAVAILABLE"
        server = RefusingServer(catalogue_url, tmp_path, vat_service=authorities.url)
        await asyncio.to_thread(server.start)
        try:
            belgian = await sign_up(
                server, "paul@bruxelles.example", None, country="BE", registrationNumber="0697"
            )
            await move(belgian, "BE", "1000")
            assert (await prices(belgian))["vatRate"] == 2000
            for number, code in ((None, "VAT_NUMBER_REQUIRED"), (NUMBER, "VAT_NUMBER_PENDING")):
                await enter_number(belgian, number)
                refused = await try_to_buy(belgian, "BE", "1000")
                assert [error["code"] for error in refused["userErrors"]] == [code]
                assert refused["payment"] is None
            authorities.outage, authorities.names[NUMBER] = None, "Boulangerie Meunier SRL"
            for each in (None, NUMBER):
                await enter_number(belgian, each)
            assert await buy(belgian, "BE", "1000") == (0, 0)
        finally:
            server.stop()


async def enter_number(client: Client, number: str | None) -> None:
    await client.mutate(
        "accountChangeIdentifiers",
        "AccountChangeIdentifiersInput",
        {"vatNumber": number},
        "account { id }",
    )


async def is_number_pending(client: Client) -> bool:
    """What a quote says; its amounts are those of the catalogue."""
    price = await prices(client)
    query = """query($id: ID!) { purchaseQuote(priceId: $id) {
        gross { amountCents } isVatNumberPending } }"""
    quoted = (await client.data(query, id=price["id"]))["purchaseQuote"]
    assert quoted["gross"] == price["gross"]
    return bool(quoted["isVatNumberPending"])


async def check_of(client: Client) -> dict[str, Any]:
    query = """{ viewer { account { vatNumberCheck {
        status consultationNumber registeredName } } } }"""
    return dict((await client.data(query))["viewer"]["account"]["vatNumberCheck"])
