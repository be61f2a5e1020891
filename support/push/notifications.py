"""What a device is notified of: decided from the events of its stream.

A customer's device follows the stream of the company, an agent's device their own one. Streams are
numbered without gaps (models/event.py), so they are the queue: a device that knows the number up to
which it was notified has missed nothing, and nothing is stored for it as events happen.

Several events of one kind in a ticket are one notification. There is none about what the person did
themselves, or has read or received meanwhile, as with emails about replies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

import orjson
from tortoise.connection import get_connection
from tortoise.expressions import Q

from mail.customer_space import TICKETS, CustomerSpace
from models.database.sql import fetch_records
from models.event import Event, EventKind, ticket_stream
from models.identity.user import User
from models.support.classification import Channel
from models.support.merge import merged_ticket_ids
from models.support.message import Message
from models.support.note import Mention
from models.support.push_device import CUSTOMER_KINDS, PushDevice, PushKind
from models.support.sla_clock import ClockState, SlaClock
from models.support.ticket import Ticket
from models.support.ticket_position import TicketPosition
from models.support.ticket_status import CUSTOMER_LABELS, TicketStatus
from models.translations import Translatable, _, _n, text
from support.push.vapid import base64url

_KINDS = {
    EventKind.MESSAGE_POSTED: PushKind.TICKET_REPLY,
    EventKind.STATUS_CHANGED: PushKind.TICKET_STATUS,
    EventKind.TICKET_ASSIGNED: PushKind.TICKET_ASSIGNED,
    EventKind.NOTE_ADDED: PushKind.MENTION,
    EventKind.SLA_WARNING: PushKind.SLA_WARNING,
    EventKind.SLA_BREACHED: PushKind.SLA_WARNING,
}
# The others say nothing that a customer waits for.
_TOLD_STATUSES = (TicketStatus.PENDING, TicketStatus.SOLVED, TicketStatus.CLOSED)
_REPLY = _n("New reply to your request %(number)s", "New replies to your request %(number)s")
_STATUS = _("Your request %(number)s: %(status)s")
_CHAT = _("A customer is waiting in the chat %(number)s")
_TITLES = {
    PushKind.TICKET_ASSIGNED: _("You have been assigned the ticket %(number)s"),
    PushKind.MENTION: _("You are mentioned in the ticket %(number)s"),
    PushKind.SLA_WARNING: _("A target of the ticket %(number)s is at risk or was missed"),
}
NEWS_LIFETIME = timedelta(days=1)  # what happened before that is no news any more
_CHAT_LIFETIME = timedelta(minutes=10)


class Urgency(StrEnum):
    """How much battery a notification may use (RFC 8030, section 5.3)."""

    HIGH = "high"
    NORMAL = "normal"


@dataclass(frozen=True)
class Notification:
    """One notification: its payload, how long the push service keeps it, the topic by which a later
    one replaces it there, and the events that it is about.
    """

    payload: bytes
    topic: str
    urgency: Urgency
    ttl: timedelta
    events: Sequence[Event]


@dataclass
class _Group:
    """The events of one kind in one ticket."""

    kind: PushKind
    ticket_id: int
    events: list[Event]


async def notifications_of(
    device: PushDevice, user: User, events: Sequence[Event], space: CustomerSpace, base_url: str
) -> list[Notification]:
    """The notifications about these events of the device's stream, oldest first."""
    result = []
    for group in _groups(device, user, events):
        ticket = await Ticket.get_or_none(pk=group.ticket_id)
        if ticket is None:
            continue
        title = await _title(group, ticket, user)
        if title is not None:
            result.append(_notification(device, group, ticket, title, user, space, base_url))
    return result


def _groups(device: PushDevice, user: User, events: Sequence[Event]) -> list[_Group]:
    groups: dict[tuple[PushKind, int], _Group] = {}
    for event in events:
        kind = _KINDS.get(event.kind)
        if kind in device.kinds and event.ticket_id and event.actor_id != user.pk:
            group = groups.setdefault((kind, event.ticket_id), _Group(kind, event.ticket_id, []))
            group.events.append(event)
    return list(groups.values())


