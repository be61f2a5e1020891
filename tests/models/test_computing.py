"""Long computations run in threads, which give way to the event loop for as long as they run."""

import asyncio
import sys
import threading

import pytest

from models.computing import compute
from tests.waiting import MAX_WAIT


async def test_a_computation_runs_in_a_thread_that_gives_way_often() -> None:
    default = sys.getswitchinterval()
    thread, interval = await compute(lambda: (threading.get_ident(), sys.getswitchinterval()))
    assert thread != threading.get_ident()
    assert interval == pytest.approx(default / 10)
    assert sys.getswitchinterval() == default


async def test_a_cancelled_computation_gives_way_until_it_ends() -> None:
    default = sys.getswitchinterval()
    has_begun, may_end, has_ended = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        has_begun.set()
        may_end.wait(MAX_WAIT)

    task = asyncio.create_task(compute(wait))
    await asyncio.to_thread(has_begun.wait, MAX_WAIT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sys.getswitchinterval() < default
    other = asyncio.create_task(compute(has_ended.wait, MAX_WAIT))
    may_end.set()
    has_ended.set()
    assert await other
    async with asyncio.timeout(MAX_WAIT):
        while sys.getswitchinterval() < default:
            await asyncio.sleep(0.001)
