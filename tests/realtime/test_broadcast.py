"""Shared delivery: everybody gets what they would get alone, each event once, in order, whoever else comes or goes."""

import asyncio
from collections.abc import Collection
from random import Random

import pytest

from models.action import Action
from models.event import Event
from realtime import broadcast as channels
from realtime.stream import STEP
from tests.realtime.stream_fixtures import Peer, Person, Room, eventually

GREETING = "subscription($after: Int) { events(after: $after) { sequence greeting } }"
NAME = "subscription { events { sequence name } }"
BROKEN = "subscription { events { sequence broken } }"
pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def room(action: Action) -> Room:
    return Room(action)


async def entered(room: Room, *people: tuple[str, str], query: str = GREETING) -> list[Peer]:
    """A socket for each of these people, all of them following and ready."""
    peers = [Peer(room, Person(room, *each)) for each in people]
    for peer in peers:
        await peer.ask("1", query)
    await eventually(lambda: all(peer.ready() for peer in peers))
    return peers


async def left(room: Room, peers: list[Peer]) -> None:
    """Everybody goes, and nothing is left of them."""
    for peer in peers:
        await peer.leave()
    await room.channels.closed()
    assert room.empty


def untold(peers: list[Peer], last: int) -> bool:
    return any(peer.sequences()[-1:] != [last] for peer in peers)


async def test_an_event_is_executed_once_for_all_who_see_the_same(room: Room) -> None:
    peers = await entered(room, *((f"p{n}", "fr" if n % 3 else "en") for n in range(12)))
    await room.say()
    await eventually(lambda: not untold(peers, 1))
    assert room.executed["greeting"] == 2
    assert [peer.heard[0][2]["data"]["events"]["greeting"][:2] for peer in peers] == [p.connection.language for p in peers]
    assert all(peer.put_in_passing == 1 for peer in peers)
    assert not any(peer.operations._tasks for peer in peers)
    await left(room, peers)


async def test_what_depends_on_the_person_is_executed_for_each(room: Room) -> None:
    peers = await entered(room, *((f"p{n}", "fr") for n in range(5)), query=NAME)
    await room.say(2)
    await eventually(lambda: not untold(peers, 2))
    assert room.executed["name"] == 10
    told = [[payload["data"]["events"]["name"] for _, _, payload in peer.heard] for peer in peers]
    assert told == [[f"p{n}"] * 2 for n in range(5)]
    await left(room, peers)


async def test_documents_go_on_without_each_other_but_cursors_do_not_matter(room: Room) -> None:
    await room.say(3)
    peers = [Peer(room, Person(room, f"p{n}")) for n in range(4)]
    for after, peer in enumerate(peers):
        await peer.ask("1", GREETING, after=after)
    names = await entered(room, ("n", "fr"), query=NAME)
    await eventually(lambda: all(peer.ready() for peer in peers))
    before = room.executed["greeting"]
    await room.say()
    await eventually(lambda: not untold([*peers, *names], 4))
    assert room.executed["greeting"] == before + 1
    assert [peer.sequences() for peer in peers] == [[1, 2, 3, 4], [2, 3, 4], [3, 4], [4]]
    assert len(room.channels._open) == 2
    await left(room, [*peers, *names])


async def test_one_who_stalls_delays_nobody_and_catches_up(room: Room) -> None:
    slow, *others = await entered(room, *((f"p{n}", "fr") for n in range(4)))
    slow.stall()
    await room.say(STEP + 20)
    await eventually(lambda: not untold(others, STEP + 20))
    assert slow.sequences() == []
    slow.flow()
    await eventually(lambda: not untold([slow], STEP + 20) and slow.ready())
    await room.say()
    await eventually(lambda: not untold([slow, *others], STEP + 21))
    assert all(peer.sequences() == list(range(1, STEP + 22)) for peer in [slow, *others])
    assert slow.put_in_passing == 1
    await left(room, [slow, *others])


async def test_errors_are_told_to_each_alone(room: Room) -> None:
    peers = await entered(room, ("a", "fr"), ("b", "fr"), query=BROKEN)
    await room.say(2)
    await eventually(lambda: not untold(peers, 2))
    assert all(peer.sequences() == [1, 2] and peer.put_in_passing == 0 for peer in peers)
    assert all(payload["errors"] for peer in peers for _, _, payload in peer.heard)
    await left(room, peers)


