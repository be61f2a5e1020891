"""Posting a message in one statement has the same effects as posting it in steps, whatever the
state of the ticket.
"""

import asyncio
import logging
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from models.action import Action
from models.clock import SystemClock
from models.errors import Refusal
from models.event import INBOX, Event, EventKind, last_sequence_of, ticket_stream
from models.identity.user import Staff
from models.support.classification import Category, Channel
from models.support.file import File
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from storage.store import random_key
from support import messages
from tests.people import (
    OTHER_SIREN,
    add_member,
    create_account,
    create_staff_viewer,
    create_user,
    create_viewer,
)
from tests.quick_auth import quick_auth

if TYPE_CHECKING:
    from tests.conftest import RecordingBus

AUTH = quick_auth(SystemClock())


async def reply(action: Action, viewer: Viewer, *arguments: Any) -> Message:
    return await messages.reply(action, AUTH, viewer, *arguments)


@pytest.fixture
async def paul(db: str, action: Action) -> Viewer:
    """A customer."""
    user, account = await create_user(action, "Paul"), await create_account(action, "Paul SARL")
    await add_member(action, account, user)
    return await create_viewer(action, user, account)


@pytest.fixture
async def alice(db: str, action: Action) -> Viewer:
    """An agent."""
    return await create_staff_viewer(action, "Alice", Staff.AGENT)


async def open_ticket(action: Action, viewer: Viewer, **columns: Any) -> Ticket:
    assert viewer.account
    assert viewer.user
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx,
            viewer.account,
            viewer.user,
            subject="Aide",
            channel=Channel.CHAT,
            category=Category.USAGE,
        )
    await Ticket.filter(pk=ticket.pk).update(**columns)
    return await Ticket.get(pk=ticket.pk)


async def snapshot(ticket: Ticket) -> dict[str, Any]:
    """The ticket, its follow-ups, messages and events, without the keys that differ between
    tickets.
    """
    tickets = await Ticket.filter(pk=ticket.pk) + await Ticket.filter(follows_id=ticket.pk)
    keys = [each.pk for each in tickets]
    ticket_columns = (
        "status",
        "updated_at",
        "reply_awaited_since",
        "answered_at",
        "first_response_at",
        "first_response_seconds",
        "solved_at",
        "assignee_id",
    )
    message_columns = ("sequence", "body", "at", "from_staff", "client_message_id", "author_id")
    event_columns = ("sequence", "kind", "at", "status", "actor_id")
    return {
        "tickets": await Ticket.filter(pk__in=keys).order_by("id").values_list(*ticket_columns),
        "messages": await Message.filter(ticket_id__in=keys)
        .order_by("id")
        .values_list(*message_columns),
        "events": [
            await Event.filter(ticket_id__in=keys, stream__startswith="ticket")
            .order_by("id")
            .values_list(*event_columns),
            await Event.filter(ticket_id__in=keys, stream=INBOX)
            .order_by("id")
            .values_list("kind", "status"),
            await Event.filter(ticket_id__in=keys, stream__startswith="account")
            .order_by("id")
            .values_list("kind", "status"),
        ],
    }


CASES = list(
    product(
        TicketStatus,
        ["waiting", "not waiting"],
        ["answered", "not answered"],
        ["assigned", "unassigned"],
        ["paul", "alice"],
    )
)


async def test_posting_in_one_statement_has_the_same_effects_as_posting_in_steps(
    action: Action, paul: Viewer, alice: Viewer, bus: "RecordingBus"
) -> None:
    unused_auth = quick_auth(SystemClock())  # more messages than the other one lets through
    for status, waiting, answered, assigned, name in CASES:
        viewer = paul if name == "paul" else alice
        assert viewer.user
        author = Action(viewer.user, action.at, bus)
        columns = {
            "status": status,
            "reply_awaited_since": action.at if waiting == "waiting" else None,
            "first_response_at": action.at if answered == "answered" else None,
            "assignee_id": alice.user_id if assigned == "assigned" else None,
        }
        ticket, reference_ticket = [await open_ticket(action, paul, **columns) for _ in range(2)]
        bus.announced.clear()
        message = await messages.reply(
            author, unused_auth, viewer, ticket.pk, "bonjour 4111 1111 1111 1111", "a"
        )
        announced_kinds = [key.partition(":")[0] for key in bus.announced]
        bus.announced.clear()
        await reference_ticket.reply(author, viewer.user, "bonjour 4111 1111 1111 1111", "a")
        assert await snapshot(ticket) == await snapshot(reference_ticket), (
            status,
            waiting,
            answered,
            assigned,
            name,
        )
        assert announced_kinds == [key.partition(":")[0] for key in bus.announced]
        assert message is not None
        stored_message = await Message.get(pk=message.pk)
        assert {name: getattr(message, name) for name in Message._meta.db_fields} == {
            name: getattr(stored_message, name) for name in Message._meta.db_fields
        }


async def test_concurrent_messages_get_a_sequence_without_gaps(
    action: Action, paul: Viewer, alice: Viewer
) -> None:
    chat = await open_ticket(action, paul)
    await asyncio.gather(
        *(
            reply(action, [paul, alice][n % 2], chat.pk, f"bonjour {n}", f"id-{n}")
            for n in range(40)
        )
    )
    events = await Event.since(ticket_stream(chat.pk), 0, 1000)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert await last_sequence_of(ticket_stream(chat.pk)) == len(events)
    message_ids = [event.message_id for event in events if event.kind is EventKind.MESSAGE_POSTED]
    assert message_ids == [
        message.pk for message in await Message.filter(ticket_id=chat.pk).order_by("sequence")
    ]
    assert len(message_ids) == 40


