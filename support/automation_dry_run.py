"""What an automation would have done in the past days, without writing anything.

The tickets that have changed since then are read, the most recent first, at most MAX_TICKETS, with
their events. What never changes (channel, category, company, texts, opening hours) and the status
are as they were; priority, tags, team and assignee are those of today.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from models.event import Event, EventKind, ticket_stream
from models.identity.user import AUTOMATION_EMAIL
from models.support.automation import AutomationEvent, AutomationVersion
from models.support.message import Message
from models.support.sla_clock import SlaClock
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActionKind
from models.support.ticket_status import TRANSITIONS, TicketStatus
from support.automation_facts import facts_of
from support.automation_runs import (
    EVENT_KINDS,
    Happening,
    PostedMessages,
    due_time,
)
from support.ticket_actions import ActionRefusalReason

MAX_DAYS, MAX_TICKETS, MAX_EVENTS, MAX_MATCHES = 90, 500, 100, 100
CURRENT_STATE = {
    "priority": "priority",
    "tags": "tags",
    "team_id": "teamIds",
    "assignee_id": "assigneeIds",
    "assigned": "assigned",
    "reply_awaited": "replyAwaited",
}


@dataclass(frozen=True)
class DryRunMatch:
    """An event on which an automation would have acted, and what it would have done."""

    ticket_id: int
    event: AutomationEvent
    happened_at: datetime
    at: datetime
    kinds: list[TicketActionKind]
    reason: ActionRefusalReason | None


@dataclass
class DryRun:
    """The result of a dry run."""

    checked_ticket_count: int = 0
    is_complete: bool = True
    match_count: int = 0
    refused_count: int = 0
    ticket_ids: set[int] = field(default_factory=set)
    matches: list[DryRunMatch] = field(default_factory=list)
    current_state: list[str] = field(default_factory=list)

    @property
    def ticket_count(self) -> int:
        """The number of tickets on which the automation would have acted."""
        return len(self.ticket_ids)


async def dry_run(version: AutomationVersion, now: datetime, days: int) -> DryRun:
    """What an automation in this version would have done during the past days."""
    since, result = now - timedelta(days=days), DryRun()
    names = {*version.conditions, *version.exceptions}
    result.current_state = [CURRENT_STATE[name] for name in CURRENT_STATE if name in names]
    tickets = await Ticket.filter(updated_at__gte=since).order_by("-id").limit(MAX_TICKETS + 1)
    result.is_complete = len(tickets) <= MAX_TICKETS
    for ticket in tickets[:MAX_TICKETS]:
        result.checked_ticket_count += 1
        await _try(version, ticket, since, now, result)
    result.matches.sort(key=lambda match: match.at, reverse=True)
    del result.matches[MAX_MATCHES:]
    return result


async def _try(
    version: AutomationVersion, ticket: Ticket, since: datetime, now: datetime, result: DryRun
) -> None:
    events = Event.filter(stream=ticket_stream(ticket.pk), kind__in=EVENT_KINDS)
    history = await events.order_by("sequence").limit(MAX_EVENTS + 1)
    result.is_complete &= len(history) <= MAX_EVENTS
    happenings = await _happenings(version, ticket, history, since)
    known = await facts_of(ticket) if happenings else None
    for happening in happenings:
        at: datetime | None = happening.at
        if version.delay is not None:
            at = await due_time(version, ticket, happening.at)
        if at is None or at > now or await _is_obsolete(ticket, happening, history, at):
            continue
        status = _status_at(history, at)
        if known and known.at(happening.at, happening.message, status).meets(version):
            _record(version, ticket, happening, at, status, result)


async def _happenings(
    version: AutomationVersion, ticket: Ticket, history: Sequence[Event], since: datetime
) -> list[Happening]:
    """What has happened in a ticket since then on which the automation acts."""
    if version.event in (AutomationEvent.SLA_WARNING, AutomationEvent.SLA_BREACHED):
        column = "breached_at" if version.event is AutomationEvent.SLA_BREACHED else "warned_at"
        clocks = await SlaClock.filter(ticket_id=ticket.pk, **{f"{column}__gte": since})
        return [Happening(version.event, getattr(clock, column)) for clock in clocks]
    recent, happenings = [event for event in history if event.at >= since], []
    posted = await PostedMessages.of(ticket.pk, recent)
    for event in recent:
        happening = posted.happening_of(event)
        if happening and happening.event is version.event:
            happenings.append(happening)
    return happenings


async def _is_obsolete(
    ticket: Ticket, happening: Happening, history: Sequence[Event], at: datetime
) -> bool:
    """Whether something that makes the automation obsolete had happened before its delay was
    over.
    """
    later = [
        each
        for each in history
        if each.sequence > happening.sequence and happening.at <= each.at < at
    ]
    match happening.event:
        case AutomationEvent.STATUS_CHANGED:
            return any(each.kind is EventKind.STATUS_CHANGED for each in later)
        case AutomationEvent.TICKET_ASSIGNED:
            return any(each.kind is EventKind.TICKET_ASSIGNED for each in later)
        case AutomationEvent.CUSTOMER_REPLIED | AutomationEvent.AGENT_REPLIED:
            posted = [each.message_id for each in later if each.kind is EventKind.MESSAGE_POSTED]
            messages = Message.filter(ticket_id=ticket.pk, pk__in=posted or [0])
            return await messages.exclude(author__email=AUTOMATION_EMAIL).exists()
    return False


def _status_at(history: Sequence[Event], at: datetime) -> TicketStatus:
    """The status of a ticket at a time."""
    statuses = [each.status for each in history if each.status and each.at <= at]
    return TicketStatus(statuses[-1]) if statuses else TicketStatus.NEW


def _record(
    version: AutomationVersion,
    ticket: Ticket,
    happening: Happening,
    at: datetime,
    status: TicketStatus,
    result: DryRun,
) -> None:
    actions, reason = version.ticket_actions, None
    needs_open = actions.has_reply or actions.assigns or actions.category or actions.snooze_minutes
    is_moved = actions.status not in (None, status)
    if is_moved and actions.finishes and ticket.deadline_at is not None:
        reason = ActionRefusalReason.LEGAL_REQUEST
    elif status is TicketStatus.CLOSED and needs_open:
        reason = ActionRefusalReason.TICKET_CLOSED
    elif is_moved and actions.status not in TRANSITIONS[status]:
        reason = ActionRefusalReason.STATUS_IMPOSSIBLE
    elif actions.category not in (None, ticket.category) and ticket.deadline_at is not None:
        reason = ActionRefusalReason.CATEGORY_FIXED
    result.match_count += 1
    result.refused_count += reason is not None
    result.ticket_ids.add(ticket.pk)
    result.matches.append(
        DryRunMatch(ticket.pk, happening.event, happening.at, at, actions.kinds, reason)
    )
