"""Who is writing in a ticket, for the other agents who look at it.

This is derived from the stored drafts: a person is writing if their draft was saved within the last
seconds. So it ends by itself when they stop, their browser crashes or they lose their connection,
and it works across processes without a relay. A watcher gets the whole state, as in
support/positions.py.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from tortoise.queryset import QuerySet

from models.clock import Clock
from models.event import ticket_stream, writers_stream
from models.support.draft import Draft
from realtime.hub import Hub
from realtime.outages import retry_during_outage
from realtime.presence import COALESCE_SECONDS
from support.teams import ANSWERING_ROLES

WRITING_TIME = timedelta(seconds=15)
# A draft may be gone without an announcement: when it was posted in the ticket into which this one
# was merged.
CHECK_SECONDS = 30.0


@dataclass(frozen=True)
class TicketWriters:
    """The drafts of other agents in a ticket, the earliest first."""

    writers: Sequence[Draft]


def drafts_of_others(user_id: int | None) -> QuerySet[Draft]:
    """The drafts of those who answer customers, except this person's."""
    return Draft.filter(user__staff__in=ANSWERING_ROLES).exclude(user_id=user_id)


def is_writing(draft: Draft, now: datetime) -> bool:
    """Whether a draft was saved just now. One with a time in the future, from before the clock was
    set back, was not.
    """
    return timedelta() <= now - draft.updated_at < WRITING_TIME


async def watch_writers(
    hub: Hub,
    clock: Clock,
    ticket_id: int,
    user_id: int,
    require_access: Callable[[], Awaitable[None]],
) -> AsyncGenerator[TicketWriters, None]:
    """Who else is writing or has a draft in a ticket, and again whenever that changes. Raises what
    `require_access` raises; it is called before each delivery.
    """

    async def read() -> list[Draft]:
        await require_access()
        return await drafts_of_others(user_id).filter(ticket_id=ticket_id).order_by("id")

    delivered: list[tuple[int, bool, bool]] | None = None
    with hub.listen(ticket_stream(ticket_id), writers_stream(ticket_id)) as announced:
        while True:
            announced.clear()
            drafts, now = await retry_during_outage(read), clock.now()
            state = [(draft.user_id, draft.is_note, is_writing(draft, now)) for draft in drafts]
            if state != delivered:
                delivered = state
                yield TicketWriters(drafts)
            ends = [draft.updated_at + WRITING_TIME for draft in drafts if is_writing(draft, now)]
            with suppress(TimeoutError):
                async with asyncio.timeout(_seconds_until(ends, clock.now())):
                    await announced.wait()
            await asyncio.sleep(COALESCE_SECONDS)


def _seconds_until(ends: Sequence[datetime], now: datetime) -> float:
    """The seconds until the first of these times, or until the drafts have to be checked again."""
    return min([CHECK_SECONDS, *(max(0.0, (end - now).total_seconds()) for end in ends)])
