"""Shared delivery: each client gets what it would get alone, each event once and in order, while
others come and go.
"""

import asyncio
from collections.abc import Collection
from random import Random
from time import monotonic

import pytest
from structlog.testing import capture_logs

from models.action import Action
from models.event import Event
from realtime import broadcast
from realtime.close_codes import CloseCode
from realtime.stream import ACCESS_SECONDS, PAGE_SIZE
from realtime.uvicorn_protocol import text_frame
from tests.realtime.socket_fixtures import wait_until
from tests.realtime.stream_fixtures import MemorySocket, Person, StreamApp
from tests.waiting import MAX_WAIT

GREETING = "subscription($after: Int) { events(after: $after) { sequence greeting } }"
NAME = "subscription($after: Int) { events(after: $after) { sequence name } }"
BROKEN_FIELD_SUBSCRIPTION = "subscription { events { sequence broken } }"
pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def app(action: Action) -> StreamApp:
    return StreamApp(action)


async def subscribe_all(
    app: StreamApp, *people: tuple[str, str], query: str = GREETING
) -> list[MemorySocket]:
    """A websocket for each of these people, given by name and language, with a live
    subscription.
    """
    sockets = [MemorySocket(app.endpoint, Person(app, *person)) for person in people]
    for socket in sockets:
        socket.subscribe("1", query)
    await wait_until(lambda: all(socket.is_live() for socket in sockets))
    return sockets


async def disconnect_all(app: StreamApp, sockets: list[MemorySocket]) -> None:
    """Disconnect everyone, and check that nothing is left behind."""
    for socket in sockets:
        await socket.disconnect()
    await app.endpoint.close_all()
    assert app.is_idle


async def wait_for_event(sockets: list[MemorySocket], last: int) -> None:
    """Wait until each of these clients has received the event with this number as its last one."""
    await wait_until(lambda: all(socket.sequences()[-1:] == [last] for socket in sockets))


def named_people(count: int) -> list[tuple[str, str]]:
    return [(f"person {number}", "fr") for number in range(count)]


async def test_an_event_is_executed_once_for_viewers_who_see_the_same(app: StreamApp) -> None:
    languages = ["fr" if number % 3 else "en" for number in range(12)]
    sockets = await subscribe_all(
        app, *((f"person {number}", language) for number, language in enumerate(languages))
    )
    await app.append()
    await wait_for_event(sockets, 1)
    assert app.executed["greeting"] == 2
    assert [socket.payloads()[0]["data"]["events"]["greeting"] for socket in sockets] == [
        f"{each} 1" for each in languages
    ]
    assert all(socket.written_directly == 1 for socket in sockets)
    assert not any(connection._operations._tasks for connection in app.endpoint._connections)
    await disconnect_all(app, sockets)


async def test_fields_that_depend_on_the_viewer_are_executed_for_each(app: StreamApp) -> None:
    sockets = await subscribe_all(app, *named_people(5), query=NAME)
    await app.append(2)
    await wait_for_event(sockets, 2)
    assert app.executed["name"] == 10
    names = [
        [payload["data"]["events"]["name"] for payload in socket.payloads()] for socket in sockets
    ]
    assert names == [[name] * 2 for name, _ in named_people(5)]
    await disconnect_all(app, sockets)


async def test_subscriptions_share_a_broadcast_by_document_and_from_any_cursor(
    app: StreamApp,
) -> None:
    await app.append(3)
    sockets = [MemorySocket(app.endpoint, Person(app, *person)) for person in named_people(4)]
    for after, socket in enumerate(sockets):
        socket.subscribe("1", GREETING, after=after)
    others = await subscribe_all(app, ("other", "fr"), query=NAME)
    await wait_until(lambda: all(socket.is_live() for socket in sockets))
    count_before = app.executed["greeting"]
    await app.append()
    await wait_for_event([*sockets, *others], 4)
    assert app.executed["greeting"] == count_before + 1
    assert [socket.sequences() for socket in sockets] == [[1, 2, 3, 4], [2, 3, 4], [3, 4], [4]]
    assert len(app.broadcasts) == 2
    await disconnect_all(app, [*sockets, *others])


