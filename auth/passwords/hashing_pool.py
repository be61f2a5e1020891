"""A pool of processes that hash passwords and evaluate their strength. Each serves one thread at a
time and is started when needed.

A thread of the server would hold the interpreter lock now and then, and with a low priority on busy
processors it would hold it while waiting for one, which would stop everything else for seconds. See
docs/decisions/0020.
"""

import atexit
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("hashing_process.py")

_idle: list["_Process"] = []  # of the whole process: they know nothing of whom they work for


def run(what: str, *given: Any) -> Any:
    """Run a command in a process and return the result (auth/passwords/hashing_process.py: WORK).
    Blocks: call it in a thread.

    Raises RuntimeError when the command fails, OSError when no process survives long enough to
    respond.
    """
    try:
        answer = _answer(_idle.pop(), what, *given)
    except (IndexError, OSError):  # there is none, or it was killed meanwhile
        answer = _answer(_Process(), what, *given)
    if answer is None:
        raise RuntimeError(f"passwords: {what} failed")
    return answer


def _answer(lent: "_Process", *run: Any) -> Any:
    try:
        answer = lent.ask(*run)
    except BaseException:
        lent.end()
        raise
    _idle.append(lent)
    return answer


class _Process:
    def __init__(self) -> None:
        # Isolated: no folder of ours, whose modules could take the place of the library's, and no
        # variables of Python's.
        command = [sys.executable, "-I", str(PROGRAM)]
        self.process = subprocess.Popen(  # noqa: S603 - ours
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="ascii"
        )

    def ask(self, *run: Any) -> Any:
        if not self.process.stdin or not self.process.stdout:
            raise BrokenPipeError
        self.process.stdin.write(json.dumps(run) + "\n")
        self.process.stdin.flush()
        if not (answer := self.process.stdout.readline()):
            raise BrokenPipeError
        return json.loads(answer)

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # what was not yet written to one that was killed
                pipe.close() if pipe else None
        self.process.wait()


@atexit.register
def stop_idle() -> None:
    """Stop the idle processes."""
    while _idle:
        _idle.pop().end()
