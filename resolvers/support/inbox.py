"""The views of the agents' inbox, and snoozed tickets."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import strawberry

from models.checks import Checks
from models.event import Event
from models.support.inbox_view import InboxView, count_views
from models.support.ticket import Ticket
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from support import snoozing


@strawberry.input(description="The ticket to snooze, and until when.")
class TicketSnoozeInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    until: datetime = strawberry.field(
        description="When the ticket returns to the views: within the next year."
    )


@strawberry.input(description="The ticket to wake.")
class TicketWakeInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")


async def views(info: Info) -> list[SimpleNamespace]:
    """The number of tickets in each view of the viewer."""
    return await _views(info.context)


async def views_of_events(
    context: Context, parents: Sequence[Event]
) -> list[list[SimpleNamespace]]:
    """The number of tickets in each view after each event. It is read once for all events."""
    counts = await _views(context)
    return [counts for _ in parents]


async def _views(context: Context) -> list[SimpleNamespace]:
    counts = await count_views(context.viewer)
    return [SimpleNamespace(view=view, ticket_count=counts[view]) for view in InboxView]


async def snooze(info: Info, input: TicketSnoozeInput) -> Ticket:
    """Snooze a ticket."""
    context, action = info.context, info.context.action()
    until = input.until.astimezone(UTC)
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        check(snoozing.require_time, action, until)
    return await snoozing.snooze(action, ticket, until)


async def wake(info: Info, input: TicketWakeInput) -> Ticket:
    """Wake a snoozed ticket."""
    ticket = await load_visible(Ticket, input.ticket_id, info.context.viewer, "ticketId")
    return await snoozing.snooze(info.context.action(), ticket, None)


def snooze_times(context: Context, parents: Sequence[Any]) -> list[datetime | None]:
    """When each ticket wakes, None when it isn't snoozed, for agents."""
    return [row.snoozed_until if context.viewer.is_agent else None for row in parents]
