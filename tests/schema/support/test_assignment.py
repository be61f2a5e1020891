"""P6.2: who has a ticket: answering, claiming, transferring, taking over; priority, tags, teams."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from engine import Engine
from models.action import Action
from models.identity.user import Staff, User
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.conftest import Dataset, Execute
from tests.schema.subscription_fixtures import subscribe

TICKET = "status priority tags assignee { name } team { name }"
EVENTS = """subscription($id: ID!) { ticketEvents(ticketId: $id, after: 0) {
    kind ticket { assignee { name } } message { body } } }"""
INBOX = """subscription($after: BigInt) { inboxEvents(after: $after) {
    kind ticket { assignee { name } } } }"""


class Agents:
    """Paul's ticket, the agents Alice and Bruno, and the supervisor Sonia."""

    def __init__(self, execute: Execute, dataset: Dataset, bruno: Viewer, sonia: Viewer) -> None:
        self.execute, self.dataset = execute, dataset
        self.alice, self.bruno, self.sonia = dataset.alice, bruno, sonia
        self.ticket_id = dataset.paul.id(Ticket)

    async def mutate(self, viewer: Viewer, name: str, **fields: Any) -> dict[str, Any]:
        """Change Paul's ticket, and return the payload."""
        kind = f"{name[0].upper()}{name[1:]}Input"
        query = f"""mutation($i: {kind}!) {{ {name}(input: $i) {{
            ticket {{ {TICKET} }} userErrors {{ code message field }} }} }}"""
        variables = {"ticketId": self.ticket_id, **fields}
        payload: dict[str, Any] = (await self.execute(viewer, query, i=variables))["data"][name]
        return payload

    async def change(self, viewer: Viewer, name: str, **fields: Any) -> dict[str, Any]:
        """Change Paul's ticket, and return it."""
        payload = await self.mutate(viewer, name, **fields)
        assert payload["userErrors"] == []
        ticket: dict[str, Any] = payload["ticket"]
        return ticket

    async def answer(self, viewer: Viewer, body: str) -> dict[str, Any]:
        """Answer in Paul's ticket, and return the ticket."""
        query = f"""mutation($i: TicketReplyInput!) {{ ticketReply(input: $i) {{
            ticket {{ {TICKET} }} userErrors {{ code }} }} }}"""
        variables = {"ticketId": self.ticket_id, "body": body, "clientMessageId": body}
        response = await self.execute(viewer, query, i=variables)
        payload = response["data"]["ticketReply"]
        assert payload["userErrors"] == []
        ticket: dict[str, Any] = payload["ticket"]
        return ticket

    async def create_team(self, viewer: Viewer, **fields: Any) -> dict[str, Any]:
        query = """mutation($i: TeamCreateInput!) { teamCreate(input: $i) {
            team { id name categories members { name } } userErrors { code field message } } }"""
        variables = {"idempotencyKey": fields["name"], **fields}
        response = await self.execute(viewer, query, i=variables)
        payload: dict[str, Any] = response["data"]["teamCreate"]
        return payload


def user_id(viewer: Viewer) -> str:
    return encode("User", viewer.user_id or 0)


@pytest.fixture
async def agents(execute: Execute, dataset: Dataset, action: Action) -> Agents:
    bruno = await create_staff_viewer(action, "Bruno", Staff.AGENT)
    sonia = await create_staff_viewer(action, "Sonia", Staff.SUPERVISOR)
    return Agents(execute, dataset, bruno, sonia)


async def read_until(events: AsyncGenerator[Any, None], kind: str) -> dict[str, Any]:
    """The next event of a kind."""
    async for result in events:
        event: dict[str, Any] = next(iter(result["data"].values()))
        if event["kind"] == kind:
            return event
    raise AssertionError(kind)


async def test_p6_2_whoever_answers_a_new_ticket_gets_it(agents: Agents) -> None:
    """An answer opens a new ticket. It is assigned to the answering agent, unless somebody has
    it.
    """
    ticket = await agents.answer(agents.alice, "Bonjour")
    assert (ticket["status"], ticket["assignee"]) == ("OPEN", {"name": "Alice"})
    ticket = await agents.answer(agents.bruno, "Je complète")
    assert (ticket["status"], ticket["assignee"]) == ("OPEN", {"name": "Alice"})
    await agents.change(agents.alice, "ticketRelease")
    ticket = await agents.answer(agents.bruno, "Je m’en occupe")
    assert ticket["assignee"] == {"name": "Bruno"}


