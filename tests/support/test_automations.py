"""P6.2: automations act exactly once, in several processes and after a kill at any statement, and
any set of them comes to an end.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from models.accounts.account import Account, AccountStatus
from models.action import Action
from models.audit import AuditEntry
from models.database.connection import connect, disconnect
from models.database.sql import execute
from models.event import Event, ticket_stream
from models.identity.user import Staff, User
from models.support.automation import (
    AutomationCursor,
    AutomationEvent,
    AutomationRun,
    AutomationScan,
    AutomationTimer,
    ConditionMatch,
)
from models.support.calendar import Calendar
from models.support.classification import Category, Channel, Priority
from models.support.message import Message
from models.support.note import Note
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActions
from models.support.ticket_status import TRANSITIONS, TicketStatus
from support.automation_runs import (
    LOOK_BACK,
    MAX_DEPTH,
    MAX_MESSAGES,
    MAX_MESSAGES_TO_CUSTOMER,
    RETRY_DELAYS,
    run_automations,
)
from support.automations import Definition, create_automation
from tests.billing.machine.interruptions import Interruptions, Killed
from tests.conftest import MovableClock, RecordingBus, database_copy
from tests.people import add_member, create_account, create_staff, create_user

EXAMPLES = int(os.environ.get("CAMCHA_CASES", "1000")) // 250
START = datetime(2026, 11, 23, 9, tzinfo=UTC)
EVERYTHING = TicketActions(
    reply_fr="Bonjour",
    note="Vu",
    add_tags=("vu",),
    priority=Priority.HIGH,
    status=TicketStatus.OPEN,
)


class Desktop:
    """A company, an agent, and a clock."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock, self.bus, self.number = clock, RecordingBus(), 0

    def action(self, actor: User | None = None) -> Action:
        return Action(actor, self.clock.now(), self.bus)

    async def begin(self) -> "Desktop":
        self.account: Account = await create_account(self.action())
        self.paul = await create_user(self.action(), "Paul")
        self.alice = await create_staff(self.action(), "Alice", Staff.AGENT)
        await add_member(self.action(), self.account, self.paul)
        return self

    async def automate(self, event: AutomationEvent, actions: TicketActions, **more: Any) -> None:
        self.number += 1
        definition = Definition(event=event, actions=actions, **more)
        name = f"Automatisation {self.number}"
        await create_automation(self.action(), name, definition, name, is_enabled=True)

    async def open(self, category: Category = Category.USAGE) -> Ticket:
        async with self.action(self.paul).transaction() as tx:
            values: dict[str, Any] = {"channel": Channel.WEB, "category": category}
            ticket = await Ticket.open(tx, self.account, self.paul, subject="Aide", **values)
            await ticket.post(tx, self.paul, "Bonjour", "first")
        return ticket

    async def write(self, ticket: Ticket, author: User) -> None:
        self.number += 1
        await ticket.reply(self.action(author), author, "Suite", f"message {self.number}")

    async def run(self) -> int:
        return await run_automations(self.action())

    async def traces(self, ticket: Ticket) -> list[Any]:
        """What automations left in a ticket."""
        row = await Ticket.get(pk=ticket.pk)
        await row.fetch_related("tags")
        return [
            row.status,
            row.priority,
            sorted(tag.tag for tag in row.tags),  # type: ignore[attr-defined] # a reverse relation
            await Message.filter(ticket_id=ticket.pk, body="Bonjour", from_staff=True).count(),
            await Note.filter(ticket_id=ticket.pk).count(),
            await AutomationRun.filter(ticket_id=ticket.pk, refusals=[]).count(),
            await AuditEntry.filter(action="automation.run", object_id=ticket.pk).count(),
            await Event.filter(stream=ticket_stream(ticket.pk)).count(),
        ]


DONE = [TicketStatus.OPEN, Priority.HIGH, ["vu"], 1, 1, 1, 1, 4]


@pytest.fixture
async def desktop(db: str, clock: MovableClock) -> Desktop:
    return await Desktop(clock).begin()


