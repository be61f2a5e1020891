"""P5.5: both sides of a ticket see what the other side has received and read."""

import asyncio
from contextlib import aclosing
from typing import Any

from engine import Engine
from models.accounts.account import Membership
from models.action import Action
from models.identity.user import User
from models.support.ticket import Ticket
from models.support.ticket_position import Position, TicketPosition, mark_delivered
from models.viewer import Viewer
from resolvers.ids import encode
from support.positions import store_delivered
from tests.schema.subscription_fixtures import subscribe
from tests.schema.support.test_unread import EVENTS, TicketScenario
from tests.schema.support.test_unread import scenario as scenario

FIELDS = """staffReadSequence staffDeliveredSequence
    members { user { id } readSequence deliveredSequence }"""
POSITIONS = (
    f"query($id: ID!) {{ node(id: $id) {{ ... on Ticket {{ positions {{ {FIELDS} }} }} }} }}"
)
WATCH = f"subscription($id: ID!) {{ ticketPositions(ticketId: $id) {{ {FIELDS} }} }}"


def member(viewer: Viewer, read: int, delivered: int) -> dict[str, Any]:
    """A member's position, as the API returns it."""
    user_id = encode("User", viewer.user_id or 0)
    return {"user": {"id": user_id}, "readSequence": read, "deliveredSequence": delivered}


async def test_p5_5_both_sides_see_what_was_delivered_and_read(
    scenario: TicketScenario, engine: Engine
) -> None:
    owner, colleague, alice = scenario.owner, scenario.dataset.paul.member, scenario.dataset.alice
    services, ticket_id = scenario.services, scenario.ticket_id

    async def current(viewer: Viewer) -> dict[str, Any]:
        response = await scenario.execute(viewer, POSITIONS, id=ticket_id)
        result: dict[str, Any] = response["data"]["node"]["positions"]
        return result

    async def next_of(results: Any) -> dict[str, Any]:
        result: dict[str, Any] = (await anext(results))["data"]["ticketPositions"]
        return result

    sent = await scenario.reply(owner, "Vous êtes là ?")
    watching = subscribe(engine, owner, services, WATCH, id=ticket_id)
    agent_watching = subscribe(engine, alice, services, WATCH, id=ticket_id)
    agent_receiving = subscribe(engine, alice, services, EVENTS, id=ticket_id)
    async with aclosing(watching), aclosing(agent_watching), aclosing(agent_receiving):
        nothing_from_staff = {
            "staffReadSequence": 0,
            "staffDeliveredSequence": 0,
            "members": [member(owner, sent, sent)],
        }
        assert await next_of(watching) == nothing_from_staff
        assert await next_of(agent_watching) == nothing_from_staff
        # It is on the agent's screen: delivered, which isn't read.
        receiving = asyncio.ensure_future(anext(agent_receiving))
        action = Action(None, scenario.clock.now(), services.hub)
        while not (await current(owner))["staffDeliveredSequence"]:
            await asyncio.sleep(0)
            await store_delivered(action, services.delivered)
        delivered = {**nothing_from_staff, "staffDeliveredSequence": sent}
        assert await next_of(watching) == delivered
        # Any agent has read it. Going back, or a second device, changes nothing.
        await scenario.mark_read(alice, sent)
        assert await next_of(watching) == {**delivered, "staffReadSequence": sent}
        for sequence in (sent, 1, 0):
            await scenario.mark_read(alice, sequence)
        assert (await current(owner))["staffReadSequence"] == sent
        # A colleague reads the answer.
        answered = await scenario.reply(alice, "Oui !")
        await receiving
        await scenario.mark_read(colleague, answered)
        state: dict[str, Any] = {
            "staffReadSequence": answered,
            "staffDeliveredSequence": answered,
            "members": [member(owner, sent, sent), member(colleague, answered, answered)],
        }
        while await next_of(agent_watching) != state:
            pass
    # Who connects again gets the state, whatever they have missed.
    watching = subscribe(engine, owner, services, WATCH, id=ticket_id)
    async with aclosing(watching):
        assert await next_of(watching) == state
    # Agents who leave have read it all the same. Members who leave are no longer listed.
    await User.filter(pk=alice.user_id).update(staff=None)
    await Membership.filter(user_id=colleague.user_id).delete()
    assert await current(owner) == {**state, "members": state["members"][:1]}


async def test_strangers_see_no_positions(scenario: TicketScenario, engine: Engine) -> None:
    marie, ticket_id = scenario.dataset.marie.owner, scenario.ticket_id
    assert (await scenario.execute(marie, POSITIONS, id=ticket_id))["data"]["node"] is None
    watching = subscribe(engine, marie, scenario.services, WATCH, id=ticket_id)
    async with aclosing(watching):
        [error] = (await anext(watching))["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND"


async def test_an_email_counts_as_delivered_and_is_announced(
    scenario: TicketScenario, engine: Engine
) -> None:
    watching = subscribe(
        engine, scenario.dataset.alice, scenario.services, WATCH, id=scenario.ticket_id
    )
    async with aclosing(watching):
        sequence = await scenario.reply(scenario.dataset.alice, "Bonjour")
        before = (await anext(watching))["data"]["ticketPositions"]["members"]
        await scenario.send_emails()
        while (members := (await anext(watching))["data"]["ticketPositions"]["members"]) == before:
            pass
    assert members == [member(scenario.owner, before[0]["readSequence"], sequence)]


async def test_a_person_who_receives_a_ticket_as_both_sides_has_one_position(
    scenario: TicketScenario, action: Action
) -> None:
    key, user_id = scenario.dataset.paul.row(Ticket).pk, scenario.owner.user_id or 0
    await mark_delivered(
        action, [Position(key, user_id, side, 50 + side) for side in (True, False)]
    )
    assert (await TicketPosition.get(ticket_id=key, user_id=user_id)).delivered_sequence == 51
