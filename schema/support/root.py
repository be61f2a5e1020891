"""The support domain's part of the roots."""

from collections.abc import AsyncGenerator

import strawberry

from auth.rules import agent, anyone, customer, has_scope, operator, signed_in
from models.accounts.service_account import ApiKeyScope
from models.support.audit_actions import SupportAuditAction
from resolvers.support import contact as contact_resolvers
from resolvers.support import events as event_resolvers
from resolvers.support import files as file_resolvers
from resolvers.support import incoming_emails as incoming_email_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.fields import Unaudited, mutation, query, subscription
from schema.nodes import Connection
from schema.support.assignment import AssignmentMutation
from schema.support.automations import AutomationMutation, AutomationQuery
from schema.support.calendars import CalendarMutation, CalendarQuery
from schema.support.calls import CallMutation, CallQuery
from schema.support.canned_replies import CannedReplyMutation, CannedReplyQuery
from schema.support.chats import ChatMutation, ChatSubscription
from schema.support.contact import Contact
from schema.support.drafts import DraftMutation, DraftSubscription
from schema.support.escalations import EscalationMutation
from schema.support.events import AccountEvent, AgentEvent, InboxEvent, TicketEvent, Typing
from schema.support.files import FileAnnouncePayload
from schema.support.inbox import InboxMutation, InboxQuery
from schema.support.incoming_emails import IncomingEmail, IncomingEmailPayload
from schema.support.macros import MacroMutation, MacroQuery
from schema.support.merging import MergingMutation
from schema.support.message_exports import MessageExportMutation
from schema.support.messages import MessageMutation
from schema.support.notes import NoteMutation
from schema.support.phone_numbers import PhoneNumberMutation
from schema.support.push_devices import PushDeviceMutation, PushDeviceQuery
from schema.support.ratings import RatingMutation, RatingQuery
from schema.support.saved_filters import SavedFilterMutation, SavedFilterQuery
from schema.support.scheduled_replies import ScheduledReplyMutation, ScheduledReplyQuery
from schema.support.sla import SlaMutation, SlaQuery
from schema.support.status_board import StatusBoardMutation, StatusBoardQuery
from schema.support.teams import TeamMutation, TeamQuery
from schema.support.tickets import (
    Ticket,
    TicketPayload,
    TicketPositions,
    TicketReplyPayload,
    TicketTypingPayload,
)
from schema.support.transcripts import TranscriptMutation

_OWN_RECORD = Unaudited("A ticket and what is said in it tell by themselves who did it, and when.")


@strawberry.type
class SupportQuery(
    AutomationQuery,
    CalendarQuery,
    CallQuery,
    CannedReplyQuery,
    InboxQuery,
    MacroQuery,
    PushDeviceQuery,
    RatingQuery,
    SavedFilterQuery,
    ScheduledReplyQuery,
    SlaQuery,
    StatusBoardQuery,
    TeamQuery,
):
    stream_epoch: str | None = query(
        event_resolvers.stream_epoch,
        allow=signed_in | has_scope(),
        description=(
            "The epoch of all event streams. Read it together with the data that you then keep up "
            "to date with a subscription, and pass it as `epoch`."
        ),
    )
    contact: Contact = query(
        contact_resolvers.contact, allow=anyone, description="How to contact support."
    )
    ticket: Ticket | None = query(
        ticket_resolvers.ticket,
        allow=customer | agent | has_scope(ApiKeyScope.READ_SUPPORT),
        description="The ticket with the given number. Null when it doesn't exist or the viewer "
        "can't see it.",
    )
    tickets: Connection[Ticket] | None = query(
        ticket_resolvers.tickets,
        allow=customer | agent | has_scope(ApiKeyScope.READ_SUPPORT),
        description="Tickets, most recently updated first: all tickets for agents, the company's "
        "tickets for customers.",
    )
    incoming_emails: Connection[IncomingEmail] | None = query(
        incoming_email_resolvers.incoming_emails,
        allow=agent | operator,
        description=(
            "The emails that support received and how they were handled, most recent first. Those "
            "that are UNMATCHED wait for an agent."
        ),
    )
    legal_requests: Connection[Ticket] | None = query(
        ticket_resolvers.legal_requests,
        allow=agent | operator,
        description="Legal requests of all companies, earliest deadline first: those to "
        "deactivate, reactivate or delete an account, and those about security and privacy. They "
        "are listed from the moment they are made, and stay listed after they are answered.",
    )


