"""Replies that are sent later."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.support.scheduled_reply
from auth.rules import agent
from models.support.audit_actions import SupportAuditAction
from models.support.scheduled_reply import ScheduledReplyProblem, ScheduledReplyState
from resolvers.support import scheduled_replies as reply_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.fields import Unaudited, edge, field, mutation, query
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.support.files import File
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.support.tickets import Message, Ticket

_OWN_RECORD = Unaudited("A scheduled reply tells by itself who wrote it, and when.")


@strawberry.type(
    description=(
        "A reply that an agent has written and that is sent later. Customers don't see it until "
        "it is sent."
    )
)
@backed_by(models.support.scheduled_reply.ScheduledReply)
class ScheduledReply(Node):
    body: str = field("The text. Card numbers are masked.", cost=5)
    state: ScheduledReplyState = field("The state.")
    problem: ScheduledReplyProblem | None = field(
        "Why the reply wasn't sent. Null unless the state is NOT_SENT."
    )
    send_at: datetime = field("When the reply is sent.")
    at_next_opening: bool = field(
        "Whether the reply is sent when the opening hours of the ticket's team begin. If so, "
        "`sendAt` is updated when these hours change or the ticket is transferred."
    )
    hold_when_overtaken: bool = field(
        "Whether the reply is held back when the customer writes before it is sent.",
        lambda root: root.is_holdable,
        needs=("is_holdable",),
    )
    overtaken_at: datetime | None = field(
        "When the customer wrote after the reply was last edited. Null if they didn't."
    )
    created_at: datetime = field("When the reply was scheduled.")
    author: User = edge(
        reply_resolvers.authors,
        needs=("author_id",),
        description="The agent who wrote the reply, in whose name it is sent.",
    )
    files: list[File] = edge(reply_resolvers.files, description="The files to attach.")
    ticket: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] | None = edge(
        ticket_resolvers.tickets_of, needs=("ticket_id",), description="The ticket."
    )
    message: Annotated["Message", strawberry.lazy("schema.support.tickets")] | None = edge(
        ticket_resolvers.messages_of,
        needs=("message_id",),
        description="The message that the reply was sent as. Null until then.",
    )


@strawberry.type(
    description=("When a reply would be sent, and whether that is within the opening hours.")
)
class ScheduledReplyPreview:
    send_at: datetime | None = field(
        "When the reply would be sent. Null when the opening hours don't begin within a year."
    )
    is_open: bool = field("Whether that is within the opening hours of the ticket's team.")
    opens_at: datetime | None = field(
        "If `sendAt` is outside the opening hours, when they begin next after it: a time to offer "
        "instead. Null otherwise."
    )
    time_zone: str = field("The time zone of the opening hours, such as Europe/Paris.")


@strawberry.type(description="The result of a change to a scheduled reply.")
class ScheduledReplyPayload:
    scheduled_reply: ScheduledReply | None = field("The scheduled reply after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of sending a scheduled reply at once.")
class ScheduledReplySendPayload:
    message: Annotated["Message", strawberry.lazy("schema.support.tickets")] | None = field(
        "The message that was posted."
    )
    ticket: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] | None = edge(
        ticket_resolvers.tickets_of,
        description="The ticket that contains the message: the one that the ticket was merged "
        "into, or the follow-up of a closed one.",
    )
    user_errors: list[UserError] = errors()


@strawberry.type
class ScheduledReplyQuery:
    scheduled_reply_preview: ScheduledReplyPreview | None = query(
        reply_resolvers.preview,
        allow=agent,
        cost=1,
        description=(
            "When a reply in a ticket would be sent: whether that is within the opening hours of "
            "the ticket's team, and when these begin next. Null when the ticket doesn't exist."
        ),
    )


@strawberry.type
class ScheduledReplyMutation:
    scheduled_reply_create: ScheduledReplyPayload | None = mutation(
        reply_resolvers.create,
        "scheduled_reply",
        allow=agent,
        audit=_OWN_RECORD,
        description="Schedules a reply: it is sent once, in the viewer's name, at a time or when "
        "the opening hours begin. The viewer's draft in the ticket is discarded. If the ticket is "
        "closed or merged by then, or the viewer no longer answers customers, the reply isn't "
        "sent, and the viewer and the supervisors get the event SCHEDULED_REPLY_NOT_SENT.",
    )
    scheduled_reply_update: ScheduledReplyPayload | None = mutation(
        reply_resolvers.update,
        "scheduled_reply",
        allow=agent,
        audit=_OWN_RECORD,
        description=(
            "Changes a scheduled reply of the viewer, and schedules it again if it was held back "
            "or couldn't be sent."
        ),
    )
    scheduled_reply_send: ScheduledReplySendPayload | None = mutation(
        reply_resolvers.send,
        "message",
        "ticket_id",
        allow=agent,
        audit=SupportAuditAction.SCHEDULED_REPLY_SEND,
        description="Sends a scheduled reply at once, in its author's name, as `ticketReply` does. "
        "Its author and supervisors can do that.",
    )
    scheduled_reply_cancel: ScheduledReplyPayload | None = mutation(
        reply_resolvers.cancel,
        "scheduled_reply",
        allow=agent,
        audit=SupportAuditAction.SCHEDULED_REPLY_CANCEL,
        description="Cancels a scheduled reply. Its author and supervisors can do that. The text "
        "stays readable, its files are deleted.",
    )
