"""P5.2 and P6.1: people who aren't using the app are notified on their devices, if they want to be
(web push: RFC 8030, 8291 and 8292). The push service is a real one on this machine.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from accounts import members
from auth import sessions
from auth.http_client import tls_context
from auth.public_requests import is_public
from mail.customer_space import CustomerSpace
from models.accounts.account import Account, AccountStatus
from models.action import Action
from models.identity.session import Session
from models.identity.user import Staff, User
from models.locale import Locale
from models.support.classification import Category, Channel
from models.support.push_device import PushDevice
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from settings import SettingsError, read_settings
from support.push.encryption import encrypt
from support.push.endpoints import (
    KNOWN_SERVICES,
    PushService,
    named_service,
    parse_endpoint,
    service_of,
)
from support.push.sending import CONNECTIONS, PushChannel, PushOptions, delete_ended, send_due
from support.push.vapid import VapidKey
from support.sla import check_clocks
from tests.people import create_staff_viewer, create_viewer
from tests.realtime.socket_fixtures import wait_until
from tests.schema.billing.catalogue_fixtures import codes, mutate
from tests.schema.conftest import URL, create_services
from tests.schema.support.push_server import (
    Device,
    PushServer,
    Received,
    decoded,
    encoded,
    serve_push,
    write_certificate,
)

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

DELAY = timedelta(seconds=PushOptions.delay)
SPACE = CustomerSpace("https://app.example.fr", {"ticket": "/demandes/{number}"})
FIELDS = "pushDevice { id name service kinds current createdAt }"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("push"))


@pytest.fixture
async def server(
    clock: "MovableClock", certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PushServer]:
    """The push service, whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    tls_context.cache_clear()
    async with serve_push(certificate, clock.now) as running:
        yield running
    tls_context.cache_clear()


@pytest.fixture
async def services(clock: "MovableClock", server: PushServer) -> AsyncIterator[Services]:
    """The services of an installation that sends notifications."""
    channel = PushChannel(
        VapidKey.generate(),
        "mailto:bonjour@camcha.example",
        (named_service(f"localhost:{server.port}"), *KNOWN_SERVICES),
        URL,
        SPACE,
    )
    services = replace(create_services(clock), push=channel)
    yield services
    services.auth.passwords.close()


