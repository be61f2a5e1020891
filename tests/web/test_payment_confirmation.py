"""The page to which the email about a renewal leads that the bank wants confirmed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from billing.collection import confirmation_link
from billing.gateways.sandbox import Sandbox
from models.billing.payment import Payment, PaymentStatus
from tests.web.web_fixtures import ENGLISH, Site, open_site, unconfirmed_payment

if TYPE_CHECKING:
    from tests.conftest import MovableClock


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path) as opened_site:
        yield opened_site


def link_of(site: Site, payment: Payment) -> str:
    link = confirmation_link(site.services.auth.signer, payment, site.services.clock.now())
    return link.removeprefix("camcha:")


async def test_p2_3_its_button_leads_to_the_bank_until_the_payment_is_settled(site: Site) -> None:
    _, payment = await unconfirmed_payment(site)
    await Payment.all().update(confirmation_url=None)
    link = link_of(site, payment)
    page = await site.client.get(link, headers=ENGLISH)
    assert page.status_code == 200
    assert "€34.80" in page.text
    assert (await Payment.get()).confirmation_url is None  # a mail scanner starts nothing
    bank = await site.client.post(link, headers=ENGLISH)
    url = (await Payment.get()).confirmation_url
    assert url
    assert url in bank.text
    assert isinstance(site.services.gateway, Sandbox)
    await site.services.gateway.decide(str(payment.provider_reference), is_approved=True)
    settled = await site.client.post(link, headers=ENGLISH)
    assert "no longer needs a confirmation" in settled.text
    assert (await Payment.get()).status is PaymentStatus.SUCCEEDED


async def test_a_link_works_for_a_week_and_for_its_payment_only(
    site: Site, clock: "MovableClock"
) -> None:
    _, payment = await unconfirmed_payment(site)
    link = link_of(site, payment)
    for wrong in ("/payments/confirm", "/payments/confirm?token=x", f"{link}x"):
        assert (await site.client.get(wrong)).status_code == 404
        assert (await site.client.post(wrong)).status_code == 404
    assert (await site.client.get(link_of(site, Payment(id=999)))).status_code == 404
    clock.advance(timedelta(days=7))
    assert (await site.client.get(link)).status_code == 404
