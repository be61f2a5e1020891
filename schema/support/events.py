"""Events that subscriptions deliver."""

from datetime import datetime

import strawberry

from models.event import EventKind
from models.support.ticket import TicketStatus
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import purchases as purchase_resolvers
from resolvers.scalars import BigInt
from resolvers.support import events as event_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.billing.invoices import Invoice
from schema.billing.purchases import Purchase
from schema.fields import edge, field
from schema.identity.users import User
from schema.support.tickets import Message, Ticket


@strawberry.type(description="One event of a ticket.")
class TicketEvent:
    sequence: BigInt = field("Its number in the ticket, without gaps: resume with `after` it.")
    at: datetime = field("When it happened.")
    kind: EventKind = field("What happened.")
    status: TicketStatus | None = field("The new state, where it changed.", event_resolvers.status)
    actor: User | None = edge(ticket_resolvers.actors, description="Who did it; nobody when the clock did.")
    message: Message | None = edge(ticket_resolvers.messages_of, description="What was said, where something was.")
    ticket: Ticket | None = edge(ticket_resolvers.tickets_of, description="The ticket as it stands now.")


@strawberry.type(description="One event that agents must know of.")
class InboxEvent:
    sequence: BigInt = field("Its number in the inbox, without gaps: resume with `after` it.")
    at: datetime = field("When it happened.")
    kind: EventKind = field("What happened.")
    status: TicketStatus | None = field("The ticket's state then, where the event tells.", event_resolvers.status)
    actor: User | None = edge(ticket_resolvers.actors, description="Who did it; nobody when the clock did.")
    ticket: Ticket | None = edge(ticket_resolvers.tickets_of, description="The ticket as it stands now.")


@strawberry.type(description="One event of a company account.")
class AccountEvent:
    sequence: BigInt = field("Its number in the account, without gaps: resume with `after` it.")
    at: datetime = field("When it happened.")
    kind: EventKind = field("What happened.")
    ticket: Ticket | None = edge(ticket_resolvers.tickets_of, description="The ticket it is about, as it stands now.")
    purchase: Purchase | None = edge(
        purchase_resolvers.purchase_of_event, description="The purchase it is about, as it stands now; for buyers."
    )
    invoice: Invoice | None = edge(invoice_resolvers.invoice_of_event, description="The invoice it is about; for buyers.")


@strawberry.type(description="Whether somebody types in a ticket. Never stored.")
class Typing:
    user: User = edge(ticket_resolvers.typists, description="Who it is.")
    typing: bool = field("Whether they type.")
    expires_at: datetime = field("When to forget it, should no other news come.")
