"""P6.2: agents who look at a ticket see who else is writing, and don't answer twice."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from engine import Engine
from models.action import Action
from models.event import writers_stream
from models.identity.user import User
from models.support.draft import Draft
from models.support.message import AUTOMATION_KEY, Message
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import decode
from support.automation_runs import automation_author
from support.writers import WRITING_TIME
from tests.conftest import MovableClock
from tests.schema.conftest import create_services
from tests.schema.subscription_fixtures import subscribe
from tests.schema.support.test_assignment import Agents, user_id
from tests.schema.support.test_assignment import agents as agents
from tests.schema.support.test_drafts import DISCARD, DRAFTS, save
from tests.schema.support.test_scheduled_replies import Schedule

WATCH = """subscription($id: ID!) { ticketWriters(ticketId: $id) {
    writers { user { name } isWriting isNote } } }"""
REPLY = """mutation($i: TicketReplyInput!) { ticketReply(input: $i) {
    message { body } newerMessage { id body author { name } }
    userErrors { code field message } } }"""


def writer(name: str, is_writing: bool = True) -> dict[str, Any]:
    return {"user": {"name": name}, "isWriting": is_writing, "isNote": False}


async def next_of(results: AsyncGenerator[Any, None]) -> list[dict[str, Any]]:
    response = await anext(results)
    writers: list[dict[str, Any]] = response["data"]["ticketWriters"]["writers"]
    return writers


def ticket_key(agents: Agents) -> int:
    return (decode(agents.ticket_id) or ("", 0))[1]


async def test_p6_2_agents_see_live_who_else_is_writing_until_they_stop(
    agents: Agents, engine: Engine, services: Services, clock: MovableClock
) -> None:
    bruno, ticket_id = agents.bruno, agents.ticket_id
    watching = subscribe(engine, bruno, services, WATCH, id=ticket_id)
    own = subscribe(engine, agents.alice, services, WATCH, id=ticket_id)
    async with aclosing(watching), aclosing(own):
        assert await next_of(watching) == await next_of(own) == []
        await save(agents, agents.alice, "Bon", 0)
        assert await next_of(watching) == [writer("Alice")]
        # What she goes on to write tells nothing new. Then nothing more comes from her: she has
        # stopped, her browser has crashed or her connection is lost.
        clock.advance(WRITING_TIME / 2)
        await save(agents, agents.alice, "Bonjour", 1)
        clock.advance(WRITING_TIME)
        services.hub.notify([writers_stream(ticket_key(agents))])
        assert await next_of(watching) == [writer("Alice", is_writing=False)]
        await save(agents, agents.alice, "Bonjour Paul", 2)
        assert await next_of(watching) == [writer("Alice")]
        await agents.answer(agents.alice, "Bonjour Paul")
        assert await next_of(watching) == []
        await save(agents, agents.sonia, "Et moi", 0)
        assert await next_of(watching) == [writer("Sonia")]
        assert await next_of(own) == [writer("Sonia")]  # Alice is told of nobody else
        await agents.execute(agents.sonia, DISCARD, i={"ticketId": ticket_id})
        assert await next_of(watching) == []


async def test_p6_2_somebody_who_is_silent_stops_writing_without_any_announcement(
    agents: Agents, engine: Engine, services: Services, clock: MovableClock
) -> None:
    await save(agents, agents.alice, "Bonjour", 0)
    clock.advance(WRITING_TIME - timedelta(milliseconds=1))
    watching = subscribe(engine, agents.bruno, services, WATCH, id=agents.ticket_id)
    async with aclosing(watching):
        assert await next_of(watching) == [writer("Alice")]
        clock.advance(timedelta(milliseconds=1))
        assert await next_of(watching) == [writer("Alice", is_writing=False)]


async def test_p6_2_another_process_learns_who_is_writing_without_a_relay(
    agents: Agents, engine: Engine, services: Services, clock: MovableClock
) -> None:
    other = create_services(clock)
    watching = subscribe(engine, agents.bruno, other, WATCH, id=agents.ticket_id)
    try:
        async with aclosing(watching):
            assert await next_of(watching) == []
            waiting = asyncio.ensure_future(next_of(watching))
            await other.hub.sweep()
            await save(agents, agents.alice, "Bonjour", 0)
            await other.hub.sweep()
            assert await waiting == [writer("Alice")]
    finally:
        other.auth.passwords.close()


async def test_p6_2_only_agents_who_follow_a_ticket_see_who_is_writing(
    agents: Agents, engine: Engine, services: Services
) -> None:
    await save(agents, agents.alice, "Bonjour", 0)
    dataset = agents.dataset
    for viewer in (dataset.paul.owner, dataset.nadia):
        results = subscribe(engine, viewer, services, WATCH, id=agents.ticket_id)
        async with aclosing(results):
            [error] = (await anext(results))["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
    # An agent from whom the ticket is transferred gets nothing more.
    await agents.change(agents.bruno, "ticketClaim")
    watching = subscribe(engine, agents.bruno, services, WATCH, id=agents.ticket_id)
    async with aclosing(watching):
        assert await next_of(watching) == [writer("Alice")]
        await agents.change(agents.bruno, "ticketTransfer", userId=user_id(agents.sonia))
        [error] = (await anext(watching))["errors"]
        assert error["extensions"]["code"] == "NOT_FOUND"
    # The draft of somebody who was dismissed is nobody's.
    await User.filter(pk=agents.alice.user_id).update(staff=None)
    response = await agents.execute(agents.sonia, DRAFTS, id=agents.ticket_id)
    assert response["data"]["node"]["writers"] == []


async def test_p6_2_scheduling_a_draft_tells_that_nobody_is_writing(
    agents: Agents, engine: Engine, services: Services, clock: MovableClock
) -> None:
    await save(agents, agents.alice, "Bonjour", 0)
    watching = subscribe(engine, agents.bruno, services, WATCH, id=agents.ticket_id)
    async with aclosing(watching):
        assert await next_of(watching) == [writer("Alice")]
        await Schedule(agents, services, clock).scheduled(None, draftVersion=1)
        assert await next_of(watching) == []


async def post(
    agents: Agents, viewer: Viewer, body: str, seen: int | None, key: str = ""
) -> dict[str, Any]:
    variables = {
        "ticketId": agents.ticket_id,
        "body": body,
        "clientMessageId": key or body,
        "seenSequence": seen,
    }
    payload: dict[str, Any] = (await agents.execute(viewer, REPLY, i=variables))["data"][
        "ticketReply"
    ]
    return payload


async def sequence_of(body: str) -> int:
    return int((await Message.get(body=body)).sequence)


@pytest.mark.parametrize("is_claimed", [False, True])
async def test_p6_2_an_answer_to_what_a_colleague_has_answered_is_refused_and_kept(
    agents: Agents, is_claimed: bool
) -> None:
    if is_claimed:  # posted in one statement
        await agents.change(agents.bruno, "ticketClaim")
        await post(agents, agents.bruno, "Je regarde", None)
    await agents.answer(agents.dataset.paul.owner, "Alors ?")
    seen = await sequence_of("Alors ?")
    await save(agents, agents.alice, "Redémarrez", 0)
    assert (await post(agents, agents.bruno, "C’est réparé", seen))["userErrors"] == []
    refused = await post(agents, agents.alice, "Redémarrez", seen)
    assert refused["message"] is None
    assert refused["userErrors"] == [
        {
            "code": "ANSWERED_MEANWHILE",
            "field": ["input", "seenSequence"],
            "message": "Bruno a répondu entre-temps.",
        }
    ]
    newer = refused["newerMessage"]
    assert (newer["body"], newer["author"]) == ("C’est réparé", {"name": "Bruno"})
    assert (await Draft.get(user_id=agents.alice.user_id)).body == "Redémarrez"
    # A repeat of what was posted is none, and one's own answers are seen.
    repeat = await post(agents, agents.bruno, "C’est réparé", seen)
    assert (repeat["message"], repeat["newerMessage"]) == ({"body": "C’est réparé"}, None)
    assert (await post(agents, agents.bruno, "Bonne journée", seen))["userErrors"] == []
    # She has read it now, and posts all the same. A customer isn't held up by anything.
    seen = await sequence_of("Bonne journée")
    assert (await post(agents, agents.alice, "Redémarrez", seen))["userErrors"] == []
    assert (await post(agents, agents.dataset.paul.owner, "Merci", 0))["userErrors"] == []


async def test_p6_2_of_two_agents_who_answer_at_once_one_is_warned(agents: Agents) -> None:
    await agents.answer(agents.dataset.paul.owner, "Alors ?")
    seen = await sequence_of("Alors ?")
    payloads = await asyncio.gather(
        *(post(agents, viewer, "Bonjour", seen) for viewer in (agents.alice, agents.bruno))
    )
    codes = [[error["code"] for error in payload["userErrors"]] for payload in payloads]
    assert sorted(codes) == [[], ["ANSWERED_MEANWHILE"]]
    ticket = await Ticket.get(pk=ticket_key(agents))
    assert await Message.filter(ticket_id=ticket.pk, body="Bonjour").count() == 1


async def test_p6_2_what_an_automation_posts_answers_nothing_for_the_agent_who_writes(
    agents: Agents, action: Action
) -> None:
    await agents.answer(agents.dataset.paul.owner, "Alors ?")
    seen = await sequence_of("Alors ?")
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket_key(agents))
        author = await automation_author(action)
        await ticket.post_automatic(tx, author, "Bien reçu.", f"{AUTOMATION_KEY}1:1")
    assert (await post(agents, agents.alice, "Redémarrez", seen))["userErrors"] == []
