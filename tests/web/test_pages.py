"""The pages that emails link to: what users see, and that only their button changes anything."""

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from accounts.registration import verification_token
from auth.tokens import Purpose
from billing.document_requests import render_due
from billing.gateways.stripe import StripeGateway
from models.billing.invoice import Invoice
from models.billing.payment import PaymentStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.identity.user import User
from models.operations.email import Email
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, camille, open_site, unconfirmed_payment
from web import sandbox

if TYPE_CHECKING:
    from tests.conftest import MovableClock


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def link(site: Site) -> str:
    """The link in Camille's verification email."""
    user = (await camille(site.action())).user
    assert user
    return f"/verify?token={verification_token(site.services.auth, user, site.action().at)}"


async def is_verified() -> bool:
    return (await User.get(email="camille@fournil.example")).email_verified_at is not None


def assert_locked_down(response: httpx.Response) -> None:
    """Asserts that the page can't load, submit or leak anything, and may use its own style."""
    policy = response.headers["content-security-policy"]
    style = re.search(r"<style>(.*)</style>", response.text, re.DOTALL)
    assert style
    assert f"style-src 'sha256-{b64encode(sha256(style[1].encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    links = (
        r'<footer><a href="/policies/privacy">[^<]+</a> · <a '
        r'href="/policies/terms">[^<]+</a></footer>'
    )
    footer = re.search(links, response.text)
    assert footer, "P4.4: every page leads to the privacy policy, and to the terms"
    rest = re.sub(r'<p class="next"><a( class="button")? href="/">', "", response.text)
    assert not re.search(r"(src|href|url)\s*[=(]|style=|<script", rest.replace(footer[0], ""))


async def test_opening_the_page_changes_nothing(site: Site, link: str) -> None:
    for method in ("GET", "HEAD", "GET"):
        assert (await site.client.request(method, link)).status_code == 200
    assert not await is_verified()


async def test_the_button_verifies_the_address_and_can_be_pressed_twice(
    site: Site, link: str
) -> None:
    for _ in range(2):
        response = await site.client.post(link, data={"outcome": "verify"}, headers=FRENCH)
        assert response.status_code == 200
        assert "Votre adresse e-mail est confirmée" in response.text
        assert_locked_down(response)
        assert await is_verified()


@pytest.mark.parametrize(
    ("headers", "language", "text"),
    [
        (FRENCH, "fr", "Confirmer mon adresse"),
        (ENGLISH, "en", "Confirm my address"),
        ({}, "fr", "Confirmer mon adresse"),
    ],
)
async def test_a_page_is_in_the_readers_language(
    site: Site, link: str, headers: dict[str, str], language: str, text: str
) -> None:
    response = await site.client.get(link, headers=headers)
    assert f'<html lang="{language}">' in response.text
    assert response.headers["content-language"] == language
    assert text in response.text
    assert response.text.count("<h1>") == 1
    assert_locked_down(response)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "damaged_part", ["forged", "expired", "other purpose", "missing", "garbage"]
)
async def test_a_damaged_link_shows_a_404_page(
    site: Site, link: str, clock: "MovableClock", method: str, damaged_part: str
) -> None:
    user = await User.get(email="camille@fournil.example")
    match damaged_part:
        case "forged":
            # not the last character, of which the signature doesn't use all bits
            link = f"{link[:-2]}{'A' if link[-2] != 'A' else 'B'}{link[-1]}"
        case "expired":
            clock.advance(timedelta(hours=24))
        case "other purpose":
            link = f"/verify?token={site.sign(Purpose.DOWNLOAD, user=user.pk, email=user.email)}"
        case "missing":
            link = "/verify"
        case "garbage":
            link = "/verify?token=%00%ff%F0%9F%92%A5.." + "x" * 3000
    response = await site.client.request(method, link, headers=ENGLISH)
    assert response.status_code == 404
    assert "no longer valid" in response.text
    assert_locked_down(response)
    assert not await is_verified()


async def test_an_address_changed_since_the_email_is_not_verified(site: Site, link: str) -> None:
    await User.filter(email="camille@fournil.example").update(email="new@fournil.example")
    assert (await site.client.post(link)).status_code == 404
    assert (await User.get(email="new@fournil.example")).email_verified_at is None