async def test_p6_2_of_many_claims_one_succeeds_with_one_event(
    agents: Agents, engine: Engine, services: Services, action: Action
) -> None:
    others = [await create_staff_viewer(action, f"Agent{n}", Staff.AGENT) for n in range(4)]
    viewers = [agents.alice, agents.bruno, *others]
    payloads = await asyncio.gather(*(agents.mutate(each, "ticketClaim") for each in viewers))
    winner = next(each["ticket"]["assignee"]["name"] for each in payloads if each["ticket"])
    errors = [each["userErrors"][0] for each in payloads if each["userErrors"]]
    assert [each["code"] for each in errors] == ["ALREADY_CLAIMED"] * 5
    assert {each["message"] for each in errors} == {f"{winner} s’occupe déjà de cette demande."}
    await agents.answer(agents.alice, "Fin")
    kinds = []
    async with aclosing(
        subscribe(engine, agents.alice, services, EVENTS, id=agents.ticket_id)
    ) as events:
        async for result in events:
            kinds.append(result["data"]["ticketEvents"]["kind"])
            if (result["data"]["ticketEvents"]["message"] or {}).get("body") == "Fin":
                break
    assert kinds.count("TICKET_ASSIGNED") == 1
    assert kinds.count("STATUS_CHANGED") == 1


async def test_p6_2_after_a_transfer_the_former_agent_gets_nothing_more(
    agents: Agents, engine: Engine, services: Services
) -> None:
    await agents.change(agents.alice, "ticketClaim")
    after = (await agents.execute(agents.bruno, "{ viewer { inboxSequence } }"))["data"]["viewer"]
    open_subscriptions = [
        subscribe(engine, viewer, services, EVENTS, id=agents.ticket_id)
        for viewer in (agents.alice, agents.bruno, agents.sonia)
    ]
    for events in open_subscriptions:
        await read_until(events, "STATUS_CHANGED")
    ticket = await agents.change(agents.alice, "ticketTransfer", userId=user_id(agents.bruno))
    assert ticket["assignee"] == {"name": "Bruno"}
    await agents.answer(agents.bruno, "Je reprends")
    former, *others = open_subscriptions
    async with aclosing(former):
        results = [each async for each in former]
    assert "data" not in results[-1] or results[-1]["data"] is None
    assert [error["extensions"]["code"] for error in results[-1]["errors"]] == ["NOT_FOUND"]
    assert "Je reprends" not in str(results)
    for events in others:
        async with aclosing(events):
            event = await read_until(events, "TICKET_ASSIGNED")
            assert event["ticket"]["assignee"] == {"name": "Bruno"}
            assert (await read_until(events, "MESSAGE_POSTED"))["message"]["body"] == "Je reprends"
    inbox = subscribe(engine, agents.alice, services, INBOX, after=after["inboxSequence"])
    async with aclosing(inbox):  # everybody is told who has it
        event = await read_until(inbox, "TICKET_ASSIGNED")
    assert event["ticket"]["assignee"] == {"name": "Bruno"}
    # Alice doesn't receive it again, until she has it again.
    async with aclosing(
        subscribe(engine, agents.alice, services, EVENTS, id=agents.ticket_id)
    ) as events:
        assert "errors" in await anext(events)
    await agents.change(agents.sonia, "ticketTransfer", userId=user_id(agents.alice))
    async with aclosing(
        subscribe(engine, agents.alice, services, EVENTS, id=agents.ticket_id)
    ) as events:
        assert (await anext(events))["data"]["ticketEvents"]["kind"] == "TICKET_OPENED"


