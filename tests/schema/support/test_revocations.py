"""Who loses access receives nothing more, on every kind of subscription, when another process has
taken the access away. The jobs that notice it run every second.

The subscriptions are those of the schema, so a new one is tested as well.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type
from graphql.type import is_required_argument

from auth.session_checks import announce_ended_sessions
from auth.sessions import token_hash
from models.accounts.account import Account
from models.event import Event, EventKind, agent_stream
from models.identity.session import Session
from models.identity.user import Staff
from realtime import broadcast
from realtime.close_codes import CloseCode
from resolvers.ids import encode
from schema.root import schema
from tests.conftest import MovableClock
from tests.people import create_account, record_step_up
from tests.schema.support.chat_fixtures import ChatDesk, change, open_chat, reply
from tests.story.server_fixtures import Client, SubscriptionMessages, WebsocketClient
from tests.waiting import MAX_WAIT

assert schema._schema.subscription_type
FIELDS = schema._schema.subscription_type.fields


# Where each stream of stored events stands, of the viewer or of the ticket.
HEADS = {
    "accountEvents": "viewer { accountSequence }",
    "agentEvents": "viewer { agentSequence }",
    "inboxEvents": "viewer { inboxSequence }",
    "ticketEvents": "node(id: $id) { ... on Ticket { lastSequence } }",
}


STAFF = {
    "Dan": Staff.AGENT,
    "Dora": Staff.AGENT,
    "Tom": Staff.AGENT,
    "Sonia": Staff.SUPERVISOR,
    "Omar": Staff.OPERATOR,
}
REVOKED = {"Max", "phone", "Zoé", "Dora", "Dan", "Tom"}
UNCHANGED = {"Paul", "Sonia"}
TICKET_FIELDS = {name for name, each in FIELDS.items() if "ticketId" in each.args}


@dataclass
class Watcher:
    """A person's websocket to the second process, with all subscriptions that they may have. Each
    has received one message.
    """

    client: Client
    socket: WebsocketClient
    ticket_id: str
    subscriptions: dict[str, SubscriptionMessages] = field(default_factory=dict)

    async def subscribe(self) -> None:
        """Start each subscription of the schema that is for people like this one."""
        for name in FIELDS:
            messages = await self.socket.subscribe(await self._document(name))
            if name != "ticketTyping":  # which says nothing until somebody types
                message = await _next(messages)
                if message["type"] == "error":
                    assert message["payload"][0]["extensions"]["code"] == "FORBIDDEN"
                    continue
                assert message["payload"]["data"], message
            self.subscriptions[name] = messages

    async def _document(self, name: str) -> str:
        """The document of the subscription, from before the latest event if it has events."""
        head = await self._head(name) if "after" in FIELDS[name].args else 1
        return self._document_from(name, head - 1)

    def _document_from(self, name: str, after: int) -> str:
        """A subscription with all plain values that its type has."""
        values = {}
        for argument, definition in FIELDS[name].args.items():
            if argument == "after":
                values[argument] = str(after)
            elif is_required_argument(definition):
                assert argument == "ticketId"
                values[argument] = f'"{self.ticket_id}"'
        arguments = ", ".join(f"{argument}: {value}" for argument, value in values.items())
        kind = get_named_type(FIELDS[name].type)
        assert isinstance(kind, GraphQLObjectType)
        leaves = " ".join(
            key for key, each in kind.fields.items() if is_leaf_type(get_named_type(each.type))
        )
        return f"subscription {{ {name}{f'({arguments})' if arguments else ''} {{ {leaves} }} }}"

    async def _head(self, name: str) -> int:
        variables = {"id": self.ticket_id} if "$id" in HEADS[name] else {}
        query = f"query{'($id: ID!)' if variables else ''} {{ {HEADS[name]} }}"
        ((value,),) = (
            each.values() for each in (await self.client.data(query, **variables)).values()
        )
        return int(value or 1)

    async def public(self) -> set[str]:
        """The subscriptions that work without signing in."""
        return {
            name
            for name in FIELDS
            if (await _next(await self.socket.subscribe(self._document_from(name, 0))))["type"]
            == "next"
        }

    async def end_code(self, name: str) -> str:
        """The error with which a subscription ended. It received nothing before."""
        message = await _next(self.subscriptions[name])
        errors = (
            message["payload"] if message["type"] == "error" else message["payload"].get("errors")
        )
        assert errors, (name, message)
        return str(errors[0]["extensions"]["code"])


async def _next(messages: SubscriptionMessages) -> dict[str, Any]:
    return await asyncio.wait_for(messages.queue.get(), MAX_WAIT)


@pytest.fixture
async def desk(db: str, clock: MovableClock, tmp_path: Path) -> AsyncIterator[ChatDesk]:
    desk = ChatDesk(clock, tmp_path, db)
    async with desk.serve(desk.first), desk.serve(desk.second):
        yield desk


async def _set_typing(desk: ChatDesk, writer: Client, ticket_id: str, typing: bool) -> None:
    there = Client(desk.second, writer.token)  # type: ignore[arg-type] # has a URL
    fields = {"ticketId": ticket_id, "typing": typing}
    await there.mutate("ticketTyping", "TicketTypingInput", fields, "sent")


async def _take_access_away(people: dict[str, Client], desk: ChatDesk, chat: str) -> None:
    """Take all access away through the first process."""
    sonia, omar = people["Sonia"], people["Omar"]
    for name in ("Paul", "Sonia", "Omar"):
        session = await Session.get(access_hash=token_hash(people[name].token or ""))
        await record_step_up(desk.action(), session)
    max_id, dora_id, dan_id = (desk.id(name) for name in ("Max", "Dora", "Dan"))
    await people["Paul"].mutate("memberRemove", "MemberRemoveInput", {"userId": max_id}, "removed")
    await people["phone"].execute("mutation { sessionSignOut { signedOut } }")
    account = await Account.get(memberships__user_id=desk.users["Zoé"].pk)
    suspension = {
        "reason": "MISUSE",
        "message": "Assez.",
        "accountId": encode("Account", account.pk),
    }
    await sonia.mutate("accountDeactivate", "AccountDeactivateInput", suspension, "account { id }")
    demotion = {"userId": dora_id, "role": "ANALYST"}
    await omar.mutate("staffChangeRole", "StaffChangeRoleInput", demotion, "user { id }")
    await omar.mutate("staffDismiss", "StaffDismissInput", {"userId": dan_id}, "dismissed")
    await change(sonia, "ticketTransfer", chat, userId=desk.id("Sonia"))


async def test_who_loses_access_in_another_process_receives_nothing_more(
    desk: ChatDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P5.5: a removed member, a signed-out device, a suspended account, and agents who were
    demoted, dismissed or left.
    """
    monkeypatch.setattr(broadcast, "ACCESS_SECONDS", 0)
    bakery, other = await create_account(desk.action()), await create_account(desk.action())
    people = {"Paul": await desk.customer("Paul", bakery), "Zoé": await desk.customer("Zoé", other)}
    for name in ("Max", "Ida"):
        people[name] = await desk.customer(name, bakery)
    people["phone"] = await desk.sign_in("Paul")
    for name, role in STAFF.items():
        people[name] = await desk.staff(name, role)
    chats = {
        name: (await open_chat(people[name], f"chat of {name}"))["id"] for name in ("Paul", "Zoé")
    }
    chat = chats["Paul"]
    for author, names in (("Sonia", ("Dan", "Dora", "Tom")), ("Tom", ("Sonia",))):
        await _mention(people[author], desk, chat, names)
    await change(people["Sonia"], "ticketTransfer", chat, userId=desk.id("Tom"))

    async with AsyncExitStack() as stack:
        watchers = {}
        for name in (*REVOKED, *UNCHANGED):
            there = Client(desk.second, people[name].token)  # type: ignore[arg-type] # has a URL
            socket = await stack.enter_async_context(there.socket())
            watchers[name] = Watcher(there, socket, chats.get(name, chat))
            await watchers[name].subscribe()
        assert {name for each in watchers.values() for name in each.subscriptions} == {*FIELDS}
        nobody = await stack.enter_async_context(Client(desk.second).socket())  # type: ignore[arg-type]
        public = await Watcher(Client(desk.second), nobody, chat).public()  # type: ignore[arg-type]
        for writer, name in (("Ida", "Paul"), ("Sonia", "Zoé")):
            await _set_typing(desk, people[writer], chats[name], True)
        for watcher in watchers.values():
            if watcher.client.token != people["Sonia"].token:
                assert (await _next(watcher.subscriptions["ticketTyping"]))["type"] == "next"

        await _take_access_away(people, desk, chat)
        await reply(people["Paul"], chat, "Encore une question")
        await reply(people["Sonia"], chat, "Une réponse")
        await reply(people["Sonia"], chats["Zoé"], "À vous")
        for each in chats.values():
            await change(people["Sonia"], "ticketMove", each, status="SOLVED")
        async with desk.action().transaction() as tx:
            for name in sorted(REVOKED & {*STAFF}, key=lambda name: desk.users[name].pk):
                await tx.append(agent_stream(desk.users[name].pk), EventKind.AVAILABILITY_CHANGED)
        await _mention(people["Tom"], desk, chat, ("Sonia",))
        draft = {"ticketId": chat, "body": "Un instant"}
        await people["Tom"].mutate("draftSave", "DraftSaveInput", draft, "draft { id }")
        for writer, name in (("Ida", "Paul"), ("Sonia", "Zoé")):
            await _set_typing(desk, people[writer], chats[name], False)
        await desk.second.services.hub.sweep()
        await desk.second.services.chats.refresh()

        for name in UNCHANGED:  # something has happened in each of them
            for field_name, messages in watchers[name].subscriptions.items():
                if field_name not in public and (name, field_name) != ("Sonia", "ticketTyping"):
                    assert (await _next(messages))["type"] == "next"
        for name in REVOKED - {"Tom"}:
            for field_name in {*watchers[name].subscriptions} - public:
                assert await watchers[name].end_code(field_name) == "UNAUTHENTICATED", name
        for field_name in TICKET_FIELDS:  # he stays an agent
            assert await watchers["Tom"].end_code(field_name) == "NOT_FOUND"
        for field_name in {*watchers["Tom"].subscriptions} - public - TICKET_FIELDS:
            assert (await _next(watchers["Tom"].subscriptions[field_name]))["type"] == "next"
        await announce_ended_sessions(desk.second.services.hub, desk.clock.now())
        for name in REVOKED - {"Tom"}:
            assert await watchers[name].socket.wait_closed() == CloseCode.UNAUTHORIZED


async def _mention(author: Client, desk: ChatDesk, chat: str, names: tuple[str, ...]) -> None:
    body = f"Pour {names} à {await Event.all().count()}"
    ids = [desk.id(name) for name in names]
    fields = {"ticketId": chat, "body": body, "mentionedUserIds": ids, "idempotencyKey": body}
    await author.mutate("noteAdd", "NoteAddInput", fields, "note { id }")
