"""P5.6: SLA clocks, compared with a simple count over the events of a ticket."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate, pairwise
from random import Random
from typing import Any

import pytest

from models.action import Action
from models.event import INBOX, Event, EventKind, ticket_stream
from models.identity.user import Staff
from models.measurements import SLA_BREACHES
from models.support.calendar import Calendar, default_hours, hours_of
from models.support.classification import Category, Channel, Priority
from models.support.message import Message
from models.support.opening_hours import HolidayCalendar, OpeningHours
from models.support.sla_clock import ClockState, SlaClock
from models.support.sla_policy import SlaMeasure
from models.support.team import Team
from models.support.ticket import Ticket
from models.support.ticket_status import FINISHED_STATUSES, TRANSITIONS, TicketStatus
from models.viewer import Viewer
from support import assignment, messages
from support.calendars import ClosureValues, add_closure
from support.classification import classify
from support.sla import check_clocks
from support.teams import set_team_calendar
from support.tickets import change_status
from tests.conftest import MovableClock, RecordingBus
from tests.models.support.test_opening_hours import ALWAYS, MINUTE, is_open_slowly, paris
from tests.people import (
    add_member,
    create_account,
    create_staff_viewer,
    create_user,
    create_viewer,
)
from tests.quick_auth import quick_auth

WEEKS = timedelta(weeks=9)
STARTS = (paris("2026-10-12T08:00"), paris("2027-03-15T08:00"))  # before clocks change
HOLIDAYS = {paris(day).date() for day in ("2026-11-11T12:00", "2027-03-29T12:00")}
RUNNING_STATUSES = (TicketStatus.NEW, TicketStatus.OPEN, TicketStatus.ON_HOLD)


@pytest.fixture
async def paul(db: str, action: Action) -> Viewer:
    """A customer."""
    user, account = await create_user(action, "Paul"), await create_account(action, "Paul SARL")
    await add_member(action, account, user)
    return await create_viewer(action, user, account)


@pytest.fixture
async def alice(db: str, action: Action) -> Viewer:
    """An agent."""
    return await create_staff_viewer(action, "Alice", Staff.AGENT)


async def open_ticket(action: Action, viewer: Viewer, channel: Channel) -> Ticket:
    assert viewer.account
    assert viewer.user
    async with action.transaction() as tx:
        values: dict[str, Any] = {"subject": "Aide", "channel": channel, "category": Category.USAGE}
        ticket = await Ticket.open(tx, viewer.account, viewer.user, **values)
        await ticket.post(tx, viewer.user, "Bonjour", "first")
    return ticket


class Story:
    """What a customer and an agent do with a ticket over some weeks, at random."""

    def __init__(self, random: Random, paul: Viewer, alice: Viewer, start: datetime) -> None:
        self.random, self.paul, self.alice = random, paul, alice
        self.clock = MovableClock(start)
        self.auth = quick_auth(self.clock)
        self.bus = RecordingBus()
        self.number = 0

    def action(self, viewer: Viewer | None = None) -> Action:
        return Action(viewer.user if viewer else None, self.clock.now(), self.bus)

    async def run(self, until: datetime) -> Ticket:
        channel = self.random.choice([Channel.CHAT, Channel.EMAIL])
        ticket = await open_ticket(self.action(self.paul), self.paul, channel)
        while self.clock.now() < until and ticket.status is not TicketStatus.CLOSED:
            minutes = int(self.random.expovariate(1 / self.random.choice([3, 300, 3_000])))
            self.clock.advance(minutes * MINUTE)
            await self.random.choice(
                [self.write, self.write, self.move, self.close_calendar, self.check]
            )(ticket)
            ticket = await Ticket.get(pk=ticket.pk)
        await self.check(ticket)
        return ticket

    async def write(self, ticket: Ticket) -> None:
        self.number += 1
        viewer = self.random.choice([self.paul, self.alice])
        body = f"Message {self.number}"
        await messages.reply(self.action(viewer), self.auth, viewer, ticket.pk, body, body)

    async def move(self, ticket: Ticket) -> None:
        statuses = sorted(TRANSITIONS[ticket.status] - {TicketStatus.CLOSED})
        status = self.random.choice([*statuses * 3, TicketStatus.CLOSED])
        assert self.alice.user
        await change_status(self.action(self.alice), self.alice.user, ticket, status, None)

    async def close_calendar(self, ticket: Ticket) -> None:
        self.number += 1
        starts_at = self.clock.now() + self.random.randrange(3_000) * MINUTE
        values = ClosureValues(starts_at, starts_at + self.random.randrange(1, 600) * MINUTE, "-")
        calendar = await Calendar.get(is_default=True)
        await add_closure(self.action(), calendar, values, f"closure {self.number}")

    async def check(self, ticket: Ticket) -> None:
        await check_clocks(self.action())
        assert await check_clocks(self.action()) == 0, "a repeat finds nothing to do"


class Reference:
    """The measures of a ticket, counted minute by minute over its events."""

    def __init__(
        self,
        hours: OpeningHours,
        start: datetime,
        until: datetime,
        holidays: set[date] = HOLIDAYS,
    ) -> None:
        self.start = start
        instants = (start + n * MINUTE for n in range(int((until - start) / MINUTE)))
        open_minutes = (is_open_slowly(hours, at, holidays) for at in instants)
        self.open_minutes = [0, *accumulate(map(int, open_minutes))]

    def business_time(self, begin: datetime, end: datetime) -> timedelta:
        first, last = (int((at - self.start) / MINUTE) for at in (begin, end))
        return (self.open_minutes[last] - self.open_minutes[first]) * MINUTE

    def responses(
        self, events: Sequence[tuple[Event, bool]]
    ) -> list[tuple[SlaMeasure, ClockState, datetime, datetime | None]]:
        """The waits for replies: what is measured, how it ended, when it began and when it
        ended.
        """
        waits = []
        wait: tuple[SlaMeasure, datetime] | None = (SlaMeasure.FIRST_RESPONSE, events[0][0].at)
        for event, is_from_staff in events:
            if event.kind is EventKind.MESSAGE_POSTED and not is_from_staff:
                wait = wait or (SlaMeasure.NEXT_RESPONSE, event.at)
                continue
            is_finished = event.status in FINISHED_STATUSES
            if wait and (is_from_staff or is_finished):
                state = ClockState.SETTLED if is_from_staff else ClockState.CANCELED
                waits.append((wait[0], state, wait[1], event.at if is_from_staff else None))
                wait = None
        if wait:
            waits.append((wait[0], ClockState.RUNNING, wait[1], None))
        return waits

    def resolution(
        self, events: Sequence[tuple[Event, bool]], now: datetime
    ) -> tuple[timedelta, timedelta]:
        """The business and the wall-clock time until the resolution."""
        changes = [(event.at, event.status) for event, _ in events if event.status]
        business, wall = timedelta(), timedelta()
        for (begin, status), (end, _) in pairwise([*changes, (now, None)]):
            if status in RUNNING_STATUSES:
                business += self.business_time(begin, end)
                wall += end - begin
        return business, wall


async def events_of(ticket: Ticket) -> list[tuple[Event, bool]]:
    """The events of a ticket, and which of them are messages of staff."""
    staff_messages = await Message.filter(ticket_id=ticket.pk, from_staff=True)
    keys = {message.pk for message in staff_messages}
    events = await Event.filter(stream=ticket_stream(ticket.pk)).order_by("sequence")
    return [(event, event.message_id in keys) for event in events]


@pytest.mark.parametrize("seed", range(8))
async def test_p5_6_measures_equal_a_count_over_the_events(
    paul: Viewer, alice: Viewer, seed: int
) -> None:
    start = STARTS[seed % len(STARTS)]
    story = Story(Random(seed), paul, alice, start)
    counted_before = sum(SLA_BREACHES.counts.values())
    tickets = [await story.run(start + weeks * WEEKS / 3) for weeks in (1, 2)]
    now = story.clock.now()
    reference = Reference(await default_hours(), start, now + MINUTE)
    for ticket in tickets:
        await compare_measures(ticket, reference, now)
    breaches = await Event.filter(stream=INBOX, kind=EventKind.SLA_BREACHED).count()
    assert sum(SLA_BREACHES.counts.values()) - counted_before >= breaches
    assert breaches <= await SlaClock.exclude(breached_at=None).count()


async def compare_measures(ticket: Ticket, reference: Reference, now: datetime) -> None:
    """Compare the clocks of a ticket with the count."""
    events = await events_of(ticket)
    clocks = await SlaClock.filter(ticket_id=ticket.pk).order_by("id")
    responses = [clock for clock in clocks if clock.measure is not SlaMeasure.RESOLUTION]
    waits = reference.responses(events)
    assert [
        (clock.measure, clock.state, clock.started_at, clock.stopped_at) for clock in responses
    ] == waits
    for clock in responses:
        if clock.stopped_at:
            assert clock.wall_time == clock.stopped_at - clock.started_at
            assert clock.business_time == reference.business_time(
                clock.started_at, clock.stopped_at
            )
            assert (clock.breached_at is not None) == (clock.business_time > clock.target)
    (clock,) = (clock for clock in clocks if clock.measure is SlaMeasure.RESOLUTION)
    business, wall = reference.resolution(events, now)
    if clock.running_since:
        business -= reference.business_time(clock.running_since, now)
        wall -= now - clock.running_since
    assert (clock.business_time, clock.wall_time) == (business, wall)
    for clock in clocks:
        if clock.state is ClockState.RUNNING:
            assert clock.running_since
            passed = clock.business_time + reference.business_time(clock.running_since, now)
            assert (clock.breached_at is not None) == (passed > clock.target)
            assert clock.due_at is None or passed >= clock.target or clock.due_at >= now


class TeamStory(Story):
    """What people do with a ticket that goes from team to team, while teams get other calendars."""

    async def prepare(self) -> None:
        at = self.clock.now()
        week = [[list(span) for span in day] for day in ALWAYS]
        always = await Calendar.create(
            name="Astreinte",
            time_zone="Europe/Paris",
            week=week,
            holidays=HolidayCalendar.NONE,
            created_at=at,
        )
        half_days = [[[480, 720]]] * 6 + [[]]
        overseas = await Calendar.create(
            name="Fort-de-France",
            time_zone="America/Martinique",
            week=half_days,
            holidays=HolidayCalendar.NONE,
            created_at=at,
        )
        self.calendars: list[Calendar | None] = [None, always, overseas]
        self.teams = [
            await Team.create(name=f"Équipe {n}", calendar=calendar, created_at=at)
            for n, calendar in enumerate(self.calendars)
        ]
        self.log: list[tuple[datetime, int | None]] = []  # of the only ticket

    async def run(self, until: datetime) -> Ticket:
        self.log = [(self.clock.now(), None)]
        return await super().run(until)

    async def check(self, ticket: Ticket) -> None:
        """Check the measures, after each step at random."""
        what_else = self.random.choice([self.transfer, self.transfer, self.set_calendar, None])
        if what_else and ticket.status is not TicketStatus.CLOSED:
            await what_else(ticket)
            ticket = await Ticket.get(pk=ticket.pk)
            team = await Team.get(pk=ticket.team_id) if ticket.team_id else None
            self.log.append((self.clock.now(), team.calendar_id if team else None))
            self.clock.advance(self.random.randrange(300) * MINUTE)
        await super().check(ticket)

    async def move(self, ticket: Ticket) -> None:
        statuses = sorted(TRANSITIONS[ticket.status] - {TicketStatus.CLOSED})
        assert self.alice.user
        status = self.random.choice(statuses)
        await change_status(self.action(self.alice), self.alice.user, ticket, status, None)

    async def transfer(self, ticket: Ticket) -> None:
        assert self.alice.user
        team = self.random.choice(self.teams)
        action = self.action(self.alice)
        await assignment.transfer(action, ticket, self.alice.user, None, team.pk)

    async def set_calendar(self, _ticket: Ticket) -> None:
        team = self.random.choice(self.teams)
        await set_team_calendar(self.action(), team.pk, self.random.choice(self.calendars))


class PiecewiseReference(Reference):
    """A count over the events of a ticket that has had several calendars."""

    def __init__(self, pieces: Sequence[tuple[datetime, Reference]]) -> None:
        self.pieces = pieces

    def business_time(self, begin: datetime, end: datetime) -> timedelta:
        times = timedelta()
        ends = [at for at, _ in self.pieces[1:]] + [end]
        for (since, reference), until in zip(self.pieces, ends, strict=True):
            first, last = max(begin, since), min(end, until)
            if first < last:
                times += reference.business_time(first, last)
        return times


@pytest.mark.parametrize("seed", range(4))
async def test_p5_6_no_minute_is_lost_or_counted_twice_when_the_calendar_changes(
    paul: Viewer, alice: Viewer, seed: int
) -> None:
    start = STARTS[seed % len(STARTS)]
    story = TeamStory(Random(seed), paul, alice, start)
    await story.prepare()
    ticket = await story.run(start + WEEKS / 2)
    now = story.clock.now()
    references: dict[int | None, Reference] = {
        None: Reference(await default_hours(), start, now + MINUTE)
    }
    for calendar in story.calendars[1:]:
        assert calendar
        hours = await hours_of(calendar)
        references[calendar.pk] = Reference(hours, start, now + MINUTE, holidays=set())
    pieces = [(at, references[key]) for at, key in story.log]
    assert len({key for _, key in story.log}) > 1
    await compare_measures(ticket, PiecewiseReference(pieces), now)


async def test_p5_6_a_new_priority_does_not_count_time_after_the_answer(
    paul: Viewer, alice: Viewer, clock: MovableClock
) -> None:
    """The clock of a given response stops when its job runs, or before something else changes."""
    story = Story(Random(0), paul, alice, clock.now())
    ticket = await open_ticket(story.action(paul), paul, Channel.EMAIL)
    story.clock.advance(10 * MINUTE)
    await messages.reply(story.action(alice), story.auth, alice, ticket.pk, "Bonjour", "answer")
    story.clock.advance(10 * MINUTE)
    await classify(story.action(alice), ticket, Priority.URGENT, (), ())
    await check_clocks(story.action())
    response = await SlaClock.get(ticket_id=ticket.pk, measure=SlaMeasure.FIRST_RESPONSE)
    assert (response.state, response.business_time) == (ClockState.SETTLED, 10 * MINUTE)
    assert response.wall_time == 10 * MINUTE
