"""Tickets about the same are merged: nothing is lost, both sides' people are told, and for a day it
can be undone.
"""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from models.accounts.account import Account, AccountStatus, Membership
from models.action import Action
from models.operations.email import Email
from models.support.file import File
from models.support.message import Message
from models.support.sla_clock import SlaClock
from models.support.ticket import Ticket
from models.viewer import Viewer
from realtime.delivered_positions import DeliveredPositions
from resolvers.context import Services
from resolvers.ids import encode, key_of
from support.reply_emails import send_due_replies
from tests.conftest import MovableClock
from tests.schema.billing.catalogue_fixtures import codes, mutate

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

TICKET = """query($id: ID!) { node(id: $id) { ... on Ticket { status replyAwaitedSince
    mergedInto { id } mergedTickets { id } mergeUndoableUntil
    messages { nodes { body } } draft { body } } } }"""
MERGED = "ticket { status mergedInto { id } }"


async def open_ticket(
    execute: "Execute", viewer: Viewer, subject: str, category: str = "BUG"
) -> str:
    fields = {"subject": subject, "body": subject, "category": category, "idempotencyKey": subject}
    payload = await mutate(execute, viewer, "ticketOpen", "ticket { id }", **fields)
    return str(payload["ticket"]["id"])


async def merge(execute: "Execute", viewer: Viewer, ticket: str, target: str) -> dict[str, Any]:
    fields = {"ticketId": ticket, "intoTicketId": target}
    return await mutate(execute, viewer, "ticketMerge", MERGED, **fields)


async def unmerge(execute: "Execute", viewer: Viewer, ticket: str) -> dict[str, Any]:
    return await mutate(execute, viewer, "ticketUnmerge", MERGED, ticketId=ticket)


async def reply(execute: "Execute", viewer: Viewer, ticket: str, body: str) -> str:
    """The ID of the ticket in which the reply is posted."""
    fields = {"ticketId": ticket, "body": body, "clientMessageId": body}
    payload = await mutate(execute, viewer, "ticketReply", "ticket { id }", **fields)
    assert codes(payload) == []
    return str(payload["ticket"]["id"])


async def read(execute: "Execute", viewer: Viewer, ticket: str) -> Any:
    return (await execute(viewer, TICKET, id=ticket))["data"]["node"]


async def clocks(ticket: str) -> list[dict[str, Any]]:
    return await SlaClock.filter(ticket_id=key_of(Ticket, ticket)).order_by("id").values()