async def _title(group: _Group, ticket: Ticket, user: User) -> str | None:
    """The title of a notification, None when there is nothing to say any more."""
    position = await TicketPosition.get_or_none(ticket_id=ticket.pk, user_id=user.pk)
    reached = max(position.read_sequence, position.delivered_sequence) if position else 0
    if group.kind in CUSTOMER_KINDS and not await _takes_part(ticket, user):
        return None
    values: dict[str, Any] = {"number": ticket.number}
    if group.kind is PushKind.TICKET_REPLY:
        values["count"] = await _unread_replies(group, reached)
        message: Translatable = _REPLY
        is_due = values["count"] > 0
    elif group.kind is PushKind.TICKET_STATUS:
        message, values["status"] = _STATUS, CUSTOMER_LABELS[ticket.status]
        is_due = ticket.status in _TOLD_STATUSES and await _is_unread(group, reached)
    else:
        message = _CHAT if _is_chat(group.kind, ticket) else _TITLES[group.kind]
        is_due = await _concerns_agent(group.kind, ticket, user) and await _is_unread(
            group, reached
        )
    return text(message, user.locale, **values) if is_due else None


def _is_chat(kind: PushKind, ticket: Ticket) -> bool:
    return kind is PushKind.TICKET_ASSIGNED and ticket.channel is Channel.CHAT


async def _takes_part(ticket: Ticket, user: User) -> bool:
    """Whether a customer opened the ticket or wrote in it, or in one that was merged into it."""
    if ticket.requester_id == user.pk:
        return True
    merged_ids = await merged_ticket_ids(ticket.pk, get_connection("default"))
    written = Message.filter(
        ticket_id__in=[ticket.pk, *merged_ids], author_id=user.pk, from_staff=False
    )
    opened = Ticket.filter(pk__in=merged_ids, requester_id=user.pk)
    return await written.exists() or bool(merged_ids and await opened.exists())


async def _unread_replies(group: _Group, reached: int) -> int:
    keys = [event.message_id for event in group.events if event.message_id]
    replies = Message.filter(pk__in=keys, from_staff=True, deleted_at=None)
    return await replies.filter(sequence__gt=reached).count()


async def _is_unread(group: _Group, reached: int) -> bool:
    """Whether the latest of the events came after what the person has read or received of the
    ticket.
    """
    rows = await fetch_records(
        "SELECT sequence FROM event WHERE stream = ? AND at <= ? ORDER BY sequence DESC LIMIT 1",
        ticket_stream(group.ticket_id),
        group.events[-1].at,
    )
    return not rows or int(rows[0][0]) > reached


async def _concerns_agent(kind: PushKind, ticket: Ticket, user: User) -> bool:
    """Whether an agent still has to know: they have the ticket, haven't seen where they are
    mentioned, or a target is still at risk.
    """
    if kind is PushKind.TICKET_ASSIGNED:
        return ticket.assignee_id == user.pk and not ticket.is_finished
    if kind is PushKind.MENTION:
        return await Mention.exists(ticket_id=ticket.pk, user_id=user.pk, seen_at=None)
    at_risk = Q(warned_at__not_isnull=True) | Q(breached_at__not_isnull=True)
    clocks = SlaClock.filter(at_risk, ticket_id=ticket.pk, state=ClockState.RUNNING)
    return await clocks.exists()


def _notification(
    device: PushDevice,
    group: _Group,
    ticket: Ticket,
    title: str,
    user: User,
    space: CustomerSpace,
    base_url: str,
) -> Notification:
    kind = group.kind
    topic = base64url(sha256(f"{device.pk}:{kind}:{ticket.pk}".encode()).digest()[:24])
    payload: Mapping[str, Any] = {
        "kind": kind.value,
        "title": title,
        "lang": user.locale.value,
        "tag": topic,
        "ticketNumber": ticket.number,
        "url": space.link(f"{TICKETS}{ticket.number}") or base_url
        if kind in CUSTOMER_KINDS
        else None,
    }
    waits = kind in (PushKind.TICKET_REPLY, PushKind.TICKET_ASSIGNED, PushKind.SLA_WARNING)
    return Notification(
        orjson.dumps(payload),
        topic,
        Urgency.HIGH if waits else Urgency.NORMAL,
        _CHAT_LIFETIME if _is_chat(kind, ticket) else NEWS_LIFETIME,
        group.events,
    )
