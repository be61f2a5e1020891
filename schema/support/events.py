"""Events that subscriptions deliver."""

from datetime import datetime

import strawberry

from models.event import EventKind
from models.support.ticket_status import TicketStatus
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import purchases as purchase_resolvers
from resolvers.scalars import BigInt
from resolvers.support import events as event_resolvers
from resolvers.support import inbox as inbox_resolvers
from resolvers.support import saved_filters as filter_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.billing.invoices import Invoice
from schema.billing.purchases import Purchase
from schema.fields import edge, field
from schema.identity.users import User
from schema.support.inbox import InboxViewCount
from schema.support.saved_filters import SavedFilter
from schema.support.tickets import Message, Ticket

EPOCH_DESCRIPTION = (
    "The epoch of the stream. Pass it as `epoch` to resume, together with `sequence`. A new epoch "
    "begins when the server is restored to an earlier state, such as a backup."
)


@strawberry.type(description="An event of a ticket.")
class TicketEvent:
    sequence: BigInt = field(
        "The position of the event in the ticket's stream, without gaps. Pass it as `after` to "
        "resume."
    )
    epoch: str = field(EPOCH_DESCRIPTION, event_resolvers.epoch_of_event)
    at: datetime = field("When the event happened.")
    kind: EventKind = field("What happened.")
    status: TicketStatus | None = field(
        "The new status. Null when the event didn't change it.", event_resolvers.status
    )
    actor: User | None = edge(
        ticket_resolvers.actors,
        description="The user who caused the event. Null when the system did.",
    )
    message: Message | None = edge(
        ticket_resolvers.messages_of,
        description="The message that was posted, edited, deleted or reacted to, in its current "
        "state. Null for other events.",
    )
    ticket: Ticket | None = edge(
        ticket_resolvers.tickets_of, description="The ticket in its current state."
    )


@strawberry.type(description="An event that is relevant to agents.")
class InboxEvent:
    sequence: BigInt = field(
        "The position of the event in the inbox's stream, without gaps. Pass it as `after` to "
        "resume."
    )
    epoch: str = field(EPOCH_DESCRIPTION, event_resolvers.epoch_of_event)
    at: datetime = field("When the event happened.")
    kind: EventKind = field("What happened.")
    status: TicketStatus | None = field(
        "The status of the ticket after the event. Null when the event doesn't include it.",
        event_resolvers.status,
    )
    actor: User | None = edge(
        ticket_resolvers.actors,
        description="The user who caused the event. Null when the system did.",
    )
    ticket: Ticket | None = edge(
        ticket_resolvers.tickets_of, description="The ticket in its current state."
    )
    inbox_views: list[InboxViewCount] = edge(
        inbox_resolvers.views_of_events,
        cost=10,
        description="The current number of tickets in each view of the viewer.",
    )
    saved_filters: list[SavedFilter] = edge(
        filter_resolvers.of_events,
        cost=10,
        description="The viewer's saved filters, with the current number of tickets in each.",
    )


@strawberry.type(description="An event that an agent is notified of.")
class AgentEvent:
    sequence: BigInt = field(
        "The position of the event in the agent's stream, without gaps. Pass it as `after` to "
        "resume."
    )
    epoch: str = field(EPOCH_DESCRIPTION, event_resolvers.epoch_of_event)
    at: datetime = field("When the event happened.")
    kind: EventKind = field("What happened.")
    ticket: Ticket | None = edge(
        ticket_resolvers.tickets_of, description="The ticket in its current state."
    )


@strawberry.type(description="An event of a company's account.")
class AccountEvent:
    sequence: BigInt = field(
        "The position of the event in the account's stream, without gaps. Pass it as `after` to "
        "resume."
    )
    epoch: str = field(EPOCH_DESCRIPTION, event_resolvers.epoch_of_event)
    at: datetime = field("When the event happened.")
    kind: EventKind = field("What happened.")
    ticket: Ticket | None = edge(
        ticket_resolvers.tickets_of,
        description="The ticket that the event is about, in its current state.",
    )
    message: Message | None = edge(
        ticket_resolvers.messages_of,
        description="The message that a member of staff posted, edited or deleted, in its current "
        "state. Null for other events.",
    )
    purchase: Purchase | None = edge(
        purchase_resolvers.purchase_of_event,
        description="The purchase that the event is about, in its current state. Visible to "
        "members who can buy.",
    )
    invoice: Invoice | None = edge(
        invoice_resolvers.invoice_of_event,
        description="The invoice that the event is about. Visible to members who can buy.",
    )


@strawberry.type(description="Whether a user is typing in a ticket. Never stored.")
class Typing:
    user: User = edge(ticket_resolvers.typing_users, description="The user.")
    typing: bool = field("Whether the user is typing.")
    expires_at: datetime = field("When the indicator expires unless it is renewed.")
