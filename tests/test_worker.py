"""The timetable keeps running when one of its jobs fails."""

import asyncio
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import structlog

import logs
from tests.patience import PATIENCE
from worker import Job, run


class Counted:
    """A job that counts its runs, and fails in some of them."""

    def __init__(self, fails: int = 0) -> None:
        self.turns = 0
        self.fails = fails
        self.enough = asyncio.Event()

    async def __call__(self) -> None:
        self.turns += 1
        if self.turns >= 3:
            self.enough.set()
        if self.turns <= self.fails:
            raise ValueError("camille@fournil.example is no number")


@pytest.fixture
def told() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The logged lines."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    root.handlers = []
    logs.configure(stream)
    yield lambda: [orjson.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


async def test_a_failing_job_is_logged_and_retried_without_affecting_others(
    told: Callable[[], list[dict[str, Any]]],
) -> None:
    failing, steady = Counted(fails=2), Counted()
    timetable = asyncio.create_task(
        run([Job("failing", 0.01, failing), Job("steady", 0.01, steady)])
    )
    async with asyncio.timeout(PATIENCE):
        await failing.enough.wait()
        await steady.enough.wait()
    assert not timetable.done()
    timetable.cancel()
    with pytest.raises(asyncio.CancelledError):
        await timetable
    failures = [line for line in told() if line["event"] == "job.failed"]
    assert [(line["job"], line["error"]) for line in failures] == [("failing", "ValueError")] * 2


async def test_a_failure_is_logged_with_its_location_and_without_its_message(
    told: Callable[[], list[dict[str, Any]]],
) -> None:
    work = Counted(fails=1)
    timetable = asyncio.create_task(run([Job("failing", 0.01, work)]))
    async with asyncio.timeout(PATIENCE):
        await work.enough.wait()
    timetable.cancel()
    await asyncio.gather(timetable, return_exceptions=True)
    (line,) = told()
    assert "camille" not in str(line)
    assert any("test_worker.py" in place for place in line["where"])


async def test_cancelling_ends_a_running_job() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    timetable = asyncio.create_task(run([Job("slow", 1, slow)]))
    await begun.wait()
    timetable.cancel()
    await asyncio.gather(timetable, return_exceptions=True)
    assert ended.is_set()
