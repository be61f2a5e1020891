"""The scheduler lets one request proceed in each iteration of the event loop, so other work is not
held up.
"""

import asyncio
from itertools import pairwise

from engine.http import RequestScheduler


async def test_requests_proceed_one_per_iteration_in_order_of_arrival() -> None:
    scheduler, iterations, log = RequestScheduler(), IterationCounter(), []

    async def request(number: int) -> None:
        await scheduler.wait()
        log.append((number, iterations.count))

    await asyncio.gather(*map(request, range(100)))
    iterations.stop()
    assert [number for number, _ in log] == list(range(100))
    assert all(later > earlier for (_, earlier), (_, later) in pairwise(log))


async def test_other_work_waits_for_one_request_per_iteration() -> None:
    scheduler, started = RequestScheduler(), []

    async def request() -> None:
        await scheduler.wait()
        started.append(True)

    requests = [asyncio.create_task(request()) for _ in range(500)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert 5 <= len(started) <= 12
    await asyncio.gather(*requests)
    assert len(started) == 500


async def test_a_single_request_does_not_wait() -> None:
    scheduler = RequestScheduler()
    for _ in range(3):
        request = asyncio.create_task(scheduler.wait())
        await asyncio.sleep(0)
        assert request.done()
        await asyncio.sleep(0)  # the next iteration


async def test_a_cancelled_request_does_not_use_up_an_iteration() -> None:
    scheduler = RequestScheduler()
    first, *others = [asyncio.create_task(scheduler.wait()) for _ in range(20)]
    await asyncio.sleep(0)
    for request in others[:18]:
        request.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert first.done()
    assert others[18].done()
    assert not others[18].cancelled()


class IterationCounter:
    """Counts the iterations of the event loop."""

    def __init__(self) -> None:
        self.count, self._running = 0, True
        self._next()

    def _next(self) -> None:
        self.count += 1
        if self._running:
            asyncio.get_running_loop().call_soon(self._next)

    def stop(self) -> None:
        self._running = False
