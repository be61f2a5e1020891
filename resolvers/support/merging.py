"""Merging tickets, and undoing it."""

from collections.abc import Sequence
from datetime import datetime

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.database.reading import read
from models.support.merge import UNDO_PERIOD, TicketMerge
from models.support.ticket import Ticket
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from support import merging


@strawberry.input(description="Two tickets about the same problem.")
class TicketMergeInput:
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of the ticket to merge, which is closed."
    )
    into_ticket_id: strawberry.ID = strawberry.field(
        description="The ID of the ticket of the same company that continues both."
    )


@strawberry.input(description="The ticket that was merged by mistake.")
class TicketUnmergeInput:
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of a ticket that was merged in the last 24 hours."
    )


async def merge(info: Info, input: TicketMergeInput) -> Ticket:
    """Merge a ticket into another one."""
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        target = await check.wait(
            load_visible(Ticket, input.into_ticket_id, context.viewer, "intoTicketId")
        )
    return await merging.merge(context.action(), ticket, target)


async def unmerge(info: Info, input: TicketUnmergeInput) -> Ticket:
    """Undo the merge of a ticket."""
    context = info.context
    ticket = await load_visible(Ticket, input.ticket_id, context.viewer, "ticketId")
    return await merging.undo(context.action(), ticket)


async def targets_of(context: Context, parents: Sequence[Ticket]) -> list[Ticket | None]:
    """The ticket that each ticket was merged into, None when it wasn't merged."""
    merges = await _merges(context, parents)
    rows = {
        row.id: row
        for row in await read(
            QuerySet(Ticket), where_in=("id", {merge.target_id for merge in merges.values()})
        )
    }
    return [
        rows[merges[ticket.id].target_id] if ticket.id in merges else None for ticket in parents
    ]


async def undo_times(context: Context, parents: Sequence[Ticket]) -> list[datetime | None]:
    """Until when the merge of each ticket can be undone by the viewer, None when it can't."""
    merges = await _merges(context, parents) if context.viewer.is_agent else {}
    now = context.services.clock.now()
    ends = [
        merges[ticket.id].at + UNDO_PERIOD if ticket.id in merges else None for ticket in parents
    ]
    return [end if end and end > now else None for end in ends]


async def _merges(context: Context, tickets: Sequence[Ticket]) -> dict[int, TicketMerge]:
    rows = await read(
        TicketMerge.visible_to(context.viewer),
        where_in=("ticket_id", {ticket.id for ticket in tickets}),
    )
    return {row.ticket_id: row for row in rows}


async def merged_tickets(context: Context, parents: Sequence[Ticket]) -> list[list[Ticket]]:
    """The tickets that were merged into each ticket, oldest first."""
    merges = await read(
        TicketMerge.visible_to(context.viewer),
        None,
        "ticket_id",
        where_in=("target_id", {ticket.id for ticket in parents}),
    )
    rows = {
        row.id: row
        for row in await read(
            QuerySet(Ticket), where_in=("id", {merge.ticket_id for merge in merges})
        )
    }
    groups: dict[int, list[Ticket]] = {ticket.id: [] for ticket in parents}
    for merge in merges:
        groups[merge.target_id].append(rows[merge.ticket_id])
    return [groups[ticket.id] for ticket in parents]
