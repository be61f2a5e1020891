"""The guarantee of live delivery: subscribers receive the events of a stream in order, without
gaps, each of them once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from models.action import Action
from models.event import Event, EventKind, Stream, last_sequence_of, ticket_stream
from realtime import broadcast
from realtime.close_codes import CloseCode
from realtime.stream import PAGE_SIZE
from tests.conftest import RecordingBus
from tests.realtime.socket_fixtures import wait_until
from tests.realtime.stream_fixtures import STREAM, MemorySocket, Person, StreamApp, connect

EVENTS = "subscription($after: Int) { events(after: $after) { sequence } }"
pytestmark = pytest.mark.usefixtures("db")


class ForcedRollback(Exception):
    """Rolls a transaction back."""


@pytest.fixture
def app(action: Action) -> StreamApp:
    return StreamApp(action)


@asynccontextmanager
async def continuous_sweeps(app: StreamApp) -> AsyncIterator[None]:
    """Sweep continuously, as the worker does once a second."""

    async def sweep() -> None:
        while True:
            await app.hub.sweep()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def subscribed_socket(
    app: StreamApp, after: int | None = None
) -> AsyncIterator[MemorySocket]:
    """Someone's websocket with a subscription that has caught up."""
    async with connect(app.endpoint, Person(app, "someone")) as socket:
        socket.subscribe("1", EVENTS, after=after)
        await wait_until(socket.is_live)
        yield socket


async def append(
    action: Action, events: int, roll_back: bool = False, random: Random | None = None
) -> None:
    """Append events in one transaction, with pauses in it when `random` is given."""
    async with action.transaction() as tx:
        for _ in range(events):
            await tx.append(STREAM, EventKind.STATUS_CHANGED)
            if random:
                await asyncio.sleep(random.random() / 200)
        if roll_back:
            raise ForcedRollback


async def write(action: Action, random: Random, total: int) -> None:
    """Append this many events in transactions of one to three, and in between transactions that are
    rolled back.
    """
    event_count = 0
    while event_count < total:
        events = min(random.randint(1, 3), total - event_count)
        try:
            await append(action, events, random.random() < 0.33, random)
        except ForcedRollback:
            continue
        event_count += events


async def read(app: StreamApp, random: Random, after: int, last: int) -> list[int]:
    """The events from `after` to `last` as received by a client that disconnects at random and
    resumes after the last event it received.
    """
    person, sequences = Person(app, "someone"), [after]
    while sequences[-1] < last:
        async with connect(app.endpoint, person) as socket:
            socket.subscribe("1", EVENTS, after=sequences[-1])
            events = min(random.randint(1, 9), last - sequences[-1])
            await wait_until(lambda socket=socket, events=events: len(socket.messages) >= events)  # type: ignore[misc]
            await asyncio.sleep(random.choice([0, 0, 0.01]))
        sequences += socket.sequences()
    return sequences[1:]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "swept"])
async def test_every_reader_receives_the_whole_sequence_once(
    app: StreamApp, action: Action, seed: int, is_announced: bool
) -> None:
    random = Random(seed)
    await append(action, 10)
    writer = Action(None, action.at, app.hub if is_announced else RecordingBus())
    starts = [random.randint(0, 10) for _ in range(5)]
    async with continuous_sweeps(app):
        writers = (write(writer, Random(seed * 10 + number), 10) for number in range(3))
        readers = (read(app, Random(number), start, 40) for number, start in enumerate(starts))
        sequences = await asyncio.gather(*writers, *readers)
    assert sequences[3:] == [list(range(start + 1, 41)) for start in starts]
    assert await last_sequence_of(STREAM) == await Event.all().count() == 40
    await app.endpoint.close_all()
    assert app.is_idle


async def test_an_event_that_is_not_announced_is_delivered_by_the_next_sweep(
    app: StreamApp,
) -> None:
    async with subscribed_socket(app) as socket:
        for sequence in (1, 2):
            await app.append(announce=False)
            assert len(socket.messages) == sequence - 1
            await app.hub.sweep()
            await wait_until(lambda sequence=sequence: len(socket.messages) == sequence)  # type: ignore[misc]
        assert socket.sequences() == [1, 2]


@pytest.mark.parametrize(
    ("after", "error"), [(-1, "BadInput"), (4, "CursorAhead"), (0, "StreamReset")]
)
async def test_a_cursor_outside_the_stream_is_refused(
    app: StreamApp, after: int, error: str
) -> None:
    """The error has a code of its own when the cursor is ahead: after the restore of a backup, a
    client must start again instead of waiting. The same goes for one whose next event was deleted
    because of its age.
    """
    await app.append(3)
    await Event.filter(stream=STREAM, sequence=1).delete()
    async with connect(app.endpoint, Person(app, "someone")) as socket:
        socket.subscribe("1", EVENTS, after=after)
        await wait_until(lambda: socket.ended_by_error)
        assert socket.errors() == [error]
        assert [kind for _, kind, _ in socket.messages] == ["error"]  # it never started


async def test_without_a_cursor_only_new_events_are_delivered(app: StreamApp) -> None:
    await app.append(3)
    async with subscribed_socket(app) as socket:
        await app.append()
        await wait_until(lambda: bool(socket.messages))
        assert socket.sequences() == [4]


