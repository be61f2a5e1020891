"""P5.6: a day of support, over all channels, whose SLA figures equal a separate, simple computation
over the events.

Customers write by the API, by email over LMTP and by phone calls that the telephone system reports;
agents answer in the same ways. The clock moves from one thing that happens to the next.
"""

import base64
import heapq
import smtplib
from asyncio import to_thread
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count, cycle, pairwise
from math import ceil
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette

from auth.throttle.activity import ActivityLimits
from auth.webhook_signatures import secret_bytes, signed_headers
from mail.reply_address import ReplyAddresses
from models.accounts.account import Role
from models.action import Action
from models.event import Event, EventKind, ticket_stream
from models.identity.user import Staff
from models.support.call import Call
from models.support.classification import Channel
from models.support.live_chat import ChatState, LiveChat
from models.support.message import Message
from models.support.phone_number import PhoneNumber
from models.support.sla_policy import SlaMeasure, SlaPolicy
from models.support.ticket import Ticket
from models.support.ticket_status import FINISHED_STATUSES, TicketStatus
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode, key_of
from storage.file_service import FileService
from storage.store import FolderStore
from support.chat_options import ChatOptions
from support.chats import handle_chats
from support.incoming.authentication import Authenticator
from support.incoming.listener import MailListener
from support.incoming.options import ListenerOptions
from support.incoming.processing import IncomingMailServices, process_due
from support.sla import check_clocks
from support.telephone import SignedWebhook
from tests.conftest import MovableClock
from tests.people import (
    add_member,
    create_account,
    create_staff_viewer,
    create_user,
    create_viewer,
    make_available,
)
from tests.schema.analytics.query_fixtures import TABLE, rows_of
from tests.schema.billing.catalogue_fixtures import mutate
from tests.schema.conftest import create_services
from web import telephone

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SUPPORT, AUTHSERV_ID = "support@camcha.example", "mx.camcha.example"
DAY = datetime(2026, 11, 23, 6, tzinfo=UTC)  # a Monday, 7:00 in Paris
OPENS, CLOSES = DAY.replace(hour=8), DAY.replace(hour=17)
ENDS = DAY.replace(hour=20)
FIGURES = {
    "by": ["CHANNEL", "MEASURE"],
    "measures": [
        {"function": "COUNT"},
        {"function": "SUM", "of": "BREACHED"},
        {"function": "MEDIAN", "of": "BUSINESS_TIME"},
        {"function": "P90", "of": "BUSINESS_TIME"},
        {"function": "MEDIAN", "of": "WALL_TIME"},
        {"function": "P90", "of": "WALL_TIME"},
    ],
}
RAW = (
    "Authentication-Results: {authserv}; dkim=pass; dmarc=pass\r\nFrom: {sender}\r\nTo: {to}\r\n"
    "Subject: Question\r\nMessage-ID: <{key}@customer.example>\r\n"
    "Date: Mon, 23 Nov 2026 10:00:00 +0100\r\n\r\n{body}\r\n"
)


@pytest.fixture
def services(clock: MovableClock) -> Iterator[Services]:
    """Services with a telephone system, and without limits on what one person may do."""
    services = create_services(clock)
    limits = ActivityLimits(**dict.fromkeys(asdict(ActivityLimits()), 1_000_000))
    auth = replace(services.auth, activity_limits=limits)
    yield replace(services, auth=auth, telephone=SignedWebhook(SECRET))
    services.auth.passwords.close()


@dataclass
class Customer:
    """A customer, and how they call and write."""

    viewer: Viewer
    number: str

    @property
    def email(self) -> str:
        assert self.viewer.user
        return self.viewer.user.email