@strawberry.type
class SupportMutation(
    AssignmentMutation,
    AutomationMutation,
    CalendarMutation,
    CannedReplyMutation,
    CallMutation,
    ChatMutation,
    EscalationMutation,
    DraftMutation,
    InboxMutation,
    MacroMutation,
    MessageExportMutation,
    MessageMutation,
    MergingMutation,
    NoteMutation,
    PushDeviceMutation,
    RatingMutation,
    PhoneNumberMutation,
    SavedFilterMutation,
    ScheduledReplyMutation,
    SlaMutation,
    StatusBoardMutation,
    TeamMutation,
    TranscriptMutation,
):
    ticket_open: TicketPayload | None = mutation(
        ticket_resolvers.open_,
        "ticket",
        allow=customer,
        audit=_OWN_RECORD,
        description="Opens a ticket, or starts a chat.",
    )
    ticket_reply: TicketReplyPayload | None = mutation(
        ticket_resolvers.reply,
        "message",
        "ticket_id",
        "newer_message",
        allow=customer | agent,
        audit=_OWN_RECORD,
        description="Posts a message in a ticket.",
    )
    ticket_move: TicketPayload | None = mutation(
        ticket_resolvers.change_status,
        "ticket",
        allow=agent,
        audit=SupportAuditAction.TICKET_MOVE,
        description="Changes the status of a ticket. When a legal request "
        "(`Ticket.deadlineAt` isn't null) is solved or closed, its requester and the owners are "
        "notified by email. A ticket with an open dispute is solved by deciding the dispute.",
    )
    ticket_close: TicketPayload | None = mutation(
        ticket_resolvers.close,
        "ticket",
        allow=customer | agent,
        audit=SupportAuditAction.TICKET_MOVE,
        description="Closes a ticket. It stays readable. Legal requests "
        "(`Ticket.deadlineAt` isn't null) can be closed by their requester, by owners and, with a "
        "reason, by agents; the requester and the owners are notified by email. Tickets with an "
        "open dispute can be closed by the same members, but not by agents, who decide it.",
    )
    ticket_mark_read: TicketPayload | None = mutation(
        ticket_resolvers.mark_read,
        "ticket",
        allow=customer | agent,
        audit=Unaudited("The position tells by itself how far the viewer has read."),
        cost=1,
        description="Marks the messages of a ticket as read by the viewer, up to a sequence. "
        "Messages that are neither read nor received by a subscription are sent by email.",
    )
    ticket_typing: TicketTypingPayload | None = mutation(
        ticket_resolvers.typing,
        "sent",
        allow=customer | agent,
        audit=Unaudited("Nothing is stored."),
        cost=1,
        description="Sends a typing indicator to the other participants of a ticket.",
    )
    incoming_email_link: IncomingEmailPayload | None = mutation(
        incoming_email_resolvers.link,
        "incoming_email",
        allow=agent,
        audit=SupportAuditAction.INCOMING_EMAIL_LINK,
        description="Links a received email that is UNMATCHED to a company. It is posted within "
        "seconds, in a ticket of the company or in a new one.",
    )
    incoming_email_dismiss: IncomingEmailPayload | None = mutation(
        incoming_email_resolvers.dismiss,
        "incoming_email",
        allow=agent,
        audit=SupportAuditAction.INCOMING_EMAIL_DISMISS,
        description="Dismisses a received email that is UNMATCHED. It won't be posted.",
    )
    incoming_email_retry: IncomingEmailPayload | None = mutation(
        incoming_email_resolvers.retry,
        "incoming_email",
        allow=operator,
        audit=SupportAuditAction.INCOMING_EMAIL_RETRY,
        description="Retries reading a received email that is FAILED.",
    )
    file_announce: FileAnnouncePayload | None = mutation(
        file_resolvers.announce,
        "file",
        "upload_url",
        allow=customer | agent,
        audit=SupportAuditAction.FILE_ANNOUNCE,
        description="Creates a link to upload a file to. Files that aren't attached to anything "
        "within a day are deleted.",
    )


@strawberry.type
class SupportSubscription(ChatSubscription, DraftSubscription):
    ticket_events: AsyncGenerator[TicketEvent, None] = subscription(
        event_resolvers.ticket_events,
        allow=customer | agent | has_scope(ApiKeyScope.READ_SUPPORT),
        description="All events of a ticket, in order.",
    )
    ticket_typing: AsyncGenerator[Typing, None] = subscription(
        event_resolvers.ticket_typing,
        allow=customer | agent,
        description="Typing indicators of the other participants of a ticket.",
    )
    ticket_positions: AsyncGenerator[TicketPositions, None] = subscription(
        event_resolvers.ticket_positions,
        allow=customer | agent,
        description="How far a ticket was delivered and read: at once, and again whenever it "
        "changes. Each result is the whole state, so a client that connects again has missed "
        "nothing.",
    )
    inbox_events: AsyncGenerator[InboxEvent, None] = subscription(
        event_resolvers.inbox_events,
        allow=agent,
        description="Events of all tickets that are relevant to agents, in order.",
    )
    agent_events: AsyncGenerator[AgentEvent, None] = subscription(
        event_resolvers.agent_events,
        allow=agent,
        description=(
            "The viewer's notifications, in order: tickets that others assigned to them, notes "
            "that mention them, their scheduled replies that a customer has overtaken or that "
            "couldn't be sent, changes of their chat availability, and missed or at-risk targets "
            "of tickets assigned to them. Supervisors get the missed or at-risk targets and the "
            "unsent scheduled replies of all tickets."
        ),
    )
    account_events: AsyncGenerator[AccountEvent, None] = subscription(
        event_resolvers.account_events,
        allow=customer | has_scope(ApiKeyScope.READ_BILLING, ApiKeyScope.READ_SUPPORT),
        description="Events of the viewer's company, in order.",
    )
