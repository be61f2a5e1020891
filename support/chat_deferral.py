"""Chats that aren't answered live become tickets, and their customers are told by when they will be
answered.

A chat becomes a ticket when it is opened while nobody answers chats, when it has waited too long,
or when nothing has happened in it for long. It keeps its channel, CHAT. The targets and the promise
are then those of requests from the account.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from tortoise.expressions import Q

from mail import emails
from models.accounts.account import Membership
from models.action import Action, Transaction
from models.due_rows import handle_each
from models.event import EventKind
from models.identity.user import User
from models.support.chat_agents import available_agents
from models.support.live_chat import ChatState, LiveChat, find_chat
from models.support.message import Message
from models.support.opening_hours import OpeningHours
from models.support.sla_clock import follow_policy, response_due_at
from models.support.team import hours_by_team
from models.support.ticket import Ticket
from support.chat_options import ChatOptions


async def defer_due(action: Action, options: ChatOptions) -> int:
    """Defer the chats that have waited too long, or in which nothing has happened for long. Outside
    of a team's opening hours, when no agent is left, defer all that wait. Returns how many.
    """
    waiting = LiveChat.filter(state=ChatState.WAITING)
    has_waited_too_long = Q(since__lte=action.at - timedelta(seconds=options.wait_seconds))
    closed = _closed_queues(await hours_by_team(), action.at)
    if closed and not await available_agents(action.at):
        waiting = waiting.filter(has_waited_too_long | closed)
    else:
        waiting = waiting.filter(has_waited_too_long)
    idle_since = action.at - timedelta(seconds=options.idle_seconds)
    idle = LiveChat.filter(
        state=ChatState.ACTIVE, since__lte=idle_since, ticket__updated_at__lte=idle_since
    )
    count = await handle_each(waiting, partial(_defer_waiting, action), "chat.not_deferred")
    defer = partial(_defer_idle, action, options)
    return count + await handle_each(idle, defer, "chat.not_deferred")


def _closed_queues(hours: Mapping[int | None, OpeningHours], at: datetime) -> Q | None:
    """The queues that are outside of their hours, None when all of them are open. `hours` are those
    of the teams with a calendar of their own, and, under None, of all other queues.
    """
    own = [team_id for team_id in hours if team_id is not None]
    closed = [team_id for team_id in own if not hours[team_id].is_open(at)]
    condition = Q(team_id__in=closed) if closed else None
    if not hours[None].is_open(at):
        others = Q(team_id=None) | ~Q(team_id__in=own) if own else Q(pk__gt=0)
        condition = condition | others if condition else others
    return condition


async def _defer_waiting(action: Action, key: int) -> bool:
    former = await LiveChat.get(pk=key)
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, former.ticket_id)
        chat = await find_chat(ticket, tx.db)
        if chat is None or (chat.state, chat.since) != (ChatState.WAITING, former.since):
            return False
        await _defer(tx, ticket, chat)
    return True


async def _defer_idle(action: Action, options: ChatOptions, key: int) -> bool:
    ticket_id = (await LiveChat.get(pk=key)).ticket_id
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket_id)
        chat = await find_chat(ticket, tx.db)
        idle_time = action.at - ticket.updated_at
        if chat is None or chat.state is not ChatState.ACTIVE:
            return False
        if idle_time < timedelta(seconds=options.idle_seconds):
            return False
        await _defer(tx, ticket, chat)
    return True


async def _defer(tx: Transaction, ticket: Ticket, chat: LiveChat) -> None:
    chat.enter(ChatState.DEFERRED, tx.action.at)
    await chat.save_state(tx, ticket)
    await follow_policy(tx, ticket)
    await ticket.append_event(tx, EventKind.CHAT_DEFERRED)
    if ticket.reply_awaited_since:
        await tell_requester(tx, ticket)


async def tell_of_follow_up(tx: Transaction, message: Message) -> None:
    """Notify the requester of a chat's follow-up, which a customer has just opened with this
    message while nobody answers chats.
    """
    is_repeat = message.at != tx.action.at
    if message.from_staff or is_repeat or message.ticket_id == message.origin_id:
        return
    earlier = Message.filter(ticket_id=message.ticket_id, sequence__lt=message.sequence)
    if await earlier.using_db(tx.db).exists():
        return
    ticket = await Ticket.get(pk=message.ticket_id, using_db=tx.db)
    chat = await find_chat(ticket, tx.db)
    if chat and not chat.is_live:
        await tell_requester(tx, ticket)


async def tell_requester(tx: Transaction, ticket: Ticket) -> None:
    """Tell the requester of a chat that has become a ticket by when they will be answered, if they
    are still a member of the company.
    """
    memberships = Membership.filter(account_id=ticket.account_id, user_id=ticket.requester_id)
    if await memberships.using_db(tx.db).exists():
        requester = await User.get(pk=ticket.requester_id, using_db=tx.db)
        due_at = await response_due_at(tx, ticket)
        await emails.send_chat_deferred(tx, requester, ticket, due_at)