@dataclass
class SupportDay:
    """The people, their channels, and what is still to happen."""

    random: Random
    clock: MovableClock
    services: Services
    execute: "Execute"
    addresses: ReplyAddresses
    http: httpx.AsyncClient
    mail: IncomingMailServices
    lmtp_port: int
    customers: list[Customer] = field(default_factory=list)
    agents: list[Viewer] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))
    plan: list[tuple[datetime, int, Callable[[], Awaitable[None]]]] = field(default_factory=list)

    def action(self) -> Action:
        return Action(None, self.clock.now(), self.services.hub)

    def after(self, mean_minutes: float, work: Callable[[], Awaitable[None]]) -> None:
        """Let something happen some time from now."""
        seconds = round(self.random.expovariate(1 / (60 * mean_minutes))) + 1
        self.at(self.clock.now() + timedelta(seconds=seconds), work)

    def at(self, time: datetime, work: Callable[[], Awaitable[None]]) -> None:
        heapq.heappush(self.plan, (time, next(self.numbers), work))

    async def run(self) -> None:
        """Run everything in order until the evening, with the jobs."""
        while self.plan and self.plan[0][0] < ENDS:
            self.clock.time, _, work = heapq.heappop(self.plan)
            await work()
        self.clock.time = ENDS
        await check_clocks(self.action())

    async def route(self) -> None:
        await handle_chats(self.action(), self.services.presence.agents, ChatOptions())

    async def watch(self) -> None:
        """Run the job of the clocks now and then: the measures don't depend on when it runs."""
        await check_clocks(self.action())
        self.after(45, self.watch)

    # What customers do.

    async def open(self, customer: Customer, channel: Channel) -> None:
        key = f"k{next(self.numbers)}"
        if channel is Channel.EMAIL:
            await self.write_email(customer, SUPPORT, key)
            ticket = await Ticket.all().order_by("-id").first()
            assert ticket
            ticket_id = ticket.pk
        elif channel is Channel.PHONE:
            await self.call(customer, None)
            ticket = await Ticket.filter(requester=customer.viewer.user).order_by("-id").first()
            assert ticket
            ticket_id = ticket.pk
        else:
            fields = {"subject": "Aide", "body": "Bonjour", "channel": channel.value}
            payload = await mutate(
                self.execute,
                customer.viewer,
                "ticketOpen",
                "ticket { id }",
                **fields,
                idempotencyKey=key,
            )
            ticket_id = key_of(Ticket, payload["ticket"]["id"]) or 0
        if channel is Channel.CHAT:
            await self.route()
        self.expect_answer(customer, ticket_id, channel, 1)

    async def write(self, customer: Customer, ticket_id: int, channel: Channel, turn: int) -> None:
        """The customer continues, which reopens the ticket."""
        if channel is Channel.EMAIL:
            key = f"k{next(self.numbers)}"
            await self.write_email(customer, self.addresses.for_ticket(ticket_id), key)
        elif channel is Channel.PHONE:
            await self.call(customer, None)
        else:
            await self.reply(customer.viewer, ticket_id)
        if channel is Channel.CHAT:
            await self.route()
        self.expect_answer(customer, ticket_id, channel, turn + 1)

    async def write_email(self, customer: Customer, to: str, key: str) -> None:
        raw = RAW.format(
            authserv=AUTHSERV_ID, sender=customer.email, to=to, key=key, body=f"Bonjour {key}"
        )
        await to_thread(self._deliver, customer.email, to, raw.encode())
        await process_due(self.action(), self.mail)

    def _deliver(self, sender: str, to: str, raw: bytes) -> None:
        with smtplib.LMTP("127.0.0.1", self.lmtp_port, local_hostname="mx.example") as client:
            client.sendmail(sender, [to], raw)

    async def call(self, customer: Customer, agent: Viewer | None) -> None:
        """Log a missed call of the customer, or a call back by an agent, that ends now."""
        now, is_outbound = self.clock.now(), agent is not None
        data = {
            "id": f"call-{next(self.numbers)}",
            "direction": "outbound" if is_outbound else "inbound",
            "from": "+33186995700" if is_outbound else customer.number,
            "to": customer.number if is_outbound else "+33186995700",
            "startedAt": (now - timedelta(seconds=90)).isoformat(),
            "endedAt": now.isoformat(),
        }
        if agent and agent.user:
            answered_at = (now - timedelta(seconds=80)).isoformat()
            data |= {"answeredAt": answered_at, "agentEmail": agent.user.email}
        body = orjson.dumps({"type": "call.ended", "data": data})
        headers = signed_headers(secret_bytes(SECRET), data["id"], datetime.now(UTC), body)
        response = await self.http.post("/webhooks/telephone", content=body, headers=headers)
        assert response.json()["code"] == "STORED"

    # What agents do.

    def expect_answer(
        self, customer: Customer, ticket_id: int, channel: Channel, turn: int
    ) -> None:
        async def work() -> None:
            await self.answer(customer, ticket_id, channel, turn)

        if channel is Channel.CHAT:
            self.at(self.clock.now() + timedelta(seconds=self.random.randrange(10, 200)), work)
        else:
            self.after(self.random.choice([5, 60, 300]), work)

    async def answer(self, customer: Customer, ticket_id: int, channel: Channel, turn: int) -> None:
        ticket = await Ticket.get(pk=ticket_id)
        if ticket.status is TicketStatus.CLOSED:
            return
        known = {agent.user_id: agent for agent in self.agents}
        agent = known.get(ticket.assignee_id) or self.random.choice(self.agents)
        if channel is Channel.PHONE and self.random.random() < 0.7:
            await self.call(customer, agent)
        else:
            await self.reply(agent, ticket_id)
        chance = self.random.random()
        if chance < 0.25:
            await self.move(agent, ticket_id, TicketStatus.PENDING)
        elif chance < 0.75:
            await self.move(agent, ticket_id, TicketStatus.SOLVED)
        elif chance < 0.8:
            await self.move(agent, ticket_id, TicketStatus.ON_HOLD)
        mean = 2 if channel is Channel.CHAT else 40
        if turn < 4 and self.random.random() < 0.45:

            async def go_on() -> None:
                await self.write(customer, ticket_id, channel, turn)

            self.after(mean, go_on)
        elif chance >= 0.75 or chance < 0.25:

            async def solve() -> None:
                await self.move(agent, ticket_id, TicketStatus.SOLVED)

            self.after(mean, solve)

    async def reply(self, author: Viewer, ticket_id: int) -> None:
        key = f"k{next(self.numbers)}"
        fields = {"ticketId": encode("Ticket", ticket_id), "body": key, "clientMessageId": key}
        payload = await mutate(self.execute, author, "ticketReply", "message { id }", **fields)
        assert payload["userErrors"] == []

    async def move(self, agent: Viewer, ticket_id: int, status: TicketStatus) -> None:
        """Make a move, which is refused if it isn't possible any more."""
        fields = {"ticketId": encode("Ticket", ticket_id), "status": status.value}
        await mutate(self.execute, agent, "ticketMove", "ticket { id }", **fields)


