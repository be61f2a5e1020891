"""Tickets and messages."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.support.escalation
import models.support.message
import models.support.ticket
from models.support.classification import Category, Channel, Priority, TicketKind
from models.support.reaction import ReactionKind
from models.support.ticket_status import TicketStatus
from resolvers.accounts import accounts as account_resolvers
from resolvers.scalars import BigInt
from resolvers.support import assignment as assignment_resolvers
from resolvers.support import automations as automation_resolvers
from resolvers.support import calls as call_resolvers
from resolvers.support import chats as chat_resolvers
from resolvers.support import drafts as draft_resolvers
from resolvers.support import escalations as escalation_resolvers
from resolvers.support import inbox as inbox_resolvers
from resolvers.support import incoming_emails as incoming_email_resolvers
from resolvers.support import macros as macro_resolvers
from resolvers.support import merging as merging_resolvers
from resolvers.support import messages as message_resolvers
from resolvers.support import notes as note_resolvers
from resolvers.support import ratings as rating_resolvers
from resolvers.support import scheduled_replies as scheduled_reply_resolvers
from resolvers.support import sla as sla_resolvers
from resolvers.support import splitting as splitting_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.accounts.accounts import Account
from schema.content.articles import Article
from schema.fields import connection, edge, field, viewer_field
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.support.automations import AutomationRun
from schema.support.calls import Call
from schema.support.chats import LiveChat
from schema.support.drafts import Draft, Writer
from schema.support.files import File
from schema.support.incoming_emails import MessageEmail
from schema.support.macros import MacroUse
from schema.support.notes import Note
from schema.support.sla import SlaClock
from schema.support.teams import Team
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.support.ratings import TicketRating
    from schema.support.scheduled_replies import ScheduledReply


@strawberry.type(description="A text that a message had before it was edited or deleted.")
@backed_by(models.support.message.MessageVersion)
class MessageVersion(Node):
    body: str = field("The text.", cost=5)
    replaced_at: datetime = field("When the message was edited or deleted.")


@strawberry.type(description="A reaction to a message, with the users who have it.")
class Reaction:
    kind: ReactionKind = field("The reaction.")
    emoji: str = field("The emoji to show.", needs=())
    count: int = field("The number of users who have it.", needs=())
    viewer_has_reacted: bool = viewer_field(
        message_resolvers.viewer_has_reacted,
        description="Whether the viewer has it.",
        needs=(),
    )
    users: list[User] = edge(
        message_resolvers.reacting_users,
        needs=(),
        description="The users who have it, the earliest first.",
    )


@strawberry.type(description="A message in a ticket.")
@backed_by(models.support.message.Message)
class Message(Node):
    sequence: BigInt = field(
        "The position of the message in the ticket's stream, which it shares with other events."
    )
    body: str = field(
        "The text of the message, without markup: show it as text. Card numbers are masked. Empty "
        "when the message was deleted, or consists of files.",
        cost=5,
    )
    at: datetime = field("When the message was stored.")
    edited_at: datetime | None = field("When the text was last edited. Null when it never was.")
    deleted_at: datetime | None = field(
        "When the message was deleted by its author. Null when it wasn't."
    )
    from_staff: bool = field("Whether the author is a member of the vendor's staff.")
    client_message_id: str = field("The ID that the sender's client chose.")
    author: User = edge(
        ticket_resolvers.authors, needs=("author_id",), description="The author of the message."
    )
    files: list[File] = edge(ticket_resolvers.files, description="The attached files.")
    reactions: list[Reaction] = edge(
        message_resolvers.reactions,
        cost=1,
        description="The reactions to the message, the earliest kind first.",
    )
    versions: list[MessageVersion] = edge(
        message_resolvers.versions,
        description=(
            "The earlier texts of the message, oldest first. Empty unless the viewer is a "
            "supervisor."
        ),
    )
    email: MessageEmail | None = edge(
        incoming_email_resolvers.emails_of,
        description="The email that the message was received as. Null for other messages.",
    )
    call: Call | None = edge(
        call_resolvers.of_messages,
        description="The phone call that the message is about. Null for other messages.",
    )


@strawberry.type(description="How far a member of the company has received and read a ticket.")
class MemberPosition:
    user: User = edge(
        ticket_resolvers.readers, needs=("user_id",), description="The member of the company."
    )
    read_sequence: BigInt = field("The position up to which they have read the ticket.")
    delivered_sequence: BigInt = field(
        "The position up to which they have received the ticket: live, or by email. At least "
        "`readSequence`."
    )


@strawberry.type(
    description=(
        "How far a ticket was delivered to its two sides and read by them. A message has been "
        "delivered or read if its `sequence` is at most the position. Positions never move back."
    )
)
class TicketPositions:
    staff_read_sequence: BigInt = field("The position up to which any agent has read the ticket.")
    staff_delivered_sequence: BigInt = field(
        "The position up to which any agent has received the ticket. At least `staffReadSequence`."
    )
    members: list[MemberPosition] = field(
        "The positions of the company's members who have received at least part of the ticket."
    )


@strawberry.type(description="A request for help. A live chat is a ticket whose channel is CHAT.")
@backed_by(models.support.ticket.Ticket)
class Ticket(Node):
    number: str = field(
        "The number shown to users, such as CAM-2026-000123.", needs=("created_at",)
    )
    subject: str = field("A short summary of the request.")
    channel: Channel = field("The channel that the ticket was opened through.")
    category: Category = field("The category of the request.")
    kind: TicketKind = field("The kind of request, for requests that need more than an answer.")
    status: TicketStatus = viewer_field(
        ticket_resolvers.statuses, description="The current status.", needs=("status",)
    )
    priority: Priority | None = viewer_field(
        assignment_resolvers.priorities,
        description="How urgent the ticket is. Null unless the viewer is an agent.",
        needs=("priority",),
    )
    snoozed_until: datetime | None = viewer_field(
        inbox_resolvers.snooze_times,
        description="Until when the ticket is snoozed. Null when it isn't, and unless the viewer "
        "is an agent.",
        needs=("snoozed_until",),
    )
    tags: list[str] = edge(
        assignment_resolvers.tags,
        description="The tags of the ticket, in alphabetical order. Empty unless the viewer is an "
        "agent.",
    )
    created_at: datetime = field("When the ticket was opened.")
    updated_at: datetime = field("When the ticket was last updated.")
    deadline_at: datetime | None = field(
        "For legal requests: when the request has to be answered at the latest. Never "
        "changes. Null for all other tickets."
    )
    reply_awaited_since: datetime | None = field(
        "When the customer began to wait for a reply. Null when they aren't waiting."
    )
    reply_due_at: datetime | None = edge(
        sla_resolvers.reply_due_times,
        needs=("id", "reply_awaited_since"),
        description="Until when a reply is promised. Null when the customer isn't waiting for one.",
    )
    sla_clocks: list[SlaClock] = edge(
        sla_resolvers.clocks,
        description="The measures of the ticket against its targets, oldest first. Empty for those "
        "who aren't agents.",
    )
    first_response_at: datetime | None = field("When a staff member first replied.")
    closed_at: datetime | None = field("When the ticket was closed.")
    last_sequence: BigInt = edge(
        ticket_resolvers.last_sequence,
        description="The `sequence` of the latest event of the ticket. Pass it as `after` to "
        "receive later events.",
    )
    unread_count: int = edge(
        ticket_resolvers.unread_message_counts,
        cost=1,
        description="The number of messages that the viewer hasn't read: messages from "
        "staff for customers, messages from customers for staff. `ticketMarkRead` and the viewer's "
        "own replies mark messages as read; those from before the viewer joined the company don't "
        "count.",
    )
    positions: TicketPositions = edge(
        ticket_resolvers.positions,
        cost=2,
        description="How far the ticket was delivered and read. The subscription `ticketPositions` "
        "delivers changes.",
    )
    account: Account = edge(
        account_resolvers.accounts_of,
        needs=("account_id",),
        description="The company that opened the ticket.",
    )
    requester: User = edge(
        ticket_resolvers.requesters,
        needs=("requester_id",),
        description="The user who opened the ticket.",
    )
    assignee: User | None = edge(
        ticket_resolvers.assignees,
        needs=("assignee_id",),
        description="The agent who has the ticket.",
    )
    team: Team | None = edge(
        assignment_resolvers.teams_of_tickets,
        needs=("team_id",),
        description="The team that has the ticket. Null for customers.",
    )
    chat: LiveChat | None = edge(
        chat_resolvers.of_tickets,
        needs=("id", "channel"),
        description=(
            "The live part of a chat. Null for tickets of other channels. The subscription "
            "`ticketChat` delivers each change."
        ),
    )
    follows: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] | None = edge(
        ticket_resolvers.followed_tickets,
        needs=("follows_id",),
        description="The closed ticket that this ticket continues.",
    )
    merged_into: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] | None = edge(
        merging_resolvers.targets_of,
        description="The ticket that this one was merged into. What is written to this one is "
        "posted there. Null when it wasn't merged.",
    )
    merged_tickets: list[Annotated["Ticket", strawberry.lazy("schema.support.tickets")]] = edge(
        merging_resolvers.merged_tickets,
        cost=10,
        description="The tickets that were merged into this one, oldest first. Show their messages "
        "in its timeline.",
    )
    split_from: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] | None = edge(
        splitting_resolvers.originals_of,
        needs=("split_from_id",),
        description="The ticket that an agent split this one from. Null for all other tickets.",
    )
    merge_undoable_until: datetime | None = edge(
        merging_resolvers.undo_times,
        description="Until when the viewer can undo the merge of the ticket. Null when they can't.",
    )
    escalations: list[Annotated["Escalation", strawberry.lazy("schema.support.tickets")]] = edge(
        escalation_resolvers.of_tickets,
        description="The escalations of the ticket, oldest first. At most one isn't resolved.",
    )
    rating: Annotated["TicketRating", strawberry.lazy("schema.support.ratings")] | None = edge(
        rating_resolvers.of_tickets,
        description=(
            "How satisfied the customer is. Null until the customer has rated the ticket, and for "
            "agents unless they solved the ticket or are supervisors."
        ),
    )
    ratable_until: datetime | None = edge(
        rating_resolvers.ratable_until,
        needs=("id", "status", "first_response_at", "deadline_at"),
        description="Until when the viewer can rate the ticket, or change its rating "
        "(`ticketRate`). Null when they can't.",
    )
    last_message: Message | None = edge(
        ticket_resolvers.last_messages,
        description="The most recent message. Null for operators, who don't read messages.",
    )
    suggested_articles: list[Article] = edge(
        ticket_resolvers.suggested_articles,
        needs=("id", "subject", "requester_id"),
        cost=5,
        description="Up to three articles of the library that may answer the ticket, best first, "
        "in the requester's language. Empty unless the viewer is an agent.",
    )
    draft: Draft | None = edge(
        draft_resolvers.own_drafts,
        description="What the viewer is writing in the ticket, on any of their devices. Null when "
        "there is none, and unless the viewer is an agent.",
    )
    writers: list[Writer] = edge(
        draft_resolvers.other_writers,
        description="Who else is writing in the ticket. Empty unless the viewer is an agent.",
    )
    scheduled_replies: list[
        Annotated["ScheduledReply", strawberry.lazy("schema.support.scheduled_replies")]
    ] = edge(
        scheduled_reply_resolvers.of_tickets,
        description="The replies that are still to be sent, earliest first: those that wait, are "
        "held back, or couldn't be sent. Empty unless the viewer is an agent.",
    )
    notes: Connection[Note] = connection(
        note_resolvers.notes,
        description="The internal notes of the ticket, oldest first. Empty unless the viewer is an "
        "agent.",
    )
    macro_uses: list[MacroUse] = edge(
        macro_resolvers.uses,
        description="The macros that agents applied to the ticket, oldest first. Show them in its "
        "timeline. Empty unless the viewer is an agent.",
    )
    automation_runs: list[AutomationRun] = edge(
        automation_resolvers.runs_of_tickets,
        description=(
            "What automations did in the ticket or couldn't do, oldest first. Show it in the "
            "ticket's timeline. Empty unless the viewer is an agent."
        ),
    )
    messages: Connection[Message] = connection(
        ticket_resolvers.messages, description="The messages of the ticket, in order."
    )


@strawberry.type(description="An escalation of a ticket to a supervisor.")
@backed_by(models.support.escalation.Escalation)
class Escalation(Node):
    at: datetime = field("When the ticket was escalated.")
    details: str = field("What the problem is. Card numbers are masked.", cost=3)
    steps_tried: str = field("What had been tried. Card numbers are masked.", cost=3)
    resolved_at: datetime | None = field("When a supervisor resolved it. Null until then.")
    escalator: User = edge(
        escalation_resolvers.escalators,
        needs=("escalator_id",),
        description="The user who escalated the ticket.",
    )
    supervisor: User | None = edge(
        escalation_resolvers.supervisors,
        needs=("supervisor_id",),
        description="The supervisor who handles it. Null while there is none.",
    )
    ticket: Ticket = edge(
        ticket_resolvers.tickets_of, needs=("ticket_id",), description="The escalated ticket."
    )
    history: list[Ticket] = edge(
        escalation_resolvers.history,
        needs=("history",),
        cost=20,
        description="The tickets with the earlier exchanges, oldest first, the escalated one "
        "included.",
    )


@strawberry.type(description="The result of a change to a ticket.")
class TicketPayload:
    ticket: Ticket | None = field("The ticket after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of posting a message.")
class TicketReplyPayload:
    message: Message | None = field("The stored message with its sequence.")
    ticket: Ticket | None = edge(
        ticket_resolvers.tickets_of,
        description="The ticket that contains the message: the follow-up ticket if the original "
        "was closed.",
    )
    newer_message: Message | None = field(
        "The answer of another agent that the viewer hasn't seen. Null unless the user error is "
        "ANSWERED_MEANWHILE."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of sending a typing indicator.")
class TicketTypingPayload:
    sent: bool | None = field("True when the indicator was sent.")
    user_errors: list[UserError] = errors()
