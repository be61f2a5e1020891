"""How far tickets have been delivered and read: stored from the subscriptions of this process, and
watched live by the other side.

A watcher gets the whole state, not only changes, so one that reconnects has missed nothing. The
state is read again when the ticket has a new event, or when a position was announced.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from models.action import Action
from models.errors import ServiceUnavailable
from models.event import positions_stream, ticket_stream
from models.support.ticket_position import (
    Position,
    TicketPositions,
    mark_delivered,
    positions_of,
)
from realtime.delivered_positions import DeliveredPositions
from realtime.hub import Hub
from realtime.outages import retry_during_outage
from realtime.presence import COALESCE_SECONDS


async def store_delivered(action: Action, delivered: DeliveredPositions) -> None:
    """Store how far people have received tickets in this process."""
    positions = delivered.collect()
    try:
        await mark_delivered(
            action,
            [
                Position(int(stream.rpartition(":")[2]), *receiver, sequence)
                for (stream, receiver), sequence in positions.items()
            ],
        )
    except ServiceUnavailable:
        delivered.restore(positions)
        raise


async def watch_positions(
    hub: Hub, ticket_id: int, require_access: Callable[[], Awaitable[None]]
) -> AsyncGenerator[TicketPositions, None]:
    """The positions in a ticket, and again whenever they have changed. Raises what `require_access`
    raises; it is called before each delivery.
    """

    async def read() -> TicketPositions:
        await require_access()
        return (await positions_of([ticket_id])).get(ticket_id, TicketPositions())

    delivered_positions: TicketPositions | None = None
    with hub.listen(ticket_stream(ticket_id), positions_stream(ticket_id)) as announced:
        while True:
            announced.clear()
            positions = await retry_during_outage(read)
            if positions != delivered_positions:
                delivered_positions = positions
                yield positions
            await announced.wait()
            await asyncio.sleep(COALESCE_SECONDS)