@dataclass
class PushScenario:
    """People with devices, the ticket of Paul's company, and the job."""

    execute: "Execute"
    dataset: "Dataset"
    services: Services
    clock: "MovableClock"
    server: PushServer
    messages: int = 0

    @property
    def channel(self) -> PushChannel:
        assert self.services.push
        return self.services.push

    @property
    def ticket_id(self) -> str:
        return self.dataset.paul.id(Ticket)

    @property
    def number(self) -> str:
        return str(self.dataset.paul.row(Ticket).number)

    def action(self, actor: User | None = None) -> Action:
        return Action(actor, self.clock.now(), self.services.hub)

    async def subscribe(
        self, viewer: Viewer, device: Device | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Subscribe a device, a new one by default, with the key from the API."""
        key = (await self.execute(viewer, "{ pushPublicKey }"))["data"]["pushPublicKey"]
        device = device or self.server.subscribe(key)
        payload = await mutate(
            self.execute, viewer, "pushDeviceSubscribe", FIELDS, **device.fields, **fields
        )
        assert codes(payload) == []
        return dict(payload["pushDevice"])

    async def reply(self, viewer: Viewer, body: str = "Votre mot de passe est...") -> int:
        self.messages += 1
        fields = {"ticketId": self.ticket_id, "body": body, "clientMessageId": str(self.messages)}
        payload = await mutate(
            self.execute, viewer, "ticketReply", "message { sequence }", **fields
        )
        return int(payload["message"]["sequence"])

    async def change(self, viewer: Viewer, name: str, **fields: Any) -> None:
        payload = await mutate(
            self.execute, viewer, name, "ticket { id }", ticketId=self.ticket_id, **fields
        )
        assert codes(payload) == []

    async def run(self, after: timedelta = DELAY) -> list[Received]:
        """Let the time pass, run the job, and return what arrived."""
        self.clock.advance(after)
        await send_due(self.channel, self.channel.services[0], self.clock.now)
        return self.server.take()

    async def titles(self, after: timedelta = DELAY) -> list[str]:
        return [received.title for received in await self.run(after)]


@pytest.fixture
def scenario(
    execute: "Execute",
    dataset: "Dataset",
    services: Services,
    clock: "MovableClock",
    server: PushServer,
) -> PushScenario:
    return PushScenario(execute, dataset, services, clock, server)


async def test_p5_2_replies_that_nobody_reads_are_one_notification_without_their_text(
    scenario: PushScenario,
) -> None:
    owner, alice = scenario.dataset.paul.owner, scenario.dataset.alice
    await scenario.reply(alice)  # before the device subscribes
    device = await scenario.subscribe(owner)
    assert device["kinds"] == ["TICKET_REPLY", "TICKET_STATUS"]
    assert device["current"]
    for _ in range(3):
        await scenario.reply(alice)
    assert await scenario.titles(DELAY - timedelta(seconds=1)) == []
    [received] = await scenario.run(timedelta(seconds=1))
    assert received.payload == {
        "kind": "TICKET_REPLY",
        "title": f"Nouvelles réponses à votre demande {scenario.number}",
        "lang": "fr",
        "tag": received.headers["topic"],
        "ticketNumber": scenario.number,
        "url": f"https://app.example.fr/demandes/{scenario.number}",
    }
    assert (received.headers["urgency"], received.headers["ttl"]) == ("high", "86400")
    assert await scenario.run() == []

    await scenario.reply(alice)
    [later] = await scenario.run()
    assert later.title == f"Nouvelle réponse à votre demande {scenario.number}"
    assert later.headers["topic"] == received.headers["topic"]  # it replaces the first
    sequence = await scenario.reply(alice)
    await scenario.change(owner, "ticketMarkRead", sequence=sequence)
    await scenario.reply(owner)
    assert await scenario.run() == []

    await User.filter(pk=owner.user_id).update(locale=Locale.EN)
    await scenario.change(alice, "ticketMove", status="ON_HOLD")
    await scenario.change(alice, "ticketMove", status="SOLVED")
    [status] = await scenario.run()
    assert status.title == f"Your request {scenario.number}: Solved"
    assert status.headers["topic"] != received.headers["topic"]
    assert scenario.server.connections == 3


async def test_only_who_takes_part_is_notified_and_each_device_chooses_what_of(
    scenario: PushScenario,
) -> None:
    paul, alice = scenario.dataset.paul, scenario.dataset.alice
    phone = await scenario.subscribe(paul.owner, kinds=["TICKET_STATUS"])
    await scenario.subscribe(paul.member)
    await scenario.subscribe(scenario.dataset.marie.owner)
    await scenario.reply(alice)
    assert await scenario.titles() == []
    await scenario.reply(paul.member)
    await scenario.reply(alice)
    [to_member] = await scenario.run()
    both = {"pushDeviceId": phone["id"], "kinds": ["TICKET_REPLY", "TICKET_STATUS"]}
    changed = await mutate(scenario.execute, paul.owner, "pushDeviceUpdate", FIELDS, **both)
    assert changed["pushDevice"] == phone | {"kinds": ["TICKET_REPLY", "TICKET_STATUS"]}
    foreign = await mutate(scenario.execute, paul.member, "pushDeviceUpdate", FIELDS, **both)
    assert codes(foreign) == [("NOT_FOUND", "pushDeviceId")]
    await scenario.reply(alice)
    assert {each.device.endpoint for each in await scenario.run()} > {to_member.device.endpoint}

    query = "{ pushDevices { id current service } }"
    listed = (await scenario.execute(paul.owner, query))["data"]["pushDevices"]
    service = f"localhost:{scenario.server.port}"
    assert listed == [{"id": phone["id"], "current": True, "service": service}]
    removal = {"pushDeviceId": phone["id"]}
    await mutate(scenario.execute, paul.owner, "pushDeviceRemove", FIELDS, **removal)
    await scenario.reply(alice)
    assert [each.device for each in await scenario.run()] == [to_member.device]
    refused = await mutate(scenario.execute, alice, "pushDeviceUpdate", FIELDS, **both)
    assert codes(refused) == [
        ("NOT_FOUND", "pushDeviceId"),
        ("VALUE_INVALID", "kinds.0"),
        ("VALUE_INVALID", "kinds.1"),
    ]


async def test_p6_2_agents_are_notified_of_what_they_are_given(
    scenario: PushScenario, action: Action
) -> None:
    alice = scenario.dataset.alice
    bruno = await create_staff_viewer(action, "Bruno", Staff.SUPERVISOR)
    bruno_id = encode("User", bruno.user_id or 0)
    device = await scenario.subscribe(bruno)
    assert device["kinds"] == ["TICKET_ASSIGNED", "MENTION", "SLA_WARNING"]
    await scenario.change(alice, "ticketTransfer", userId=bruno_id)
    [assigned] = await scenario.run()
    assert assigned.title == f"Un client attend dans le chat {scenario.number}"
    assert (assigned.payload["url"], assigned.headers["ttl"]) == (None, "600")
    note = {"body": "Un avis ?", "mentionedUserIds": [bruno_id], "idempotencyKey": "n"}
    ticket = {"ticketId": scenario.ticket_id}
    await mutate(scenario.execute, alice, "noteAdd", "note { id }", **ticket, **note)
    assert await scenario.titles() == [f"On vous mentionne dans la demande {scenario.number}"]
    await scenario.change(bruno, "ticketRelease")
    await scenario.change(bruno, "ticketClaim")  # they know it already
    await scenario.change(bruno, "ticketRelease")
    await scenario.change(alice, "ticketTransfer", userId=bruno_id)
    await scenario.change(bruno, "ticketRelease")  # and this one concerns them no more
    assert await scenario.titles() == []
    paul = scenario.dataset.paul
    assert paul.owner.user
    chat: dict[str, Any] = {"subject": "Chat", "channel": Channel.CHAT, "category": Category.BUG}
    async with scenario.action().transaction() as tx:
        opened = await Ticket.open(tx, paul.account, paul.owner.user, **chat)
    scenario.clock.advance(timedelta(minutes=2))
    await check_clocks(scenario.action())
    late = f"Un objectif de la demande {opened.number} est menacé ou n’a pas été tenu"
    assert late in await scenario.titles()
    await Ticket.filter(pk=scenario.dataset.paul.row(Ticket).pk).update(channel=Channel.EMAIL)
    await scenario.change(alice, "ticketTransfer", userId=bruno_id)
    assert await scenario.titles() == [f"La demande {scenario.number} vous a été attribuée"]
    await scenario.change(bruno, "ticketRelease")
    no_kinds = {"pushDeviceId": device["id"], "kinds": []}
    await mutate(scenario.execute, bruno, "pushDeviceUpdate", FIELDS, **no_kinds)
    await scenario.change(alice, "ticketTransfer", userId=bruno_id)
    assert await scenario.titles() == []


async def test_the_answer_of_the_push_service_decides_what_happens_next(
    scenario: PushScenario,
) -> None:
    owner, alice = scenario.dataset.paul.owner, scenario.dataset.alice
    device = await scenario.subscribe(owner)
    answers = scenario.server.answers
    title = f"Nouvelle réponse à votre demande {scenario.number}"
    await scenario.reply(alice)
    answers.append((500, {}))
    answers.append((301, {"Location": f"{scenario.server.origin}/elsewhere"}))  # not followed
    assert await scenario.titles() == []
    assert await scenario.titles(timedelta(seconds=14)) == []
    assert len(answers) == 1
    assert await scenario.titles(timedelta(seconds=1)) == []
    assert await scenario.titles(timedelta(seconds=29)) == []
    assert await scenario.titles(timedelta(seconds=1)) == [title]

    for status in (429, 503):
        at = scenario.clock.now() + DELAY + timedelta(minutes=2)
        asked = "120" if status == 429 else format_datetime(at)
        await scenario.reply(alice)
        answers.append((status, {"Retry-After": asked}))
        assert await scenario.titles() == []
        assert await scenario.titles(timedelta(seconds=119)) == []
        assert len(await scenario.titles(timedelta(minutes=1))) == 1
    await scenario.reply(alice)
    answers.append((413, {}))  # it never will be accepted
    assert await scenario.titles() == []
    assert await scenario.titles(timedelta(minutes=5)) == []
    await scenario.reply(alice)
    assert len(await scenario.titles()) == 1
    for gone in (404, 410):
        await scenario.reply(alice)
        answers.append((gone, {}))
        assert await scenario.titles() == []
        query = "query($id: ID!) { pushDevices { id } node(id: $id) { id } }"
        data = (await scenario.execute(owner, query, id=device["id"]))["data"]
        assert data == {"pushDevices": [], "node": None}
        await scenario.reply(alice)
        assert await scenario.titles() == []
        device = await scenario.subscribe(owner)


async def test_news_of_yesterday_are_none(scenario: PushScenario) -> None:
    await scenario.subscribe(scenario.dataset.paul.owner)
    await scenario.reply(scenario.dataset.alice)
    assert await scenario.titles(timedelta(hours=25)) == []
    await scenario.reply(scenario.dataset.alice)
    assert len(await scenario.titles()) == 1


async def test_a_slow_push_service_delays_no_other_and_gets_few_connections(
    scenario: PushScenario, certificate: tuple[Path, Path], action: Action
) -> None:
    owner, account = scenario.dataset.paul.owner, scenario.dataset.paul.account
    for _ in range(CONNECTIONS + 2):
        await scenario.subscribe(await create_viewer(action, owner.user, account))
    async with serve_push(certificate, scenario.clock.now) as other_server:
        other_service = named_service(f"localhost:{other_server.port}")
        channel = replace(scenario.channel, services=(*scenario.channel.services, other_service))
        object.__setattr__(scenario.services, "push", channel)  # which the resolvers have, too
        viewer = await create_viewer(action, owner.user, account)
        await scenario.subscribe(viewer, other_server.subscribe(channel.key.public_key))
        await scenario.reply(scenario.dataset.alice)
        scenario.clock.advance(DELAY)
        scenario.server.is_open.clear()
        slow = asyncio.create_task(send_due(channel, channel.services[0], scenario.clock.now))
        await wait_until(lambda: scenario.server.waiting == CONNECTIONS)
        assert await send_due(channel, other_service, scenario.clock.now) == 1
        assert not slow.done()
        scenario.server.is_open.set()
        assert await slow == len(scenario.server.take()) == CONNECTIONS + 2
        assert scenario.server.max_waiting == CONNECTIONS
        assert await scenario.run() == []


async def test_an_unreachable_service_is_tried_again_later(scenario: PushScenario) -> None:
    await scenario.subscribe(scenario.dataset.paul.owner)
    await scenario.reply(scenario.dataset.alice)
    port = scenario.server.port
    async with asyncio.timeout(60):
        device = await PushDevice.get()
        device.endpoint = device.endpoint.replace(f":{port}", ":1")
        await device.save()
        closed = replace(scenario.channel, services=(named_service("localhost:1"),))
        await PushDevice.all().update(service="localhost:1")
        scenario.clock.advance(DELAY)
        assert await send_due(closed, closed.services[0], scenario.clock.now) == 0
    assert (await PushDevice.get()).attempts == 1


async def test_several_processes_and_clients_do_everything_once(
    scenario: PushScenario, action: Action
) -> None:
    owner, account = scenario.dataset.paul.owner, scenario.dataset.paul.account
    viewers = [await create_viewer(action, owner.user, account) for _ in range(4)]
    for viewer in viewers:
        await scenario.subscribe(viewer)
    await scenario.reply(scenario.dataset.alice)
    scenario.clock.advance(DELAY)
    service = scenario.channel.services[0]
    runs = (send_due(scenario.channel, service, scenario.clock.now) for _ in range(3))
    assert sum(await asyncio.gather(*runs)) == len(scenario.server.take()) == len(viewers)
    device = scenario.server.subscribe(scenario.channel.key.public_key)
    await asyncio.gather(*(scenario.subscribe(viewer, device) for viewer in viewers))
    assert len(await PushDevice.filter(endpoint=device.endpoint)) == 1


async def test_a_client_that_starts_again_shortens_no_wait(scenario: PushScenario) -> None:
    device = scenario.server.subscribe(scenario.channel.key.public_key)
    await scenario.subscribe(scenario.dataset.paul.owner, device)
    await scenario.reply(scenario.dataset.alice)
    scenario.server.answers.append((429, {"Retry-After": "60"}))
    assert await scenario.titles() == []
    await scenario.subscribe(scenario.dataset.paul.owner, device)
    assert await scenario.titles(timedelta(seconds=59)) == []
    assert len(await scenario.titles(timedelta(seconds=1))) == 1


async def test_the_device_belongs_to_whoever_subscribed_last(
    scenario: PushScenario, action: Action
) -> None:
    paul, alice = scenario.dataset.paul, scenario.dataset.alice
    await scenario.reply(paul.member)
    device = scenario.server.subscribe(scenario.channel.key.public_key)
    first = await scenario.subscribe(paul.owner, device, kinds=["TICKET_REPLY"])
    assert await scenario.subscribe(paul.owner, device) == first  # a repeat keeps what was chosen
    second = await scenario.subscribe(paul.member, device)
    assert first["id"] != second["id"]
    query = "{ pushDevices { id } }"
    assert (await scenario.execute(paul.owner, query))["data"]["pushDevices"] == []
    await scenario.reply(alice)
    assert len(await scenario.run()) == 1  # to Paul's colleague alone
    renewed = await scenario.subscribe(paul.member)  # the browser has another endpoint
    assert renewed["id"] == second["id"]
    await scenario.reply(alice)
    [received] = await scenario.run()
    assert received.device.endpoint != device.endpoint
    viewers = [await create_viewer(action, paul.owner.user, paul.account) for _ in range(21)]
    for viewer in viewers:
        await scenario.subscribe(viewer)
    listed = (await scenario.execute(paul.owner, query))["data"]["pushDevices"]
    assert len(listed) == 20


SignOut = Callable[[PushScenario, Viewer], Awaitable[None]]


async def _sign_out(scenario: PushScenario, viewer: Viewer) -> None:
    await scenario.execute(viewer, "mutation { sessionSignOut { signedOut } }")


async def _end_all(scenario: PushScenario, viewer: Viewer) -> None:
    """End all sessions, as a password reset does."""
    async with scenario.action().transaction() as tx:
        assert viewer.user
        await sessions.end_all(tx, viewer.user)


async def _leave(scenario: PushScenario, viewer: Viewer) -> None:
    assert viewer.session
    await members.leave(
        scenario.action(viewer.user), viewer.session, scenario.dataset.paul.account.pk
    )


async def _deactivate(scenario: PushScenario, viewer: Viewer) -> None:
    account = Account.filter(pk=scenario.dataset.paul.account.pk)
    await account.update(status=AccountStatus.DEACTIVATED)


async def _expire(scenario: PushScenario, viewer: Viewer) -> None:
    assert viewer.session
    at = scenario.clock.now()
    await Session.filter(pk=viewer.session.pk).update(expires_at=at + timedelta(seconds=5))


@pytest.mark.parametrize("end", [_sign_out, _end_all, _leave, _deactivate, _expire])
async def test_notifications_end_with_the_session(scenario: PushScenario, end: SignOut) -> None:
    member, alice = scenario.dataset.paul.member, scenario.dataset.alice
    await scenario.reply(member)
    await scenario.subscribe(member)
    await scenario.reply(alice)
    await end(scenario, member)
    assert await scenario.run() == []
    if end is not _deactivate:
        await delete_ended(scenario.clock.now())
    assert not await PushDevice.exists()


@pytest.mark.parametrize("staff_role", [None, Staff.ANALYST])
async def test_agents_who_leave_are_not_notified(
    scenario: PushScenario, action: Action, staff_role: Staff | None
) -> None:
    """They may be dismissed or demoted, with a session still valid."""
    bruno = await create_staff_viewer(action, "Bruno", Staff.AGENT)
    await scenario.subscribe(bruno)
    bruno_id = encode("User", bruno.user_id or 0)
    await scenario.change(scenario.dataset.alice, "ticketTransfer", userId=bruno_id)
    await User.filter(pk=bruno.user_id).update(staff=staff_role)
    assert await scenario.run() == []
    assert not await PushDevice.exists()


async def test_a_request_never_reaches_a_private_address(scenario: PushScenario) -> None:
    """Not even when the name of a known service resolves to one."""
    await scenario.subscribe(scenario.dataset.paul.owner)
    await scenario.reply(scenario.dataset.alice)
    scenario.clock.advance(DELAY)
    known = PushService("localhost", scenario.server.port)
    channel = replace(scenario.channel, services=(known,))
    assert await send_due(channel, known, scenario.clock.now) == 0
    assert scenario.server.connections == 0
    assert (await PushDevice.get()).attempts == 1


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://fcm.googleapis.com/a", "VALUE_INVALID"),
        ("https://fcm.googleapis.com", "VALUE_INVALID"),
        ("https://user@fcm.googleapis.com/a", "VALUE_INVALID"),
        ("https://fcm.googleapis.com\\@10.0.0.1/a", "VALUE_INVALID"),
        ("https://fcm.googleapis.com/a#b", "VALUE_INVALID"),
        ("https://fcm.googleapis.com/a b", "VALUE_INVALID"),
        ("https://fcm.googleapis.com:x/a", "VALUE_INVALID"),
        ("https://fcm.googleapis.com:8443/a", "PUSH_SERVICE_UNKNOWN"),
        ("https://evil-fcm.googleapis.com.example/a", "PUSH_SERVICE_UNKNOWN"),
        ("https://xfcm.googleapis.com/a", "PUSH_SERVICE_UNKNOWN"),
        ("https://10.0.0.1/a", "PUSH_SERVICE_UNKNOWN"),
        ("https://[::1]/a", "VALUE_INVALID"),
        ("https://[fe80::1%25.push.apple.com]/a", "VALUE_INVALID"),
        (f"https://{'a' * 64}.push.apple.com/a", "VALUE_INVALID"),
        ("https://a..push.apple.com/a", "VALUE_INVALID"),
        ("https://.push.apple.com/a", "VALUE_INVALID"),
        ("https://-.push.apple.com/a", "VALUE_INVALID"),
        ("https://a%2fb.push.apple.com/a", "VALUE_INVALID"),
        (f"https://{'a.' * 130}push.apple.com/a", "VALUE_INVALID"),
        ("https://localhost/a", "PUSH_SERVICE_UNKNOWN"),
        (f"https://fcm.googleapis.com/{'a' * 1_000}", "TOO_LONG"),
    ],
)
async def test_endpoints_lead_to_push_services_only(
    scenario: PushScenario, url: str, code: str
) -> None:
    fields = Device(url, "").fields
    payload = await mutate(
        scenario.execute, scenario.dataset.paul.owner, "pushDeviceSubscribe", FIELDS, **fields
    )
    assert codes(payload) == [(code, "endpoint")]
    endpoint = parse_endpoint(url)
    assert endpoint is None or code == "TOO_LONG" or not service_of(endpoint, KNOWN_SERVICES)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2a00:1450:4007:80e::200a", True),
        ("::ffff:8.8.8.8", True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("fec0::1", False),
        ("::10.0.0.1", False),
    ],
)
def test_addresses_are_public_or_not(address: str, expected: bool) -> None:
    assert is_public(address) is expected


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/a:b",
        "https://updates.push.services.mozilla.com/wpush/v2/g",
        "https://db5p.notify.windows.com/w/?token=B%2b",
        "https://web.push.apple.com/QG",
    ],
)
def test_the_services_of_browsers_are_known(endpoint: str) -> None:
    parsed = parse_endpoint(endpoint)
    assert parsed is not None
    assert service_of(parsed, KNOWN_SERVICES)


async def test_every_faulty_field_of_a_device_is_named(
    scenario: PushScenario, clock: "MovableClock"
) -> None:
    owner = scenario.dataset.paul.owner
    point = Device("", "").fields["p256dh"]
    compressed = encoded(b"\2" + decoded(point)[1:33])
    for p256dh in ("", "é", compressed, encoded(b"\4" + b"\1" * 64), point[:-2]):
        fields = {"endpoint": "x", "p256dh": p256dh, "auth": "a", "kinds": ["MENTION"]}
        payload = await mutate(scenario.execute, owner, "pushDeviceSubscribe", FIELDS, **fields)
        assert codes(payload) == [
            ("VALUE_INVALID", "endpoint"),
            ("VALUE_INVALID", "p256dh"),
            ("VALUE_INVALID", "auth"),
            ("VALUE_INVALID", "kinds.0"),
        ]
    object.__setattr__(scenario.services, "push", None)  # as without the setting
    device = Device("https://fcm.googleapis.com/a", "")
    payload = await mutate(scenario.execute, owner, "pushDeviceSubscribe", FIELDS, **device.fields)
    assert codes(payload) == [("PUSH_UNAVAILABLE", "")]
    assert (await scenario.execute(owner, "{ pushPublicKey }"))["data"] == {"pushPublicKey": None}


def test_the_encryption_is_that_of_the_rfc() -> None:
    """RFC 8291, section 5 and appendix A."""
    sender = VapidKey.parse("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").private_key
    p256dh = (
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    )
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        decoded(p256dh),
        decoded("BTBZMqHH6r4Tts7J_aSIgg"),
        private_key=sender,
        salt=decoded("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert encoded(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWA"
        "mS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxs"
        "j_Qulcy4a-fN"
    )


def test_the_settings_make_the_channel() -> None:
    assert read_settings({}).push_channel is None
    key = str(VapidKey.generate())
    names = "push.example.fr, ntfy.internal:8443"
    settings = read_settings({"CAMCHA_PUSH_KEY": key, "CAMCHA_PUSH_SERVICES": names})
    channel = settings.push_channel
    assert channel
    assert str(channel.key) == key
    assert key not in repr(settings)
    assert key not in repr(channel)
    assert channel.contact == "mailto:bonjour@camcha.example"
    assert channel.services[1] == PushService("ntfy.internal", 8443, may_be_private=True)
    for variables in (
        {"CAMCHA_PUSH_KEY": key[:-3]},
        {"CAMCHA_PUSH_KEY": "A" * 43},
        {"CAMCHA_PUSH_KEY": key, "CAMCHA_PUSH_SERVICES": "https://push.example.fr"},
        {"CAMCHA_PUSH_SERVICES": "push.example.fr"},
        {"CAMCHA_PUSH_DELAY": "86401"},
    ):
        with pytest.raises(SettingsError, match=[*variables][-1]):
            read_settings(variables)
