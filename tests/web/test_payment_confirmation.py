"""The page that the email about a renewal leads to when the bank requires a confirmation."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from billing import payment_methods
from billing.collection import confirmation_link
from billing.gateways.sandbox import Sandbox
from billing.payment_methods import NewMethod
from billing.renewals import bill_due_periods
from models.accounts.account import Membership
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind, PaymentMethod
from models.billing.purchase import Purchase
from models.identity.session import Session
from models.operations.email import Email
from tests.people import create_viewer
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


async def unconfirmed_renewal(site: Site, clock: "MovableClock") -> str:
    """A renewal for which the bank requires a confirmation. Returns the link in the email about
    it.
    """
    purchase, payment = await unconfirmed_payment(site)
    assert payment.confirmation_url
    await site.client.post(payment.confirmation_url, data={"outcome": "approve"})
    [membership] = await Membership.all().select_related("user", "account")
    viewer = await create_viewer(site.action(), membership.user, membership.account)
    assert viewer.session
    until = clock.now() + timedelta(minutes=5)
    await Session.filter(pk=viewer.session.pk).update(step_up_expires_at=until)
    _, setup = await payment_methods.add(
        site.action(),
        site.services.gateway,
        viewer.session,
        membership.account,
        membership.user,
        NewMethod(PaymentKind.CARD),
        "card",
    )
    # On the provider's page the customer first takes a card that can't be saved.
    assert setup.confirmation_url
    for choice, title in (
        ("pm_sandbox_unsavable", "can’t be saved"),
        ("pm_sandbox_reconfirmation", "Do you allow CAMCHA"),
        ("approve", "Payment method saved"),
    ):
        data = {"outcome": choice}
        page = await site.client.post(setup.confirmation_url, data=data, headers=ENGLISH)
        assert title in page.text
    await Purchase.filter(pk=purchase.pk).update(payment_method_id=(await PaymentMethod.get()).pk)
    clock.advance(timedelta(days=31))
    await bill_due_periods(site.action(), site.services.checkout)
    emails = Email.filter(template__startswith="payment_confirmation_needed")
    email = await emails.order_by("-id").first()
    assert email
    link = re.search(r"camcha:(/payments/confirm\S+)", email.text)
    assert link
    return link[1]


@pytest.mark.parametrize(
    ("outcome", "button", "title", "statuses"),
    [
        ("approve", "Approve", "Payment approved", ("SUCCEEDED", "ACTIVE")),
        ("refuse", "Decline", "Payment declined", ("DECLINED", "PAST_DUE")),
        ("expire", "Let it expire", "Payment canceled", ("CANCELED", "PAST_DUE")),
    ],
)
async def test_p3_6_a_person_plays_the_confirmation_of_a_renewal(
    site: Site,
    clock: "MovableClock",
    outcome: str,
    button: str,
    title: str,
    statuses: tuple[str, str],
) -> None:
    link = await unconfirmed_renewal(site, clock)
    page = await site.client.get(link, headers=ENGLISH)
    assert "Confirm your payment with your bank" in page.text
    await site.client.post(link, headers=ENGLISH)
    payment = await Payment.get(is_off_session=True)
    assert payment.confirmation_url
    bank = await site.client.get(payment.confirmation_url, headers=ENGLISH)
    assert button in bank.text
    data = {"outcome": outcome}
    decided = await site.client.post(payment.confirmation_url, data=data, headers=ENGLISH)
    assert title in decided.text
    payment, purchase = await Payment.get(pk=payment.pk), await Purchase.get()
    assert (payment.status.value, purchase.status.value) == statuses