async def test_p6_2_only_the_assignee_and_supervisors_transfer_a_ticket(
    agents: Agents, action: Action
) -> None:
    await agents.change(agents.alice, "ticketClaim")
    payload = await agents.mutate(agents.bruno, "ticketTransfer", userId=user_id(agents.bruno))
    assert payload["userErrors"][0]["code"] == "NOT_ASSIGNED"
    assert payload["userErrors"][0]["message"].startswith("Alice traite cette demande.")
    taken_over = await agents.change(agents.sonia, "ticketTakeOver")
    assert taken_over["assignee"] == {"name": "Sonia"}
    response = await agents.execute(
        agents.bruno,
        "mutation($id: ID!) { ticketTakeOver(input: {ticketId: $id}) { ticket { id } } }",
        id=agents.ticket_id,
    )
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    nadia = user_id(agents.dataset.nadia)  # an analyst answers nobody
    for fields in ({"userId": nadia}, {"userId": "x"}, {}):
        payload = await agents.mutate(agents.sonia, "ticketTransfer", **fields)
        assert payload["userErrors"][0]["field"] == ["input", "userId"]
    closed = await agents.change(agents.sonia, "ticketMove", status="CLOSED")
    assert closed["status"] == "CLOSED"
    for name in ("ticketTakeOver", "ticketTransfer"):
        fields = {"userId": user_id(agents.bruno)} if name == "ticketTransfer" else {}
        viewer = await create_staff_viewer(action, f"S{name}", Staff.SUPERVISOR)
        payload = await agents.mutate(viewer, name, **fields)
        assert payload["userErrors"][0]["code"] == "TRANSITION_ILLEGAL"


async def test_p5_8_tickets_go_to_the_team_of_their_category(agents: Agents) -> None:
    """P5.8: the supervisor creates a team for bugs, to which a customer's bug goes."""
    fields: dict[str, Any] = {
        "name": "Technique",
        "categories": ["BUG", "PERFORMANCE"],
        "memberIds": [user_id(agents.bruno)],
    }
    payload = await agents.create_team(agents.sonia, **fields)
    assert payload["team"] | {"id": ""} == {
        "id": "",
        "name": "Technique",
        "categories": ["BUG", "PERFORMANCE"],
        "members": [{"name": "Bruno"}],
    }
    assert await agents.create_team(agents.sonia, **fields) == payload  # a repeat
    query = f"""mutation($i: TicketOpenInput!) {{ ticketOpen(input: $i) {{
        ticket {{ id {TICKET} }} userErrors {{ code }} }} }}"""
    variables = {"subject": "Panne", "body": "Rien", "category": "BUG", "idempotencyKey": "k"}
    response = await agents.execute(agents.dataset.paul.owner, query, i=variables)
    opened = response["data"]["ticketOpen"]["ticket"]
    assert (opened["team"], opened["priority"]) == (None, None)  # customers see neither
    tickets = (
        await agents.execute(
            agents.alice,
            "query($f: TicketFilter) { tickets(filter: $f) { nodes { id team { name } } } }",
            f={"teamId": {"eq": payload["team"]["id"]}},
        )
    )["data"]["tickets"]
    assert tickets == {"nodes": [{"id": opened["id"], "team": {"name": "Technique"}}]}
    # A person keeps the ticket in its team if they belong to it.
    agents.ticket_id = opened["id"]
    ticket = await agents.change(agents.alice, "ticketTransfer", userId=user_id(agents.bruno))
    assert (ticket["assignee"], ticket["team"]) == ({"name": "Bruno"}, {"name": "Technique"})
    ticket = await agents.change(agents.bruno, "ticketTransfer", userId=user_id(agents.alice))
    assert (ticket["assignee"], ticket["team"]) == ({"name": "Alice"}, None)
    ticket = await agents.change(agents.alice, "ticketTransfer", teamId=payload["team"]["id"])
    assert (ticket["assignee"], ticket["team"]) == (None, {"name": "Technique"})
    outsider = {"userId": user_id(agents.alice), "teamId": payload["team"]["id"]}
    refused = await agents.mutate(agents.alice, "ticketTransfer", **outsider)
    assert refused["userErrors"][0]["code"] == "VALUE_INVALID"


