"""Starting the server: one process per SQLite file, or several that share a socket, and a callback
once it accepts connections.
"""

import asyncio
import ctypes
import fcntl
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import structlog
import uvicorn
import uvloop
from starlette.applications import Starlette
from uvicorn.server import Server

import logs
from models.database.connection import sqlite_path
from realtime.connection_limits import ConnectionLimits
from realtime.descriptors import raise_descriptor_limit, within_descriptors
from realtime.uvicorn_protocol import uvicorn_options

# How many connections may wait to be accepted. The kernel drops those above it, and their clients
# try again after a second. It allows at most net.core.somaxconn, by default 4,096.
BACKLOG = 16_384

_PR_SET_PDEATHSIG = 1  # of prctl(2)
_RESTART_SECONDS = 1.0  # before a process that ended is started again
_STOP_SECONDS = 25.0  # that processes have to finish, less than systemd gives the whole service
log = structlog.stdlib.get_logger()


class CommandError(Exception):
    """A command failed. The message says what to do about it."""


def bind(host: str, port: int) -> socket.socket:
    """Bind a socket, which refuses connections until the server listens. Raises CommandError when
    the address is in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise CommandError(
            f"can't listen on {host}, port {port}: {error.strerror}. Choose another address with "
            f"--host and --port."
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL at which a browser on this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bind
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def lock_database(database_url: str) -> Iterator[None]:
    """Lock the SQLite file against other server processes. Raises CommandError when another one has
    it.

    Two processes could share the data, but not throttling, typing indicators and notifications,
    which exist in one process only. The kernel releases the lock of a killed process.
    """
    path = sqlite_path(database_url)
    if path is None:
        yield
        return
    with _lock_file(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"another process is using {path}. SQLite supports one server process: stop the "
                f"other one or use PostgreSQL."
            ) from None
        yield


def _lock_file(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(f"{path.name}.lock").open("a")
    except OSError as error:
        raise CommandError(
            f"CAMCHA_DATABASE_URL: can't write next to {path}: {error.strerror}"
        ) from None


def serve(
    app: Starlette,
    listener: socket.socket,
    on_listening: Callable[[], object],
    limits: ConnectionLimits,
) -> int:
    """Serve until stopped. Calls `on_listening` once connections are accepted. Returns the exit
    status.
    """
    limits = within_descriptors(limits, raise_descriptor_limit())
    config = uvicorn.Config(
        app,
        loop="uvloop",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=5,
        backlog=BACKLOG,
        server_header=False,
        **uvicorn_options(limits),
    )
    server = _Server(config, on_listening)
    with suppress(KeyboardInterrupt):  # uvicorn has shut down by then
        server.run([listener])
    return 0 if server.started else 1


def run_jobs(app: Starlette, on_started: Callable[[], None]) -> None:
    """Run the jobs of an application that serves nobody, until the process is asked to stop. Calls
    `on_started` once they run.
    """

    async def run_until_stopped() -> None:
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signal_number, stopped.set)
        async with app.router.lifespan_context(app):
            _tune_garbage_collector()
            on_started()
            await stopped.wait()

    uvloop.run(run_until_stopped())


def supervise(
    commands: Sequence[Sequence[str]],
    environments: Sequence[Mapping[str, str]],
    listener: socket.socket,
    on_listening: Callable[[], object],
) -> int:
    """Run server processes that share a listening socket until asked to stop, and start each one
    again that ends. Calls `on_listening` once the first one accepts connections. Returns the exit
    status: that of a process that ended before any was ready, for example because of its settings.

    A command gets two more arguments: `--inherited` and the numbers of its descriptors of the
    socket and of a pipe, into which it writes once it accepts connections.
    """
    return uvloop.run(_Supervisor(listener, on_listening).run(commands, environments))


def end_with_parent() -> None:
    """Stop this process when its parent ends, also when that was killed. Only Linux can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class _Supervisor:
    def __init__(self, listener: socket.socket, on_listening: Callable[[], object]) -> None:
        self._listener, self._on_listening = listener, on_listening
        self._stopping, self._status, self._is_ready = asyncio.Event(), 0, False

    async def run(
        self, commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]]
    ) -> int:
        """Run the commands. Returns the exit status."""
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signal_number, self._stopping.set)
        ready, started = os.pipe()
        loop.add_reader(ready, self._announce, ready)
        try:
            async with asyncio.TaskGroup() as group:
                for command, environment in zip(commands, environments, strict=True):
                    group.create_task(self._keep_running(command, environment, started))
        finally:
            loop.remove_reader(ready)
            os.close(ready)
            os.close(started)
        return self._status

    def _announce(self, ready: int) -> None:
        os.read(ready, 1)
        if not self._is_ready:
            self._is_ready = True
            self._on_listening()

    async def _keep_running(
        self, command: Sequence[str], environment: Mapping[str, str], started: int
    ) -> None:
        inherited = (self._listener.fileno(), started)
        arguments = ("--inherited", *map(str, inherited))
        while not self._stopping.is_set():
            process = await asyncio.create_subprocess_exec(
                *command, *arguments, env=environment, pass_fds=inherited
            )
            ended = asyncio.create_task(process.wait())
            await self._stopped_or(ended)
            if not ended.done():
                await _end(process, ended)
            elif not self._is_ready and process.returncode:
                self._status = process.returncode
                self._stopping.set()
            elif not self._stopping.is_set():
                log.error("server.process_ended", process=process.pid, status=process.returncode)
                await self._stopped_or(asyncio.create_task(asyncio.sleep(_RESTART_SECONDS)))

    async def _stopped_or(self, other: asyncio.Task[Any]) -> None:
        """Wait until the server is to stop, or until the task is done."""
        stopped = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({stopped, other}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    """Let a process finish what it is doing, and kill it when that takes too long."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(ended), _STOP_SECONDS)
    if not ended.done():
        log.error("server.process_killed", process=process.pid)
        process.kill()
        await ended


class _Server(Server):
    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _tune_garbage_collector()
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        logs.close()  # uvicorn then ends the process with the signal that stopped it


def _tune_garbage_collector() -> None:
    """Exclude permanent objects from garbage collection, and examine a large response once instead
    of twenty times.

    A page of a thousand rows is ten thousand objects without cycles. Collecting after every 700 new
    objects, and examining the objects of all modules now and then, took half the time of such a
    response.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 4)
