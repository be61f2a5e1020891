"""SLA clocks: how long customers wait for answers and for the resolution of their requests.

Each wait has a row, which measures business time and wall-clock time. A clock that runs has counted
the time until `running_since`. Its target and calendar are those in force when it started; a change
of the ticket's priority changes them. If the ticket's team has a calendar of its own, the clock
uses that one. After a transfer to another team, it continues by the calendar of that team: what was
counted stays.

- FIRST_RESPONSE runs from the opening of the ticket to the first public reply of staff.
- NEXT_RESPONSE runs from a message of a customer who wasn't waiting to the next public reply.
- RESOLUTION runs from the opening until the ticket is solved or closed. It is paused while the
  ticket is pending. A solved ticket that is reopened continues it.

When a ticket is solved or closed while its customer waits for a reply, that clock is canceled.

A clock is changed by whoever has locked its ticket. A reply doesn't change it: it sets
`Ticket.answered_at`, so that posting a message in one statement (support/messages.py) costs nothing
more. The job of support/sla.py stops the clock a few seconds later, unless another change of the
ticket does so first. The job also watches the targets: `check_at` is when it looks at a clock next.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.expressions import Q, Subquery
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.action import Transaction
from models.clock import local_date
from models.event import EventKind
from models.support.calendar import Calendar, default_calendar, hours_of
from models.support.classification import Channel
from models.support.live_chat import ChatState, find_chat
from models.support.opening_hours import OpeningHours
from models.support.sla_policy import RESPONSES, SlaMeasure, SlaPolicy
from models.support.team import Team, own_calendar
from models.support.ticket_status import FINISHED_STATUSES, TicketStatus

if TYPE_CHECKING:
    from models.support.ticket import Ticket

WARNING_SHARE = 0.75  # of a target, after which people are warned


class ClockState(StrEnum):
    """The state of a clock."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    SETTLED = "SETTLED"
    CANCELED = "CANCELED"


