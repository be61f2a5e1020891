"""P6.2: drafts are kept on the server, and shared between an agent's devices."""

from typing import Any

from models.viewer import Viewer
from tests.schema.support.test_assignment import Agents
from tests.schema.support.test_assignment import agents as agents

SAVE = """mutation($i: DraftSaveInput!) { draftSave(input: $i) {
    draft { body isNote version } userErrors { code field } } }"""
DISCARD = "mutation($i: DraftDiscardInput!) { draftDiscard(input: $i) { ticket { id } } }"
DRAFTS = """query($id: ID!) { node(id: $id) { ... on Ticket {
    draft { body version } writers { user { name } } } } }"""


async def save(agents: Agents, viewer: Viewer, body: str, version: int) -> dict[str, Any]:
    variables = {"ticketId": agents.ticket_id, "body": body, "version": version}
    payload = (await agents.execute(viewer, SAVE, i=variables))["data"]["draftSave"]
    result: dict[str, Any] = payload["draft"] or payload["userErrors"][0]
    return result


async def drafts(agents: Agents, viewer: Viewer) -> dict[str, Any]:
    response = await agents.execute(viewer, DRAFTS, id=agents.ticket_id)
    node: dict[str, Any] = response["data"]["node"]
    return node


async def test_p6_2_an_agents_devices_share_a_draft(agents: Agents) -> None:
    alice, bruno = agents.alice, agents.bruno
    nothing: dict[str, Any] = {"draft": None, "writers": []}
    first = {"body": "Bonj", "isNote": False, "version": 1}
    assert await save(agents, alice, "Bonj", 0) == first
    assert await save(agents, alice, "Bonj", 0) == first  # a repeat
    assert (await save(agents, alice, "Bonjour", 1))["version"] == 2
    # The other device had read the first version.
    conflict = {"code": "DRAFT_CHANGED", "field": ["input", "version"]}
    assert await save(agents, alice, "Autre", 1) == conflict
    assert await save(agents, alice, "Autre", 0) == conflict
    assert await drafts(agents, alice) == {
        "draft": {"body": "Bonjour", "version": 2},
        "writers": [],
    }
    # Others see that somebody is writing, but not what.
    assert await drafts(agents, bruno) == {"draft": None, "writers": [{"user": {"name": "Alice"}}]}
    await save(agents, bruno, "Moi aussi", 0)
    assert await drafts(agents, agents.dataset.paul.owner) == nothing
    await agents.answer(alice, "Bonjour")
    assert await drafts(agents, bruno) == {
        "draft": {"body": "Moi aussi", "version": 1},
        "writers": [],
    }
    await save(agents, alice, "Encore", 0)
    await agents.answer(alice, "Encore")  # the ticket is hers now
    assert (await drafts(agents, alice))["draft"] is None
    await agents.execute(bruno, DISCARD, i={"ticketId": agents.ticket_id})
    assert await drafts(agents, bruno) == nothing
    assert await save(agents, bruno, "Trop tard", 1) == conflict
