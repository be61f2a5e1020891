"""What is specific to Stripe: notifications of several installations, and an unknown account."""

from collections.abc import AsyncIterator

import pytest

from billing.gateways.gateway import GatewayUnavailable, RequestRejected
from billing.gateways.stripe import StripeGateway
from models.billing.payment_method import PaymentKind
from models.operations.installation import Installation
from tests.billing.gateways.stripe_server import KEY, WEBHOOK_SECRET, StripeServer, signed

SHOP = "https://shop.example"


@pytest.fixture
async def gateway(db: str, stripe_server: StripeServer) -> AsyncIterator[StripeGateway]:
    gateway = StripeGateway(KEY, WEBHOOK_SECRET, SHOP, stripe_server.url)
    yield gateway
    stripe_server.is_down = False
    await gateway.close()


async def test_installations_that_share_an_account_don_t_mix_up_their_keys(
    gateway: StripeGateway, stripe_server: StripeServer
) -> None:
    token = await stripe_server.save_card()
    mine = await gateway.charge("camcha-payment-1", 1_000, token)
    event = await stripe_server.event(
        "payment_intent.succeeded", f"/v1/payment_intents/{mine.reference}"
    )
    notification = await gateway.read_notification(*signed(event))
    assert (notification.reference, notification.key) == (mine.reference, "camcha-payment-1")
    await Installation.all().update(reference=None)
    other = StripeGateway(KEY, WEBHOOK_SECRET, SHOP, stripe_server.url)
    assert await other.find("camcha-payment-1") is None
    assert (await other.charge("camcha-payment-1", 2_000, token)).reference != mine.reference
    assert (await other.read_notification(*signed(event))).key is None
    await other.close()


async def test_while_stripe_is_down_everything_can_be_repeated(
    gateway: StripeGateway, stripe_server: StripeServer
) -> None:
    token = await stripe_server.save_card()
    stripe_server.is_down = True
    with pytest.raises(GatewayUnavailable):
        await gateway.charge("a-key", 1_000, token)
    with pytest.raises(GatewayUnavailable):
        await gateway.find("a-key")
    stripe_server.is_down = False
    assert await gateway.find("a-key") is None


async def test_a_wrong_key_is_no_answer_about_a_payment(
    db: str, stripe_server: StripeServer
) -> None:
    gateway = StripeGateway("sk_test_another", WEBHOOK_SECRET, SHOP, stripe_server.url)
    with pytest.raises(GatewayUnavailable):
        await gateway.find("a-key")
    await gateway.close()


async def test_what_stripe_doesn_t_have_is_rejected(gateway: StripeGateway) -> None:
    customer = await gateway.create_customer("a-customer", "Le Fournil", "a@fournil.example")
    with pytest.raises(RequestRejected):
        await gateway.begin_setup("a-setup", customer, PaymentKind.TRANSFER)


async def test_a_dispute_of_a_charge_without_a_payment_intent_is_not_ours(
    gateway: StripeGateway, stripe_server: StripeServer
) -> None:
    """Its notification is ignored. It failed for two days before it was given up."""
    charge = await gateway.charge("camcha-payment-9", 1_000, await stripe_server.save_card())
    disputes = [
        await stripe_server.dispute(charge.reference, "lost", "fraudulent", has_intent=has_intent)
        for has_intent in (True, False)
    ]
    ours, other = [await gateway.find_dispute(each) for each in disputes]
    assert (ours and ours.payment_reference, other) == (charge.reference, None)


async def test_a_signed_body_that_is_no_event_is_unreadable(gateway: StripeGateway) -> None:
    for content in ({}, {"id": "evt_1", "type": "x", "data": []}):
        headers, body = signed(content)
        with pytest.raises(ValueError, match="not an event"):
            await gateway.read_notification(headers, body)