async def test_a_huge_form_is_refused_before_it_is_read(site: Site, link: str) -> None:
    chunks_read = 0

    async def endless_form() -> AsyncIterator[bytes]:
        nonlocal chunks_read
        for _ in range(1000):
            chunks_read += 1
            yield b"x" * 1000

    assert (await site.client.post(link, content=endless_form())).status_code == 413
    assert chunks_read < 10
    assert not await is_verified()


async def test_the_bank_page_shows_the_amount_and_asks_for_approval(site: Site) -> None:
    purchase, payment = await unconfirmed_payment(site)
    assert payment.confirmation_url
    response = await site.client.get(payment.confirmation_url, headers=FRENCH)
    assert "34,80\u00a0€" in response.text
    assert re.findall(r'<button name="outcome" value="(\w+)">', response.text) == [
        "approve",
        "refuse",
        "expire",
    ]
    assert_locked_down(response)
    assert "€34.80" in (await site.client.get(payment.confirmation_url, headers=ENGLISH)).text
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.PAYMENT_PENDING


async def test_approving_activates_the_purchase_and_sends_the_invoice_once(site: Site) -> None:
    purchase, payment = await unconfirmed_payment(site)
    assert payment.confirmation_url
    for answer in ("approve", "approve", "refuse"):
        response = await site.client.post(
            payment.confirmation_url, data={"outcome": answer}, headers=ENGLISH
        )
        assert response.status_code == 200
        assert "Payment approved" in response.text
        assert "<button" not in response.text
        assert_locked_down(response)
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.ACTIVE
    assert await Invoice.all().count() == 1
    for _ in range(2):
        await render_due(site.action(), site.services.auth.signer)
    assert await Email.filter(template="invoice_issued.fr").count() == 1
    assert (
        "Payment approved"
        in (await site.client.get(payment.confirmation_url, headers=ENGLISH)).text
    )


async def test_refusing_declines_the_payment_and_another_method_can_be_tried(site: Site) -> None:
    purchase, payment = await unconfirmed_payment(site)
    assert payment.confirmation_url
    response = await site.client.post(
        payment.confirmation_url, data={"outcome": "refuse"}, headers=FRENCH
    )
    assert "Paiement refusé" in response.text
    await payment.refresh_from_db()
    assert payment.status is PaymentStatus.DECLINED
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.BILLING_CONFIRMED
    assert await Invoice.all().count() == 0


async def test_the_emails_invoice_link_works_for_a_month(site: Site, clock: "MovableClock") -> None:
    _, payment = await unconfirmed_payment(site)
    assert payment.confirmation_url
    await site.client.post(payment.confirmation_url, data={"outcome": "approve"})
    await render_due(site.action(), site.services.auth.signer)
    email = await Email.get(template="invoice_issued.fr")
    result = re.search(r"camcha:(/downloads/\S+)", email.text)
    assert result
    clock.advance(timedelta(days=29))
    response = await site.client.get(result[1])
    assert response.status_code == 200
    assert response.content.startswith(b"%PDF-")
    clock.advance(timedelta(days=1))
    assert (await site.client.get(result[1])).status_code == 404


@pytest.mark.parametrize(
    "body", ["", "outcome=", "outcome=perhaps", "outcome=APPROVE", "\x00\xff", "approve"]
)
async def test_a_malformed_form_changes_nothing(site: Site, body: str) -> None:
    _, payment = await unconfirmed_payment(site)
    assert payment.confirmation_url
    assert (
        await site.client.post(payment.confirmation_url, content=body.encode("latin-1"))
    ).status_code == 400
    await payment.refresh_from_db()
    assert payment.status is PaymentStatus.REQUIRES_ACTION


@pytest.mark.parametrize(
    "reference", ["sandbox_unknown", "x", "sandbox_%00", "sandbox_" + "a" * 500, "sandbox_'--"]
)
async def test_an_unknown_reference_is_not_found(site: Site, reference: str) -> None:
    await unconfirmed_payment(site)
    assert (await site.client.get(f"/sandbox/bank/{reference}")).status_code == 404
    response = await site.client.post(f"/sandbox/bank/{reference}", data={"outcome": "approve"})
    assert response.status_code == 404


async def test_without_the_sandbox_there_is_no_bank_page(site: Site) -> None:
    gateway = StripeGateway("sk_test_x", "whsec_x", "https://shop.example")
    assert sandbox.routes(replace(site.services, gateway=gateway)) == []
    await gateway.close()
