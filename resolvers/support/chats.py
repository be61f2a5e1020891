"""Live chats: who takes them, whether they are answered now, and the state of each chat."""

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

import strawberry

from models.clock import local_date
from models.errors import NotFound
from models.event import ticket_stream
from models.identity.user import User
from models.support.agent_presence import present_agent_ids
from models.support.classification import Category, Channel
from models.support.live_chat import ChatState, active_chat_counts
from models.support.team import AgentProfile, ChatAvailability, Team
from models.support.ticket import Ticket
from models.translations import Translatable, _, day, text, time_of_day
from resolvers.context import Context, Info
from resolvers.ids import key_argument
from resolvers.support.events import TicketIdArgument, open_stream, require_ticket
from support import chat_returns
from support.chat_views import ChatService, ChatView, chat_views
from support.opening_hours_text import hours_text

CategoryArgument = Annotated[
    Category | None,
    strawberry.argument(
        description=(
            "The category of the chat. When omitted, chats of any category are considered, and "
            "some categories may still be unattended."
        )
    ),
]


@strawberry.input(description="Whether the viewer takes new chats.")
class AgentSetChatAvailabilityInput:
    availability: ChatAvailability = strawberry.field(description="The new availability.")


async def set_availability(info: Info, input: AgentSetChatAvailabilityInput) -> User:
    """Set whether the viewer takes new chats."""
    context = info.context
    return await chat_returns.set_availability(context.action(), context.user, input.availability)


TeamArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description=(
            "The ID of a team, to consider only its chats. Defaults to the team of the category. "
            "For members of the staff only: for others, the error is NOT_FOUND."
        )
    ),
]


async def service(
    root: Any, info: Info, category: CategoryArgument = None, team_id: TeamArgument = None
) -> ChatService:
    """Whether chats are answered now."""
    key = await _team_key(info, team_id)
    return await info.context.services.chats.service(category, key)


async def watch_service(
    info: Info, category: CategoryArgument = None, team_id: TeamArgument = None
) -> AsyncGenerator[ChatService, None]:
    """Whether chats are answered now, and each change of that."""
    key = await _team_key(info, team_id)
    return info.context.services.chats.watch_service(category, key)


async def _team_key(info: Info, team_id: str | None) -> int | None:
    """The key of a team. Raises NotFound for a team that the viewer doesn't see."""
    if team_id is None:
        return None
    key = key_argument(Team, team_id, "teamId")
    if not await Team.visible_to(info.context.viewer).filter(pk=key).exists():
        raise NotFound
    return key


def opening_hours(root: ChatService, info: Info) -> str:
    """The opening hours as text."""
    return hours_text(root.hours, info.context.viewer.locale)


async def watch_chat(info: Info, ticket_id: TicketIdArgument) -> AsyncGenerator[ChatView, None]:
    """The state of one chat and its changes, for those who may see it."""
    context, key = info.context, key_argument(Ticket, ticket_id, "ticketId")
    access = open_stream(context, ticket_stream(key), None, lambda each: require_ticket(each, key))
    return context.services.chats.watch_chat(key, access.require_access)


async def of_tickets(context: Context, parents: Sequence[Any]) -> list[ChatView | None]:
    """The state of each ticket's chat, None for tickets of other channels."""
    keys = {ticket.id for ticket in parents if ticket.channel is Channel.CHAT}
    views = await chat_views(keys, context.services.clock.now()) if keys else {}
    return [views.get(ticket.id) for ticket in parents]


def expected_wait_seconds(root: Any) -> int | None:
    """The expected wait in seconds."""
    return None if root.expected_wait is None else round(root.expected_wait.total_seconds())


def notice(root: Any, info: Info) -> str | None:
    """The notice for the customer."""
    message = _notice(root)
    if message is None:
        return None
    locale = info.context.viewer.locale
    due_at = root.due_at
    values = {
        "position": root.position,
        "wait": root.expected_wait,
        "on": day(local_date(due_at), locale) if due_at else "",
        "time": time_of_day(due_at, locale) if due_at else "",
    }
    sentence = text(message, locale, **values)
    if root.state is ChatState.WAITING and root.was_assigned:
        return f"{text(_PASSED_ON, locale)} {sentence}"
    return sentence


_PASSED_ON = _("Your chat is being passed to another agent. You are back at your place in line.")


def _notice(view: ChatView) -> Translatable | None:
    if view.state is ChatState.WAITING:
        if view.expected_wait is None:
            return _("You are number %(position)s in line.")
        if not view.expected_wait:
            return _("An agent will be with you in a moment.")
        return _("You are number %(position)s in line. You will wait about %(wait)s.")
    if view.state is not ChatState.DEFERRED:
        return None
    if not view.is_reply_awaited:
        return _(
            "This chat has ended because nobody has written for a while. You can continue the "
            "conversation at any time: just write again."
        )
    if view.due_at is None:
        return _(
            "Nobody can chat with you at the moment. We have saved what you wrote as a request "
            "and will answer it as soon as possible."
        )
    return _(
        "Nobody can chat with you at the moment. We have saved what you wrote as a request and "
        "will answer it by %(on)s at %(time)s."
    )


async def availabilities(context: Context, parents: Sequence[User]) -> list[ChatAvailability]:
    """Whether each agent takes new chats."""
    profiles = await AgentProfile.filter(user_id__in=[user.pk for user in parents])
    values = {profile.user_id: profile.chat_availability for profile in profiles}
    return [values.get(user.pk, ChatAvailability.AWAY) for user in parents]


async def presences(context: Context, parents: Sequence[User]) -> list[bool]:
    """Whether a device of each agent is connected."""
    keys = [user.pk for user in parents]
    present_ids = await present_agent_ids(keys, context.services.clock.now())
    return [key in present_ids for key in keys]


async def counts(context: Context, parents: Sequence[User]) -> list[int]:
    """The number of chats that each agent has."""
    keys = [user.pk for user in parents]
    chat_counts = await active_chat_counts(keys)
    return [chat_counts.get(key, 0) for key in keys]