async def test_a_merged_ticket_is_continued_by_the_other_one_and_restored_by_undoing(
    execute: "Execute", dataset: "Dataset", services: Services, clock: MovableClock
) -> None:
    paul, alice, ticket = dataset.paul, dataset.alice, dataset.paul.id(Ticket)
    target = await open_ticket(execute, paul.member, "Export")
    await reply(execute, alice, target, "Nous cherchons.")
    await mutate(execute, alice, "ticketMove", "ticket { id }", ticketId=target, status="SOLVED")
    draft = {"ticketId": ticket, "body": "Brouillon", "isNote": False, "version": 0}
    await mutate(execute, alice, "draftSave", "draft { body }", **draft)
    before, clocks_before = await read(execute, alice, ticket), await clocks(ticket)
    clock.advance(timedelta(minutes=5))
    for _ in range(2):  # a repeat changes nothing
        payload = await merge(execute, alice, ticket, target)
        assert payload["ticket"] == {"status": "CLOSED", "mergedInto": {"id": target}}
    undoable_until = (clock.now() + timedelta(days=1)).isoformat()
    assert await read(execute, alice, ticket) == before | {
        "status": "CLOSED",
        "replyAwaitedSince": None,
        "mergedInto": {"id": target},
        "mergeUndoableUntil": undoable_until,
    }
    assert before["draft"] == {"body": "Brouillon"}
    assert {each["state"] for each in await clocks(ticket)} == {"CANCELED"}
    merged = await read(execute, paul.owner, target)
    assert (merged["status"], merged["mergedTickets"]) == ("OPEN", [{"id": ticket}])
    assert merged["replyAwaitedSince"] == before["replyAwaitedSince"]
    assert merged["mergeUndoableUntil"] is None
    waiting = (await clocks(target))[-1]
    assert (waiting["measure"], waiting["state"]) == ("NEXT_RESPONSE", "RUNNING")
    assert waiting["started_at"].isoformat() == before["replyAwaitedSince"]

    for _ in range(2):  # a repeat returns the first message
        assert await reply(execute, paul.owner, ticket, "Toujours pas.") == target
    assert await reply(execute, alice, ticket, "C’est réparé.") == target
    assert (await read(execute, alice, ticket))["draft"] is None
    bodies = [node["body"] for node in (await read(execute, alice, target))["messages"]["nodes"]]
    assert bodies == ["Export", "Nous cherchons.", "Toujours pas.", "C’est réparé."]
    job = Action(None, clock.now(), services.hub)
    await send_due_replies(job, DeliveredPositions(), timedelta())
    told = {email.recipient: email.text for email in await Email.filter(ticket_id__not_isnull=True)}
    assert paul.owner.user
    assert paul.member.user
    assert set(told) == {paul.owner.user.email, paul.member.user.email}
    assert "Nous cherchons." not in told[paul.owner.user.email]  # from before the merge
    assert "Nous cherchons." in told[paul.member.user.email]

    for _ in range(2):
        payload = await unmerge(execute, alice, ticket)
        assert payload["ticket"] == {"status": before["status"], "mergedInto": None}
    assert await clocks(ticket) == clocks_before
    assert await read(execute, alice, ticket) == before | {"draft": None}
    assert await reply(execute, paul.owner, ticket, "Encore moi.") == ticket

    await merge(execute, alice, ticket, target)
    clock.advance(timedelta(days=1))
    assert codes(await unmerge(execute, alice, ticket)) == [("MERGE_FINAL", "ticketId")]


