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

_idle_processes: list["_Process"] = []  # shared by all threads; they keep nothing between commands


def run(command: str, *arguments: Any) -> Any:
    """Run a command in a process and return the result (auth/passwords/hashing_process.py:
    COMMANDS). Blocks: call it in a thread.

    Raises RuntimeError when the command fails, OSError when no process survives long enough to
    respond.
    """
    try:
        result = _run_in(_idle_processes.pop(), command, *arguments)
    except (IndexError, OSError):  # there is none, or it was killed meanwhile
        result = _run_in(_Process(), command, *arguments)
    if result is None:
        raise RuntimeError(f"passwords: {command} failed")
    return result


def _run_in(process: "_Process", *request: Any) -> Any:
    try:
        result = process.send(*request)
    except BaseException:
        process.end()
        raise
    _idle_processes.append(process)
    return result


class _Process:
    def __init__(self) -> None:
        # Isolated from PYTHON* variables and from our folders, whose modules could shadow the
        # standard library's.
        command = [sys.executable, "-I", str(PROGRAM)]
        self.process = subprocess.Popen(  # noqa: S603 - ours
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="ascii"
        )

    def send(self, *request: Any) -> Any:
        if not self.process.stdin or not self.process.stdout:
            raise BrokenPipeError
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        if not (response := self.process.stdout.readline()):
            raise BrokenPipeError
        return json.loads(response)

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # unwritten data for a process that was killed
                pipe.close() if pipe else None
        self.process.wait()


@atexit.register
def stop_idle_processes() -> None:
    """Stop the idle processes."""
    while _idle_processes:
        _idle_processes.pop().end()
