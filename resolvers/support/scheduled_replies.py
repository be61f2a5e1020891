"""Scheduled replies: scheduling, changing, sending and canceling them, and their edges."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks, require_keys
from models.identity.user import User
from models.support.file import File
from models.support.scheduled_reply import (
    UNSENT_STATES,
    ScheduledReply,
    ScheduledReplyProblem,
    ScheduledReplyState,
)
from models.support.ticket import Ticket
from models.text import client_key
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.descriptions import describe_enum
from resolvers.ids import key_argument, key_of, load_visible
from resolvers.rows import RowByForeignKey, RowsByParent
from support import scheduled_replies as rules

describe_enum(
    ScheduledReplyState,
    "The state of a scheduled reply.",
    {
        "WAITING": "It will be sent automatically.",
        "HELD": "It is held back, because the customer has written since.",
        "NOT_SENT": "It couldn't be sent at its time. `problem` says why.",
        "SENT": "It was sent, as `message`.",
        "CANCELED": "It was canceled.",
    },
)
describe_enum(
    ScheduledReplyProblem,
    "Why a reply wasn't sent at its time.",
    {
        "TICKET_CLOSED": "The ticket was closed.",
        "TICKET_MERGED": "The ticket was merged into another one.",
        "AUTHOR_LEFT": "Its author no longer answers customers.",
        "FILE_REFUSED": "One of its files can't be attached: the virus scan found malware in it.",
    },
)

_ID = "The ID of a scheduled reply that isn't sent yet."
_FILES = "The IDs of uploaded files to attach (at most 10). Each file can be attached once."


@strawberry.input(description="A reply, and when to send it.")
class ScheduledReplyCreateInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of a ticket that isn't closed.")
    body: str | None = strawberry.field(
        default=None,
        description="The reply (at most 8,000 characters). Card numbers are masked. It may be "
        "empty when there are files. Null to send the viewer's draft.",
    )
    draft_version: int | None = strawberry.field(
        default=None,
        description=(
            "Without a `body`: the `version` of the viewer's draft to send. If another device has "
            "saved another draft in the meantime, nothing is scheduled and the user error is "
            "DRAFT_CHANGED."
        ),
    )
    file_ids: list[strawberry.ID] = strawberry.field(default_factory=list, description=_FILES)
    send_at: datetime | None = strawberry.field(
        default=None,
        description="When to send it: within the next year. `scheduledReplyPreview` tells whether "
        "that is within the opening hours.",
    )
    at_next_opening: bool = strawberry.field(
        default=False,
        description="Whether to send it when the opening hours of the ticket's team begin next, "
        "instead of at a time.",
    )
    hold_when_overtaken: bool = strawberry.field(
        default=True,
        description="Whether to hold the reply back when the customer writes before it is sent.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The changes to a scheduled reply. Omitted fields keep their values.")
class ScheduledReplyUpdateInput:
    scheduled_reply_id: strawberry.ID = strawberry.field(
        description="The ID of a scheduled reply of the viewer that isn't sent yet."
    )
    body: str | None = strawberry.field(
        default=None, description="The new text (at most 8,000 characters)."
    )
    file_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="The IDs of all files to attach (at most 10)."
    )
    send_at: datetime | None = strawberry.field(
        default=None, description="The new time to send it: within the next year."
    )
    at_next_opening: bool = strawberry.field(
        default=False,
        description="Whether to send it when the opening hours of the ticket's team begin next.",
    )
    hold_when_overtaken: bool | None = strawberry.field(
        default=None,
        description="Whether to hold the reply back when the customer writes before it is sent.",
    )


@strawberry.input(description="The scheduled reply to send at once.")
class ScheduledReplySendInput:
    scheduled_reply_id: strawberry.ID = strawberry.field(description=_ID)


@strawberry.input(description="The scheduled reply to cancel.")
class ScheduledReplyCancelInput:
    scheduled_reply_id: strawberry.ID = strawberry.field(description=_ID)


async def create(info: Info, input: ScheduledReplyCreateInput) -> ScheduledReply:
    """Schedule a reply."""
    context, action = info.context, info.context.action()
    file_ids = [key_of(File, file_id) for file_id in input.file_ids]
    send_at = input.send_at and input.send_at.astimezone(UTC)
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        check(rules.require_source, input.body, input.draft_version)
        text = check(rules.reply_text, input.body, has_files=bool(input.file_ids))
        files = check(require_keys, file_ids, "fileIds")
        check(rules.require_choice, send_at, at_next_opening=input.at_next_opening)
        check(rules.require_time, action, send_at)
        key = check(client_key, input.idempotency_key)
    values = rules.ReplyValues(text, input.draft_version, files, send_at, input.hold_when_overtaken)
    return await rules.schedule(action, context.services.auth, context.user, ticket, values, key)


async def update(info: Info, input: ScheduledReplyUpdateInput) -> ScheduledReply:
    """Change a scheduled reply."""
    context, action = info.context, info.context.action()
    send_at = input.send_at and input.send_at.astimezone(UTC)
    file_ids = None if input.file_ids is None else [key_of(File, key) for key in input.file_ids]
    with Checks() as check:
        reply = await check.wait(_load(info, input.scheduled_reply_id))
        text = check(rules.reply_text, input.body, has_files=file_ids != [])
        files = None if file_ids is None else check(require_keys, file_ids, "fileIds")
        if send_at is not None:
            check(rules.require_choice, send_at, at_next_opening=input.at_next_opening)
        check(rules.require_time, action, send_at)
    changes = rules.ReplyChanges(
        text, files, send_at, input.at_next_opening, input.hold_when_overtaken
    )
    return await rules.update(action, context.user, reply, changes)


async def send(info: Info, input: ScheduledReplySendInput) -> dict[str, Any]:
    """Send a scheduled reply at once."""
    context, reply = info.context, await _load(info, input.scheduled_reply_id)
    message = await rules.send_now(context.action(), context.user, reply)
    return {"message": message, "ticket_id": message.ticket_id}


async def cancel(info: Info, input: ScheduledReplyCancelInput) -> ScheduledReply:
    """Cancel a scheduled reply."""
    context, reply = info.context, await _load(info, input.scheduled_reply_id)
    return await rules.cancel(context.action(), context.user, reply)


async def _load(info: Info, reply_id: str) -> ScheduledReply:
    return await load_visible(ScheduledReply, reply_id, info.context.viewer, "scheduledReplyId")


async def preview(
    info: Info,
    ticket_id: Annotated[strawberry.ID, strawberry.argument(description="The ID of the ticket.")],
    send_at: Annotated[
        datetime | None,
        strawberry.argument(
            description="When the reply would be sent: within the next year. Null for when the "
            "opening hours begin next."
        ),
    ] = None,
) -> rules.Preview | None:
    """When a reply would be sent, None for a ticket that the viewer doesn't see."""
    key = key_argument(Ticket, ticket_id, "ticketId")
    ticket = await Ticket.visible_to(info.context.viewer).get_or_none(pk=key)
    if ticket is None:
        return None
    action, send_at = info.context.action(), send_at and send_at.astimezone(UTC)
    with Checks() as check:
        check(rules.require_time, action, send_at)
    return await rules.preview(action, ticket, send_at)


def of_tickets(context: Context, parents: Sequence[Ticket]) -> RowsByParent:
    """The replies of each ticket that aren't sent yet, for agents."""
    rows = ScheduledReply.visible_to(context.viewer).filter(state__in=UNSENT_STATES)
    return RowsByParent(parents, rows, "ticket_id", "send_at", "id")


def authors(context: Context, parents: Sequence[ScheduledReply]) -> RowByForeignKey:
    """The author of each reply."""
    return RowByForeignKey(parents, "author_id", QuerySet(User))


def files(context: Context, parents: Sequence[ScheduledReply]) -> RowsByParent:
    """The files of each reply."""
    return RowsByParent(parents, File.filter(abandoned_at=None), "scheduled_reply_id", "id")
