"""Notifications that can't be handled at once: they are handled again, and eventually given up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import billing.seller
from billing import payment_methods, provider_events
from billing.checkout_services import CheckoutServices
from billing.gateways.gateway import Consent, Setup
from billing.gateways.stripe import StripeGateway
from billing.payment_methods import NewMethod
from models.accounts.account import Role
from models.action import Action
from models.billing.payment_customer import PaymentCustomer
from models.billing.payment_method import PaymentKind, PaymentMethod, PaymentMethodStatus
from models.billing.provider_event import ProviderEvent, ProviderEventStatus
from models.errors import Refusal
from models.identity.session import Session
from operations.retention import delete_due
from realtime.hub import Hub
from tests.billing.gateways.stripe_server import (
    KEY,
    WEBHOOK_SECRET,
    StripeServer,
    serve_stripe,
    signed,
)
from tests.people import add_member, create_account, create_user, create_viewer
from tests.quick_auth import quick_auth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import MovableClock


@pytest.fixture(scope="module")
def stripe_server() -> "Iterator[StripeServer]":
    with serve_stripe() as server:
        yield server


@pytest.fixture
async def services(
    db: str, clock: "MovableClock", stripe_server: StripeServer
) -> AsyncIterator[CheckoutServices]:
    auth = quick_auth(clock)
    seller = billing.seller.seller(Path(billing.seller.__file__).with_name("seller.toml"))
    gateway = StripeGateway(KEY, WEBHOOK_SECRET, "https://shop.example", stripe_server.url)
    yield CheckoutServices(gateway, seller, auth.signer)
    stripe_server.is_down = False
    await gateway.close()
    auth.passwords.close()


async def begin_setup(
    action: Action, services: CheckoutServices, kind: PaymentKind = PaymentKind.CARD
) -> tuple[PaymentMethod, Setup]:
    user, account = await create_user(action), await create_account(action)
    await add_member(action, account, user, Role.OWNER)
    viewer = await create_viewer(action, user, account)
    assert viewer.session
    await Session.all().update(step_up_expires_at=action.at + timedelta(minutes=5))
    new = NewMethod(kind, consent=Consent("192.0.2.1", "test"))
    return await payment_methods.add(
        action, services.gateway, viewer.session, account, user, new, "k"
    )


async def received(
    action: Action, services: CheckoutServices, server: StripeServer, type: str, path: str
) -> ProviderEvent:
    headers, body = signed(await server.event(type, path))
    event = await provider_events.receive(action, services.gateway, headers, body)
    assert event
    return event


def later(action: Action, **duration: float) -> Action:
    return Action(None, action.at + timedelta(**duration), Hub())


async def test_a_saved_card_becomes_active_by_the_notification_alone(
    services: CheckoutServices, action: Action, stripe_server: StripeServer
) -> None:
    method, setup = await begin_setup(action, services)
    assert setup.client_secret
    await stripe_server.confirm_setup(setup.client_secret, await stripe_server.save_card())
    event = await received(
        action,
        services,
        stripe_server,
        "setup_intent.succeeded",
        f"/v1/setup_intents/{setup.reference}",
    )
    assert event.key == f"camcha-method-{method.pk}"
    assert await provider_events.handle(action, services, event)
    method = await PaymentMethod.get()
    assert (method.status, method.last_four) == (PaymentMethodStatus.ACTIVE, "4242")
    # The bank renews the card.
    event = await received(
        action,
        services,
        stripe_server,
        "payment_method.automatically_updated",
        f"/v1/payment_methods/{method.token}",
    )
    await PaymentMethod.all().update(last_four="0000", notice_days=30)
    assert await provider_events.handle(action, services, event)
    assert (await PaymentMethod.get()).last_four == "4242"


async def test_a_notification_is_handled_again_until_the_provider_responds(
    services: CheckoutServices, action: Action, stripe_server: StripeServer
) -> None:
    _, setup = await begin_setup(action, services)
    assert setup.client_secret
    await stripe_server.confirm_setup(setup.client_secret, await stripe_server.save_card())
    path = f"/v1/setup_intents/{setup.reference}"
    await received(action, services, stripe_server, "setup_intent.succeeded", path)
    stripe_server.is_down = True
    assert await provider_events.handle_due(action, services) == 0
    event = await ProviderEvent.get()
    assert (event.status, event.attempts) == (ProviderEventStatus.RECEIVED, 1)
    assert (event.error, event.next_attempt_at) == ("Refusal", action.at + timedelta(minutes=1))
    stripe_server.is_down = False
    assert await provider_events.handle_due(later(action, seconds=59), services) == 0
    assert await provider_events.handle_due(later(action, seconds=60), services) == 1
    event = await ProviderEvent.get()
    assert (event.status, event.error) == (ProviderEventStatus.APPLIED, None)
    assert (await PaymentMethod.get()).status is PaymentMethodStatus.ACTIVE


async def test_one_that_fails_for_two_days_is_given_up_until_an_operator_retries_it(
    services: CheckoutServices, action: Action, stripe_server: StripeServer
) -> None:
    _, setup = await begin_setup(action, services)
    path = f"/v1/setup_intents/{setup.reference}"
    event = await received(action, services, stripe_server, "setup_intent.canceled", path)
    with pytest.raises(Refusal):
        await provider_events.retry(action, event)
    stripe_server.is_down = True
    last = len(provider_events.PAUSES) - 1
    await ProviderEvent.all().update(attempts=last)
    assert not await provider_events.handle(action, services, await ProviderEvent.get())
    event = await ProviderEvent.get()
    assert (event.status, event.next_attempt_at) == (ProviderEventStatus.FAILED, None)
    stripe_server.is_down = False
    assert await provider_events.handle_due(later(action, days=9), services) == 0
    await provider_events.retry(action, event)
    assert await provider_events.handle_due(action, services) == 1
    assert (await ProviderEvent.get()).status is ProviderEventStatus.APPLIED
    assert 1.5 < sum(provider_events.PAUSES[:last], timedelta()) / timedelta(days=1) < 2.5


async def test_concurrent_jobs_handle_a_notification_once(
    services: CheckoutServices, action: Action, stripe_server: StripeServer
) -> None:
    _, setup = await begin_setup(action, services)
    path = f"/v1/setup_intents/{setup.reference}"
    await received(action, services, stripe_server, "setup_intent.created", path)
    counts = [provider_events.handle_due(action, services) for _ in range(4)]
    assert sorted(await asyncio.gather(*counts)) == [0, 0, 0, 1]
    assert (await ProviderEvent.get()).attempts == 1


async def test_old_notifications_are_deleted_unless_they_failed(
    services: CheckoutServices, action: Action, stripe_server: StripeServer
) -> None:
    path = "/v1/setup_intents/none"
    for _ in range(2):
        await received(action, services, stripe_server, "setup_intent.created", path)
    failed = await ProviderEvent.all().order_by("id").first()
    assert failed
    await provider_events.handle_due(action, services)
    await ProviderEvent.filter(pk=failed.pk).update(status=ProviderEventStatus.FAILED)
    assert (await delete_due(later(action, days=90).at))["provider_event"] == 0
    assert (await delete_due(later(action, days=91).at))["provider_event"] == 1
    assert (await ProviderEvent.get()).pk == failed.pk


async def test_a_company_is_created_although_its_address_changed_since_a_first_attempt(
    services: CheckoutServices, action: Action
) -> None:
    """A provider refuses a key with other arguments. The first answer was lost."""
    user, account = await create_user(action), await create_account(action)
    first = await payment_methods.customer_of(services.gateway, account, user)
    await PaymentCustomer.all().delete()
    assert await payment_methods.customer_of(services.gateway, account, user) == first
    await PaymentCustomer.all().delete()
    user.email = "new@fournil.example"
    assert await payment_methods.customer_of(services.gateway, account, user) != first