@pytest.mark.parametrize("announced", [True, False])
async def test_who_is_signed_out_gets_nothing_more(room: Room, announced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not announced:
        monkeypatch.setattr(channels, "TRUSTED_SECONDS", 0)
    gone, *others = await entered(room, *((f"p{n}", "fr") for n in range(3)))
    await room.say()
    await eventually(lambda: not untold([gone, *others], 1))
    gone.connection.sign_out()
    gone.doubted = int(announced)  # as the conversation does when it is woken
    await room.say()
    await eventually(lambda: not untold(others, 2) and gone.over)
    assert gone.sequences() == [1]
    await left(room, [gone, *others])


async def test_who_may_see_the_stream_no_more_gets_nothing_more(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "TRUSTED_SECONDS", 0)
    gone, *others = await entered(room, *((f"p{n}", "fr") for n in range(3)))
    gone.connection.banned = True
    asked = room.asked
    await room.say()
    await eventually(lambda: not untold(others, 1) and gone.over)
    assert gone.sequences() == []
    assert room.asked == asked + 2  # all sessions at once, and then the one that was turned away
    await left(room, [gone, *others])


async def test_a_check_serves_all_and_for_half_a_second(room: Room) -> None:
    peers = await entered(room, *((f"p{n}", "fr") for n in range(20)))
    asked = room.asked
    for sequence in range(1, 11):
        await room.say()
        await eventually(lambda sequence=sequence: not untold(peers, sequence))  # type: ignore[misc]
    assert room.asked - asked <= 10
    await left(room, peers)


async def test_many_sockets_are_told_in_turns(room: Room) -> None:
    """Who leaves, and who stalls, between two turns gets nothing; the others all."""
    peers = await entered(room, *((f"p{n}", "fr") for n in range(channels.TURN * 2 + 10)))
    saying = asyncio.create_task(room.say())  # watched from its beginning: the hub's sweep may be quicker than its end
    while not peers[0].heard:
        await asyncio.sleep(0)
    assert not peers[-1].heard
    peers[-1].operations.stop("1")
    peers[-2].stall()
    await eventually(lambda: not untold(peers[:-2], 1))
    await asyncio.sleep(0)
    assert not peers[-1].heard
    peers[-2].flow()
    await eventually(lambda: not untold([peers[-2]], 1))
    await saying
    await left(room, peers)


async def test_a_reader_that_fails_leaves_everybody_to_themselves(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    peers = await entered(room, ("a", "fr"), ("b", "en"))
    (channel,) = room.channels._open.values()

    async def fail(event: object) -> None:
        monkeypatch.undo()
        raise OSError("the database went away")

    monkeypatch.setattr(channel, "_deliver", fail)
    await room.say(3)
    await eventually(lambda: not untold(peers, 3))
    assert all(peer.sequences() == [1, 2, 3] for peer in peers)
    await left(room, peers)


class Wanderer:
    """Stalls and reads on at random. Half of them stay to the end, the others come and go, and resume behind what they saw."""

    def __init__(self, room: Room, random: Random, name: int) -> None:
        self.room, self.random = room, random
        self.person = Person(room, str(name), random.choice(["fr", "en"]))
        self.query = random.choice(
            [GREETING, GREETING, "subscription($after: Int) { events(after: $after) { sequence name } }"]
        )
        self.peer = Peer(room, self.person)
        self.after = random.randint(0, 5)
        self.stays = random.random() < 0.5
        self.seen: list[int] = []
        self.key = 0

    async def live(self, last: int) -> list[int]:
        while not self.seen or self.seen[-1] < last:
            self.key += 1
            await self.peer.ask(str(self.key), self.query, after=self.seen[-1] if self.seen else self.after)
            await self._wander(last)
            self.peer.operations.stop(str(self.key))
            self.seen += self.peer.sequences(str(self.key))
        await self.peer.leave()
        return self.seen

    async def _wander(self, last: int) -> None:
        for _ in range(10_000 if self.stays else self.random.randint(1, 8)):
            self.random.choice([self.peer.stall, self.peer.flow, self.peer.flow])()
            await asyncio.sleep(self.random.choice([0, 0, 0.001, 0.01, 0.03]))
            if self.peer.sequences(str(self.key))[-1:] == [last]:
                break
        self.peer.flow()


def hindered(room: Room, random: Random, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading takes its time before and after, and the check of all at once turns somebody away who may stay."""
    since, standing = Event.since.__func__, room.standing  # type: ignore[attr-defined] # a classmethod

    async def slowly(cls: type[Event], stream: str, after: int, limit: int) -> list[Event]:
        await asyncio.sleep(random.choice([0, 0.001, 0.01]))
        found: list[Event] = await since(cls, stream, after, limit)
        await asyncio.sleep(random.choice([0, 0.001, 0.01, 0.02]))
        return found

    async def wrongly(sessions: Collection[int]) -> set[int]:
        await asyncio.sleep(random.choice([0, 0.005]))
        return await standing([each for each in sessions if len(sessions) == 1 or random.random() > 0.1])

    monkeypatch.setattr(Event, "since", classmethod(slowly))
    monkeypatch.setattr(room, "standing", wrongly)


@pytest.mark.parametrize("seed", range(8))
async def test_any_schedule_gives_everybody_the_whole_sequence_once(
    room: Room, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    monkeypatch.setattr(channels, "TURN", random.choice([1, 2, 5]))
    monkeypatch.setattr(channels, "TRUSTED_SECONDS", random.choice([0, 0.5]))
    monkeypatch.setattr(channels, "STEP", random.choice([2, 100]))
    await room.say(5)
    hindered(room, random, monkeypatch)
    wanderers = [Wanderer(room, Random(seed * 100 + n), n) for n in range(12)]
    last = 60

    async def write() -> None:
        written = 5
        while written < last:
            events = min(random.randint(1, 4), last - written)
            await room.say(events)
            written += events
            await asyncio.sleep(random.choice([0, 0.002, 0.01]))

    async with asyncio.timeout(60):
        _, *seen = await asyncio.gather(write(), *(each.live(last) for each in wanderers))
    assert seen == [list(range(each.after + 1, last + 1)) for each in wanderers]
    await room.channels.closed()
    assert room.empty
