"""The program of a process that hashes passwords and evaluates their strength, started by
auth/passwords/hashing_pool.py. It imports none of our modules.

A request is a line of JSON, a list of the command and its arguments; a response is a line as well.
The process ends when its standard input ends, which is when the server ends for any reason.
Requests contain secrets, so it writes nothing else.
"""

import gzip
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

RANK_OF_PATTERNS = 100  # of each: nobody has counted them, and attackers try all of them first


def hash_password(password: str, time_cost: int, memory_cost: int, parallelism: int) -> str:
    """The Argon2id hash, including parameters and salt."""
    return PasswordHasher(
        time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism
    ).hash(_bytes(password))


def matches(stored_hash: str, password: str) -> bool:
    """Whether this is the hash of the password; False for any other text."""
    try:
        return PasswordHasher().verify(stored_hash, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def guesses(password: str, words: list[str]) -> float:
    """How many guesses the password takes at most; the given words count as guessable.

    zxcvbn adds 10,000 guesses to the power of the parts but one, for an attacker who doesn't know
    how many parts there are. That alone makes any four parts strong, such as three first names and
    a year. So if all letters are in known words, only the parts count, in any order.
    """
    matching, scoring = _zxcvbn()
    dictionaries = matching.RANKED_DICTIONARIES
    dictionaries["user_inputs"] = matching.build_ranked_dict([word.lower() for word in words])
    matches = matching.omnimatch(password, dictionaries)
    estimates = [
        scoring.most_guessable_match_sequence(password, matches, _exclude_additive=excludes)
        for excludes in (False, True)
    ]
    if any(map(_has_unknown_letters, estimates[1]["sequence"])):
        return float(estimates[0]["guesses"])
    return min(float(estimate["guesses"]) for estimate in estimates)


def _has_unknown_letters(part: dict[str, Any]) -> bool:
    return part["pattern"] == "bruteforce" and any(map(str.isalpha, part["token"]))


@cache
def _zxcvbn() -> tuple[Any, Any]:
    """zxcvbn's `matching` and `scoring`, which know English, with French words, names, towns and
    patterns, the most common passwords, and the azerty keyboard (bin/password_dictionaries.py).

    Loaded when needed: the dictionaries take megabytes, and most commands are sign-ins.
    """
    from zxcvbn import matching, scoring

    folder = Path(__file__).parent
    data = json.loads(gzip.decompress((folder / "dictionaries.json.gz").read_bytes()))
    patterns = (folder / "french_patterns.txt").read_text(encoding="utf-8").split()
    patterns += [f"{department:02}000" for department in range(1, 96)]  # a town's, as people say it
    matching.add_frequency_lists(data["dictionaries"])
    matching.RANKED_DICTIONARIES["french_patterns"] = dict.fromkeys(patterns, RANK_OF_PATTERNS)
    matching.GRAPHS["azerty"] = data["azerty"]
    matching.REGEXEN["recent_year"] = re.compile(r"19\d\d|20[0-4]\d")  # it ends with 2019
    return matching, scoring


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


COMMANDS: dict[str, Callable[..., Any]] = {"hash_password": hash_password, "matches": matches}


ADDED_NICENESS = 10  # to the server's
LOWEST_PRIORITY = 19  # a niceness


class CommandRunner:
    """Runs commands when the processor isn't needed otherwise.

    Even at the lowest priority a hash would delay a chat message by a time slice of a few
    milliseconds, so a thread with the idle policy hashes. On processors that are never idle that
    would take ten seconds: whatever isn't finished after a while is done at the lowest priority
    instead, which takes one. Evaluating a new password takes several times as long as a hash, and
    the lowest priority gets 1.5 % of a busy processor. So that is done ten steps below the
    server's priority, which gets 10 %.
    """

    def __init__(self, idle_timeout: float = 0.25) -> None:
        self._idle = ThreadPoolExecutor(1, initializer=_run_when_idle)
        self._lowest_priority = ThreadPoolExecutor(1, initializer=_lower_priority)
        self._idle_timeout = idle_timeout  # in seconds: ten times as long as a hash takes

    def run(self, command: str, *arguments: Any) -> Any:
        """The result of a command."""
        if command == "guesses":  # holds the interpreter's lock all the time
            return guesses(*arguments)
        future = self._idle.submit(COMMANDS[command], *arguments)
        try:
            return future.result(self._idle_timeout)
        except TimeoutError:
            future.cancel()
            return self._lowest_priority.submit(COMMANDS[command], *arguments).result()


def _lower_priority() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)  # on Linux, of this thread


def _run_when_idle() -> None:
    if sys.platform == "linux":  # elsewhere there is no such policy
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


def serve(requests: Iterable[str], responses: TextIO, runner: CommandRunner) -> None:
    """Respond to each line with one line, `null` when the command fails."""
    for line in requests:
        try:
            command, *arguments = json.loads(line)
            response = runner.run(command, *arguments)
        except Exception:
            # The parent reports the failure; the process continues with the next command.
            response = None
        responses.write(json.dumps(response) + "\n")
        responses.flush()


if __name__ == "__main__":
    os.nice(ADDED_NICENESS)  # before the first command
    # The signal reaches the whole process group, but the server still needs the responses.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    serve(sys.stdin, sys.stdout, CommandRunner())
    os._exit(0)  # without waiting for work whose result nobody reads