class SlaClock(Model):
    """One measure of one ticket. `due_at` is when the target is missed, null while the clock
    doesn't run or without a target. `warned_at` and `breached_at` say when people were warned and
    when the target was missed.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name="sla_clocks"
    )
    measure = fields.CharEnumField(SlaMeasure, max_length=16, description="measure")
    state = fields.CharEnumField(ClockState, max_length=8, description="state")
    calendar: fields.ForeignKeyRelation[Calendar] = fields.ForeignKeyField(
        "models.Calendar", related_name=False, on_delete=fields.RESTRICT
    )
    target: Any = fields.TimeDeltaField(null=True)
    business_time: Any = fields.TimeDeltaField(default=timedelta())
    wall_time: Any = fields.TimeDeltaField(default=timedelta())
    started_at: datetime = fields.DatetimeField()
    started_on: date = fields.DateField(db_index=True)
    running_since: datetime | None = fields.DatetimeField(null=True)
    stopped_at: datetime | None = fields.DatetimeField(null=True)
    due_at: datetime | None = fields.DatetimeField(null=True)
    check_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    warned_at: datetime | None = fields.DatetimeField(null=True)
    breached_at: datetime | None = fields.DatetimeField(null=True)

    ticket_id: int
    calendar_id: int

    class Meta:
        table = "sla_clock"
        indexes = (("ticket_id", "state"), ("state", "due_at"))

    def run(self, hours: OpeningHours, at: datetime) -> None:
        """Start or continue the clock."""
        self.state, self.running_since, self.stopped_at = ClockState.RUNNING, at, None
        self.breached_at = self.breached_at if self.is_exceeded else None
        self.plan(hours)

    def pause(self, hours: OpeningHours, at: datetime) -> None:
        """Pause the clock, if it runs."""
        if self.running_since is not None:
            self._count(hours, self.running_since, at)
        self.state = ClockState.PAUSED

    def stop(self, hours: OpeningHours, at: datetime) -> None:
        """Stop the clock, if it hasn't stopped."""
        if self.state is not ClockState.SETTLED:
            self.pause(hours, at)
            self.state, self.stopped_at = ClockState.SETTLED, at

    def follow(self, calendar: Calendar, hours: Mapping[int, OpeningHours], at: datetime) -> None:
        """Continue by another calendar from an instant on. `hours` has the opening hours of the
        former and of the new calendar.
        """
        former_hours, self.calendar_id = hours[self.calendar_id], calendar.pk
        if self.running_since is not None:
            at = max(at, self.running_since)
            self.pause(former_hours, at)
            self.run(hours[calendar.pk], at)

    def cancel(self) -> None:
        """End the clock without a result."""
        self.state, self.running_since = ClockState.CANCELED, None
        self.due_at = self.check_at = None

    def _count(self, hours: OpeningHours, begin: datetime, end: datetime) -> None:
        self.business_time += hours.time_between(begin, end)
        self.wall_time += end - begin
        self.breached_at = (self.breached_at or self.due_at) if self.is_exceeded else None
        self.running_since = self.due_at = self.check_at = None

    @property
    def is_exceeded(self) -> bool:
        """Whether more than the target has been counted."""
        return self.target is not None and self.business_time > self.target

    def plan(self, hours: OpeningHours) -> None:
        """Set when the clock is due, and when the job looks at it next."""
        self.due_at = self._instant_of(hours, 1)
        if self.is_exceeded:
            self.due_at = self.breached_at or self.running_since
        self.check_at = None
        if self.due_at is not None and self.breached_at is None:
            # At the end of hours nothing is missed yet.
            self.check_at = hours.next_opening(self.due_at)
            if self.warned_at is None:
                self.check_at = self._instant_of(hours, WARNING_SHARE)

    def _instant_of(self, hours: OpeningHours, share: float) -> datetime | None:
        """When a share of the target will have passed."""
        if self.target is None or self.running_since is None:
            return None
        left = self.target * share - self.business_time
        return hours.add(self.running_since, max(left, timedelta()))

    def check(self, hours: OpeningHours, at: datetime) -> EventKind | None:
        """Schedule a running clock again, by the calendar as it is now. Returns what people have to
        be told.
        """
        assert self.running_since, "only clocks that run are checked"  # noqa: S101
        passed = self.business_time + hours.time_between(self.running_since, at)
        former_breach, self.breached_at = self.breached_at, None
        self.plan(hours)
        kind = None
        if self.target is not None and passed > self.target:
            self.breached_at = former_breach or self.due_at
            kind = None if former_breach else EventKind.SLA_BREACHED
        elif self.target is not None and passed >= self.target * WARNING_SHARE:
            kind = None if self.warned_at else EventKind.SLA_WARNING
            self.warned_at = self.warned_at or at
        self.plan(hours)
        return kind

    @property
    def is_breaching(self) -> bool:
        """Whether people have to act soon, or should have: a target was missed or will be soon."""
        is_told = self.warned_at is not None or self.breached_at is not None
        return self.state is ClockState.RUNNING and is_told

    def answered_at(self, ticket: "Ticket") -> datetime | None:
        """When the response that this clock measures was given, None while the customer waits for
        it.
        """
        at = ticket.answered_at
        if at is None or at < self.started_at or ticket.reply_awaited_since is not None:
            return None
        return None if self.measure is SlaMeasure.RESOLUTION else at


async def start_clocks(
    tx: Transaction, ticket: "Ticket", *measures: SlaMeasure, since: datetime | None = None
) -> None:
    """Start clocks of a ticket, now or at an earlier time."""
    start = since or tx.action.at
    policy = await _policy(tx, ticket)
    calendar = await _calendar(tx, ticket, policy)
    hours = await hours_of(calendar)
    clocks = [
        SlaClock(
            ticket_id=ticket.pk,
            measure=measure,
            calendar=calendar,
            target=policy.target(measure) if policy else None,
            started_at=start,
            started_on=local_date(start),
        )
        for measure in measures
    ]
    for clock in clocks:
        clock.run(hours, start)
    await SlaClock.bulk_create(clocks, using_db=tx.db)


