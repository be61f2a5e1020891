"""P6.4: a company has its events sent to its own systems. The receiver is a real one on this
machine, and verifies the signatures with the library that Standard Webhooks publish.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auth.public_requests import Endpoint
from mail.delivery import deliver_due
from mail.message import Sender
from mail.transport import transport_from_url
from models.accounts.account import Account, AccountStatus
from models.action import Action
from models.identity.user import User
from models.operations.email import Email
from models.operations.webhook import WebhookEndpoint
from models.support.ticket import Ticket
from models.tracing import SpanKind, span
from models.viewer import Viewer
from operations.webhooks.destinations import destination_of, named_host
from operations.webhooks.endpoints import MAX_ENDPOINTS
from operations.webhooks.sending import (
    MAX_PER_ENDPOINT,
    RETRIED_FOR,
    WebhookSender,
)
from resolvers.context import Services
from settings import SettingsError, read_settings
from support.reply_emails import send_due_replies
from tests.conftest import MovableClock
from tests.otlp_collector import running_collector
from tests.realtime.socket_fixtures import wait_until
from tests.schema.billing.catalogue_fixtures import codes, mutate
from tests.schema.conftest import Dataset, create_services
from tests.schema.operations.webhook_receiver import Receiver, serve_receiver
from tracing import Tracing

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

LEASE = timedelta(minutes=1)  # longer than a claim lasts
DELIVERIES = """{ webhookEndpoints { url failingSince disabledReason previousSecretUntil
    creator { name } deliveries { totalCount nodes {
    id messageId type state attempts responseStatus failure nextAttemptAt succeededAt } } } }"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with serve_receiver() as running:
        yield running


@pytest.fixture
async def services(clock: MovableClock, receiver: Receiver) -> AsyncIterator[Services]:
    """The services of an installation that may send webhooks to this machine."""
    hosts = frozenset({named_host(receiver.host)})
    services = replace(create_services(clock), webhook_hosts=hosts)
    yield services
    services.auth.passwords.close()


@dataclass
class Webhooks:
    """Paul's company with its endpoint, its ticket and the job."""

    execute: "Execute"
    dataset: Dataset
    services: Services
    clock: MovableClock
    receiver: Receiver
    sender: WebhookSender
    keys: int = 0

    @property
    def paul(self) -> Viewer:
        return self.dataset.paul.owner

    @property
    def ticket_id(self) -> str:
        return self.dataset.paul.id(Ticket)

    def action(self, actor: User | None = None) -> Action:
        return Action(actor, self.clock.now(), self.services.hub)

    async def mutate(
        self, name: str, selection: str, viewer: Viewer | None = None, /, **fields: Any
    ) -> dict[str, Any]:
        return await mutate(self.execute, viewer or self.paul, name, selection, **fields)

    async def create(self, *kinds: str, **fields: Any) -> tuple[str, str]:
        """Create an endpoint. Returns its ID and its secret."""
        self.keys += 1
        fields = {"url": self.receiver.url, "idempotencyKey": str(self.keys)} | fields
        selection = "webhookEndpoint { id } secret"
        payload = await self.mutate(
            "webhookEndpointCreate", selection, kinds=[*kinds] or ["MESSAGE_POSTED"], **fields
        )
        assert codes(payload) == []
        return payload["webhookEndpoint"]["id"], payload["secret"]

    async def reply(self, *, ticket_id: str | None = None) -> str:
        """An agent replies. Returns the ID of the message."""
        self.keys += 1
        fields = {"ticketId": ticket_id or self.ticket_id, "clientMessageId": str(self.keys)}
        payload = await self.mutate(
            "ticketReply", "message { id }", self.dataset.alice, body="Voilà", **fields
        )
        return str(payload["message"]["id"])

    async def open_ticket(self) -> str:
        self.keys += 1
        fields = {"body": "Rien", "category": "BUG", "idempotencyKey": str(self.keys)}
        payload = await self.mutate("ticketOpen", "ticket { id }", subject="Panne", **fields)
        return str(payload["ticket"]["id"])

    async def run(self) -> None:
        """Run the job until nothing is due."""
        await self.sender.run()
        await self.sender.wait()

    async def endpoint(self) -> dict[str, Any]:
        """The first endpoint, as Paul sees it."""
        return dict((await self.execute(self.paul, DELIVERIES))["data"]["webhookEndpoints"][0])

    async def states(self) -> list[str]:
        """The states of all that was sent, oldest first."""
        nodes = (await self.endpoint())["deliveries"]["nodes"]
        return [node["state"] for node in reversed(nodes)]

    def new_sender(self) -> WebhookSender:
        """The job of another process."""
        return WebhookSender(
            self.services.auth.secret_box,
            self.clock.now,
            self.services.hub,
            self.services.webhook_hosts,
        )


