"""P6.2: internal notes and mentions, which customers never see."""

from contextlib import aclosing
from datetime import timedelta
from typing import Any

from engine import Engine
from models.action import Action
from models.operations.email import Email
from models.support.note import Note
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from support.reply_emails import send_due_replies
from tests.schema.conftest import Dataset, Execute
from tests.schema.subscription_fixtures import subscribe
from tests.schema.support.test_assignment import Agents, user_id
from tests.schema.support.test_assignment import agents as agents

ADD = """mutation($i: NoteAddInput!) { noteAdd(input: $i) {
    note { id body author { name } mentionedUsers { name } } userErrors { code field } } }"""
SECRET = "Attention, client difficile"


async def add_note(agents: Agents, viewer: Viewer, body: str, *mentioned: Viewer) -> dict[str, Any]:
    variables = {
        "ticketId": agents.ticket_id,
        "body": body,
        "mentionedUserIds": [user_id(each) for each in mentioned],
        "idempotencyKey": body[:60],
    }
    payload: dict[str, Any] = (await agents.execute(viewer, ADD, i=variables))["data"]["noteAdd"]
    return payload


async def view_count(execute: Execute, viewer: Viewer, view: str) -> int:
    views = (await execute(viewer, "{ inboxViews { view ticketCount } }"))["data"]["inboxViews"]
    return next(int(each["ticketCount"]) for each in views if each["view"] == view)


async def test_p6_2_agents_write_notes_and_mention_each_other(agents: Agents) -> None:
    payload = await add_note(agents, agents.alice, SECRET, agents.bruno)
    assert payload["note"] | {"id": ""} == {
        "id": "",
        "body": SECRET,
        "author": {"name": "Alice"},
        "mentionedUsers": [{"name": "Bruno"}],
    }
    assert await add_note(agents, agents.alice, SECRET, agents.bruno) == payload  # a repeat
    query = """query($id: ID!) { node(id: $id) { ... on Ticket {
        status firstResponseAt replyAwaitedSince assignee { name }
        notes(last: 5) { nodes { body } } } } }"""
    ticket = (await agents.execute(agents.bruno, query, id=agents.ticket_id))["data"]["node"]
    assert ticket["notes"] == {"nodes": [{"body": SECRET}]}
    # A note doesn't count as a reply.
    assert (ticket["status"], ticket["firstResponseAt"], ticket["assignee"]) == ("NEW", None, None)
    assert ticket["replyAwaitedSince"]
    listed = "{ tickets(filter: {view: MENTIONED}) { nodes { id } } }"
    for viewer, ids in ((agents.bruno, [{"id": agents.ticket_id}]), (agents.alice, [])):
        assert (await agents.execute(viewer, listed))["data"]["tickets"] == {"nodes": ids}
        assert await view_count(agents.execute, viewer, "MENTIONED") == len(ids)
    mark_read = """mutation($id: ID!) {
        ticketMarkRead(input: {ticketId: $id, sequence: 1}) { userErrors { code } } }"""
    await agents.execute(agents.bruno, mark_read, id=agents.ticket_id)
    assert await view_count(agents.execute, agents.bruno, "MENTIONED") == 0


async def test_p6_2_customers_notice_nothing_of_a_note(
    agents: Agents, dataset: Dataset, engine: Engine, services: Services, action: Action
) -> None:
    """Lists, counts, times, events and emails are the same after a note, and its ID reveals
    nothing.
    """
    owner = dataset.paul.owner
    query = """query($id: ID!) {
        viewer { unreadTickets accountSequence }
        node(id: $id) { ... on Ticket { updatedAt lastSequence unreadCount lastMessage { body }
            messages { totalCount nodes { body } } notes { totalCount nodes { body } } } } }"""
    before = await agents.execute(owner, query, id=agents.ticket_id)
    payload = await add_note(agents, agents.alice, SECRET, agents.bruno)
    assert await agents.execute(owner, query, id=agents.ticket_id) == before
    assert before["data"]["node"]["notes"] == {"totalCount": 0, "nodes": []}
    node = "query($id: ID!) { node(id: $id) { id } }"
    assert (await agents.execute(owner, node, id=payload["note"]["id"]))["data"]["node"] is None
    response = await agents.execute(
        owner, ADD, i={"ticketId": agents.ticket_id, "body": "x", "idempotencyKey": "k"}
    )
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    await agents.answer(agents.alice, "Bonjour")
    later = Action(None, action.at + timedelta(hours=1), services.hub)
    await send_due_replies(later, services.delivered, timedelta(minutes=5))
    emails = await Email.filter(template__startswith="ticket_replies.")
    assert emails
    assert SECRET not in "".join(email.text + email.html for email in emails)
    events = """subscription($id: ID!) { ticketEvents(ticketId: $id, after: 0) {
        sequence kind message { body } } }"""
    received = []
    async with aclosing(subscribe(engine, owner, services, events, id=agents.ticket_id)) as results:
        async for result in results:
            received.append(result["data"]["ticketEvents"])
            if received[-1]["kind"] == "STATUS_CHANGED":
                break
    assert [int(each["sequence"]) for each in received] == list(range(1, len(received) + 1))
    assert {each["kind"] for each in received} == {
        "TICKET_OPENED",
        "MESSAGE_POSTED",
        "TICKET_ASSIGNED",
        "STATUS_CHANGED",
    }


async def test_a_note_mentions_only_people_who_answer_customers(agents: Agents) -> None:
    nobody = encode("User", 9_999)
    variables = {
        "ticketId": encode("Ticket", 9_999),
        "body": " ",
        "mentionedUserIds": [user_id(agents.bruno), user_id(agents.dataset.paul.owner), nobody],
        "idempotencyKey": "",
    }
    payload = (await agents.execute(agents.alice, ADD, i=variables))["data"]["noteAdd"]
    assert [error["field"][1:] for error in payload["userErrors"]] == [
        ["ticketId"],
        ["body"],
        ["mentionedUserIds", "1"],
        ["mentionedUserIds", "2"],
        ["idempotencyKey"],
    ]
    assert await Note.all().count() == 0
    assert await Ticket.all().count() == 2