async def _calendar(tx: Transaction, ticket: "Ticket", policy: SlaPolicy | None) -> Calendar:
    """The calendar of a ticket's team, or else that of its policy."""
    if team_calendar := await own_calendar(ticket.team_id, tx.db):
        return team_calendar
    if policy is None or policy.calendar_id is None:
        return await default_calendar()
    return await Calendar.get(pk=policy.calendar_id)


async def start_response(tx: Transaction, ticket: "Ticket", since: datetime | None = None) -> None:
    """Start the clock of a reply: the customer of a ticket, which the caller has locked, begins to
    wait, or has waited since an earlier time. For the first reply, they have waited since the
    ticket was opened.
    """
    for clock in await _running_responses(tx, ticket):
        if not await _stop_answered(tx, clock, ticket):
            return
    await start_clocks(tx, ticket, SlaMeasure.NEXT_RESPONSE, since=since)


async def _running_responses(tx: Transaction, ticket: "Ticket") -> list[SlaClock]:
    return await SlaClock.filter(
        ticket_id=ticket.pk, state=ClockState.RUNNING, measure__in=RESPONSES
    ).using_db(tx.db)


async def _stop_answered(tx: Transaction, clock: SlaClock, ticket: "Ticket") -> bool:
    answered_at = clock.answered_at(ticket)
    if answered_at is None:
        return False
    clock.stop(await hours_by_key(clock.calendar_id), answered_at)
    await clock.save(using_db=tx.db)
    return True


async def follow_status(tx: Transaction, ticket: "Ticket", *, was_reply_awaited: bool) -> None:
    """Update the clocks of a ticket, which the caller has locked, after a change of its status.
    Once a ticket is finished, nobody waits for a reply any more.
    """
    if ticket.status in FINISHED_STATUSES:
        for clock in await _running_responses(tx, ticket):
            if was_reply_awaited or not await _stop_answered(tx, clock, ticket):
                clock.cancel()
                await clock.save(using_db=tx.db)
    resolutions = SlaClock.filter(ticket_id=ticket.pk, measure=SlaMeasure.RESOLUTION)
    for clock in await resolutions.exclude(state=ClockState.CANCELED).using_db(tx.db):
        hours = await hours_by_key(clock.calendar_id)
        _follow_status(clock, ticket.status, hours, tx.action.at)
        await clock.save(using_db=tx.db)


def _follow_status(
    clock: SlaClock, status: TicketStatus, hours: OpeningHours, at: datetime
) -> None:
    if status in FINISHED_STATUSES:
        clock.stop(hours, at)
    elif status is TicketStatus.PENDING:
        clock.pause(hours, at)
    elif clock.state is not ClockState.RUNNING:
        clock.run(hours, at)


async def hours_by_key(calendar_id: int) -> OpeningHours:
    """The opening hours of the calendar with this key."""
    return await hours_of(await Calendar.get(pk=calendar_id))


async def cancel_clocks(tx: Transaction, tickets: "QuerySet[Ticket]") -> None:
    """Cancel the clocks of tickets that are closed without anyone's action."""
    clocks = SlaClock.filter(
        ticket_id__in=Subquery(tickets.values("id")),
        state__in=(ClockState.RUNNING, ClockState.PAUSED),
    )
    ended = {"state": ClockState.CANCELED, "running_since": None, "due_at": None, "check_at": None}
    await clocks.using_db(tx.db).update(**ended)


async def _policy(tx: Transaction, ticket: "Ticket") -> SlaPolicy | None:
    """The policy of a ticket. A chat that has become a ticket has the policy of requests from the
    account.
    """
    chat = await find_chat(ticket, tx.db)
    is_deferred = chat is not None and chat.state is ChatState.DEFERRED
    return await SlaPolicy.find(Channel.WEB if is_deferred else ticket.channel, ticket.priority)


