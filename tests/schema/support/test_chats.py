"""P5.5 and P5.8: live chats over real websockets: the queue, routing, and agents who leave."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.action import Action
from models.event import Event, EventKind, ticket_stream
from models.identity.user import Staff, User
from models.operations.email import Email
from models.support.answer_time import AnswerTime
from models.support.classification import Channel
from models.support.live_chat import ChatState, LiveChat
from models.support.ticket import Ticket
from resolvers.context import Services
from resolvers.ids import key_of
from support.chat_returns import take_back
from support.chat_views import ChatServiceStatus, ChatView, chat_service, chat_views
from support.chats import _give, handle_chats
from support.sla import check_clocks
from support.sla_measures import refresh_answer_times
from tests.conftest import MovableClock
from tests.outbox import recipients_and_subjects
from tests.people import create_staff_viewer, make_available
from tests.schema.conftest import Dataset, Execute
from tests.schema.support.chat_fixtures import (
    CHAT,
    OPTIONS,
    ChatDesk,
    change,
    open_chat,
    reply,
    set_availability,
)
from tests.story.server_fixtures import Client, SubscriptionMessages
from tests.waiting import MAX_WAIT

SERVICE = "subscription { chatService { status expectedWaitSeconds opensAt } }"
LIVE_CHAT = """subscription($id: ID!) { ticketChat(ticketId: $id) {
    state position expectedWaitSeconds notice } }"""
EVENTS = """subscription($id: ID!) { ticketEvents(ticketId: $id, after: 0) {
    sequence kind actor { name } ticket { assignee { name } } message { body } } }"""
CHAT_INPUT = {"body": "Bonjour", "channel": "CHAT"}
OPEN = "mutation($i: TicketOpenInput!) { ticketOpen(input: $i) { ticket { id } } }"
CLAIM = """mutation($id: ID!) { ticketClaim(input: {ticketId: $id}) {
    ticket { id } userErrors { code message } } }"""
WAITING_CHATS = """{ tickets(filter: {chatState: {eq: WAITING}},
    orderBy: {field: CREATED_AT, direction: ASC}) { nodes { id } } }"""
AGENT_EVENTS = "subscription { agentEvents { kind ticket { id } } }"
INBOX_EVENTS = "subscription { inboxEvents { kind ticket { id } } }"
TICKET = f"""query($id: ID!) {{ node(id: $id) {{ ... on Ticket {{
    status assignee {{ name }} {CHAT} }} }} }}"""


@pytest.fixture
async def desk(db: str, clock: MovableClock, tmp_path: Path) -> AsyncIterator[ChatDesk]:
    desk = ChatDesk(clock, tmp_path, db)
    async with desk.serve(desk.first), desk.serve(desk.second):
        yield desk


async def ticket_of(client: Client, ticket_id: str) -> dict[str, Any]:
    return dict((await client.data(TICKET, id=ticket_id))["node"])


async def assignee_of(client: Client, ticket_id: str) -> str | None:
    ticket = await ticket_of(client, ticket_id)
    return ticket["assignee"]["name"] if ticket["assignee"] else None


async def read_until(messages: SubscriptionMessages, **fields: Any) -> dict[str, Any]:
    """The next event with these fields."""
    while (event := await messages.next()) | fields != event:
        pass
    return event


async def test_p5_5_a_chat_is_routed_handed_over_and_goes_back_to_its_old_place(
    desk: ChatDesk,
) -> None:
    paul = await desk.customer("Paul")
    alice = await desk.staff("Alice", Staff.AGENT)
    bruno = await desk.staff("Bruno", Staff.AGENT, desk.second)
    sonia = await desk.staff("Sonia", Staff.SUPERVISOR)
    for name in ("Alice", "Bruno"):
        capacity = {"userId": desk.id(name), "chatCapacity": 1}
        await sonia.mutate("agentUpdate", "AgentUpdateInput", capacity, "agent { chatCapacity }")
    async with paul.socket() as customer, alice.socket() as phone:
        service = await customer.subscribe(SERVICE)
        assert (await service.next())["status"] == "UNATTENDED"
        # Nobody is there: the chat is a ticket from the start, and says until when it is answered.
        unattended = await open_chat(paul, "unattended")
        assert unattended["status"] == "NEW"
        assert unattended["chat"]["state"] == "DEFERRED"
        assert "25 novembre 2026" in unattended["chat"]["notice"]
        email = await Email.get(template="chat_deferred.fr")
        assert "25 novembre 2026" in " ".join(email.text.split())
        await desk.work()
        agent = await set_availability(alice, "AVAILABLE")
        assert agent == {"chatAvailability": "AVAILABLE", "isPresent": True, "chatCount": 0}
        await desk.work()
        assert await service.next() == {
            "status": "ANSWERED",
            "expectedWaitSeconds": 0,
            "opensAt": None,
        }
        assigned = await phone.subscribe(AGENT_EVENTS)
        async with bruno.socket() as laptop:
            await set_availability(bruno, "AVAILABLE")
            await desk.work()
            chats = [(await open_chat(paul, f"chat {n}"))["id"] for n in range(4)]
            live = [await customer.subscribe(LIVE_CHAT, id=chat) for chat in chats]
            assert [(await each.next())["position"] for each in live] == [1, 2, 3, 4]
            await desk.work()
            assert (await assigned.next())["ticket"]["id"] == chats[0]
            assert [await assignee_of(sonia, chat) for chat in chats] == [
                "Alice",
                "Bruno",
                None,
                None,
            ]
            for each in live[:2]:
                assert (await each.next())["state"] == "ACTIVE"
            waiting = await live[2].next()
            assert (waiting["position"], waiting["expectedWaitSeconds"]) == (1, 150)
            assert waiting["notice"].startswith("Vous êtes en position 1 dans la file")
            assert (await live[3].next())["position"] == 2
            # The former agent has a free slot, and gets the oldest chat that waits.
            await reply(alice, chats[0], "Je vous passe Bruno")
            await change(alice, "ticketTransfer", chats[0], userId=desk.id("Bruno"))
            await desk.work()
            assert await assignee_of(sonia, chats[2]) == "Alice"
            assert (await live[3].next())["position"] == 1
            bruno_events = await laptop.subscribe(EVENTS, id=chats[1])
            await bruno_events.until("STATUS_CHANGED")
            desk.second.is_alive = False
            await desk.pass_time(timedelta(seconds=70))
            # Bruno's process is gone. His chat that he hasn't answered is the next one again.
            assert [await assignee_of(sonia, chat) for chat in chats] == [
                "Bruno",
                None,
                "Alice",
                None,
            ]
            back = await read_until(live[1], state="WAITING", position=1)
            assert back["notice"].startswith("Votre chat est confié à un autre conseiller. Vous")
            await read_until(live[3], position=2)
            customer_events = await customer.subscribe(EVENTS, id=chats[1])
            await customer_events.until("CHAT_QUEUED")
            await change(alice, "ticketMove", chats[2], status="SOLVED")
            await desk.work()
            assert await assignee_of(sonia, chats[1]) == "Alice"
            await read_until(live[2], state="ENDED")
        async with sonia.socket() as supervisor:  # who watches, and whispers
            inbox = await phone.subscribe(INBOX_EVENTS)
            watched = await supervisor.subscribe(EVENTS, id=chats[1])
            await watched.until("CHAT_QUEUED")
            note = {"ticketId": chats[1], "body": "Proposez-lui un avoir", "idempotencyKey": "n"}
            await sonia.mutate("noteAdd", "NoteAddInput", note, "note { id }")
            assert (await inbox.until("NOTE_ADDED"))["ticket"]["id"] == chats[1]
            await set_availability(alice, "AWAY")
            await desk.work()
            assert await assignee_of(sonia, chats[1]) is None
            await desk.pass_time(timedelta(minutes=10))
            deferred = await watched.until("CHAT_DEFERRED")
            assert deferred["ticket"]["assignee"] is None
        kinds: list[str] = []
        while kinds[-1:] != ["CHAT_DEFERRED"]:
            kinds.append((await customer_events.next())["kind"])
        assert kinds == [
            "TICKET_ASSIGNED",
            "TICKET_ASSIGNED",
            "CHAT_QUEUED",
            "CHAT_DEFERRED",
        ]
        for chat in (chats[1], chats[3]):
            ticket = await ticket_of(paul, chat)
            assert (ticket["status"], ticket["chat"]["state"]) != ("NEW", "WAITING")
            assert ticket["chat"]["state"] == "DEFERRED"
            assert "répondrons" in ticket["chat"]["notice"]
    assert await Email.filter(template="chat_deferred.fr").count() == 3


async def test_p5_8_chats_go_to_agents_with_the_skill_and_of_the_team(desk: ChatDesk) -> None:
    """The oldest come first, as far as somebody can take them. The others don't wait behind chats
    that nobody can take.
    """
    paul = await desk.customer("Paul")
    sonia = await desk.staff("Sonia", Staff.SUPERVISOR)
    agents = {name: await desk.staff(name, Staff.AGENT) for name in ("Alice", "Bruno", "Carla")}
    for name, skills in (("Alice", ["USAGE"]), ("Bruno", ["BUG"]), ("Carla", [])):
        fields = {"userId": desk.id(name), "skills": skills, "chatCapacity": 1}
        await sonia.mutate("agentUpdate", "AgentUpdateInput", fields, "agent { skills }")
    members = {"name": "Facturation", "categories": ["BILLING"], "memberIds": [desk.id("Carla")]}
    await sonia.mutate(
        "teamCreate", "TeamCreateInput", members | {"idempotencyKey": "t"}, "team { id }"
    )
    async with (
        agents["Alice"].socket() as laptop,
        agents["Bruno"].socket(),
        agents["Carla"].socket(),
    ):
        for agent in agents.values():
            await set_availability(agent, "AVAILABLE")
        await desk.work()
        categories = ["BUG", "BUG", "BILLING", "USAGE", "BUG", "BILLING"]
        chats = [
            await open_chat(paul, f"chat {number}", category=category)
            for number, category in enumerate(categories)
        ]
        # Each queue counts for itself.
        assert [chat["chat"]["position"] for chat in chats] == [1, 2, 1, 3, 4, 2]
        await desk.work()
        assignees = [await assignee_of(sonia, chat["id"]) for chat in chats]
        assert assignees == ["Bruno", "Carla", None, "Alice", None, None]
        # What was planned may be outdated: who has no skill, team or free slot gets no chat.
        for name, chat in (("Alice", chats[4]), ("Bruno", chats[2]), ("Bruno", chats[4])):
            ticket_id, user_id = key_of(Ticket, chat["id"]) or 0, key_of(User, desk.id(name)) or 0
            assert not await _give(desk.action(), ticket_id, user_id)
        await change(agents["Carla"], "ticketMove", chats[1]["id"], status="SOLVED")
        await desk.work()
        assignees = [await assignee_of(sonia, chat["id"]) for chat in chats]
        assert assignees == ["Bruno", "Carla", "Carla", "Alice", None, None]
        await set_availability(agents["Carla"], "AWAY")
        service = "query($c: Category) { contact { chat(category: $c) { status } } }"
        statuses = [
            (await paul.data(service, c=category))["contact"]["chat"]["status"]
            for category in (None, "BUG", "BILLING")
        ]
        assert statuses == ["ANSWERED", "ANSWERED", "UNATTENDED"]
        # Who has handed a chat over is told nothing more about it.
        former = await laptop.subscribe(LIVE_CHAT, id=chats[3]["id"])
        assert (await former.next())["state"] == "ACTIVE"
        await desk.work()
        await change(agents["Alice"], "ticketTransfer", chats[3]["id"], userId=desk.id("Bruno"))
        await change(agents["Bruno"], "ticketMove", chats[3]["id"], status="SOLVED")
        await desk.work()
        message = await asyncio.wait_for(former.queue.get(), MAX_WAIT)
        (error,) = message["payload"]["errors"]
        assert error["extensions"]["code"] == "NOT_FOUND"


async def test_p5_5_of_200_claims_beside_two_routers_one_succeeds_for_each_chat(
    execute: Execute, dataset: Dataset, services: Services, action: Action
) -> None:
    """Every agent claims every chat while two routers give them to agents."""
    owner = dataset.paul.owner
    agents = [await create_staff_viewer(action, f"Agent{n}", Staff.AGENT) for n in range(20)]
    for agent in agents[:10]:
        await make_available(agent, action.at)
    opened = [
        await execute(owner, OPEN, i={**CHAT_INPUT, "subject": f"{n}", "idempotencyKey": f"{n}"})
        for n in range(10)
    ]
    chats = [response["data"]["ticketOpen"]["ticket"]["id"] for response in opened]
    job = Action(None, action.at, services.hub)
    claims = [execute(agent, CLAIM, id=chat) for chat in chats for agent in agents]
    routers = [handle_chats(job, services.presence.agents, OPTIONS) for _ in range(2)]
    routing = asyncio.gather(*routers)
    responses = await asyncio.gather(*claims)
    await routing
    payloads = [response["data"]["ticketClaim"] for response in responses]
    for position, chat in enumerate(chats):
        ticket_id = key_of(Ticket, chat) or 0
        ticket = await Ticket.get(pk=ticket_id).select_related("assignee")
        assert ticket.assignee
        refusals = {
            error["message"]
            for payload in payloads[20 * position : 20 * position + 20]
            for error in payload["userErrors"]
        }
        assert refusals == {f"{ticket.assignee.name} s’occupe déjà de cette demande."}
        live_chat = await LiveChat.get(ticket_id=ticket_id)
        assert (live_chat.state, live_chat.agent_id) == (ChatState.ACTIVE, ticket.assignee_id)
        kinds = [event.kind for event in await Event.filter(stream=ticket_stream(ticket_id))]
        assert kinds.count(EventKind.TICKET_ASSIGNED) == 1
        assert kinds.count(EventKind.STATUS_CHANGED) == 1
    # An agent's claim of a chat that a router has given them is a repeat.
    assert sum(payload["ticket"] is not None for payload in payloads) == len(chats)


async def test_p5_5_only_agents_who_are_gone_lose_chats_that_wait_for_them(desk: ChatDesk) -> None:
    """Neither a reconnection, nor a restart of the server, nor going away costs a conversation."""
    paul = await desk.customer("Paul")
    alice = await desk.staff("Alice", Staff.AGENT)
    sonia = await desk.staff("Sonia", Staff.SUPERVISOR)
    present = "{ viewer { agent { isPresent chatCount chatAvailability } } }"
    async with alice.socket():
        await set_availability(alice, "AVAILABLE")
        await desk.work()
        answered, unanswered, claimed = [
            (await open_chat(paul, f"chat {n}"))["id"] for n in range(3)
        ]
        await change(sonia, "ticketClaim", claimed)  # who is away, and connected to nothing
        await desk.work()
        await reply(alice, answered, "Bonjour")
        await reply(paul, answered, "Merci")
    await desk.pass_time(timedelta(seconds=9))
    agent = (await alice.data(present))["viewer"]["agent"]
    assert agent == {"isPresent": True, "chatCount": 2, "chatAvailability": "AVAILABLE"}
    async with alice.socket() as devices:
        await desk.pass_time(timedelta(seconds=60))
        assert await assignee_of(paul, unanswered) == "Alice"
        assert await assignee_of(paul, claimed) == "Alice"  # because Sonia didn't answer it
        await change(sonia, "ticketTakeOver", claimed)
        await set_availability(alice, "AWAY")
        await desk.work()
        # Alice goes on with the conversation that she has begun.
        assert await assignee_of(paul, unanswered) is None
        assert await assignee_of(paul, answered) == "Alice"
        assert await assignee_of(paul, claimed) == "Sonia"
        # Whoever doesn't look gets no more chats, and the one that they left goes on.
        await set_availability(alice, "AVAILABLE")
        await desk.work()
        laptop = await devices.subscribe(AGENT_EVENTS)
        assert await assignee_of(paul, unanswered) == "Alice"
        await desk.pass_time(timedelta(minutes=5))
        await laptop.until("AVAILABILITY_CHANGED")
        agent = (await alice.data(present))["viewer"]["agent"]
        assert (agent["chatAvailability"], agent["chatCount"]) == ("AWAY", 1)
        assert await assignee_of(paul, unanswered) is None
    desk.clock.advance(timedelta(minutes=3))  # in which no process is running
    job = desk.action()
    assert await take_back(job, steady_since=job.at - timedelta(seconds=29)) == 0
    assert await take_back(job, steady_since=job.at - timedelta(seconds=30)) == 1
    # A chat that was released has its old place.
    later = await open_chat(paul, "later")
    assert later["chat"]["state"] == "DEFERRED"  # nobody is there
    places = [(await ticket_of(paul, chat))["chat"] for chat in (answered, unanswered, claimed)]
    assert [chat["position"] for chat in places] == [1, 2, 3]
    assert {chat["expectedWaitSeconds"] for chat in places} == {None}
    waiting = (await sonia.data(WAITING_CHATS))["tickets"]["nodes"]
    assert [ticket["id"] for ticket in waiting] == [answered, unanswered, claimed]


async def test_p5_5_a_chat_doesnt_come_back_to_who_passed_it_on(desk: ChatDesk) -> None:
    paul = await desk.customer("Paul")
    alice = await desk.staff("Alice", Staff.AGENT)
    bruno = await desk.staff("Bruno", Staff.AGENT)
    async with alice.socket(), bruno.socket():
        await desk.work()
        await set_availability(alice, "AVAILABLE")
        chat = (await open_chat(paul, "chat"))["id"]
        await desk.work()
        assert await assignee_of(paul, chat) == "Alice"
        await change(alice, "ticketRelease", chat)
        await desk.work()
        waiting = (await ticket_of(paul, chat))["chat"]
        assert (waiting["state"], waiting["position"]) == ("WAITING", 1)
        assert waiting["expectedWaitSeconds"] is None  # nobody else is there
        await set_availability(bruno, "AVAILABLE")
        await desk.work()
        assert await assignee_of(paul, chat) == "Bruno"
        await change(bruno, "ticketRelease", chat)
        await desk.work()
        assert await assignee_of(paul, chat) == "Alice"
        await change(alice, "ticketRelease", chat)
        await change(alice, "ticketClaim", chat)  # whoever wants it again takes it
        assert await assignee_of(paul, chat) == "Alice"


async def test_p5_5_no_chat_waits_without_being_told(desk: ChatDesk) -> None:
    """Not after hours, not in a chat that nobody continues, and not after its end."""
    paul = await desk.customer("Paul")
    alice = await desk.staff("Alice", Staff.AGENT)
    async with alice.socket():
        await set_availability(alice, "AVAILABLE")
        await desk.work()
        chats = [(await open_chat(paul, f"chat {n}"))["id"] for n in range(4)]
        await desk.work()
        for chat in chats[:3]:
            await reply(alice, chat, "Bonjour")
        await change(alice, "ticketMove", chats[1], status="SOLVED")
        await desk.work()
        assert await assignee_of(paul, chats[3]) == "Alice"
        # A reply continues a chat that was solved, with its agent.
        await reply(paul, chats[1], "Encore une question")
        continued = await ticket_of(paul, chats[1])
        assert (continued["chat"]["state"], continued["assignee"]) == ("ACTIVE", {"name": "Alice"})
        await change(alice, "ticketClose", chats[2])
        follow_up = await paul.mutate(
            "ticketReply",
            "TicketReplyInput",
            {"ticketId": chats[2], "body": "Encore", "clientMessageId": "x"},
            f"ticket {{ id {CHAT} }}",
        )
        assert follow_up["ticket"]["chat"]["state"] == "WAITING"
        await change(alice, "ticketClose", follow_up["ticket"]["id"])
        closed = await Ticket.get(pk=key_of(Ticket, follow_up["ticket"]["id"]))
        message = await closed.reply(
            desk.action(), desk.users["Paul"], "E-mail", "y", is_email=True
        )
        assert (await LiveChat.get(ticket_id=message.ticket_id)).state is ChatState.DEFERRED
    desk.clock.advance(timedelta(minutes=59))
    alice = await desk.sign_in("Alice")
    async with alice.socket():
        await desk.work()
        await reply(alice, chats[1], "Voici")
        desk.clock.advance(timedelta(minutes=1))
        await desk.work()
        # Nothing has happened in the first chat for an hour.
        idle = await chat_of(chats[0])
        assert (idle.state, idle.agent_id) == (ChatState.DEFERRED, desk.users["Alice"].pk)
        assert (await chat_of(chats[1])).state is ChatState.ACTIVE
        views = await chat_views([idle.ticket_id], desk.clock.now())
        assert views[idle.ticket_id] == ChatView(ChatState.DEFERRED)
        assert await recipients_and_subjects("chat_deferred") == []
        # The customer of the fourth one is told: Alice hadn't answered it, and was sent away.
        await desk.pass_time(timedelta(minutes=10))
        assert (await chat_of(chats[3])).state is ChatState.DEFERRED
        assert len(await recipients_and_subjects("chat_deferred")) == 1
        # The hours end at 18:00 in Paris. Those who wait then are served while an agent is there.
    desk.clock.advance(timedelta(hours=6, minutes=47))
    paul, alice = await desk.sign_in("Paul"), await desk.sign_in("Alice")
    async with alice.socket():
        await set_availability(alice, "AVAILABLE")
        await desk.work()
        last = [(await open_chat(paul, f"last {n}"))["id"] for n in range(5)]
        await desk.work()
        desk.clock.advance(timedelta(minutes=4))
        await desk.work()
        states = [(await chat_of(chat)).state for chat in last]
        assert states == [ChatState.ACTIVE] * 3 + [ChatState.WAITING] * 2
        closed_now = await chat_service(desk.clock.now())
        assert closed_now.status is ChatServiceStatus.CLOSED
        assert closed_now.opens_at == datetime(2026, 11, 24, 8, tzinfo=UTC)
        await change(alice, "ticketMove", last[0], status="SOLVED")
        await desk.work()
        assert await assignee_of(paul, last[3]) == "Alice"
        await set_availability(alice, "AWAY")
        await desk.work()
    states = [(await chat_of(chat)).state for chat in last]
    assert states == [ChatState.ENDED] + [ChatState.DEFERRED] * 4
    # What was answered as a ticket counts as one.
    desk.clock.advance(timedelta(hours=15))
    alice = await desk.sign_in("Alice")
    await reply(alice, last[4], "Bonjour, nous sommes là")
    await check_clocks(desk.action())
    await refresh_answer_times(desk.action())
    measured = {row.channel: row.answers for row in await AnswerTime.all()}
    assert measured == {Channel.CHAT: 3, Channel.WEB: 1}
    # Who writes in a closed chat while nobody is there is told once what becomes of that, and the
    # reply of an agent needs no such email.
    emails = await recipients_and_subjects("chat_deferred")
    for name, chat in (("Paul", last[1]), ("Alice", last[2])):
        client = await desk.sign_in(name)
        await change(client, "ticketClose", chat)
        for _ in range(2):
            await reply(client, chat, "Encore une question")
        await reply(client, chat, "Et une autre")
        deferred = await Ticket.get(follows_id=key_of(Ticket, chat))
        assert (await LiveChat.get(ticket_id=deferred.pk)).state is ChatState.DEFERRED
    told = (await recipients_and_subjects("chat_deferred"))[len(emails) :]
    number = (await Ticket.get(follows_id=key_of(Ticket, last[1]))).number
    assert [number in subject for _, subject in told] == [True]


async def chat_of(ticket_id: str) -> LiveChat:
    return await LiveChat.get(ticket_id=key_of(Ticket, ticket_id))
