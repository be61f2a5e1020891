"""The views of the agents' inbox, and snoozed tickets."""

import strawberry

from auth.rules import agent
from models.support.inbox_view import InboxView
from resolvers.support import drafts as draft_resolvers
from resolvers.support import inbox as inbox_resolvers
from schema.fields import Unaudited, field, mutation, query
from schema.support.tickets import TicketPayload

_INTERNAL = Unaudited("It only changes in which views the ticket is.")


@strawberry.type(description="A view of the agents' inbox, as the viewer has it.")
class InboxViewCount:
    view: InboxView = field("The view: pass it as `TicketFilter.view` to list its tickets.")
    ticket_count: int = field("The number of tickets in the view.")


@strawberry.type
class InboxQuery:
    inbox_views: list[InboxViewCount] | None = query(
        inbox_resolvers.views,
        allow=agent,
        cost=10,
        description="The views of the viewer's inbox. To keep them up to date, read "
        "`viewer { inboxSequence }` first and pass it to `inboxEvents`: every change of a view is "
        "an event, whose `inboxViews` are the new counts.",
    )


@strawberry.type
class InboxMutation:
    ticket_snooze: TicketPayload | None = mutation(
        inbox_resolvers.snooze,
        "ticket",
        allow=agent,
        audit=_INTERNAL,
        description=(
            "Snoozes a ticket: until the given time, or until its customer writes, only the view "
            "SNOOZED contains it. Customers don't see this."
        ),
    )
    draft_discard: TicketPayload | None = mutation(
        draft_resolvers.discard,
        "ticket",
        allow=agent,
        audit=Unaudited("Nobody but the viewer reads a draft before it is sent."),
        cost=1,
        description="Discards what the viewer was writing in a ticket.",
    )
    ticket_wake: TicketPayload | None = mutation(
        inbox_resolvers.wake,
        "ticket",
        allow=agent,
        audit=_INTERNAL,
        description="Ends the snoozing of a ticket.",
    )