@asynccontextmanager
async def support_day(
    seed: int, clock: MovableClock, services: Services, execute: "Execute", folder: Path
) -> AsyncIterator[SupportDay]:
    """A day with open channels, and nobody there yet."""
    addresses = ReplyAddresses(SUPPORT, "k8Zp2vQx7Lr4Ns9Tb3Wc6Yd1Hf5Jg0Ma")
    files = FileService(FolderStore(folder))
    mail = IncomingMailServices(
        services.auth, files, addresses, frozenset(), Authenticator(AUTHSERV_ID)
    )
    options = ListenerOptions.from_url("lmtp://127.0.0.1:0")
    listener = MailListener(options, files.store, addresses, clock.now, 100_000)
    app = Starlette(routes=telephone.routes(services))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://camcha.example") as http:
        port = await listener.start()
        try:
            yield SupportDay(Random(seed), clock, services, execute, addresses, http, mail, port)
        finally:
            await listener.close()


async def invite_people(day: SupportDay, customers: int, agents: int) -> None:
    for number in range(customers):
        user = await create_user(day.action(), f"Customer {number}", email=f"c{number}@x.example")
        account = await create_account(day.action())
        await add_member(day.action(), account, user, Role.OWNER)
        telephone_number = f"+331426{number:05}"
        await PhoneNumber.create(user=user, number=telephone_number, created_at=day.clock.now())
        viewer = await create_viewer(day.action(), user, account)
        day.customers.append(Customer(viewer, telephone_number))
    for number in range(agents):
        viewer = await create_staff_viewer(day.action(), f"Agent{number}", Staff.AGENT)
        await make_available(viewer, ENDS)
        day.agents.append(viewer)


@dataclass(frozen=True)
class Figure:
    """One wait that has ended."""

    business: float
    wall: float
    is_breached: bool


def business_seconds(begin: datetime, end: datetime) -> float:
    """The business seconds of this one day, open from 9:00 to 18:00."""
    return max(0.0, (min(end, CLOSES) - max(begin, OPENS)).total_seconds())


