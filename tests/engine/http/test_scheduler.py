"""Of many who ask at once, one goes on in each turn of the event loop: who asked before is served in between."""

import asyncio
from itertools import pairwise

from engine.http.scheduler import RequestScheduler


async def test_each_has_a_turn_of_the_loop_in_their_order() -> None:
    turns, clock, came = RequestScheduler(), Ticking(), []

    async def come(number: int) -> None:
        await turns.wait()
        came.append((number, clock.turn))

    await asyncio.gather(*map(come, range(100)))
    clock.stop()
    assert [number for number, _ in came] == list(range(100))
    assert all(later > earlier for (_, earlier), (_, later) in pairwise(came))


async def test_who_works_already_is_held_up_by_one_a_turn() -> None:
    turns, began = RequestScheduler(), []

    async def come() -> None:
        await turns.wait()
        began.append(True)

    crowd = [asyncio.create_task(come()) for _ in range(500)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert 5 <= len(began) <= 12
    await asyncio.gather(*crowd)
    assert len(began) == 500


async def test_nobody_waits_where_nobody_else_is() -> None:
    turns = RequestScheduler()
    for _ in range(3):
        coming = asyncio.create_task(turns.wait())
        await asyncio.sleep(0)
        assert coming.done()
        await asyncio.sleep(0)  # the next turn


async def test_who_gives_up_takes_nobodys_turn() -> None:
    turns = RequestScheduler()
    first, *rest = [asyncio.create_task(turns.wait()) for _ in range(20)]
    await asyncio.sleep(0)
    for given_up in rest[:18]:
        given_up.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert first.done()
    assert rest[18].done()
    assert not rest[18].cancelled()


class Ticking:
    """Counts the loop's turns."""

    def __init__(self) -> None:
        self.turn, self._on = 0, True
        self._tick()

    def _tick(self) -> None:
        self.turn += 1
        if self._on:
            asyncio.get_running_loop().call_soon(self._tick)

    def stop(self) -> None:
        self._on = False