async def stop_answered(tx: Transaction, ticket: "Ticket") -> None:
    """Stop the clocks whose responses were given in a ticket, which the caller has locked."""
    for clock in await _running_responses(tx, ticket):
        await _stop_answered(tx, clock, ticket)


async def resume_clock(
    tx: Transaction, key: int, state: ClockState, running_since: datetime | None
) -> None:
    """Restore a canceled clock to its former state, as if it hadn't been canceled. The caller has
    locked the ticket.
    """
    clock = await SlaClock.get(pk=key, using_db=tx.db)
    clock.state, clock.running_since = state, running_since
    clock.plan(await hours_by_key(clock.calendar_id))
    await clock.save(using_db=tx.db)


async def response_due_at(tx: Transaction, ticket: "Ticket") -> datetime | None:
    """When the reply that a ticket's customer waits for is due, None when nothing is promised."""
    clocks = await _running_responses(tx, ticket)
    return min((clock.due_at for clock in clocks if clock.due_at), default=None)


async def follow_policy(tx: Transaction, ticket: "Ticket") -> None:
    """Set the targets of the clocks of a ticket, which the caller has locked, to those of its
    policy. The policy changes with the priority, and when a live chat is deferred.
    """
    await stop_answered(tx, ticket)
    policy = await _policy(tx, ticket)
    calendar = await _calendar(tx, ticket, policy)
    hours = await hours_of(calendar)
    unsettled = SlaClock.filter(
        ticket_id=ticket.pk, state__in=(ClockState.RUNNING, ClockState.PAUSED)
    )
    for clock in await unsettled.using_db(tx.db).order_by("id"):
        is_running = clock.state is ClockState.RUNNING
        if is_running:
            clock.pause(await hours_by_key(clock.calendar_id), tx.action.at)
        clock.calendar_id = calendar.pk
        clock.target = policy.target(clock.measure) if policy else None
        if is_running:
            clock.run(hours, tx.action.at)
        await clock.save(using_db=tx.db)


async def follow_team(tx: Transaction, ticket: "Ticket", former_team_id: int | None) -> None:
    """Continue the clocks of a ticket, which the caller has locked and given to another team, by
    the calendar of that team, if it differs from the former one.
    """
    keys = [key for key in (former_team_id, ticket.team_id) if key is not None]
    teams = await Team.filter(pk__in=keys, calendar_id__not_isnull=True).using_db(tx.db)
    own = {team.pk: team.calendar_id for team in teams}
    if own.get(former_team_id or 0) != own.get(ticket.team_id or 0):
        await follow_calendar(tx, ticket, tx.action.at)


async def follow_calendar(tx: Transaction, ticket: "Ticket", at: datetime) -> bool:
    """Continue the clocks of a ticket, which the caller has locked, by the calendar of its team
    from an instant on. Returns whether any had another calendar. A resolution that was measured may
    be continued later, so its clock is updated too.
    """
    await stop_answered(tx, ticket)
    calendar = await _calendar(tx, ticket, await _policy(tx, ticket))
    clocks = SlaClock.filter(ticket_id=ticket.pk).exclude(calendar_id=calendar.pk)
    clocks = clocks.exclude(state=ClockState.CANCELED)
    unsettled = Q(measure=SlaMeasure.RESOLUTION) | ~Q(state=ClockState.SETTLED)
    changed = await clocks.filter(unsettled).using_db(tx.db).order_by("id")
    keys = {calendar.pk, *(clock.calendar_id for clock in changed)} if changed else set()
    hours = {key: await hours_by_key(key) for key in keys}
    for clock in changed:
        clock.follow(calendar, hours, at)
        await clock.save(using_db=tx.db)
    return bool(changed)