@pytest.fixture
async def webhooks(
    execute: "Execute",
    dataset: Dataset,
    services: Services,
    clock: MovableClock,
    receiver: Receiver,
) -> AsyncIterator[Webhooks]:
    scenario = Webhooks(execute, dataset, services, clock, receiver, None)  # type: ignore[arg-type] # set below
    scenario.sender = scenario.new_sender()
    yield scenario
    await scenario.sender.close()


async def test_p6_4_a_company_is_sent_its_events(webhooks: Webhooks) -> None:
    await webhooks.reply()  # before there is an endpoint
    endpoint_id, secret = await webhooks.create("MESSAGE_POSTED", "TICKET_OPENED")
    message_id = await webhooks.reply()
    ticket_id = await webhooks.open_ticket()
    await webhooks.mutate(
        "ticketMove",
        "ticket { id }",
        webhooks.dataset.alice,
        ticketId=webhooks.ticket_id,
        status="ON_HOLD",
    )  # not subscribed to
    await webhooks.run()
    await webhooks.run()
    posted, opened = webhooks.receiver.take()
    assert posted.is_signed_with(secret)
    assert opened.is_signed_with(secret)
    assert posted.headers["content-type"] == "application/json"
    assert posted.content["type"] == "message.posted"
    data = posted.content["data"]
    assert data.pop("sequence") < opened.content["data"].pop("sequence")
    assert data == {
        "accountId": webhooks.dataset.paul.id(Account),
        "kind": "MESSAGE_POSTED",
        "ticketId": webhooks.ticket_id,
        "messageId": message_id,
    }
    assert opened.content["data"]["ticketId"] == ticket_id
    endpoint = await webhooks.endpoint()
    assert endpoint["creator"]["name"] == webhooks.paul.user.name  # type: ignore[union-attr]
    first = endpoint["deliveries"]["nodes"][1]
    assert first["messageId"] == posted.id
    assert (first["state"], first["attempts"], first["responseStatus"]) == ("SUCCEEDED", 1, 204)
    # The status of a ticket is what customers see.
    changes = {"webhookEndpointId": endpoint_id, "kinds": ["STATUS_CHANGED"]}
    await webhooks.mutate("webhookEndpointUpdate", "webhookEndpoint { kinds }", **changes)
    for status in ("OPEN", "ON_HOLD"):
        fields = {"ticketId": webhooks.ticket_id, "status": status}
        await webhooks.mutate("ticketMove", "ticket { id }", webhooks.dataset.alice, **fields)
    await webhooks.run()
    assert {each.content["data"]["status"] for each in webhooks.receiver.take()} == {"OPEN"}


async def test_p6_4_what_a_request_causes_is_joined_to_its_trace(
    webhooks: Webhooks, tmp_path: Path
) -> None:
    await webhooks.create("MESSAGE_POSTED")
    await webhooks.reply()
    with running_collector() as collector:
        tracing = Tracing(collector.url, ())
        tracing.start()
        try:
            with span("POST /graphql", SpanKind.REQUEST):
                await webhooks.reply()
            with span("job webhooks", SpanKind.JOB):
                await webhooks.run()
            await send_reply_emails(webhooks, tmp_path)
        finally:
            await asyncio.to_thread(tracing.close)
    (request,) = collector.named("POST /graphql")
    first, webhook = collector.named("webhook message.posted")
    # One webhook continues the trace, and what was posted before anything was traced begins one.
    assert (webhook.trace_id, webhook.parent_span_id) == (request.trace_id, request.span_id)
    assert (first.trace_id != request.trace_id, first.parent_span_id) == (True, b"")
    assert "UPDATE webhook_delivery" in collector.trace(request.trace_id)
    # One email is about several messages.
    (replies,) = collector.named("job reply emails")
    assert [link.trace_id for link in replies.links] == [request.trace_id]
    (email,) = collector.named("email ticket_replies.fr")
    assert [link.span_id for link in email.links] == [replies.span_id]
    assert not replies.parent_span_id


