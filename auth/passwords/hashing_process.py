"""The program of a process that hashes and judges passwords (auth/passwords/hashing_pool.py starts it). It imports nothing of
ours.

A line of JSON asks, a list of what to do and of what with; a line answers. It ends with its standard input, which is when the
server ends, however it does. What it is asked is secret: it writes nothing else.
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
    """The Argon2id hash, with parameters and a salt."""
    return PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism).hash(_bytes(password))


def matches(stored: str, password: str) -> bool:
    """Whether this is the hash of the password; no other text is."""
    try:
        return PasswordHasher().verify(stored, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def score(password: str, words: list[str]) -> int:
    """zxcvbn's, 0 to 4; the words are guessed first."""
    from zxcvbn import zxcvbn  # its dictionaries take some megabytes, and most that is asked are sign-ins

    return int(zxcvbn(password, user_inputs=words)["score"])


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


WORK: dict[str, Callable[..., Any]] = {"made": made, "matches": matches}


class Work:
    """What is asked, done when nobody else needs the processor.

    At the lowest niceness a chat would still wait for the end of a turn, some milliseconds, so a thread of the idle hashes. On
    processors that are never idle it would take ten seconds: what it hasn't done after a while is done beside it, at the lowest
    niceness, which takes one.
    """

    def __init__(self, patience: float = 0.25) -> None:
        self._idle, self._patience = ThreadPoolExecutor(1, initializer=_as_idle), patience  # seconds, ten times a hash

    def done(self, what: str, *given: Any) -> Any:
        """The answer."""
        if what == "score":  # holds the interpreter's lock all the time
            return score(*given)
        begun = self._idle.submit(WORK[what], *given)
        try:
            return begun.result(self._patience)
        except TimeoutError:
            begun.cancel()
            return WORK[what](*given)


def _as_idle() -> None:
    if sys.platform == "linux":  # elsewhere there is no such policy
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


def serve(asked: Iterable[str], answers: TextIO, work: Work) -> None:
    """Answer each line with one, `null` for what can't be done."""
    for line in asked:
        try:
            what, *given = json.loads(line)
            answer = work.done(what, *given)
        except Exception:  # the next one's password is hashed all the same, and the parent says that it failed
            answer = None
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    os.nice(19)  # before it is asked anything
    for stop in (signal.SIGINT, signal.SIGTERM):  # what stops the server reaches its whole group: it still needs its answers
        signal.signal(stop, signal.SIG_IGN)
    serve(sys.stdin, sys.stdout, Work())
    os._exit(0)  # without the end of what nobody waits for