async def test_a_client_that_stops_reading_delays_no_one_and_catches_up(app: StreamApp) -> None:
    slow, *others = await subscribe_all(app, *named_people(4))
    slow.stop_reading()
    await app.append(PAGE_SIZE + 20)
    await wait_for_event(others, PAGE_SIZE + 20)
    assert slow.sequences() == []
    slow.resume_reading()
    await wait_for_event([slow], PAGE_SIZE + 20)
    await wait_until(slow.is_live)
    await app.append()
    await wait_for_event([slow, *others], PAGE_SIZE + 21)
    assert all(socket.sequences() == list(range(1, PAGE_SIZE + 22)) for socket in [slow, *others])
    assert slow.written_directly == 1
    await disconnect_all(app, [slow, *others])


async def test_errors_are_not_shared(app: StreamApp) -> None:
    sockets = await subscribe_all(app, *named_people(2), query=BROKEN_FIELD_SUBSCRIPTION)
    await app.append(2)
    await wait_for_event(sockets, 2)
    assert all(socket.sequences() == [1, 2] and socket.written_directly == 0 for socket in sockets)
    assert all(payload["errors"] for socket in sockets for payload in socket.payloads())
    await disconnect_all(app, sockets)


async def test_a_client_whose_session_is_ended_here_is_closed_and_receives_nothing_more(
    app: StreamApp,
) -> None:
    signed_out, *others = await subscribe_all(app, *named_people(3))
    await app.append()
    await wait_for_event([signed_out, *others], 1)
    signed_out.person.sign_out()
    await app.append()
    await wait_for_event(others, 2)
    await wait_until(lambda: signed_out.close_code == CloseCode.UNAUTHORIZED)
    assert signed_out.sequences() == [1]
    await disconnect_all(app, [signed_out, *others])


async def test_a_client_whose_session_is_ended_elsewhere_receives_nothing_more(
    app: StreamApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "ACCESS_SECONDS", 0)
    signed_out, *others = await subscribe_all(app, *named_people(3))
    await app.append()
    await wait_for_event([signed_out, *others], 1)
    signed_out.person.sign_out(announce=False)
    await app.append()
    await wait_for_event(others, 2)
    await wait_until(lambda: signed_out.ended_by_error)
    assert signed_out.sequences() == [1]
    await disconnect_all(app, [signed_out, *others])


async def test_a_client_that_loses_access_to_the_stream_receives_nothing_more(
    app: StreamApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "ACCESS_SECONDS", 0)
    suspended, *others = await subscribe_all(app, *named_people(3))
    suspended.person.suspended = True
    checks = app.session_checks
    await app.append()
    await wait_for_event(others, 1)
    await wait_until(lambda: suspended.ended_by_error)
    assert suspended.sequences() == []
    # All sessions at once, and then the one that has lost access.
    assert app.session_checks == checks + 2
    await disconnect_all(app, [suspended, *others])