async def send_reply_emails(webhooks: Webhooks, folder: Path) -> None:
    delivered, minute = webhooks.services.delivered, timedelta(minutes=1)
    webhooks.clock.advance(minute)
    with span("job reply emails", SpanKind.JOB):
        assert await send_due_replies(webhooks.action(), delivered, minute) == 1
    sender = Sender("CAMCHA <bonjour@camcha.example>", "https://camcha.example")
    with span("job emails", SpanKind.JOB):
        transport = transport_from_url(f"file://{folder}")
        assert await deliver_due(transport, webhooks.clock.now(), sender=sender) >= 1


async def test_what_fails_is_sent_again_in_order(webhooks: Webhooks) -> None:
    await webhooks.create()
    other_ticket = await webhooks.open_ticket()
    webhooks.receiver.answers.extend([(500, {}), (302, {"Location": webhooks.receiver.url})])
    first, second, third = [
        await webhooks.reply(),
        await webhooks.reply(),
        await webhooks.reply(ticket_id=other_ticket),
    ]
    await webhooks.run()
    received = webhooks.receiver.take()
    # The second one waits for the first; another ticket doesn't.
    assert [each.content["data"]["messageId"] for each in received] == [first, third]
    assert await webhooks.states() == ["PENDING"] * 3
    webhooks.clock.advance(timedelta(seconds=14))
    await webhooks.run()
    assert webhooks.receiver.take() == []
    webhooks.clock.advance(timedelta(seconds=10))
    for _ in range(3):
        await webhooks.run()
    again = webhooks.receiver.take()
    assert [each.content["data"]["messageId"] for each in again] in (
        [first, third, second],
        [first, second, third],
        [third, first, second],
    )
    assert {each.id for each in received} < {each.id for each in again}
    assert await webhooks.states() == ["SUCCEEDED"] * 3
    assert (await webhooks.endpoint())["failingSince"] is None


async def test_a_process_dies_while_it_sends(webhooks: Webhooks) -> None:
    await webhooks.create()
    webhooks.receiver.is_open.clear()
    await webhooks.reply()
    await webhooks.sender.run()
    await wait_until(lambda: webhooks.receiver.waiting == 1)
    await webhooks.sender.close()  # as far as the database can tell, it was killed
    (interrupted,) = webhooks.receiver.take()
    webhooks.receiver.is_open.set()
    webhooks.sender = webhooks.new_sender()
    await webhooks.run()
    assert webhooks.receiver.take() == []  # it could still be sending
    webhooks.clock.advance(LEASE)
    await webhooks.run()
    (again,) = webhooks.receiver.take()
    assert (again.id, again.body) == (interrupted.id, interrupted.body)
    assert await webhooks.states() == ["SUCCEEDED"]


async def test_a_slow_receiver_delays_nobody_else(webhooks: Webhooks) -> None:
    async with serve_receiver() as slow:
        hosts = webhooks.services.webhook_hosts | {named_host(slow.host)}
        webhooks.services = replace(webhooks.services, webhook_hosts=hosts)
        webhooks.sender = webhooks.new_sender()
        await webhooks.create()
        slow.is_open.clear()
        await WebhookEndpoint.filter().update(url=slow.url)
        await webhooks.create()
        tickets = [await webhooks.open_ticket() for _ in range(4)]
        for ticket_id in tickets:
            await webhooks.reply(ticket_id=ticket_id)
        for _ in range(4):
            await webhooks.sender.run()
            await asyncio.sleep(0)
        await wait_until(lambda: len(webhooks.receiver.requests) == len(tickets))
        await wait_until(lambda: slow.waiting == MAX_PER_ENDPOINT)
        assert slow.max_waiting == MAX_PER_ENDPOINT
        slow.is_open.set()
        await webhooks.sender.wait()
        await webhooks.run()
        assert len(slow.requests) == len(tickets)


