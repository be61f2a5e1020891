"""Filters and orders of the support lists."""

from enum import Enum

import strawberry

from models.support.classification import Category, Channel, Priority, TicketKind
from models.support.inbox_view import InboxView
from models.support.incoming_email import IncomingEmailReason, IncomingEmailStatus
from models.support.live_chat import ChatState
from models.support.ticket_status import TicketStatus
from resolvers.descriptions import describe_enum
from resolvers.filters import DateTimeFilter, Filter, IdFilter, OrderDirection, StringFilter


class TicketOrderField(Enum):
    """The columns that tickets can be ordered by."""

    UPDATED_AT = "updated_at"
    CREATED_AT = "id"


describe_enum(
    TicketOrderField,
    "The fields that tickets can be ordered by.",
    {"UPDATED_AT": "When the ticket last changed.", "CREATED_AT": "When the ticket was opened."},
)


@strawberry.input(description="The order of tickets.")
class TicketOrder:
    field: TicketOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on tickets. All given conditions must be met.")
class TicketFilter:
    status: Filter[TicketStatus] | None = strawberry.field(
        default=None, description="The status, as the viewer sees it."
    )
    channel: Filter[Channel] | None = strawberry.field(
        default=None, description="The channel that the ticket was opened through."
    )
    number: StringFilter | None = strawberry.field(
        default=None,
        description="The number of the ticket, such as CAM-2026-000123.",
    )
    updated_at: DateTimeFilter | None = strawberry.field(
        default=None, description="When the ticket last changed."
    )
    category: Filter[Category] | None = strawberry.field(
        default=None, description="The category of the ticket."
    )
    search: str | None = strawberry.field(
        default=None,
        description="Words that occur in the subject, in the messages or, for agents, in the notes "
        "of the ticket, or its number. The beginning of a word is enough; case, accents, plurals "
        "and the usual forms of verbs don't matter. At most 10 words and 200 characters. New texts "
        "are found after some seconds; of many tickets, the 1,000 most recent.",
    )
    view: InboxView | None = strawberry.field(
        default=None, description="For agents: a view of their inbox."
    )
    saved_filter_id: strawberry.ID | None = strawberry.field(
        default=None, description="For agents: the ID of one of their saved filters."
    )
    priority: Filter[Priority] | None = strawberry.field(
        default=None, description="For agents: the priority."
    )
    tag: StringFilter | None = strawberry.field(
        default=None, description="For agents: one of the ticket's tags."
    )
    team_id: IdFilter | None = strawberry.field(
        default=None, description="For agents: the team that has the ticket."
    )
    assignee_id: IdFilter | None = strawberry.field(
        default=None, description="For agents: the person who has the ticket."
    )
    chat_state: Filter[ChatState] | None = strawberry.field(
        default=None, description="The state of the chat. Matches chats only."
    )
    assigned: bool | None = strawberry.field(
        default=None,
        description="For agents: true for tickets assigned to the viewer, false for those without "
        "an assignee.",
    )


class IncomingEmailOrderField(Enum):
    """The columns that received emails can be ordered by."""

    RECEIVED_AT = "id"


describe_enum(
    IncomingEmailOrderField,
    "The fields that received emails can be ordered by.",
    {"RECEIVED_AT": "When the email was received."},
)


@strawberry.input(description="The order of received emails.")
class IncomingEmailOrder:
    field: IncomingEmailOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on received emails. All given conditions must be met.")
class IncomingEmailFilter:
    status: Filter[IncomingEmailStatus] | None = strawberry.field(
        default=None, description="The status of the email."
    )
    reason: Filter[IncomingEmailReason] | None = strawberry.field(
        default=None, description="Why the email has its status."
    )
    received_at: DateTimeFilter | None = strawberry.field(
        default=None, description="When the email was received."
    )


class LegalRequestOrderField(Enum):
    """The columns that legal requests can be ordered by."""

    DEADLINE_AT = "deadline_at"
    CREATED_AT = "id"


describe_enum(
    LegalRequestOrderField,
    "The fields that legal requests can be ordered by.",
    {
        "DEADLINE_AT": "When the request has to be answered at the latest.",
        "CREATED_AT": "When the request was made.",
    },
)


@strawberry.input(description="The order of legal requests.")
class LegalRequestOrder:
    field: LegalRequestOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on legal requests. All given conditions must be met.")
class LegalRequestFilter:
    status: Filter[TicketStatus] | None = strawberry.field(
        default=None,
        description="The status. Requests that nobody has answered are NEW, OPEN, PENDING or "
        "ON_HOLD.",
    )
    kind: Filter[TicketKind] | None = strawberry.field(
        default=None, description="The kind of request."
    )
    category: Filter[Category] | None = strawberry.field(
        default=None, description="The category of the ticket."
    )
    deadline_at: DateTimeFilter | None = strawberry.field(
        default=None, description="When the request has to be answered at the latest."
    )
