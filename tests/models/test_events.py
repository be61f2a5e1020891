"""Events of a transaction are stored by its last statement, with numbers in the order in which they
were appended.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from models.action import Action
from models.clock import SystemClock
from models.database.sql import dialect, execute
from models.event import (
    INBOX,
    Event,
    EventKind,
    Stream,
    account_stream,
    agent_stream,
    last_sequences_of,
    positions_stream,
    ticket_stream,
)
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from support.tickets import open_ticket
from tests.people import create_account, create_user
from tests.quick_auth import quick_auth

if TYPE_CHECKING:
    from tests.conftest import RecordingBus

ACCOUNT, AGENT, POSITIONS = account_stream(3), agent_stream(2), positions_stream(1)


async def stored() -> list[tuple[str, int, str]]:
    events = await Event.all().order_by("stream", "sequence")
    return [(event.stream, event.sequence, event.kind.value) for event in events]


@pytest.mark.usefixtures("db")
async def test_ids_of_events_have_the_order_in_which_they_were_appended(action: Action) -> None:
    """However PostgreSQL plans the statement: here it sorts the streams."""
    streams = [INBOX, *(agent_stream(number) for number in range(9, 0, -1)), ACCOUNT] * 4
    async with action.transaction() as tx:
        if dialect() == "postgres":
            await execute("SET LOCAL enable_hashjoin = off", db=tx.db)
            await execute("SET LOCAL enable_nestloop = off", db=tx.db)
        for stream in streams:
            await tx.append(stream, EventKind.TICKET_OPENED)
    assert [event.stream for event in await Event.all().order_by("id")] == streams


async def test_events_are_numbered_in_the_order_in_which_they_were_appended(
    db: str, action: Action, bus: "RecordingBus"
) -> None:
    for _ in range(2):
        async with action.transaction() as tx:
            tx.advance(POSITIONS)
            await tx.append(INBOX, EventKind.TICKET_OPENED)
            sequence = await tx.next_sequence(ticket_stream(1))
            await tx.append(AGENT, EventKind.NOTE_ADDED)
            await tx.append(INBOX, EventKind.REPLY_AWAITED, status="OPEN")
            await tx.append(ticket_stream(1), EventKind.MESSAGE_POSTED, sequence)
            await tx.append(ticket_stream(1), EventKind.STATUS_CHANGED)
            assert await last_sequences_of([INBOX, AGENT, POSITIONS]) == (
                {} if sequence == 1 else {INBOX: 2, AGENT: 1, POSITIONS: 1}
            )
    assert await stored() == [
        (AGENT, 1, "NOTE_ADDED"),
        (AGENT, 2, "NOTE_ADDED"),
        (INBOX, 1, "TICKET_OPENED"),
        (INBOX, 2, "REPLY_AWAITED"),
        (INBOX, 3, "TICKET_OPENED"),
        (INBOX, 4, "REPLY_AWAITED"),
        (ticket_stream(1), 1, "MESSAGE_POSTED"),
        (ticket_stream(1), 2, "STATUS_CHANGED"),
        (ticket_stream(1), 3, "MESSAGE_POSTED"),
        (ticket_stream(1), 4, "STATUS_CHANGED"),
    ]
    heads = {row.key: row.last_sequence for row in await Stream.all()}
    assert heads == {AGENT: 2, INBOX: 4, POSITIONS: 2, ticket_stream(1): 4}
    assert set(bus.announced) == set(heads)
    event = await Event.get(stream=INBOX, sequence=2)
    assert (event.status, event.at, event.ticket_id) == ("OPEN", action.at, None)


async def test_concurrent_transactions_leave_no_gap(db: str, action: Action) -> None:
    async def append(number: int) -> None:
        async with action.transaction() as tx:
            await tx.append(INBOX, EventKind.TICKET_UPDATED)
            await tx.append(account_stream(number % 3), EventKind.TICKET_UPDATED)
            tx.advance(POSITIONS)
            if number % 5 == 0:
                raise ZeroDivisionError

    results = await asyncio.gather(*map(append, range(30)), return_exceptions=True)
    assert [each for each in results if each and not isinstance(each, ZeroDivisionError)] == []
    inbox = await Event.filter(stream=INBOX).order_by("id")
    assert sorted(event.sequence for event in inbox) == list(range(1, 25))
    assert await last_sequences_of([INBOX, POSITIONS]) == {INBOX: 24, POSITIONS: 24}


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_opening_a_ticket_takes_the_inbox_in_its_last_statement(
    db: str, action: Action, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody who opens a ticket waits for that row: while it is locked, this statement and the
    commit are executed, and nothing else.
    """
    user = await create_user(action, "Paul", email="paul@example.fr")
    account = await create_account(action, "Paul SARL")
    actor = Action(user, action.at, action.bus)
    assert dialect() == "postgres"
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "tortoise.db_client"):
        ticket = await open_ticket(
            actor,
            quick_auth(SystemClock()),
            account,
            user,
            channel=Channel.WEB,
            category=Category.BUG,
            subject="Aide",
            body="Bonjour",
            key="1",
        )
    statements = [each.getMessage() for each in caplog.records if each.name == "tortoise.db_client"]
    streams = [index for index, each in enumerate(statements) if "INTO stream" in each]
    assert streams == [len(statements) - 1]
    assert len(statements) <= 15
    assert [each for each in await stored() if each[0] != account_stream(account.pk)] == [
        (INBOX, 1, "TICKET_OPENED"),
        (INBOX, 2, "REPLY_AWAITED"),
        (ticket_stream(ticket.pk), 1, "TICKET_OPENED"),
        (ticket_stream(ticket.pk), 2, "MESSAGE_POSTED"),
    ]


async def test_a_transaction_that_fails_stores_no_event(db: str, action: Action) -> None:
    user = await create_user(action, "Paul", email="paul@example.fr")
    account = await create_account(action, "Paul SARL")

    async def fail() -> None:
        async with action.transaction() as tx:
            ticket = await Ticket.open(
                tx, account, user, subject="Aide", channel=Channel.WEB, category=Category.BUG
            )
            await ticket.post(tx, user, "Bonjour", "1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await stored() == []
    assert await Stream.all().count() == 0
