"""P5.5: people edit and delete their own messages for a while, and react to messages."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from engine import Engine
from models.action import Action
from models.audit import AuditEntry
from models.event import Event, EventKind, ticket_stream
from models.identity.user import Staff
from models.support.file import File
from models.support.message import AUTOMATION_KEY, Message
from models.support.sla_clock import ClockState, SlaClock
from models.support.sla_policy import SlaMeasure
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from resolvers.ids import encode, key_of
from storage.abandoned_files import delete_abandoned_files
from storage.store import FolderStore, random_key
from support import search
from support.search import index_new
from tests.people import create_staff_viewer
from tests.schema.subscription_fixtures import subscribe
from tests.schema.support.test_unread import TicketScenario
from tests.schema.support.test_unread import scenario as scenario

if TYPE_CHECKING:
    from pathlib import Path

REPLY = """mutation($i: TicketReplyInput!) { ticketReply(input: $i) {
    message { id sequence } userErrors { code field } } }"""
MESSAGE = """id body editedAt deletedAt author { id } files { name } versions { body }
    reactions { kind emoji count viewerHasReacted users { id } }"""
EDIT = f"""mutation($i: MessageEditInput!) {{ messageEdit(input: $i) {{
    message {{ {MESSAGE} }} mayHaveBeenEmailed userErrors {{ code message field }} }} }}"""
DELETE = f"""mutation($i: MessageDeleteInput!) {{ messageDelete(input: $i) {{
    message {{ {MESSAGE} }} mayHaveBeenEmailed userErrors {{ code message field }} }} }}"""
EVENTS = f"""subscription($id: ID!, $after: BigInt) {{ ticketEvents(ticketId: $id, after: $after) {{
    kind sequence message {{ {MESSAGE} }} }} }}"""
UNREAD = """query($id: ID!) { node(id: $id) { ... on Ticket {
    unreadCount lastSequence replyAwaitedSince lastMessage { body deletedAt } } } }"""
FIND = "query($f: TicketFilter) { tickets(filter: $f) { nodes { id } } }"


async def one_chunk() -> AsyncIterator[bytes]:
    yield b"x"


class Chat:
    """Paul's ticket, whose messages are changed."""

    def __init__(self, scenario: TicketScenario, engine: Engine, sonia: Viewer) -> None:
        self.scenario, self.engine, self.sonia = scenario, engine, sonia
        self.owner, self.alice = scenario.owner, scenario.dataset.alice

    async def post(self, viewer: Viewer, body: str, *file_ids: str) -> dict[str, Any]:
        """Post a message, under its own text as its key."""
        variables = {
            "ticketId": self.scenario.ticket_id,
            "body": body,
            "clientMessageId": body,
            "fileIds": file_ids,
        }
        response = await self.scenario.execute(viewer, REPLY, i=variables)
        payload: dict[str, Any] = response["data"]["ticketReply"]
        assert payload["userErrors"] == []
        message: dict[str, Any] = payload["message"]
        return message

    async def edit(self, viewer: Viewer, message_id: str, body: str) -> dict[str, Any]:
        variables = {"messageId": message_id, "body": body}
        response = await self.scenario.execute(viewer, EDIT, i=variables)
        payload: dict[str, Any] = response["data"]["messageEdit"]
        return payload

    async def delete(self, viewer: Viewer, message_id: str) -> dict[str, Any]:
        response = await self.scenario.execute(viewer, DELETE, i={"messageId": message_id})
        payload: dict[str, Any] = response["data"]["messageDelete"]
        return payload

    async def react(self, viewer: Viewer, name: str, message_id: str, kind: str) -> Any:
        mutation = f"""mutation($i: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $i) {{
            message {{ {MESSAGE} }} userErrors {{ code field }} }} }}"""
        variables = {"messageId": message_id, "kind": kind}
        return (await self.scenario.execute(viewer, mutation, i=variables))["data"][name]

    async def ticket(self, viewer: Viewer) -> dict[str, Any]:
        response = await self.scenario.execute(viewer, UNREAD, id=self.scenario.ticket_id)
        ticket: dict[str, Any] = response["data"]["node"]
        return ticket

    async def read(self, viewer: Viewer, message_id: str) -> dict[str, Any]:
        query = f"query($id: ID!) {{ node(id: $id) {{ ... on Message {{ {MESSAGE} }} }} }}"
        response = await self.scenario.execute(viewer, query, id=message_id)
        message: dict[str, Any] = response["data"]["node"]
        return message

    async def events(self, viewer: Viewer, after: int, count: int) -> list[dict[str, Any]]:
        """The next events after a cursor, as for a client that connects again."""
        services, ticket_id = self.scenario.services, self.scenario.ticket_id
        events = subscribe(self.engine, viewer, services, EVENTS, id=ticket_id, after=after)
        async with aclosing(events):
            return [(await anext(events))["data"]["ticketEvents"] for _ in range(count)]

    async def account_event(self) -> dict[str, Any]:
        """The latest event of the company."""
        query = "{ viewer { accountSequence } }"
        viewer = (await self.scenario.execute(self.owner, query))["data"]["viewer"]
        after = viewer["accountSequence"] - 1
        query = """subscription($after: BigInt) { accountEvents(after: $after) {
            kind message { body } } }"""
        services = self.scenario.services
        async with aclosing(
            subscribe(self.engine, self.owner, services, query, after=after)
        ) as events:
            event: dict[str, Any] = (await anext(events))["data"]["accountEvents"]
        return event

    async def is_found(self, words: str) -> bool:
        await index_new()
        response = await self.scenario.execute(self.alice, FIND, f={"search": words})
        return bool(response["data"]["tickets"]["nodes"])


