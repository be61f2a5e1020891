"""The program of a process that hashes passwords and evaluates their strength, started by
auth/passwords/hashing_pool.py. It imports none of our modules.

A request is a line of JSON, a list of the command and its arguments; a response is a line as well.
The process ends when its standard input ends, which is when the server ends for any reason.
Requests contain secrets, so it writes nothing else.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TextIO

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


def made(password: str, time_cost: int, memory_cost: int, parallelism: int) -> str:
    """The Argon2id hash, including parameters and salt."""
    return PasswordHasher(
        time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism
    ).hash(_bytes(password))


def matches(stored: str, password: str) -> bool:
    """Whether this is the hash of the password; False for any other text."""
    try:
        return PasswordHasher().verify(stored, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def score(password: str, words: list[str]) -> int:
    """The zxcvbn score, 0 to 4; the given words count as guessable."""
    # Its dictionaries take megabytes, and most commands are sign-ins, which don't need them.
    from zxcvbn import zxcvbn

    return int(zxcvbn(password, user_inputs=words)["score"])


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


WORK: dict[str, Callable[..., Any]] = {"made": made, "matches": matches}


class Work:
    """Runs commands when the processor isn't needed otherwise.

    Even at the lowest niceness a hash would delay a chat message by a time slice of a few
    milliseconds, so a thread with the idle policy hashes. On processors that are never idle that
    would take ten seconds: whatever isn't finished after a while is done at the lowest niceness
    instead, which takes one.
    """

    def __init__(self, patience: float = 0.25) -> None:
        self._idle = ThreadPoolExecutor(1, initializer=_lower_priority)
        self._patience = patience  # in seconds: ten times as long as a hash takes

    def done(self, what: str, *given: Any) -> Any:
        """The result of a command."""
        if what == "score":  # holds the interpreter's lock all the time
            return score(*given)
        begun = self._idle.submit(WORK[what], *given)
        try:
            return begun.result(self._patience)
        except TimeoutError:
            begun.cancel()
            return WORK[what](*given)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere there is no such policy
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


def serve(asked: Iterable[str], answers: TextIO, work: Work) -> None:
    """Respond to each line with one line, `null` when the command fails."""
    for line in asked:
        try:
            what, *given = json.loads(line)
            answer = work.done(what, *given)
        except Exception:
            # The next password is hashed all the same, and the parent reports the failure.
            answer = None
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    os.nice(19)  # before it is asked anything
    # The signal reaches the whole process group, but the server still needs the answers.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    serve(sys.stdin, sys.stdout, Work())
    os._exit(0)  # without the end of what nobody waits for
