"""P5.8: agents correct the category of a ticket, and it goes where that category is answered."""

from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from engine import Engine
from models.action import Action
from models.audit import AuditEntry
from models.support.classification import Category, Channel, TicketKind
from models.support.legal_deadlines import LEGAL_DEADLINES
from models.support.live_chat import LiveChat
from models.support.sla_clock import SlaClock
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import decode, encode
from tests.schema.subscription_fixtures import subscribe
from tests.schema.support.test_assignment import Agents, read_until, user_id
from tests.schema.support.test_assignment import agents as agents

EVENTS = """subscription($id: ID!) { ticketEvents(ticketId: $id, after: 0) {
    kind actor { name } ticket { category team { name } } } }"""


async def create_teams(agents: Agents) -> dict[str, Any]:
    """The teams for bugs and for invoices, with Bruno in both."""
    members = [user_id(agents.bruno)]
    teams = {}
    for name, category in (("Technique", "BUG"), ("Facturation", "BILLING")):
        payload = await agents.create_team(
            agents.sonia, name=name, categories=[category], memberIds=members
        )
        teams[name] = payload["team"]["id"]
    return teams


async def open_ticket(agents: Agents, action: Action, **values: Any) -> Ticket:
    """Open a ticket of Paul's company, on which `agents` acts from now on."""
    paul = agents.dataset.paul
    assert paul.owner.user
    defaults: dict[str, Any] = {"channel": Channel.WEB, "category": Category.USAGE}
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx, paul.account, paul.owner.user, **{"subject": "Aide", **defaults, **values}
        )
    agents.ticket_id = encode("Ticket", ticket.pk)
    return ticket


async def change(agents: Agents, viewer: Viewer, category: str) -> dict[str, Any]:
    return await agents.change(viewer, "ticketChangeCategory", category=category)


async def test_p5_8_a_ticket_that_nobody_has_goes_to_the_team_of_its_new_category(
    agents: Agents, action: Action, engine: Engine, services: Services
) -> None:
    await create_teams(agents)
    ticket = await open_ticket(agents, action)
    clocks = await SlaClock.filter(ticket_id=ticket.pk).values()
    for _ in range(2):
        changed = await change(agents, agents.alice, "BUG")
        assert changed["team"] == {"name": "Technique"}
    assert (await change(agents, agents.alice, "BILLING"))["team"] == {"name": "Facturation"}
    # Targets depend on the channel and the priority.
    assert await SlaClock.filter(ticket_id=ticket.pk).values() == clocks
    owner = agents.dataset.paul.owner
    for viewer, team in ((agents.bruno, {"name": "Facturation"}), (owner, None)):
        events = subscribe(engine, viewer, services, EVENTS, id=agents.ticket_id)
        async with aclosing(events):
            event = await read_until(events, "CATEGORY_CHANGED")
        assert event["actor"] == {"name": "Alice"}
        assert event["ticket"] == {"category": "BILLING", "team": team}
    entries = await AuditEntry.filter(action="ticket.change_category").order_by("id")
    assert [entry.account_id for entry in entries] == [ticket.account_id] * 2
    assert "USAGE" in str(entries[0].details)
    assert (await change(agents, agents.alice, "OFFERS"))["team"] is None


async def test_p5_8_whoever_has_a_ticket_or_was_given_it_keeps_it(
    agents: Agents, action: Action
) -> None:
    teams = await create_teams(agents)
    await open_ticket(agents, action, category=Category.BUG)
    await agents.change(agents.bruno, "ticketClaim")
    changed = await change(agents, agents.alice, "BILLING")
    assert (changed["assignee"], changed["team"]) == ({"name": "Bruno"}, {"name": "Technique"})
    await open_ticket(agents, action)
    await agents.change(agents.alice, "ticketTransfer", teamId=teams["Technique"])
    assert (await change(agents, agents.alice, "BILLING"))["team"] == {"name": "Technique"}


async def test_p5_8_a_chat_waits_in_the_queue_of_its_new_category_at_its_old_place(
    agents: Agents, action: Action, services: Services
) -> None:
    teams = await create_teams(agents)
    chat = {"channel": Channel.CHAT, "is_live": True}
    ticket = await open_ticket(agents, action, category=Category.BUG, **chat)
    before = await LiveChat.get(ticket_id=ticket.pk)
    later = Action(None, action.at + timedelta(minutes=1), action.bus)
    await open_ticket(agents, later, category=Category.BILLING, **chat)
    agents.ticket_id = encode("Ticket", ticket.pk)
    await change(agents, agents.alice, "BILLING")
    after = await LiveChat.get(ticket_id=ticket.pk)
    assert encode("Team", after.team_id or 0) == teams["Facturation"]
    assert (after.state, after.queued_at) == (before.state, before.queued_at)
    query = "query($id: ID!) { node(id: $id) { ... on Ticket { chat { position } } } }"
    response = await agents.execute(agents.alice, query, id=agents.ticket_id)
    assert response["data"]["node"]["chat"]["position"] == 1


@pytest.mark.parametrize("key", sorted(LEGAL_DEADLINES))
async def test_p5_8_legal_requests_keep_their_category(
    agents: Agents, action: Action, key: TicketKind | Category
) -> None:
    """Whether the law sets the deadline for their kind or for their category."""
    column = "category" if isinstance(key, Category) else "kind"
    ticket = await open_ticket(agents, action, **{column: key})
    payload = await agents.mutate(agents.alice, "ticketChangeCategory", category="OFFERS")
    assert payload["userErrors"][0]["code"] == "CATEGORY_FIXED"
    if isinstance(key, Category):
        await open_ticket(agents, action)
        payload = await agents.mutate(agents.alice, "ticketChangeCategory", category=key.value)
        assert payload["userErrors"][0]["code"] == "CATEGORY_FIXED"
        assert payload["userErrors"][0]["field"] == ["input", "category"]
    stored = await Ticket.get(pk=ticket.pk)
    assert (stored.category, stored.deadline_at) == (ticket.category, ticket.deadline_at)


async def test_p5_8_only_agents_change_the_category_of_a_ticket_that_is_not_closed(
    agents: Agents, action: Action
) -> None:
    ticket = await open_ticket(agents, action)
    document = """mutation($id: ID!) { ticketChangeCategory(
        input: {ticketId: $id, category: BUG}) { userErrors { code } } }"""
    response = await agents.execute(
        agents.dataset.paul.owner, document, id=encode("Ticket", ticket.pk)
    )
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    await agents.change(agents.alice, "ticketMove", status="CLOSED")
    payload = await agents.mutate(agents.alice, "ticketChangeCategory", category="BUG")
    assert payload["userErrors"][0]["code"] == "TRANSITION_ILLEGAL"
    assert decode(agents.ticket_id) == ("Ticket", ticket.pk)
    assert (await Ticket.get(pk=ticket.pk)).category is Category.USAGE