@pytest.fixture
async def chat(scenario: TicketScenario, engine: Engine, action: Action) -> Chat:
    sonia = await create_staff_viewer(action, "Sonia", Staff.SUPERVISOR)
    return Chat(scenario, engine, sonia)


async def test_p5_5_an_edit_reaches_everybody_and_keeps_the_former_text_for_supervisors(
    chat: Chat,
) -> None:
    owner, alice = chat.owner, chat.alice
    message = await chat.post(owner, "Mon mot de passe est girafe")
    assert await chat.is_found("girafe")
    payload = await chat.edit(owner, message["id"], " Je me connecte par 4111 1111 1111 1111 ")
    assert payload["userErrors"] == []
    assert payload["mayHaveBeenEmailed"] is False
    assert payload["message"]["body"] == "Je me connecte par •••• 1111"
    last_sequence = (await chat.ticket(alice))["lastSequence"]
    for viewer, versions in (
        (owner, []),
        (alice, []),
        (chat.sonia, [{"body": "Mon mot de passe est girafe"}]),
    ):
        [event] = await chat.events(viewer, last_sequence - 1, 1)
        assert event["kind"] == "MESSAGE_EDITED"
        assert event["message"] == {**payload["message"], "versions": versions}
    # A replay from the beginning shows nothing of the former text either.
    [posted] = await chat.events(alice, int(message["sequence"]) - 1, 1)
    assert posted["message"]["body"] == payload["message"]["body"]
    assert not await chat.is_found("girafe")
    assert await chat.is_found("connecte")
    # A repeat, also of the first request, changes nothing.
    await chat.edit(owner, message["id"], payload["message"]["body"])
    assert await chat.post(owner, "Mon mot de passe est girafe") == message
    assert (await chat.ticket(alice))["lastSequence"] == last_sequence
    [entry] = await AuditEntry.filter(action="message.edit")
    assert entry.object_id == key_of(Message, message["id"])
    assert "girafe" not in entry.details