async def test_after_three_days_the_owners_are_told(webhooks: Webhooks) -> None:
    endpoint_id, _ = await webhooks.create()
    webhooks.receiver.status = 503
    await webhooks.reply()
    began_at, attempts = webhooks.clock.now(), 0
    while (await webhooks.endpoint())["disabledReason"] is None:
        await webhooks.run()
        attempts += len(webhooks.receiver.take())
        webhooks.clock.advance(timedelta(hours=2))
        assert webhooks.clock.now() < began_at + RETRIED_FOR + timedelta(hours=4)
    assert webhooks.clock.now() > began_at + RETRIED_FOR
    assert attempts > 12
    assert (await webhooks.endpoint())["disabledReason"] == "FAILING"
    email = await Email.get(template__startswith="webhook_disabled")
    assert "127.0.0.1" in email.subject
    assert "/hooks" not in email.text
    # Nothing can be sent there, until it is enabled again: then what happens from now on.
    await webhooks.reply()
    await webhooks.run()
    failed = (await webhooks.endpoint())["deliveries"]["nodes"][0]
    assert failed["state"] == "FAILED"
    selection = "webhookDelivery { state }"
    refused = await webhooks.mutate(
        "webhookDeliveryReplay", selection, webhookDeliveryId=failed["id"]
    )
    assert codes(refused) == [("WEBHOOK_DISABLED", "webhookDeliveryId")]
    changes = {"webhookEndpointId": endpoint_id, "enabled": True}
    await webhooks.mutate("webhookEndpointUpdate", "webhookEndpoint { id }", **changes)
    webhooks.receiver.status = 200
    await webhooks.run()
    assert webhooks.receiver.take() == []
    replayed = await webhooks.mutate(
        "webhookDeliveryReplay", selection, webhookDeliveryId=failed["id"]
    )
    assert replayed["webhookDelivery"]["state"] == "PENDING"
    await webhooks.run()
    assert [each.id for each in webhooks.receiver.take()] == [failed["messageId"]]
    # An endpoint that is gone is disabled at once.
    webhooks.receiver.answers.append((410, {}))
    await webhooks.reply()
    await webhooks.run()
    assert (await webhooks.endpoint())["disabledReason"] == "GONE"


async def test_a_receiver_chooses_when_to_be_sent_again(webhooks: Webhooks) -> None:
    await webhooks.create()
    webhooks.receiver.answers.append((429, {"Retry-After": "3600"}))
    await webhooks.reply()
    await webhooks.run()
    webhooks.clock.advance(timedelta(minutes=59))
    await webhooks.run()
    assert len(webhooks.receiver.take()) == 1
    await webhooks.reply()  # waits for the first one
    await webhooks.run()
    assert webhooks.receiver.take() == []
    # Unless somebody asks for it earlier.
    first = (await webhooks.endpoint())["deliveries"]["nodes"][1]
    await webhooks.mutate(
        "webhookDeliveryReplay", "webhookDelivery { id }", webhookDeliveryId=first["id"]
    )
    await webhooks.run()
    await webhooks.run()
    assert len(webhooks.receiver.take()) == 2
    assert await webhooks.states() == ["SUCCEEDED"] * 2


async def test_a_secret_is_replaced_without_losing_anything(webhooks: Webhooks) -> None:
    endpoint_id, former = await webhooks.create()
    fields = {"webhookEndpointId": endpoint_id, "idempotencyKey": "rotation"}
    for _ in range(2):  # a repeat doesn't replace it again
        payload = await webhooks.mutate("webhookEndpointRotateSecret", "secret", **fields)
    secret = payload["secret"]
    assert secret != former
    test = {"webhookEndpointId": endpoint_id, "idempotencyKey": "test"}
    selection = "webhookDelivery { id type }"
    sent = await webhooks.mutate("webhookEndpointTest", selection, **test)
    assert sent == await webhooks.mutate("webhookEndpointTest", selection, **test)
    assert sent["webhookDelivery"]["type"] == "webhook.test"
    await webhooks.run()
    (request,) = webhooks.receiver.take()
    assert request.is_signed_with(former)
    assert request.is_signed_with(secret)
    webhooks.clock.advance(timedelta(days=1))
    test["idempotencyKey"] = "a day later"
    await webhooks.mutate("webhookEndpointTest", selection, **test)
    await webhooks.run()
    (request,) = webhooks.receiver.take()
    assert not request.is_signed_with(former)
    assert request.is_signed_with(secret)


