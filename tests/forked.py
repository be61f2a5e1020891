"""Processes of the program, forked from a parent that has already imported it, which saves two
seconds compared to `python -m cli`.

Tests that need a separate process use them like subprocess.Popen. tests/test_cli.py also starts
`python -m cli` itself. Passwords cost little in them, except in verbose ones.
"""

import atexit
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def inherited_environment() -> dict[str, str]:
    """The variables of this process that a test's processes inherit."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CAMCHA_")}


class ForkedProcess:
    """A running command of the program. Its output is appended to the given files. A verbose one
    logs everything that our own code can log.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: Path,
        stderr: Path,
        is_verbose: bool = False,
    ) -> None:
        request = {
            "arguments": [*arguments],
            "is_verbose": is_verbose,
            "cwd": str(cwd),
            "env": {**env},
            "out": str(stdout),
            "err": str(stderr),
        }
        self.pid: int = _FORK_SERVER.send(request)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _FORK_SERVER.send({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float = 300) -> int:
        start = time.monotonic()
        while (code := self.poll()) is None:
            if (seconds := time.monotonic() - start) > timeout:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(min(0.005 + seconds / 10, 0.05))
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs a command until it exits, like subprocess.run."""
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "out"), Path(folder, "err")
        code = ForkedProcess(arguments, cwd=cwd, env=env, stdout=stdout, stderr=stderr).wait()
        return subprocess.CompletedProcess(
            [*arguments], code, stdout.read_text(), stderr.read_text()
        )


class _ForkServer:
    """The process that forks the others, started with the first one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def send(self, request: Mapping[str, Any]) -> Any:
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, str(Path(__file__))],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        if self._process:
            self._process.communicate()


_FORK_SERVER = _ForkServer()
end = _FORK_SERVER.end


def serve() -> None:
    """Forks a process for each request, or reports whether one has exited."""
    sys.path[0] = str(ROOT)
    import app  # noqa: F401 - for the processes
    import cli
    from auth.passwords.hashing_process import guesses
    from tests.quick_auth import use_quick_passwords

    guesses("corneille", [])  # loads the dictionaries
    gc.freeze()  # else the first collection of each process copies all of it
    while line := sys.stdin.readline():
        request = json.loads(line)
        if "ended" in request:
            pid, status = os.waitpid(request["ended"], os.WNOHANG)
            result = os.waitstatus_to_exitcode(status) if pid else None
        elif (result := os.fork()) == 0:
            _set_up_process(request)
            if request["is_verbose"]:
                _log_everything()
            else:
                use_quick_passwords()
            _end(cli.main(request["arguments"]))
        sys.stdout.write(f"{json.dumps(result)}\n")
        sys.stdout.flush()


def _set_up_process(request: Mapping[str, Any]) -> None:
    for path, number in (("/dev/null", 0), (request["out"], 1), (request["err"], 2)):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])


def _log_everything() -> None:
    """Sets our own loggers to DEBUG once the command has configured them."""
    import logs

    configure = logs.configure

    def configure_verbose_logs() -> None:
        configure()
        for layer in ROOT.iterdir():
            logging.getLogger(layer.stem).setLevel(logging.DEBUG)

    logs.configure = configure_verbose_logs  # type: ignore[assignment] # no other stream here


def _end(code: int) -> None:
    """Exits like the interpreter, but without tearing down the imported modules, which takes as
    long as a command.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