async def test_a_repeated_message_is_stored_once(action: Action, paul: Viewer) -> None:
    chat = await open_ticket(action, paul, reply_awaited_since=action.at)
    sent = await asyncio.gather(
        *(reply(action, paul, chat.pk, "bonjour", "same") for _ in range(5))
    )
    repeated_message = await reply(action, paul, chat.pk, " bonjour ", "same")
    assert len({message.pk for message in [*sent, repeated_message]}) == 1
    with pytest.raises(Refusal, match="IDEMPOTENCY_MISMATCH") as error:
        await reply(action, paul, chat.pk, "bonsoir", "same")
    assert error.value.field == ("input", "clientMessageId")
    assert await Message.all().count() == 1
    assert await last_sequence_of(ticket_stream(chat.pk)) == 2  # opened, posted


async def test_a_message_requires_access_to_the_ticket(
    action: Action, paul: Viewer, alice: Viewer
) -> None:
    chat = await open_ticket(
        action, paul, reply_awaited_since=action.at, first_response_at=action.at
    )
    other = await create_account(action, "Autre", OTHER_SIREN)
    viewers_without_access = [
        Viewer(paul.user, other),
        Viewer(paul.user),
        Viewer(alice.user),
        Viewer(alice.user, other),
    ]
    for viewer in viewers_without_access:
        with pytest.raises(Refusal, match="NOT_FOUND"):
            await reply(action, viewer, chat.pk, "bonjour", "a")
    with pytest.raises(Refusal, match="NOT_FOUND"):
        await reply(action, paul, chat.pk + 1, "bonjour", "a")
    assert await Message.all().count() == 0
    assert await last_sequence_of(ticket_stream(chat.pk)) == 1


async def test_invalid_messages_are_refused(action: Action, paul: Viewer) -> None:
    chat = await open_ticket(action, paul, reply_awaited_since=action.at)
    for body, code in [(" \x00 ", "BLANK"), ("x" * 8_001, "TOO_LONG")]:
        with pytest.raises(Refusal, match=code):
            await reply(action, paul, chat.pk, body, "a")


async def upload_photo(action: Action, viewer: Viewer) -> File:
    return await File.create(
        key=random_key(),
        uploader=viewer.user,
        account=viewer.account,
        name="photo.png",
        content_type="image/png",
        size=1,
        created_at=action.at,
        uploaded_at=action.at,
        cleared_at=action.at,
    )


async def test_a_reply_with_a_file_to_a_closed_ticket_lands_in_its_follow_up(
    action: Action, paul: Viewer
) -> None:
    """The first opens the follow-up, in the order of models/lock_order.py."""
    chat = await open_ticket(action, paul, status=TicketStatus.CLOSED)
    replies = []
    for key in ("a", "b"):
        photo = await upload_photo(action, paul)
        replies.append(await reply(action, paul, chat.pk, "Voici.", key, [photo.pk]))
        assert await File.filter(message_id=replies[-1].pk).count() == 1
    follow_up = await Ticket.get(follows_id=chat.pk)
    assert [message.ticket_id for message in replies] == [follow_up.pk] * 2


async def test_a_message_with_a_file_needs_no_text(action: Action, paul: Viewer) -> None:
    """Such as when somebody sends a photo. A text that is too long is still refused."""
    chat = await open_ticket(action, paul)
    photo = await upload_photo(action, paul)
    with pytest.raises(Refusal, match="TOO_LONG"):
        await reply(action, paul, chat.pk, "x" * 8_001, "a", [photo.pk])
    message = await reply(action, paul, chat.pk, " \u200b\x00\n", "b", [photo.pk])
    assert message.body == ""
    assert await File.filter(message_id=message.pk).count() == 1
    assert (await reply(action, paul, chat.pk, "", "b", [photo.pk])).pk == message.pk


async def test_a_message_wakes_a_snoozed_ticket_also_in_one_statement(
    action: Action, paul: Viewer
) -> None:
    chat = await open_ticket(
        action,
        paul,
        status=TicketStatus.OPEN,
        reply_awaited_since=action.at,
        snoozed_until=action.at + timedelta(days=1),
    )
    await reply(action, paul, chat.pk, "Alors ?", "a")
    assert (await Ticket.get(pk=chat.pk)).snoozed_until is None


# SQLite has no statement that writes to several tables.
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_reply_takes_one_statement(
    action: Action, paul: Viewer, alice: Viewer, caplog: pytest.LogCaptureFixture
) -> None:
    chat = await open_ticket(
        action,
        paul,
        reply_awaited_since=action.at,
        first_response_at=action.at,
        status=TicketStatus.OPEN,
        assignee=alice.user,
    )
    with caplog.at_level(logging.DEBUG, "tortoise.db_client"):
        await reply(action, paul, chat.pk, "bonjour", "a")
        await reply(action, alice, chat.pk, "bonjour", "a")
    assert sum(record.name == "tortoise.db_client" for record in caplog.records) == 2