async def test_a_chat_waits_again_when_its_merge_is_undone(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    paul, alice = dataset.paul, dataset.alice
    target = await open_ticket(execute, paul.owner, "Export")
    async with action.transaction() as tx:
        assert paul.account
        assert paul.owner.user
        row = await Ticket.open(
            tx, paul.account, paul.owner.user, subject="S", channel="CHAT", category="BUG"
        )
    chat = encode("Ticket", row.pk)
    document = "query($id: ID!) { node(id: $id) { ... on Ticket { chat { state } } } }"

    async def state() -> str:
        return str((await execute(alice, document, id=chat))["data"]["node"]["chat"]["state"])

    assert await state() == "WAITING"
    await merge(execute, alice, chat, target)
    assert await state() == "ENDED"
    await unmerge(execute, alice, chat)
    assert await state() == "WAITING"


async def test_the_merge_of_a_company_that_was_deleted_stays(
    execute: "Execute", dataset: "Dataset"
) -> None:
    alice, ticket = dataset.alice, dataset.paul.id(Ticket)
    target = await open_ticket(execute, dataset.paul.owner, "Export")
    await merge(execute, alice, ticket, target)
    await Account.all().update(status=AccountStatus.ERASED)
    assert codes(await unmerge(execute, alice, ticket)) == [("TRANSITION_ILLEGAL", "ticketId")]
    assert (await read(execute, alice, ticket))["status"] == "CLOSED"


async def test_what_is_merged_again_is_continued_by_the_last_ticket(
    execute: "Execute", dataset: "Dataset"
) -> None:
    paul, alice = dataset.paul, dataset.alice
    first = paul.id(Ticket)
    second, third = [await open_ticket(execute, paul.owner, name) for name in ("2", "3")]
    await merge(execute, alice, third, first)
    await merge(execute, alice, first, second)
    assert await reply(execute, paul.owner, third, "a") == second
    payload = await mutate(
        execute,
        paul.owner,
        "ticketEscalate",
        "escalation { ticket { id } }",
        ticketId=third,
        details="D",
        stepsTried="S",
        idempotencyKey="k",
    )
    assert payload["escalation"]["ticket"] == {"id": second}
    await mutate(execute, alice, "ticketMove", "ticket { id }", ticketId=second, status="CLOSED")
    follow_up = await reply(execute, paul.owner, third, "b")
    assert follow_up not in (first, second, third)
    assert await reply(execute, paul.owner, first, "c") == follow_up
    await unmerge(execute, alice, third)
    assert await reply(execute, paul.owner, third, "d") == third


async def test_only_open_tickets_of_one_company_are_merged(
    execute: "Execute", dataset: "Dataset"
) -> None:
    paul, alice, ticket = dataset.paul, dataset.alice, dataset.paul.id(Ticket)
    closed, escalated, other = [
        await open_ticket(execute, paul.owner, name) for name in ("closed", "escalated", "other")
    ]
    legal_request = await open_ticket(execute, paul.owner, "legal", "SECURITY")
    await mutate(execute, alice, "ticketMove", "ticket { id }", ticketId=closed, status="CLOSED")
    fields = {"details": "D", "stepsTried": "S", "idempotencyKey": "k"}
    await mutate(
        execute, alice, "ticketEscalate", "escalation { id }", ticketId=escalated, **fields
    )
    refusals = {
        (ticket, ticket): ("MERGE_REFUSED", "intoTicketId"),
        (ticket, dataset.marie.id(Ticket)): ("MERGE_REFUSED", "intoTicketId"),
        (ticket, closed): ("TRANSITION_ILLEGAL", "intoTicketId"),
        (closed, ticket): ("TRANSITION_ILLEGAL", "ticketId"),
        (legal_request, ticket): ("MERGE_REFUSED", "ticketId"),
        (ticket, legal_request): ("MERGE_REFUSED", "intoTicketId"),
        (escalated, ticket): ("MERGE_REFUSED", "ticketId"),
    }
    for (source, target), refusal in refusals.items():
        assert codes(await merge(execute, alice, source, target)) == [refusal]
    assert codes(await merge(execute, alice, ticket, escalated)) == []
    assert codes(await merge(execute, alice, ticket, other)) == [("ALREADY_MERGED", "ticketId")]
    document = "mutation($i: TicketMergeInput!) { ticketMerge(input: $i) { ticket { id } } }"
    fields = {"ticketId": other, "intoTicketId": escalated}
    refused = await execute(paul.owner, document, i=fields)
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_merges_and_replies_at_once_lose_nothing(
    execute: "Execute", dataset: "Dataset"
) -> None:
    paul, alice, ticket = dataset.paul, dataset.alice, dataset.paul.id(Ticket)
    target = await open_ticket(execute, paul.owner, "Export")
    payloads = await asyncio.gather(
        merge(execute, alice, ticket, target),
        merge(execute, alice, target, ticket),
        *(
            reply(execute, paul.owner, name, f"{name} {n}")
            for name in (ticket, target)
            for n in "123"
        ),
    )
    refused = [codes(payload) for payload in payloads[:2]]
    assert sorted(map(len, refused)) == [0, 1]
    bodies = [
        node["body"]
        for name in (ticket, target)
        for node in (await read(execute, alice, name))["messages"]["nodes"]
    ]
    assert {f"{name} {n}" for name in (ticket, target) for n in "123"} < set(bodies)
    assert len(bodies) == 8


async def test_what_a_customer_wrote_about_something_else_gets_its_own_ticket(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    paul, alice, ticket = dataset.paul, dataset.alice, dataset.paul.id(Ticket)
    document = """query($id: ID!) { node(id: $id) { ... on Ticket {
        messages { nodes { id body fromStaff author { name } } } } } }"""

    async def messages(name: str) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = (await execute(alice, document, id=name))["data"]["node"][
            "messages"
        ]["nodes"]
        return nodes

    await reply(execute, alice, ticket, "Bonjour")
    for body in ("Autre chose", "Une facture est fausse."):
        await reply(execute, paul.member, ticket, body)
    before = await messages(ticket)
    _, from_staff, *chosen = [message["id"] for message in before]
    fields = {"ticketId": ticket, "subject": "Facture", "category": "BILLING"}

    async def split(ids: list[str], key: str = "k", **changes: str) -> dict[str, Any]:
        selection = """ticket { id subject category channel status replyAwaitedSince
            splitFrom { id } requester { name } }"""
        values = fields | {"messageIds": ids, "idempotencyKey": key} | changes
        return await mutate(execute, alice, "ticketSplit", selection, **values)

    payload = await split(chosen)
    assert await split(chosen) == payload  # a repeat returns the same ticket
    new_ticket = payload["ticket"]
    assert paul.member.user
    assert new_ticket == {
        "id": new_ticket["id"],
        "subject": "Facture",
        "category": "BILLING",
        "channel": "CHAT",
        "status": "NEW",
        "replyAwaitedSince": action.at.isoformat(),
        "splitFrom": {"id": ticket},
        "requester": {"name": paul.member.user.name},
    }
    copies = await messages(new_ticket["id"])
    assert [each | {"id": ""} for each in copies] == [each | {"id": ""} for each in before[2:]]
    assert await messages(ticket) == before
    other = [message["id"] for message in await messages(dataset.marie.id(Ticket))]
    for ids in ([from_staff], other, [*chosen, from_staff]):
        assert codes(await split(ids, "other")) == [("NOT_FOUND", "messageIds")]
    assert codes(await split(chosen, subject="Autre")) == [
        ("IDEMPOTENCY_MISMATCH", "idempotencyKey")
    ]
    assert codes(await split([*chosen] * 11, "many")) == [("VALUE_INVALID", "messageIds")]
    # Who wrote it has left: the replies go to the requester of the original ticket.
    await Membership.filter(user_id=paul.member.user.pk).delete()
    assert paul.owner.user
    left = (await split(chosen, "left"))["ticket"]
    assert left["requester"] == {"name": paul.owner.user.name}
    # A message without text has files, of which the copy gets copies.
    first = Message.filter(pk=key_of(Message, chosen[0]))
    await first.update(body="")
    deleted: dict[str, Any] = {"abandoned_at": action.at}
    for name, others in (("constat.pdf", {}), ("deleted.pdf", deleted)):
        await File.create(
            key=name,
            uploader=paul.member.user,
            account_id=paul.account.pk,
            message_id=(await first.get()).pk,
            name=name,
            content_type="application/pdf",
            size=3,
            sha256="0" * 64,
            created_at=action.at,
            uploaded_at=action.at,
            cleared_at=action.at,
            **others,
        )
    with_files = (await split(chosen[:1], "files"))["ticket"]["id"]
    files = """query($id: ID!) { node(id: $id) { ... on Ticket { messages { nodes {
        body files { id name size status downloadUrl } } } } } }"""
    for viewer in (alice, paul.owner):
        [copied] = (await execute(viewer, files, id=with_files))["data"]["node"]["messages"][
            "nodes"
        ]
        [file] = copied["files"]
        assert (copied["body"], file["name"], file["size"]) == ("", "constat.pdf", 3)
        assert file["status"] == "AVAILABLE"
        assert file["downloadUrl"]
    found = "query($id: ID!) { node(id: $id) { id } }"
    assert (await execute(dataset.marie.owner, found, id=file["id"]))["data"]["node"] is None
    await first.update(deleted_at=action.at)
    assert codes(await split(chosen[:1], "deleted")) == [("NOT_FOUND", "messageIds")]