@pytest.mark.parametrize("delay", [None, 5])
async def test_p6_2_an_automation_killed_at_any_statement_acts_exactly_once(
    desktop: Desktop, monkeypatch: pytest.MonkeyPatch, delay: int | None
) -> None:
    interruptions = Interruptions()
    interruptions.install(monkeypatch)
    await desktop.automate(AutomationEvent.TICKET_OPENED, EVERYTHING, delay_minutes=delay)
    for number in count(1, 5 if delay else 3):
        desktop.clock.advance(timedelta(days=1))  # so that the customer may get messages
        ticket = await desktop.open()
        if delay:
            await desktop.run()
            desktop.clock.advance(timedelta(minutes=delay))
        with interruptions.at_statement(number), capture_logs() as logged:
            await desktop.run()
        assert {entry["error"] for entry in logged if "error" in entry} <= {Killed.__name__}
        await desktop.run()
        assert await desktop.traces(ticket) == DONE
        assert await desktop.run() == 0
        if not interruptions.has_struck:
            break
    assert number > 10


async def test_p6_2_several_processes_at_once_let_an_automation_act_once(desktop: Desktop) -> None:
    await desktop.automate(AutomationEvent.TICKET_OPENED, EVERYTHING)
    await desktop.automate(
        AutomationEvent.STATUS_CHANGED, TicketActions(note="Plus tard"), delay_minutes=1
    )
    tickets = [await desktop.open() for _ in range(2)]
    await asyncio.gather(*(desktop.run() for _ in range(4)))
    for ticket in tickets:
        assert await desktop.traces(ticket) == DONE
    await desktop.run()
    assert await AutomationTimer.all().count() == 2
    desktop.clock.advance(timedelta(minutes=1))
    await asyncio.gather(*(desktop.run() for _ in range(4)))
    assert await Note.filter(body="Plus tard").count() == 2
    assert await AutomationTimer.all().count() == 0


async def test_an_event_that_is_committed_late_is_not_missed(desktop: Desktop) -> None:
    await desktop.automate(AutomationEvent.TICKET_OPENED, TicketActions(add_tags=("vu",)))
    late = desktop.action(desktop.paul)
    desktop.clock.advance(LOOK_BACK - timedelta(seconds=1))
    await desktop.open()
    assert await desktop.run() == 1
    async with late.transaction() as tx:
        values: dict[str, Any] = {"channel": Channel.WEB, "category": Category.USAGE}
        await Ticket.open(tx, desktop.account, desktop.paul, subject="Tard", **values)
    assert await desktop.run() == 1
    desktop.clock.advance(timedelta(days=1))
    assert await desktop.run() == 0
    cursors = await AutomationCursor.all().count()
    await desktop.open()
    assert await desktop.run() == 1
    assert await AutomationCursor.all().count() == cursors + 1


async def test_an_event_after_the_beginning_of_a_run_is_left_to_the_next_one(
    desktop: Desktop,
) -> None:
    before = desktop.action()
    await desktop.automate(AutomationEvent.TICKET_OPENED, TicketActions(add_tags=("vu",)))
    desktop.clock.advance(timedelta(seconds=1))
    await desktop.open()
    # An automation may have been enabled between what the run has read and the event.
    assert await run_automations(before) == 0
    assert [await desktop.run(), await desktop.run()] == [1, 0]


async def test_nothing_waits_for_a_clock_that_was_set_back(desktop: Desktop) -> None:
    await desktop.automate(AutomationEvent.TICKET_OPENED, TicketActions(add_tags=("vu",)))
    await desktop.automate(AutomationEvent.CUSTOMER_REPLIED, TicketActions(add_tags=("lu",)))
    desktop.clock.advance(timedelta(days=2))
    ticket = await desktop.open()
    assert await desktop.run() == 1
    await desktop.write(ticket, desktop.alice)
    desktop.clock.advance(timedelta(days=-1))
    await desktop.write(ticket, desktop.paul)
    await desktop.open()
    assert await desktop.run() == 2


async def test_an_automation_doesnt_act_while_the_hours_that_it_waits_for_never_begin(
    desktop: Desktop,
) -> None:
    await Calendar.filter(is_default=True).update(week=[[]] * 7)
    await desktop.automate(
        AutomationEvent.TICKET_OPENED,
        TicketActions(add_tags=("vu",)),
        delay_minutes=60,
        is_delay_business_time=True,
    )
    await desktop.open()
    for _ in range(3):
        assert await desktop.run() == 0
        desktop.clock.advance(timedelta(days=10))
    assert await AutomationTimer.all().count() == 1
    await Calendar.filter(is_default=True).update(week=[[[0, 1440]]] * 7)
    assert await desktop.run() == 1