async def test_p5_5_a_deleted_message_leaves_its_place_only(chat: Chat, tmp_path: "Path") -> None:
    owner, alice, scenario = chat.owner, chat.alice, chat.scenario
    now = scenario.clock.now()
    file = await File.create(
        key=random_key(),
        uploader_id=alice.user_id,
        name="secret.pdf",
        content_type="application/pdf",
        size=1,
        created_at=now,
        uploaded_at=now,
        cleared_at=now,
    )
    store = FolderStore(tmp_path)
    await store.put(file.key, one_chunk())
    message = await chat.post(alice, "Hippopotame confidentiel", encode("File", file.pk))
    await chat.react(owner, "reactionAdd", message["id"], "HEART")
    # The job that indexes messages has read the text, and stores it only after the deletion.
    rows = await search._missing(search._SOURCES[1])
    assert len(await scenario.send_emails()) == 1
    answered = await chat.ticket(owner)
    assert (answered["unreadCount"], answered["replyAwaitedSince"]) == (1, None)
    payload = await chat.delete(alice, message["id"])
    assert payload["userErrors"] == []
    assert payload["mayHaveBeenEmailed"] is True
    await search._insert(search._SOURCES[1], rows)
    deleted = payload["message"]
    assert deleted["deletedAt"]
    assert (deleted["body"], deleted["files"], deleted["reactions"]) == ("", [], [])
    assert deleted["author"] == {"id": encode("User", alice.user_id or 0)}
    last_sequence = (await chat.ticket(owner))["lastSequence"]
    [event] = await chat.events(owner, last_sequence - 1, 1)
    assert event["kind"] == "MESSAGE_DELETED"
    assert event["message"] == deleted
    assert await chat.account_event() == {"kind": "MESSAGE_DELETED", "message": {"body": ""}}
    assert (await chat.read(chat.sonia, message["id"]))["versions"] == [
        {"body": "Hippopotame confidentiel"}
    ]
    assert not await chat.is_found("hippopotame")
    ticket = await chat.ticket(owner)
    assert ticket["unreadCount"] == 0
    # Without a reply the customer waits again, since they wrote.
    assert ticket["replyAwaitedSince"] == now.isoformat()
    clock = await SlaClock.get(measure=SlaMeasure.NEXT_RESPONSE, state=ClockState.RUNNING)
    assert clock.ticket_id == key_of(Ticket, scenario.ticket_id)
    assert ticket["lastMessage"] == {"body": "", "deletedAt": deleted["deletedAt"]}
    action = Action(None, scenario.clock.now(), scenario.services.hub)
    await delete_abandoned_files(action, store)
    with pytest.raises(FileNotFoundError):
        await store.open(file.key)
    assert not await File.filter(pk=file.pk).exists()
    # A repeat, also of the first request, changes nothing.
    assert (await chat.delete(alice, message["id"]))["message"] == deleted
    reaction = await chat.react(owner, "reactionAdd", message["id"], "HEART")
    assert reaction["userErrors"] == [{"code": "NOT_FOUND", "field": ["input", "messageId"]}]
    assert (await chat.ticket(owner))["lastSequence"] == last_sequence
    # What nobody has read is not sent by email after it was deleted.
    unsent = await chat.post(alice, "Oubliez cela")
    await chat.delete(alice, unsent["id"])
    assert len(await scenario.send_emails()) == 1


async def test_others_messages_and_those_that_are_final_stay_as_they_are(chat: Chat) -> None:
    owner, alice, scenario = chat.owner, chat.alice, chat.scenario
    message = await chat.post(owner, "Bonjour")
    key = key_of(Message, message["id"])

    async def codes(viewer: Viewer) -> set[str]:
        payloads = [
            await chat.edit(viewer, message["id"], "Autre"),
            await chat.delete(viewer, message["id"]),
        ]
        assert {tuple(each["userErrors"][0]["field"]) for each in payloads} == {
            ("input", "messageId")
        }
        return {each["userErrors"][0]["code"] for each in payloads}

    for viewer in (scenario.dataset.paul.member, alice, chat.sonia):
        assert await codes(viewer) == {"NOT_AUTHOR"}
    assert await codes(scenario.dataset.marie.owner) == {"NOT_FOUND"}
    await Message.filter(pk=key).update(is_final=True)
    assert await codes(owner) == {"MESSAGE_FINAL"}
    await Message.filter(pk=key).update(is_final=False)
    ticket = Ticket.filter(pk=scenario.dataset.paul.row(Ticket).pk)
    await ticket.update(status=TicketStatus.CLOSED)
    assert await codes(owner) == {"MESSAGE_FINAL"}
    await ticket.update(status=TicketStatus.OPEN)
    scenario.clock.advance(timedelta(minutes=15))
    edited = await chat.edit(owner, message["id"], "Bonsoir")
    assert edited["message"]["body"] == "Bonsoir"
    scenario.clock.advance(timedelta(seconds=1))
    assert await codes(owner) == {"CHANGE_PERIOD_OVER"}
    # A repeat of what was done in time is no change.
    assert (await chat.edit(owner, message["id"], "Bonsoir"))["message"] == edited["message"]
    [error] = (await chat.edit(owner, message["id"], " "))["userErrors"]
    assert error["code"] == "BLANK"
    [error] = (await chat.delete(owner, message["id"]))["userErrors"]
    assert "15 minutes" in error["message"]