async def test_a_transaction_that_is_rolled_back_takes_no_number_and_announces_nothing(
    action: Action, bus: RecordingBus
) -> None:
    await append(action, 1)
    announcements = list(bus.announced)
    with pytest.raises(ForcedRollback):
        await append(action, 2, roll_back=True)
    assert await last_sequence_of(STREAM) == 1
    assert bus.announced == announcements


@pytest.mark.parametrize(("signed_in", "error"), [(False, "Unauthenticated"), (True, "NotFound")])
async def test_someone_without_access_receives_nothing(
    app: StreamApp, signed_in: bool, error: str
) -> None:
    await app.append(3)
    person = Person(app, "someone")
    person.suspended = True
    async with connect(app.endpoint, person) as socket:
        await wait_until(lambda: bool(app.hub.keys()))
        if not signed_in:
            person.sign_out(announce=False)
        socket.subscribe("1", EVENTS, after=0)
        await wait_until(lambda: socket.ended_by_error)
        assert (socket.sequences(), socket.errors()) == ([], [error])


async def test_the_end_of_a_session_closes_the_connection_without_any_event(app: StreamApp) -> None:
    async with subscribed_socket(app) as socket:
        socket.person.sign_out()
        await wait_until(lambda: socket.close_code == CloseCode.UNAUTHORIZED)


async def test_a_session_that_ends_while_its_client_connects_is_not_acknowledged(
    app: StreamApp,
) -> None:
    person = Person(app, "someone")
    person.sign_out()  # before anybody listens
    async with connect(app.endpoint, person) as socket:
        await wait_until(lambda: socket.close_code == CloseCode.UNAUTHORIZED)
        assert not socket.is_acknowledged
    async with connect(app.endpoint, Person(app, "someone")) as socket:
        await wait_until(lambda: socket.is_acknowledged)


async def test_nothing_more_is_sent_to_a_client_that_catches_up_while_its_session_is_in_doubt(
    app: StreamApp,
) -> None:
    await app.append(20)
    async with connect(app.endpoint, Person(app, "someone")) as socket:
        await wait_until(lambda: bool(app.hub.keys()))
        socket.stop_reading()
        socket.subscribe("1", EVENTS, after=0)
        await wait_until(lambda: socket.pending)
        socket.person.check_allowed.clear()
        socket.person.sign_out()
        socket.resume_reading()
        await wait_until(lambda: socket.ended_by_error)
        assert (socket.sequences(), socket.errors()) == ([1], ["Unauthenticated"])
        socket.person.check_allowed.set()


@pytest.mark.parametrize("is_announced", [True, False], ids=["ended here", "ended elsewhere"])
async def test_someone_who_is_signed_out_while_catching_up_receives_nothing_more(
    app: StreamApp, monkeypatch: pytest.MonkeyPatch, is_announced: bool
) -> None:
    """The announcement of the end is enough, however recent the last check is."""
    monkeypatch.setattr(broadcast, "ACCESS_SECONDS", 60 if is_announced else 0)
    await app.append(20)
    async with connect(app.endpoint, Person(app, "someone")) as socket:
        await wait_until(lambda: bool(app.hub.keys()))
        socket.stop_reading()
        socket.subscribe("1", EVENTS, after=0)
        await wait_until(lambda: socket.pending)
        socket.person.sign_out(is_announced)
        socket.resume_reading()
        await wait_until(
            lambda: (
                socket.close_code == CloseCode.UNAUTHORIZED
                if is_announced
                else socket.ended_by_error
            )
        )
        assert socket.sequences() in ([], [1])


async def test_a_client_that_does_not_read_costs_one_page_and_no_queue(
    app: StreamApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = []
    since = Event.since.__func__  # type: ignore[attr-defined] # a classmethod

    async def counting_since(cls: type[Event], stream: str, after: int, limit: int) -> list[Event]:
        events: list[Event] = await since(cls, stream, after, limit)
        pages.append(len(events))
        return events

    monkeypatch.setattr(Event, "since", classmethod(counting_since))
    await app.append(10)
    async with connect(app.endpoint, Person(app, "someone")) as socket:
        await wait_until(lambda: bool(app.hub.keys()))
        socket.stop_reading()
        socket.subscribe("1", EVENTS, after=0)
        await wait_until(lambda: socket.pending)
        await app.append(3 * PAGE_SIZE)
        assert pages == [10]
        socket.resume_reading()
        await wait_until(lambda: len(socket.messages) == 10 + 3 * PAGE_SIZE)
        assert socket.sequences() == list(range(1, 11 + 3 * PAGE_SIZE))
        assert max(pages) == PAGE_SIZE


async def test_nothing_is_left_of_someone_who_has_disconnected(app: StreamApp) -> None:
    async with subscribed_socket(app):
        assert not app.is_idle
    await app.endpoint.close_all()
    assert app.is_idle


async def test_each_stream_has_numbers_of_its_own(app: StreamApp, action: Action) -> None:
    other = ticket_stream(8)
    async with action.transaction() as tx:
        await tx.append(STREAM, EventKind.TICKET_OPENED)
        await tx.append(other, EventKind.STATUS_CHANGED)
        await tx.append(other, EventKind.STATUS_CHANGED)
    assert dict(await Stream.all().values_list("key", "last_sequence")) == {other: 2, STREAM: 1}
    async with subscribed_socket(app, after=0) as socket:
        assert socket.sequences() == [1]