async def test_automations_write_nothing_about_a_company_that_is_being_erased(
    desktop: Desktop,
) -> None:
    note = TicketActions(note="{customer.name}, {company.name}")
    await desktop.automate(AutomationEvent.STATUS_CHANGED, note)
    ticket = await desktop.open()
    await Account.filter(pk=desktop.account.pk).update(status=AccountStatus.ERASED)
    await ticket.transition_to(desktop.action(), TicketStatus.CLOSED)
    assert await desktop.run() == 0
    assert not await Note.exists()


# Any set of automations.

ACTIONS = st.builds(
    TicketActions,
    reply_fr=st.sampled_from([None, None, "Bonjour"]),
    note=st.sampled_from([None, None, "Vu"]),
    priority=st.sampled_from([None, *Priority]),
    add_tags=st.sampled_from([(), ("a",), ("b",)]),
    remove_tags=st.sampled_from([(), ("c",)]),
    status=st.sampled_from(
        [None, *(each for each in TicketStatus if each is not TicketStatus.NEW)]
    ),
    snooze_minutes=st.sampled_from([None, None, 10]),
).filter(lambda actions: bool(actions.kinds))
CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "status": st.lists(st.sampled_from([each.value for each in TicketStatus]), min_size=1),
        "tags": st.sampled_from([["a"], ["b"]]),
        "priority": st.sampled_from([["HIGH", "URGENT"], ["NORMAL"]]),
    },
)
EVENTS = [each for each in AutomationEvent if not each.value.startswith("SLA")]
DEFINITIONS = st.lists(
    st.builds(
        Definition,
        event=st.sampled_from([*EVENTS, *[AutomationEvent.STATUS_CHANGED] * 3]),
        actions=ACTIONS,
        delay_minutes=st.sampled_from([None, None, 5, 60]),
        match=st.sampled_from(ConditionMatch),
        conditions=CONDITIONS,
    ),
    min_size=2,
    max_size=6,
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["customer", "agent", "status"]), st.integers(0, 2)),
    min_size=2,
    max_size=5,
)