async def test_p5_5_everybody_reacts_once_with_each_emoji(chat: Chat) -> None:
    owner, alice, colleague = chat.owner, chat.alice, chat.scenario.dataset.paul.member
    message = await chat.post(alice, "C’est réparé !")
    before = (await chat.ticket(alice))["lastSequence"]
    for viewer, kind in (
        (owner, "THUMBS_UP"),
        (colleague, "THUMBS_UP"),
        (colleague, "THUMBS_UP"),
        (alice, "HOORAY"),
    ):
        payload = await chat.react(viewer, "reactionAdd", message["id"], kind)
        assert payload["userErrors"] == []
    people = [{"id": encode("User", viewer.user_id or 0)} for viewer in (owner, colleague, alice)]

    def reaction(kind: str, emoji: str, mine: bool, users: list[dict[str, str]]) -> dict[str, Any]:
        return {
            "kind": kind,
            "emoji": emoji,
            "count": len(users),
            "viewerHasReacted": mine,
            "users": users,
        }

    # Each of three changes is an event, whose message is in its current state.
    for viewer, has_thumb in ((owner, True), (alice, False)):
        events = await chat.events(viewer, before, 3)
        assert {event["kind"] for event in events} == {"REACTIONS_CHANGED"}
        assert events[-1]["message"]["reactions"] == [
            reaction("THUMBS_UP", "👍", has_thumb, people[:2]),
            reaction("HOORAY", "🎉", not has_thumb, people[2:]),
        ]
    for _ in range(2):
        payload = await chat.react(owner, "reactionRemove", message["id"], "THUMBS_UP")
    assert payload["message"]["reactions"] == [
        reaction("THUMBS_UP", "👍", False, people[1:2]),
        reaction("HOORAY", "🎉", False, people[2:]),
    ]
    assert (await chat.ticket(alice))["lastSequence"] == before + 4
    marie = chat.scenario.dataset.marie.owner
    payload = await chat.react(marie, "reactionAdd", message["id"], "SAD")
    assert payload["userErrors"] == [{"code": "NOT_FOUND", "field": ["input", "messageId"]}]


async def test_a_copy_in_a_ticket_that_was_split_off_changes_with_the_message(chat: Chat) -> None:
    owner, alice = chat.owner, chat.alice
    message = await chat.post(owner, "Et mon mot de passe est girafe")
    query = """mutation($i: TicketSplitInput!) { ticketSplit(input: $i) {
        ticket { id lastMessage { id body } } userErrors { code field } } }"""
    variables = {
        "ticketId": chat.scenario.ticket_id,
        "messageIds": [message["id"]],
        "subject": "Autre chose",
        "category": "BUG",
        "idempotencyKey": "k",
    }
    copies = []
    for _ in range(3):  # a copy of the copy, and one of that
        response = await chat.scenario.execute(alice, query, i=variables)
        ticket = response["data"]["ticketSplit"]["ticket"]
        assert ticket["lastMessage"]["body"] == "Et mon mot de passe est girafe"
        copies.append(ticket["lastMessage"]["id"])
        variables |= {
            "ticketId": ticket["id"],
            "messageIds": copies[-1:],
            "idempotencyKey": ticket["id"],
        }
    await chat.edit(owner, message["id"], "Et mon mot de passe est une girafe")
    for copy in copies:
        assert (await chat.read(alice, copy))["body"] == "Et mon mot de passe est une girafe"
    await chat.delete(owner, message["id"])
    for message_id in (message["id"], *copies):
        deleted = await chat.read(alice, message_id)
        assert (deleted["body"], bool(deleted["deletedAt"])) == ("", True)
    assert not await chat.is_found("girafe")


