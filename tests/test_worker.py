"""The timetable keeps running when one of its jobs fails."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime.hub import Hub
from tests.log_capture import logged_events, production_logs
from tests.waiting import MAX_WAIT
from worker import Job, run


class CountingJob:
    """A job that counts its runs, and fails in some of them."""

    def __init__(self, failures: int = 0) -> None:
        self.runs = 0
        self.failures = failures
        self.third_run = asyncio.Event()

    async def __call__(self) -> None:
        self.runs += 1
        if self.runs >= 3:
            self.third_run.set()
        if self.runs <= self.failures:
            raise ValueError("camille@fournil.example is no number")


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The logged lines."""
    with production_logs() as stream:
        yield lambda: logged_events(stream)


async def test_a_failing_job_is_logged_and_retried_without_affecting_others(
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    failing_job, steady_job = CountingJob(failures=2), CountingJob()
    timetable = asyncio.create_task(
        run(
            [
                Job("failing", 0.01, failing_job, internal=True),
                Job("steady", 0.01, steady_job, internal=True),
            ]
        )
    )
    async with asyncio.timeout(MAX_WAIT):
        await failing_job.third_run.wait()
        await steady_job.third_run.wait()
    assert not timetable.done()
    timetable.cancel()
    with pytest.raises(asyncio.CancelledError):
        await timetable
    failures = [line for line in log_lines() if line["event"] == "job.failed"]
    assert [(line["job"], line["error"]) for line in failures] == [("failing", "ValueError")] * 2


async def test_a_failure_is_logged_with_its_location_and_without_its_message(
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    failing_job = CountingJob(failures=1)
    timetable = asyncio.create_task(run([Job("failing", 0.01, failing_job, internal=True)]))
    async with asyncio.timeout(MAX_WAIT):
        await failing_job.third_run.wait()
    timetable.cancel()
    await asyncio.gather(timetable, return_exceptions=True)
    (line,) = log_lines()
    assert "camille" not in str(line)
    assert any("test_worker.py" in place for place in line["where"])


async def test_a_job_runs_when_what_it_listens_to_is_announced() -> None:
    """It also runs once after many announcements, including those made during a run."""
    hub, runs = Hub(), asyncio.Queue[int]()

    async def work() -> None:
        runs.put_nowait(0)
        hub.announce(["chats"] * 3)

    job = Job("chats", 3_600, work, internal=True, listen=lambda: hub.listen("chats"))
    timetable = asyncio.create_task(run([job]))
    async with asyncio.timeout(MAX_WAIT):
        for _ in range(3):
            await runs.get()
    timetable.cancel()
    await asyncio.gather(timetable, return_exceptions=True)
    assert runs.empty()


async def test_cancelling_ends_a_running_job() -> None:
    started, finished = asyncio.Event(), asyncio.Event()

    async def wait_long() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            finished.set()

    timetable = asyncio.create_task(run([Job("slow", 1, wait_long, internal=True)]))
    await started.wait()
    timetable.cancel()
    await asyncio.gather(timetable, return_exceptions=True)
    assert finished.is_set()