async def test_nothing_is_written_to_a_client_while_its_session_is_in_doubt(
    app: StreamApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds although the last access check is recent, and while the check of the announced
    session has no result yet.
    """
    monkeypatch.setattr(broadcast, "ACCESS_SECONDS", 60)
    signed_out, *others = await subscribe_all(app, *named_people(3))
    await app.append()
    await wait_for_event([signed_out, *others], 1)
    signed_out.person.check_allowed.clear()
    signed_out.person.sign_out()
    await app.append()
    await wait_for_event(others, 2)
    await wait_until(lambda: signed_out.ended_by_error)
    assert signed_out.sequences() == [1]
    signed_out.person.check_allowed.set()
    await wait_until(lambda: signed_out.close_code == CloseCode.UNAUTHORIZED)
    await disconnect_all(app, [signed_out, *others])


async def test_a_client_that_catches_up_while_an_event_is_delivered_receives_it_once(
    app: StreamApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "BATCH_SIZE", 1)
    monkeypatch.setattr(broadcast, "ACCESS_SECONDS", 0)
    valid_sessions, in_order = app.valid_sessions, list[MemorySocket]()

    async def detach_second(sessions: Collection[int]) -> set[int]:
        """Refuse the second client before the first batch, and let it catch up before the second
        batch.
        """
        if in_order:
            first, second = in_order
            if set(sessions) == {first.person.session, second.person.session}:
                return {first.person.session}
            if set(sessions) == {first.person.session}:
                await wait_until(second.is_live)
        return await valid_sessions(sessions)

    monkeypatch.setattr(app, "valid_sessions", detach_second)
    sockets = await subscribe_all(app, *named_people(2))
    order = [subscription.connection.client for subscription in app.live_subscriptions]
    in_order += sorted(sockets, key=lambda socket: order.index(socket.client))
    await app.append()
    await wait_for_event(sockets, 1)
    in_order.clear()
    await app.append()
    await wait_for_event(sockets, 2)
    assert [socket.sequences() for socket in sockets] == [[1, 2], [1, 2]]
    assert sorted(socket.written_directly for socket in sockets) == [1, 2]
    await disconnect_all(app, sockets)


async def test_a_frame_does_not_overtake_a_message_that_is_being_sent(app: StreamApp) -> None:
    (socket,) = await subscribe_all(app, *named_people(1))
    (connection,) = app.endpoint._connections
    socket.stop_reading()
    socket.subscribe("2", "{ hello }")
    await wait_until(lambda: socket.pending)
    socket.resume_reading()
    now = asyncio.get_running_loop().time()
    assert not connection.try_write(text_frame(b"{}"), now)
    await wait_until(lambda: [kind for _, kind, _ in socket.messages] == ["next", "complete"])
    assert connection.try_write(text_frame(b"{}"), now)
    await disconnect_all(app, [socket])


async def test_an_access_check_serves_everyone_for_half_a_second(app: StreamApp) -> None:
    sockets = await subscribe_all(app, *named_people(20))
    checks = app.session_checks
    started = monotonic()
    for sequence in range(1, 11):
        await app.append()
        await wait_for_event(sockets, sequence)
    assert app.session_checks - checks <= 1 + (monotonic() - started) / ACCESS_SECONDS
    await disconnect_all(app, sockets)


async def test_frames_are_written_in_batches_between_which_clients_may_leave_or_stop_reading(
    app: StreamApp,
) -> None:
    sockets = await subscribe_all(app, *named_people(broadcast.BATCH_SIZE * 2 + 10))
    order = [subscription.connection.client for subscription in app.live_subscriptions]
    sockets.sort(key=lambda socket: order.index(socket.client))
    *others, slow, leaving_client = sockets
    append_task = asyncio.create_task(app.append())
    while not sockets[
        0
    ].messages:  # not by waiting for the append: the broadcast may be finished before it is
        await asyncio.sleep(0)
    assert not leaving_client.messages
    leaving_client.complete("1")
    slow.stop_reading()
    await wait_for_event(others, 1)
    await append_task
    assert not slow.messages
    slow.resume_reading()
    await wait_for_event([slow], 1)
    assert not leaving_client.messages
    await disconnect_all(app, sockets)


async def test_subscriptions_catch_up_individually_when_the_broadcast_fails(
    app: StreamApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = await subscribe_all(app, ("a", "fr"), ("b", "en"))
    (failing,) = app.broadcasts

    async def fail(event: object) -> None:
        monkeypatch.undo()
        raise OSError("the database is gone")

    monkeypatch.setattr(failing, "_deliver", fail)
    with capture_logs() as logs:
        await app.append(3)
        await wait_for_event(sockets, 3)
    assert [log["event"] for log in logs] == ["broadcast.failed"]
    assert all(socket.sequences() == [1, 2, 3] for socket in sockets)
    await disconnect_all(app, sockets)


class RandomClient:
    """Someone whose client stops reading and continues at random. Half of them stay to the end, the
    others complete their subscription and subscribe again after the last event they received.
    """

    def __init__(self, app: StreamApp, random: Random, name: int) -> None:
        self.app, self.random = app, random
        self.person = Person(app, str(name), random.choice(["fr", "en"]))
        self.query = random.choice([GREETING, GREETING, NAME])
        self.after = random.randint(0, 5)
        self.stays_subscribed = random.random() < 0.5
        self.sequences: list[int] = []

    async def run(self, last: int) -> list[int]:
        socket = MemorySocket(self.app.endpoint, self.person)
        operations = 0
        while self.sequences[-1:] != [last]:
            operations += 1
            operation_id = str(operations)
            socket.subscribe(
                operation_id, self.query, after=self.sequences[-1] if self.sequences else self.after
            )
            await self._read_at_random(socket, operation_id, last)
            socket.complete(operation_id)
            self.sequences += socket.sequences(operation_id)
        await socket.disconnect()
        return self.sequences

    async def _read_at_random(self, socket: MemorySocket, operation_id: str, last: int) -> None:
        for _ in range(10_000 if self.stays_subscribed else self.random.randint(1, 8)):
            self.random.choice(
                [socket.stop_reading, socket.resume_reading, socket.resume_reading]
            )()
            await asyncio.sleep(self.random.choice([0, 0, 0.001, 0.01, 0.03]))
            if socket.sequences(operation_id)[-1:] == [last]:
                break
        socket.resume_reading()


def add_random_delays(app: StreamApp, random: Random, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delay the reading of events before and after the query, and let bulk checks refuse viewers
    who have access.
    """
    since, valid_sessions = Event.since.__func__, app.valid_sessions  # type: ignore[attr-defined] # a classmethod

    async def slow_since(cls: type[Event], stream: str, after: int, limit: int) -> list[Event]:
        await asyncio.sleep(random.choice([0, 0.001, 0.01]))
        events: list[Event] = await since(cls, stream, after, limit)
        await asyncio.sleep(random.choice([0, 0.001, 0.01, 0.02]))
        return events

    async def unreliable_valid_sessions(sessions: Collection[int]) -> set[int]:
        await asyncio.sleep(random.choice([0, 0.005]))
        return await valid_sessions(
            [each for each in sessions if len(sessions) == 1 or random.random() > 0.1]
        )

    monkeypatch.setattr(Event, "since", classmethod(slow_since))
    monkeypatch.setattr(app, "valid_sessions", unreliable_valid_sessions)


@pytest.mark.parametrize("seed", range(4))
async def test_everyone_receives_the_whole_sequence_once_in_any_schedule(
    app: StreamApp, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    monkeypatch.setattr(broadcast, "BATCH_SIZE", random.choice([1, 2, 5]))
    monkeypatch.setattr(broadcast, "ACCESS_SECONDS", random.choice([0, 0.5]))
    monkeypatch.setattr(broadcast, "PAGE_SIZE", random.choice([2, 100]))
    await app.append(5)
    add_random_delays(app, random, monkeypatch)
    clients = [RandomClient(app, Random(seed * 100 + number), number) for number in range(12)]
    last = 60

    async def write() -> None:
        event_count = 5
        while event_count < last:
            events = min(random.randint(1, 4), last - event_count)
            await app.append(events)
            event_count += events
            await asyncio.sleep(random.choice([0, 0.002, 0.01]))

    async with asyncio.timeout(MAX_WAIT):
        _, *sequences = await asyncio.gather(write(), *(client.run(last) for client in clients))
    assert sequences == [list(range(client.after + 1, last + 1)) for client in clients]
    await app.endpoint.close_all()
    assert app.is_idle
