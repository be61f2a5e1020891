"""P5.5 and P5.8: live chats over real websockets: the queue, routing, agents who go."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.identity.user import Staff
from models.operations.email import Email
from tests.conftest import MovableClock
from tests.schema.support.chat_fixtures import (
    CHAT,
    ChatDesk,
    change,
    open_chat,
    reply,
    set_availability,
)
from tests.story.server_fixtures import Client, SubscriptionMessages

SERVICE = "subscription { chatService { status expectedWaitSeconds opensAt } }"
LIVE_CHAT = """subscription($id: ID!) { ticketChat(ticketId: $id) {
    state position expectedWaitSeconds notice } }"""
EVENTS = """subscription($id: ID!) { ticketEvents(ticketId: $id, after: 0) {
    sequence kind actor { name } ticket { assignee { name } } message { body } } }"""
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
            assert back["notice"].startswith("L’agent")
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
    """The oldest first, as far as somebody can take them. Others don't wait behind those that
    nobody can.
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
    async with agents["Alice"].socket(), agents["Bruno"].socket(), agents["Carla"].socket():
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
