"""The gateways, each with what its provider and its customers do."""

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import pytest

from billing.gateways.gateway import (
    PAYPAL,
    ChargeGateway,
    Gateway,
    Outcome,
    Setup,
    Subject,
)
from billing.gateways.sandbox import PROCESSING_TIME, Sandbox
from billing.gateways.stripe import StripeGateway
from models.billing.payment import PaymentStatus
from models.operations.installation import Installation
from tests.billing.gateways.paypal_server import PaypalServer, serve_paypal
from tests.billing.gateways.stripe_server import (
    AUTHENTICATED_CARD,
    CARD,
    DECLINED_CARD,
    DECLINED_IBAN,
    IBAN,
    KEY,
    UNSAVABLE_CARD,
    WEBHOOK_SECRET,
    StripeServer,
    serve_stripe,
    signed,
)
from tests.conftest import MovableClock

URL = "https://camcha.example"


class Collector(Protocol):
    """A gateway that collects, with what its provider and customers do."""

    @property
    def gateway(self) -> ChargeGateway: ...

    async def paid(self, key: str, cents: int) -> Outcome:
        """A charge that succeeded."""
        ...


class Provider(Protocol):
    """A gateway, with what its provider and customers do."""

    @property
    def gateway(self) -> Gateway: ...

    async def token(self, name: str) -> str:
        """The token of a method: success, insufficient_funds, stolen_card, expired_card, unsavable,
        confirmation, reconfirmation, debit, debit_declined, unrefundable or refund_returned.
        """
        ...

    async def save(self, setup: Setup, token: str) -> None:
        """Save a method, as the customer does in the provider's script or on its page."""
        ...

    async def decide(self, reference: str, *, approves: bool) -> None:
        """Decide as the customer does at their bank."""
        ...

    async def settled(self, key: str, outcome: Outcome) -> Outcome:
        """The charge once it is no longer processed."""
        ...

    async def dispute(self, reference: str) -> str:
        """Let the customer's bank take a charge back."""
        ...

    async def return_refund(self, reference: str) -> None:
        """Let the customer's bank return a refund that succeeded."""
        ...

    async def notification(
        self, subject: Subject, reference: str, at: float | None = None, secret: str = ""
    ) -> tuple[dict[str, str], bytes]:
        """A notification about an object, `at` seconds from now, signed with this secret, or
        by default with the provider's.
        """
        ...


class SandboxProvider:
    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.gateway: Sandbox = Sandbox(URL, clock)

    async def token(self, name: str) -> str:
        names = {
            "insufficient_funds": "declined",
            "stolen_card": "stolen",
            "expired_card": "expired",
        }
        return f"pm_sandbox_{names.get(name, name)}"

    async def paid(self, key: str, cents: int) -> Outcome:
        return await self.gateway.charge(key, cents, await self.token("success"))

    async def save(self, setup: Setup, token: str) -> None:
        await self.gateway.choose_method(setup.reference, token)

    async def decide(self, reference: str, *, approves: bool) -> None:
        assert await self.gateway.decide(reference, approves) or await self.gateway.decide_setup(
            reference, approves
        )

    async def settled(self, key: str, outcome: Outcome) -> Outcome:
        self.clock.advance(PROCESSING_TIME)
        found = await self.gateway.find(key)
        assert found
        return found

    async def dispute(self, reference: str) -> str:
        return await self.gateway.dispute(reference)

    async def return_refund(self, reference: str) -> None:
        self.clock.advance(PROCESSING_TIME)

    async def notification(
        self, subject: Subject, reference: str, at: float | None = None, secret: str = ""
    ) -> tuple[dict[str, str], bytes]:
        clock = MovableClock(self.clock.now())
        if at is not None:
            clock.time = clock.time.fromtimestamp(clock.time.timestamp() + at, clock.time.tzinfo)
        return Sandbox(URL, clock, secret).notification("changed", subject, reference, "our-key")


