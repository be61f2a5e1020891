"""Subscriptions: the events of a ticket, of the inbox, of an agent and of the viewer's account, and
who is typing in a ticket.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated, Any

import strawberry

from auth.session_checks import credential, valid_credentials
from models.errors import NotFound
from models.event import INBOX, account_stream, agent_stream, ticket_stream
from models.operations.installation import Installation
from models.support.ticket import Ticket
from models.support.ticket_position import TicketPositions
from models.support.ticket_status import TicketStatus, visible_status
from realtime.delivered_positions import Receiver
from realtime.presence import Typing
from realtime.stream import EventStream
from resolvers.context import Context, Info
from resolvers.ids import key_argument
from resolvers.scalars import BigInt
from support.positions import watch_positions

TicketIdArgument = Annotated[
    strawberry.ID, strawberry.argument(description="The ID of the ticket to follow.")
]
CursorArgument = Annotated[
    BigInt | None,
    strawberry.argument(
        description="The `sequence` of the last event you received: delivery resumes with the one "
        "after it. 0 delivers every event from the first. Null delivers new events only. A value "
        "above the latest `sequence` fails with AFTER_AHEAD: resume from 0."
    ),
]
EpochArgument = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "The `epoch` of the last event you received, or `streamEpoch` as of when you loaded "
            "what `after` refers to. If another epoch has begun since, events that you have seen "
            "may be missing, and the subscription fails with STREAM_RESET. With null, this isn't "
            "detected."
        )
    ),
]


async def ticket_events(
    info: Info,
    ticket_id: TicketIdArgument,
    after: CursorArgument = None,
    epoch: EpochArgument = None,
) -> EventStream:
    """The events of one ticket, for those who may see it."""
    key = key_argument(Ticket, ticket_id, "ticketId")
    context = info.context
    stream = open_stream(
        context, ticket_stream(key), after, lambda context: require_ticket(context, key), epoch
    )
    if context.viewer.user:  # what a program receives, nobody has seen
        stream.receiver = Receiver(context.viewer.user.pk, context.viewer.is_agent)
        stream.delivered = context.services.delivered
    return stream


async def ticket_typing(info: Info, ticket_id: TicketIdArgument) -> AsyncGenerator[Typing, None]:
    """Who else is typing in one ticket, for those who may see it."""
    context, key = info.context, key_argument(Ticket, ticket_id, "ticketId")
    stream = open_stream(
        context, ticket_stream(key), None, lambda context: require_ticket(context, key)
    )
    return context.services.presence.watch(key, context.user.pk, stream.require_access)


async def ticket_positions(
    info: Info, ticket_id: TicketIdArgument
) -> AsyncGenerator[TicketPositions, None]:
    """How far a ticket was delivered and read, for those who may see it."""
    context, key = info.context, key_argument(Ticket, ticket_id, "ticketId")
    stream = open_stream(
        context, ticket_stream(key), None, lambda context: require_ticket(context, key)
    )
    return watch_positions(context.services.hub, key, stream.require_access)


async def inbox_events(
    info: Info, after: CursorArgument = None, epoch: EpochArgument = None
) -> EventStream:
    """The events of all tickets that concern the agents."""
    return open_stream(info.context, INBOX, after, _session_only, epoch)


async def agent_events(
    info: Info, after: CursorArgument = None, epoch: EpochArgument = None
) -> EventStream:
    """The events that the viewer is notified of."""
    key = agent_stream(info.context.user.pk)
    return open_stream(info.context, key, after, _session_only, epoch)


async def account_events(
    info: Info, after: CursorArgument = None, epoch: EpochArgument = None
) -> EventStream:
    """The events of the account that the viewer acts for."""
    account_id = info.context.viewer.account_id
    assert account_id is not None, "the field's rule lets in customers and keys only"  # noqa: S101
    return open_stream(info.context, account_stream(account_id), after, _session_only, epoch)


def open_stream(
    context: Context,
    key: str,
    after: int | None,
    check_access: Callable[[Context], Awaitable[None]],
    epoch: str | None = None,
) -> EventStream:
    clock = context.services.clock
    return EventStream(
        hub=context.services.hub,
        key=key,
        after=after,
        epoch=epoch,
        context=context,
        session=credential(context.viewer),
        valid_sessions=lambda sessions: valid_credentials(sessions, clock.now()),
        check_access=check_access,
    )


async def _session_only(context: Context) -> None:
    """Check nothing but the session: what else the field's rule requires can't change during a
    session.
    """


async def require_ticket(context: Context, ticket_id: int) -> None:
    if not await Ticket.followed_by(context.viewer).filter(pk=ticket_id).exists():
        raise NotFound


async def stream_epoch(info: Info) -> str:
    """The epoch of all streams."""
    return await Installation.stream_epoch()


def epoch_of_event(root: Any, info: Info) -> str:
    """The epoch of all streams, as read when the subscription began or later."""
    epoch = info.context.services.hub.epoch
    assert epoch is not None, "a subscription reads it before its first event"  # noqa: S101
    return epoch


def status(root: Any, info: Info) -> TicketStatus | None:
    """The ticket's status after the event, as far as the viewer may see it; None when the event
    didn't change it.
    """
    return visible_status(TicketStatus(root.status), info.context.viewer) if root.status else None