async def test_teams_are_managed_by_supervisors_and_operators(
    agents: Agents, action: Action
) -> None:
    omar = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    first = await agents.create_team(omar, name="Technique", categories=["BUG"])
    for fields, code, field in (
        ({"name": "Technique"}, "NAME_TAKEN", ["input", "name"]),
        ({"name": "Autre", "categories": ["BUG"]}, "CATEGORY_TAKEN", ["input", "categories"]),
        (
            {"name": "Autre", "memberIds": [user_id(agents.dataset.paul.owner)]},
            "NOT_FOUND",
            ["input", "memberIds", "0"],
        ),
    ):
        refused = await agents.create_team(agents.sonia, **fields)
        error = refused["userErrors"][0]
        assert (error["code"], error["field"]) == (code, field)
    update = """mutation($i: TeamUpdateInput!) { teamUpdate(input: $i) {
        team { name categories members { name } } userErrors { code } } }"""
    variables: dict[str, Any] = {
        "teamId": first["team"]["id"],
        "name": "Support technique",
        "memberIds": [user_id(agents.alice), user_id(agents.bruno)],
    }
    updated = (await agents.execute(agents.sonia, update, i=variables))["data"]["teamUpdate"]
    assert updated["team"] == {
        "name": "Support technique",
        "categories": ["BUG"],
        "members": [{"name": "Alice"}, {"name": "Bruno"}],
    }
    agent_update = """mutation($i: AgentUpdateInput!) { agentUpdate(input: $i) {
        agent { user { name } teams { name } skills chatCapacity } userErrors { code } } }"""
    variables = {"userId": user_id(agents.bruno), "skills": ["BUG"], "chatCapacity": 5}
    agent = (await agents.execute(omar, agent_update, i=variables))["data"]["agentUpdate"]
    assert agent["agent"] == {
        "user": {"name": "Bruno"},
        "teams": [{"name": "Support technique"}],
        "skills": ["BUG"],
        "chatCapacity": 5,
    }
    archive = """mutation($id: ID!) { teamArchive(input: {teamId: $id}) {
        team { archivedAt members { name } } userErrors { code } } }"""
    archived = await agents.execute(omar, archive, id=first["team"]["id"])
    assert archived["data"]["teamArchive"]["team"]["members"] == []
    assert archived["data"]["teamArchive"]["team"]["archivedAt"]
    listed = "{ teams { nodes { name } } agents { nodes { user { name } skills chatCapacity } } }"
    lists = (await agents.execute(agents.alice, listed))["data"]
    assert lists["teams"] == {"nodes": []}
    assert lists["agents"]["nodes"] == [
        {"user": {"name": "Alice"}, "skills": [], "chatCapacity": 3},
        {"user": {"name": "Bruno"}, "skills": ["BUG"], "chatCapacity": 5},
        {"user": {"name": "Sonia"}, "skills": [], "chatCapacity": 3},
    ]
    for viewer, query in ((agents.alice, archive), (agents.dataset.paul.owner, archive)):
        response = await agents.execute(viewer, query, id=first["team"]["id"])
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_p6_2_priority_and_tags_are_hidden_from_customers(agents: Agents) -> None:
    owner = agents.dataset.paul.owner
    query = "query($id: ID!) { node(id: $id) { ... on Ticket { updatedAt lastSequence } } }"
    before = await agents.execute(owner, query, id=agents.ticket_id)
    ticket = await agents.change(
        agents.alice, "ticketUpdate", priority="URGENT", addTags=["Mise à jour", "VIP", "vip"]
    )
    assert (ticket["priority"], ticket["tags"]) == ("URGENT", ["mise à jour", "vip"])
    ticket = await agents.change(agents.alice, "ticketUpdate", removeTags=["VIP"])
    assert (ticket["priority"], ticket["tags"]) == ("URGENT", ["mise à jour"])
    assert await agents.execute(owner, query, id=agents.ticket_id) == before
    search = "query($f: TicketFilter) { tickets(filter: $f) { nodes { id } } }"
    filters: list[dict[str, Any]] = [
        {"priority": {"eq": "URGENT"}},
        {"tag": {"in": ["Mise à jour", "other"]}},
    ]
    for condition in filters:
        found = (await agents.execute(agents.bruno, search, f=condition))["data"]["tickets"]
        assert found == {"nodes": [{"id": agents.ticket_id}]}
        hidden = (await agents.execute(owner, search, f=condition))["data"]["tickets"]
        assert hidden == {"nodes": []}
    selection = "... on Ticket { priority tags team { name } }"
    node = await agents.execute(
        owner, f"query($id: ID!) {{ node(id: $id) {{ {selection} }} }}", id=agents.ticket_id
    )
    assert node["data"]["node"] == {"priority": None, "tags": [], "team": None}
    too_many = [f"t{n}" for n in range(20)]
    refused = await agents.mutate(agents.alice, "ticketUpdate", addTags=too_many)
    assert refused["userErrors"][0]["code"] == "TOO_MANY"


async def test_a_dismissed_agent_answers_nobody(agents: Agents) -> None:
    """Their request had started before they were dismissed."""
    await User.filter(pk=agents.bruno.user_id).update(staff=None)
    query = "mutation($i: TicketReplyInput!) { ticketReply(input: $i) { message { id } } }"
    variables = {"ticketId": agents.ticket_id, "body": "Trop tard", "clientMessageId": "1"}
    response = await agents.execute(agents.bruno, query, i=variables)
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