class Machine:
    """What people do while automations act, and the invariants that hold afterwards."""

    def __init__(self, desktop: Desktop) -> None:
        self.desktop = desktop

    async def play(
        self, definitions: Sequence[Definition], steps: Sequence[tuple[str, int]]
    ) -> None:
        for each in definitions:
            name = f"{id(self)} {definitions.index(each)} {self.desktop.number}"[:60]
            self.desktop.number += 1
            await create_automation(self.desktop.action(), name, each, name, is_enabled=True)
        self.tickets = [
            await self.desktop.open(category)
            for category in (Category.USAGE, Category.BUG, Category.SECURITY)
        ]
        await self.settle(len(definitions))
        for name, pick in steps:
            await getattr(self, name)(await Ticket.get(pk=self.tickets[pick].pk), pick)
            self.desktop.clock.advance(timedelta(minutes=7))
            await self.settle(len(definitions))
        await self.check()

    async def customer(self, ticket: Ticket, pick: int) -> None:
        if ticket.status is not TicketStatus.CLOSED:
            await self.desktop.write(ticket, self.desktop.paul)

    async def agent(self, ticket: Ticket, pick: int) -> None:
        if ticket.status is not TicketStatus.CLOSED:
            await self.desktop.write(ticket, self.desktop.alice)

    async def status(self, ticket: Ticket, pick: int) -> None:
        statuses = sorted(TRANSITIONS[ticket.status] - {TicketStatus.CLOSED})
        if statuses:
            status = statuses[pick % len(statuses)]
            await ticket.transition_to(self.desktop.action(self.desktop.alice), status)

    async def settle(self, count: int) -> None:
        """Let time pass until nothing is left to do: this is soon, because each automation acts
        once for a root.
        """
        for _ in range(3 * count + 3):
            acted = await self.desktop.run()
            if not acted and not await AutomationTimer.all().exists():
                return
            self.desktop.clock.advance(timedelta(minutes=61 if not acted else 0))
        raise AssertionError("the automations go on")

    async def check(self) -> None:
        runs = await AutomationRun.all().select_related("ticket")
        for each in runs:
            assert each.refusals or each.depth <= MAX_DEPTH
        once = Counter((run.automation_id, run.ticket_id, run.root) for run in runs)
        assert set(once.values()) <= {1}
        messages = [run.at for run in runs if run.message_id]
        windows = [
            sum(at <= other < at + timedelta(days=1) for other in messages) for at in messages
        ]
        assert max(windows, default=0) <= MAX_MESSAGES_TO_CUSTOMER
        for ticket in self.tickets:
            own = [run.at for run in runs if run.message_id and run.ticket_id == ticket.pk]
            near = [sum(at <= other < at + timedelta(days=1) for other in own) for at in own]
            assert max(near, default=0) <= MAX_MESSAGES
        for run in runs:
            if run.ticket.deadline_at:
                changed = Event.filter(
                    stream=ticket_stream(run.ticket_id),
                    sequence__gte=run.first_sequence,
                    sequence__lte=run.last_sequence,
                    status__in=["SOLVED", "CLOSED"],
                )
                assert not await changed.exists(), "a legal request was finished"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_p6_2_any_set_of_automations_ends_and_acts_once(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    examples = count()

    @settings(
        max_examples=EXAMPLES if kind == "sqlite" else 2,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(definitions=DEFINITIONS, steps=STEPS)
    def play(definitions: list[Definition], steps: list[tuple[str, int]]) -> None:
        folder = tmp_path / str(next(examples))
        folder.mkdir()
        with database_copy(request, kind, folder) as url:
            asyncio.run(example(url, definitions, steps))

    async def example(
        url: str, definitions: list[Definition], steps: list[tuple[str, int]]
    ) -> None:
        await connect(url)
        try:
            desktop = await Desktop(MovableClock(START)).begin()
            await Machine(desktop).play(definitions, steps)
        finally:
            await disconnect()

    play()


async def test_an_automation_that_always_fails_on_a_ticket_holds_up_nothing_and_is_given_up(
    desktop: Desktop, db: str
) -> None:
    await desktop.automate(AutomationEvent.TICKET_OPENED, TicketActions(note="Panne"))
    await desktop.automate(AutomationEvent.TICKET_OPENED, EVERYTHING)
    ticket = await desktop.open()
    dialect = "sqlite" if db.startswith("sqlite") else "postgres"
    await execute(REFUSE_NOTES[dialect].format(ticket=ticket.pk))
    desktop.clock.advance(timedelta(hours=1))
    with capture_logs() as logged:
        await desktop.run()
    [entry] = [entry for entry in logged if entry["log_level"] == "error"]
    assert (entry["event"], entry["ticket"], entry["attempts"]) == (
        "automation.failed",
        ticket.pk,
        1,
    )
    assert await desktop.traces(ticket) == DONE
    assert (await AutomationScan.get()).since == desktop.clock.now() - LOOK_BACK
    for delay in (*RETRY_DELAYS[:-1], RETRY_DELAYS[-1]):
        timer = await AutomationTimer.get()
        assert timer.due_at == desktop.clock.now() + delay
        desktop.clock.advance(delay)
        await desktop.run()
    assert not await AutomationTimer.exists()
    given_up = await AutomationRun.get(ticket_id=ticket.pk, automation_id=timer.automation_id)
    assert given_up.refusals == [{"kind": "NOTE", "reason": "FAILED"}]
    # What can be done again meanwhile is done, once.
    await execute(ALLOW_NOTES[dialect])
    other = await desktop.open()
    await desktop.run()
    assert await Note.filter(ticket_id=other.pk).count() == 2


REFUSE_NOTES = {
    "sqlite": """CREATE TRIGGER refuse BEFORE INSERT ON note
        WHEN NEW.ticket_id = {ticket} AND NEW.body = 'Panne'
        BEGIN SELECT RAISE(ABORT, 'refused'); END""",
    "postgres": """ALTER TABLE note ADD CONSTRAINT refuse
        CHECK (ticket_id <> {ticket} OR body <> 'Panne')""",
}
ALLOW_NOTES = {
    "sqlite": "DROP TRIGGER refuse",
    "postgres": "ALTER TABLE note DROP CONSTRAINT refuse",
}
