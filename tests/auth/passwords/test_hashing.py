"""Worker processes hash passwords at a lower priority than requests, and a crash of one doesn't
fail a sign-in.
"""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from auth.passwords import Passwords, hashing_pool, hashing_process
from tests.waiting import MAX_WAIT

PASSWORD = "corneille sabot pluvier 42"


@pytest.fixture(autouse=True)
def processes() -> Iterator[list["hashing_pool._Process"]]:
    """Hashing processes that only this test uses."""
    hashing_pool.stop_idle_processes()
    yield hashing_pool._idle_processes
    hashing_pool.stop_idle_processes()


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    passwords = Passwords()
    yield passwords
    passwords.close()


async def test_one_process_serves_successive_requests(
    passwords: Passwords, processes: list["hashing_pool._Process"]
) -> None:
    stored_hash = await passwords.hash(PASSWORD)
    assert await passwords.matches(stored_hash, PASSWORD)
    other = Passwords()
    assert not await other.matches(stored_hash, "mouette phare ardoise 77")
    other.close()
    assert len(processes) == 1


async def test_new_passwords_are_evaluated_at_a_priority_that_is_not_the_lowest(
    passwords: Passwords, processes: list["hashing_pool._Process"]
) -> None:
    """Whoever signs up waits for it, even on busy processors."""
    await passwords.require_strong(PASSWORD)
    niceness = os.getpriority(os.PRIO_PROCESS, processes[0].process.pid)
    assert niceness == min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)


async def test_concurrent_requests_use_separate_processes(
    passwords: Passwords, processes: list["hashing_pool._Process"]
) -> None:
    await asyncio.gather(*(passwords.hash(PASSWORD) for _ in range(8)))
    assert len(processes) == 2


async def test_a_process_killed_while_idle_is_replaced(
    passwords: Passwords, processes: list["hashing_pool._Process"]
) -> None:
    stored_hash = await passwords.hash(PASSWORD)
    killed_process = processes[0].process
    killed_process.kill()
    assert await passwords.matches(stored_hash, PASSWORD)
    assert processes[0].process is not killed_process
    assert killed_process.returncode == -signal.SIGKILL


async def test_a_process_killed_while_hashing_is_replaced(
    passwords: Passwords, processes: list["hashing_pool._Process"]
) -> None:
    await passwords.hash(PASSWORD)
    process = processes[0].process
    process.send_signal(signal.SIGSTOP)  # the slowest password to score
    hash_task = asyncio.create_task(passwords.hash(PASSWORD))
    await asyncio.sleep(0.1)
    process.kill()
    assert await passwords.matches(await hash_task, PASSWORD)


async def test_stop_signals_do_not_interrupt_hashing(
    passwords: Passwords, processes: list["hashing_pool._Process"]
) -> None:
    await passwords.hash(PASSWORD)
    process = processes[0].process
    # Ctrl-C and service managers reach the whole group.
    for stop in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(stop)
    assert await passwords.matches(await passwords.hash(PASSWORD), PASSWORD)
    assert processes[0].process is process


def test_processes_end_with_the_server() -> None:
    program = (
        "import os, sys; from auth.passwords import hashing_pool; hashing_pool.run('guesses', 'x', "
        "[]);"
    )
    program += "print(hashing_pool._idle_processes[0].process.pid, flush=True);"
    for end in ("os.kill(os.getpid(), 9)", "sys.exit()"):
        with subprocess.Popen(
            [sys.executable, "-c", program + end], stdout=subprocess.PIPE, text=True
        ) as server:
            output, _ = server.communicate(timeout=MAX_WAIT)
        pid = int(output)
        assert _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Whether the process ends within two minutes, counting a zombie as ended."""
    import time

    for _ in range(12_000):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


async def test_an_impossible_task_fails_without_revealing_its_input(passwords: Passwords) -> None:
    with pytest.raises(RuntimeError, match=r"^passwords: hash_password failed$"):
        hashing_pool.run("hash_password", PASSWORD, 0, 0, 0)
    # Answered by the same process.
    assert await passwords.matches(await passwords.hash(PASSWORD), PASSWORD)


def test_a_hash_delayed_by_low_priority_is_still_computed() -> None:
    command_runner = hashing_process.CommandRunner(idle_timeout=0)
    assert command_runner.run(
        "matches", command_runner.run("hash_password", PASSWORD, 1, 8, 1), PASSWORD
    )
    niceness = command_runner._lowest_priority.submit(os.getpriority, os.PRIO_PROCESS, 0)
    assert niceness.result() == 19


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no policy of their own")
async def test_hashing_has_a_lower_priority(
    passwords: Passwords, processes: list["hashing_pool._Process"]
) -> None:
    await passwords.hash(PASSWORD)
    pid = processes[0].process.pid
    policies = {
        int(task): os.sched_getscheduler(int(task)) for task in os.listdir(f"/proc/{pid}/task")
    }
    assert policies.pop(pid) == os.SCHED_OTHER
    assert {
        policy == os.SCHED_IDLE or os.getpriority(os.PRIO_PROCESS, task) == 19
        for task, policy in policies.items()
    } == {True}


def test_passwords_are_hashed_when_priorities_cannot_be_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raise_permission_error(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", raise_permission_error)
    assert (
        hashing_process.CommandRunner()
        .run("hash_password", PASSWORD, 1, 8, 1)
        .startswith("$argon2id$")
    )


def test_the_process_answers_line_by_line() -> None:
    stored_hash = hashing_process.hash_password(PASSWORD, 1, 8, 1)
    valid_requests = [
        ["matches", stored_hash, PASSWORD],
        ["matches", stored_hash, "\ud800"],
        ["matches", "-", ""],
        ["guesses", "abc", []],
    ]
    responses, invalid_requests = io.StringIO(), ['["nothing"]', "[]", "3", "no JSON"]
    hashing_process.serve(
        [*map(json.dumps, valid_requests), *invalid_requests],
        responses,
        hashing_process.CommandRunner(),
    )
    assert list(map(json.loads, responses.getvalue().splitlines())) == [
        True,
        False,
        False,
        12.0,
        None,
        None,
        None,
        None,
    ]