async def test_requests_go_to_public_addresses_only(
    webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await webhooks.create()
    url = f"https://hooks.example.fr:{webhooks.receiver.port}/hooks"
    await WebhookEndpoint.filter().update(url=url)
    lookups: list[str] = []

    def resolve(host: str, port: int, **options: Any) -> list[Any]:
        lookups.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    await webhooks.reply()
    monkeypatch.setattr("auth.public_requests.socket.getaddrinfo", resolve)
    await webhooks.run()
    assert lookups == ["hooks.example.fr"]
    delivery = (await webhooks.endpoint())["deliveries"]["nodes"][0]
    assert delivery["failure"] == "address not allowed"
    assert webhooks.receiver.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://www.example.fr/hooks",
        "https://10.0.0.1/hooks",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hooks",
        "https://localhost/hooks",
        "https://user:secret@www.example.fr/hooks",
        "https://www.example.fr/hooks#part",
        "ftp://www.example.fr/hooks",
        "www.example.fr",
        "",
    ],
)
def test_urls_that_nothing_may_be_sent_to(url: str) -> None:
    assert destination_of(url, {Endpoint("127.0.0.1", 80)}) is None


async def test_endpoints_are_the_business_of_those_who_manage_the_company(
    webhooks: Webhooks,
) -> None:
    endpoint_id, secret = await webhooks.create(description="ERP")
    fields = {"url": "https://10.0.0.1", "kinds": [], "description": "\t", "idempotencyKey": ""}
    payload = await webhooks.mutate("webhookEndpointCreate", "secret", **fields)
    assert codes(payload) == [
        ("VALUE_INVALID", "url"),
        ("BLANK", "kinds"),
        ("BLANK", "description"),
        ("BLANK", "idempotencyKey"),
    ]
    repeated = await webhooks.create(description="ERP", idempotencyKey="1")
    assert repeated == (endpoint_id, secret)
    response = await webhooks.execute(webhooks.dataset.paul.member, DELIVERIES)
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    stranger = webhooks.dataset.marie.owner
    assert (await webhooks.execute(stranger, DELIVERIES))["data"] == {"webhookEndpoints": []}
    for _ in range(MAX_ENDPOINTS - 1):
        await webhooks.create()
    fields = {"url": webhooks.receiver.url, "kinds": ["TICKET_OPENED"], "idempotencyKey": "last"}
    refused = await webhooks.mutate("webhookEndpointCreate", "secret", **fields)
    assert codes(refused) == [("TOO_MANY", "")]
    # A company that is deactivated is sent nothing, and what happened once it is active again.
    await webhooks.reply()
    accounts = Account.filter(pk=webhooks.dataset.paul.account.pk)
    await accounts.update(status=AccountStatus.DEACTIVATED)
    await webhooks.run()
    assert webhooks.receiver.take() == []
    await accounts.update(status=AccountStatus.ACTIVE)
    await webhooks.run()
    assert len(webhooks.receiver.take()) == MAX_ENDPOINTS
    deleted = await webhooks.mutate(
        "webhookEndpointDelete", "deleted", webhookEndpointId=endpoint_id
    )
    assert deleted["deleted"] is True


def test_settings_name_the_hosts_at_private_addresses() -> None:
    environ = {"CAMCHA_WEBHOOK_PRIVATE_HOSTS": "erp.example.fr:8443, localhost"}
    assert read_settings(environ).webhook_hosts == ("erp.example.fr:8443", "localhost")
    with pytest.raises(SettingsError, match="CAMCHA_WEBHOOK_PRIVATE_HOSTS: x:y is not a host"):
        read_settings({"CAMCHA_WEBHOOK_PRIVATE_HOSTS": "x:y"})