def waits_of(
    events: Sequence[Event], staff_answers: dict[int, datetime]
) -> list[tuple[SlaMeasure, float, float]]:
    """The waits that have ended, in business and in wall-clock seconds. `staff_answers` has the
    times at which customers were answered, by message of staff.
    """
    result = []
    wait: tuple[SlaMeasure, datetime] | None = (SlaMeasure.FIRST_RESPONSE, events[0].at)
    for event in events:
        if event.kind is EventKind.MESSAGE_POSTED and event.message_id not in staff_answers:
            wait = wait or (SlaMeasure.NEXT_RESPONSE, event.at)
        elif event.kind is EventKind.MESSAGE_POSTED and wait:
            begin, end = wait[1], staff_answers[event.message_id or 0]
            if end < begin:  # a call that began before they asked is no answer
                continue
            seconds = (end - begin).total_seconds()
            result.append((wait[0], business_seconds(begin, end), seconds))
            wait = None
        elif event.status in FINISHED_STATUSES:
            wait = None
    changes = [(event.at, TicketStatus(event.status)) for event in events if event.status]
    if changes[-1][1] in FINISHED_STATUSES:
        running = [
            (begin, end)
            for (begin, status), (end, _) in pairwise(changes)
            if status not in (*FINISHED_STATUSES, TicketStatus.PENDING)
        ]
        business = sum(business_seconds(*each) for each in running)
        wall = sum((end - begin).total_seconds() for begin, end in running)
        result.append((SlaMeasure.RESOLUTION, business, wall))
    return result


async def expected_figures() -> dict[tuple[str, str], tuple[float, ...]]:
    """The figures, computed one ticket after the other."""
    policies = {policy.channel: policy for policy in await SlaPolicy.filter(priority=None)}
    calls = {call.message_id: call for call in await Call.all()}
    deferred = {chat.ticket_id for chat in await LiveChat.filter(state=ChatState.DEFERRED)}
    figures = defaultdict(list)
    for ticket in await Ticket.all().order_by("id"):
        events = await Event.filter(stream=ticket_stream(ticket.pk)).order_by("sequence")
        answers = {
            # Somebody who is called back has been answered since it rang.
            message.pk: calls[message.pk].started_at if message.pk in calls else message.at
            for message in await Message.filter(ticket_id=ticket.pk, from_staff=True)
        }
        policy = policies[Channel.WEB if ticket.pk in deferred else ticket.channel]
        for measure, business, wall in waits_of(events, answers):
            target = policy.target(measure)
            is_breached = target is not None and business > target.total_seconds()
            figures[ticket.channel.value, measure.value].append(Figure(business, wall, is_breached))
    return {key: _summary(each) for key, each in figures.items()}


def _summary(figures: Sequence[Figure]) -> tuple[float, ...]:
    business = sorted(each.business for each in figures)
    wall = sorted(each.wall for each in figures)
    rank = ceil(0.9 * len(figures)) - 1
    breached = sum(each.is_breached for each in figures)
    return (
        len(figures),
        breached,
        median(business),
        business[rank],
        median(wall),
        wall[rank],
    )


@pytest.mark.parametrize(
    ("tickets", "agents", "seed"),
    [(28, 4, 4), pytest.param(500, 20, 2, marks=pytest.mark.long)],
)
async def test_p5_6_the_figures_of_a_day_equal_a_count_over_its_events(
    db: str,
    execute: "Execute",
    services: Services,
    clock: MovableClock,
    tmp_path: Path,
    tickets: int,
    agents: int,
    seed: int,
) -> None:
    clock.time = DAY
    nadia = await create_staff_viewer(Action(None, DAY, services.hub), "Nadia", Staff.ANALYST)
    async with support_day(seed, clock, services, execute, tmp_path) as day:
        await invite_people(day, tickets, agents)
        for customer, channel in zip(day.customers, cycle(Channel), strict=False):
            opened_at = DAY + timedelta(seconds=day.random.randrange(30 * 60, 11 * 3_600))
            day.at(opened_at, _opening(day, customer, channel))
        day.after(1, day.watch)
        await day.run()
    assert await Ticket.all().count() >= tickets
    assert {ticket.channel for ticket in await Ticket.all()} == {*Channel}
    answer = await execute(nadia, TABLE, query={"sla": FIGURES})
    figures = {row[:2]: row[2:] for row in rows_of(answer["data"]["analytics"])}
    assert figures == await expected_figures()
    assert {channel for channel, _ in figures} == {*Channel}
    assert {measure for _, measure in figures} == {*SlaMeasure}
    assert 0 < sum(row[1] for row in figures.values()) < sum(row[0] for row in figures.values())


def _opening(
    day: SupportDay, customer: Customer, channel: Channel
) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        await day.open(customer, channel)

    return work