class StripeProvider:
    def __init__(self, server: StripeServer) -> None:
        self.server = server
        self.gateway: StripeGateway = StripeGateway(KEY, WEBHOOK_SECRET, URL, server.url)

    async def token(self, name: str) -> str:
        match name:
            case "debit":
                return await self.server.save_iban(IBAN)
            case "debit_declined":
                return await self.server.save_iban(DECLINED_IBAN)
            case "insufficient_funds" | "stolen_card" | "expired_card":
                return await self.server.save_card(DECLINED_CARD, decline_code=name)
            case "unrefundable":
                return await self.server.save_card(CARD, refund_status="failed")
        numbers = {
            "success": CARD,
            "refund_returned": CARD,
            "unsavable": UNSAVABLE_CARD,
            "confirmation": AUTHENTICATED_CARD,
            "reconfirmation": AUTHENTICATED_CARD,
        }
        return await self.server.save_card(numbers[name])

    async def paid(self, key: str, cents: int) -> Outcome:
        return await self.gateway.charge(key, cents, await self.token("success"))

    async def save(self, setup: Setup, token: str) -> None:
        assert setup.client_secret
        await self.server.confirm_setup(setup.client_secret, token)

    async def decide(self, reference: str, *, approves: bool) -> None:
        await self.server.authenticate(reference, succeeds=approves)

    async def settled(self, key: str, outcome: Outcome) -> Outcome:
        while outcome.status is PaymentStatus.PROCESSING:
            found = await self.gateway.find(key, outcome.reference)
            assert found
            outcome = found
        return outcome

    async def dispute(self, reference: str) -> str:
        return await self.server.dispute(reference, "needs_response", "general")

    async def return_refund(self, reference: str) -> None:
        self.server.returned_refunds.add(reference)

    async def notification(
        self, subject: Subject, reference: str, at: float | None = None, secret: str = ""
    ) -> tuple[dict[str, str], bytes]:
        types = {
            Subject.PAYMENT: "payment_intent.succeeded",
            Subject.SETUP: "setup_intent.succeeded",
            Subject.REFUND: "refund.updated",
            Subject.DISPUTE: "charge.dispute.created",
            Subject.METHOD: "payment_method.updated",
            Subject.OTHER: "payout.paid",
        }
        event = await self.server.event(types[subject], "/v1/disputes/none")
        event["data"]["object"] = {
            "id": reference,
            "metadata": {"camcha_key": f"{await Installation.current_reference()}-our-key"},
        }
        at = None if at is None else event["created"] + at
        headers: dict[str, str]
        headers, body = signed(event, at, secret or WEBHOOK_SECRET)
        return headers, body


class PaypalProvider:
    def __init__(self, server: PaypalServer) -> None:
        self.server, self.gateway = server, server.gateway()

    async def paid(self, key: str, cents: int) -> Outcome:
        order = await self.gateway.charge(key, cents, PAYPAL)
        self.server.approve(order.reference)
        return await self.gateway.capture(order.reference)


@pytest.fixture(scope="session")
def paypal_server() -> Iterator[PaypalServer]:
    with serve_paypal() as server:
        yield server


@pytest.fixture(scope="session")
def stripe_server() -> Iterator[StripeServer]:
    with serve_stripe() as server:
        yield server


@pytest.fixture(params=["sandbox", "stripe"])
async def provider(
    request: pytest.FixtureRequest, db: str, clock: MovableClock
) -> AsyncIterator[Provider]:
    """Each gateway."""
    provider: SandboxProvider | StripeProvider = (
        SandboxProvider(clock)
        if request.param == "sandbox"
        else StripeProvider(request.getfixturevalue("stripe_server"))
    )
    yield provider
    await provider.gateway.close()


@pytest.fixture(params=["sandbox", "stripe", "paypal"])
async def collector(
    request: pytest.FixtureRequest, db: str, clock: MovableClock
) -> AsyncIterator[Collector]:
    """Each gateway that collects."""
    collector: Collector
    if request.param == "sandbox":
        collector = SandboxProvider(clock)
    elif request.param == "stripe":
        collector = StripeProvider(request.getfixturevalue("stripe_server"))
    else:
        collector = PaypalProvider(request.getfixturevalue("paypal_server"))
        collector.server.reset()
    yield collector
    await collector.gateway.close()