async def test_who_deletes_the_only_reply_leaves_the_customer_waiting_whatever_else_was_posted(
    chat: Chat,
) -> None:
    """An attempt to call, and what an automation posts, are from staff, but aren't replies."""
    owner, alice, ticket_id = chat.owner, chat.alice, chat.scenario.ticket_id
    await chat.post(owner, "Toujours rien ?")
    waiting = (await chat.ticket(alice))["replyAwaitedSince"]
    assert waiting
    call = {
        "target": {"ticketId": ticket_id},
        "direction": "OUTBOUND",
        "outcome": "MISSED",
        "startedAt": waiting,
        "idempotencyKey": "k",
    }
    log = "mutation($i: CallLogInput!) { callLog(input: $i) { userErrors { code } } }"
    response = await chat.scenario.execute(alice, log, i=call)
    assert response["data"]["callLog"]["userErrors"] == []
    action = Action(None, chat.scenario.clock.now(), chat.scenario.services.hub)
    async with action.transaction() as tx:  # as an automation does
        ticket = await tx.lock(Ticket, chat.scenario.dataset.paul.row(Ticket).pk)
        assert alice.user
        await ticket.post_automatic(tx, alice.user, "Bien reçu.", f"{AUTOMATION_KEY}1:1")
    reply = await chat.post(alice, "Rappelez-moi.")
    assert (await chat.ticket(alice))["replyAwaitedSince"] is None
    await chat.delete(alice, reply["id"])
    assert (await chat.ticket(alice))["replyAwaitedSince"] == waiting


async def test_a_message_of_a_merged_ticket_is_corrected_where_it_stands(chat: Chat) -> None:
    owner, alice, scenario = chat.owner, chat.alice, chat.scenario
    await chat.post(owner, "Toujours rien ?")
    waiting = (await chat.ticket(alice))["replyAwaitedSince"]
    scenario.clock.advance(timedelta(minutes=1))
    question, reply = await chat.post(owner, "Un mot"), await chat.post(alice, "Oui")
    fields = {"subject": "B", "body": "B", "category": "BUG", "idempotencyKey": "b"}
    opening = """mutation($i: TicketOpenInput!) { ticketOpen(input: $i) { ticket { id } } }"""
    target = (await scenario.execute(owner, opening, i=fields))["data"]["ticketOpen"]["ticket"]
    await scenario.execute(
        alice,
        REPLY,
        i={"ticketId": target["id"], "body": "Bonjour", "clientMessageId": "b"},
    )
    merge = """mutation($i: TicketMergeInput!) { ticketMerge(input: $i) { userErrors { code } } }"""
    fields = {"ticketId": scenario.ticket_id, "intoTicketId": target["id"]}
    assert (await scenario.execute(alice, merge, i=fields))["data"]["ticketMerge"] == {
        "userErrors": []
    }
    edited = await chat.edit(owner, question["id"], "Un autre mot")
    assert edited["message"]["body"] == "Un autre mot"
    events = Event.filter(kind=EventKind.MESSAGE_EDITED).order_by("id")
    assert {event.stream for event in await events if event.stream.startswith("ticket:")} == {
        ticket_stream(key_of(Ticket, key) or 0) for key in (scenario.ticket_id, target["id"])
    }
    # The other ticket was answered, so nobody waits for the reply that is deleted.
    other = Ticket.filter(pk=key_of(Ticket, target["id"]))
    assert (await chat.delete(alice, reply["id"]))["message"]["deletedAt"]
    assert (await other.get()).reply_awaited_since is None
    # The only reply that is left is deleted: the customer waits since their first question.
    message = await Message.get(ticket_id=key_of(Ticket, target["id"]), body="Bonjour")
    await chat.delete(alice, encode("Message", message.pk))
    awaited_since = (await other.get()).reply_awaited_since
    assert awaited_since is not None
    assert awaited_since == datetime.fromisoformat(waiting)
    await other.update(status=TicketStatus.CLOSED)
    for changed in (
        await chat.edit(owner, question["id"], "Encore un"),
        await chat.delete(owner, question["id"]),
    ):
        assert [each["code"] for each in changed["userErrors"]] == ["MESSAGE_FINAL"]
