"""Following what happens: the subscriptions of tickets, the inbox and companies."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated

import strawberry

from auth.sessions import standing, stream
from models.errors import NotFound, Unauthenticated
from models.event import INBOX, Event
from models.ticket import Ticket
from realtime.presence import Typing
from realtime.stream import follow
from resolvers.context import Context, Info
from resolvers.ids import key_argument

TicketId = Annotated[strawberry.ID, strawberry.argument(description="The ticket to follow.")]
Cursor = Annotated[
    int | None,
    strawberry.argument(
        description="The sequence of the last event seen; 0 for all of them, null for what comes next."
        " One beyond the latest is refused with AFTER_AHEAD: start from 0 then."
    ),
]


async def ticket_events(info: Info, ticket_id: TicketId, after: Cursor = None) -> AsyncGenerator[Event, None]:
    """Everything that happens in one ticket."""
    key = key_argument(Ticket, ticket_id, "ticketId")
    return follow(info.context.parts.hub, f"ticket:{key}", after, _still_sees(info.context, key), *_woken_by(info.context))


async def ticket_typing(info: Info, ticket_id: TicketId) -> AsyncGenerator[Typing, None]:
    """Who else types in one ticket."""
    key = key_argument(Ticket, ticket_id, "ticketId")
    may_see = _still_sees(info.context, key)
    await may_see()
    return info.context.parts.presence.follow(key, info.context.user.pk, may_see)


async def inbox_events(info: Info, after: Cursor = None) -> AsyncGenerator[Event, None]:
    """What agents must know of every ticket."""
    return follow(info.context.parts.hub, INBOX, after, _still_signed_in(info.context), *_woken_by(info.context))


async def account_events(info: Info, after: Cursor = None) -> AsyncGenerator[Event, None]:
    """What happens to the viewer's company."""
    account = info.context.viewer.account
    assert account is not None, "the field's rule lets in customers only"  # noqa: S101
    context = info.context
    return follow(context.parts.hub, account.stream, after, _still_signed_in(context), *_woken_by(context))


def _woken_by(context: Context) -> list[str]:
    session = context.viewer.session
    return [stream(session.pk)] if session else []


def _still_signed_in(context: Context) -> Callable[[], Awaitable[None]]:
    async def may_see() -> None:
        session = context.viewer.session
        if session is None or not await standing(context.parts.clock.now()).filter(pk=session.pk).exists():
            raise Unauthenticated

    return may_see


def _still_sees(context: Context, ticket_id: int) -> Callable[[], Awaitable[None]]:
    signed_in = _still_signed_in(context)

    async def may_see() -> None:
        await signed_in()
        if not await Ticket.visible_to(context.viewer).filter(pk=ticket_id).exists():
            raise NotFound

    return may_see
