"""Starting the server: alone on its SQLite file, and with a word once it really listens."""

import fcntl
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import uvicorn
from starlette.applications import Starlette
from uvicorn.server import Server

from models.database import sqlite_path
from realtime.uvicorn_protocol import UVICORN


class Failed(Exception):
    """The command can't be done. The text says what to do about it."""


def bound(host: str, port: int) -> socket.socket:
    """A socket at the address, whose connections are refused until somebody listens. Raises Failed when it is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as fault:
        raise Failed(f"can't listen on {host}, port {port}: {fault.strerror}. --host and --port choose another.") from None
    return found


def url_of(listener: socket.socket) -> str:
    """Where a browser on this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def alone(database_url: str) -> Iterator[None]:
    """Keep other servers off the same SQLite file; the kernel frees the lock of a killed process. Raises Failed.

    Writers of two processes would get on, but throttling, typing and who hears of what live inside one.
    """
    path = sqlite_path(database_url)
    if path is None:
        yield
        return
    with _lock_file(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(
                f"another process uses {path}. SQLite serves one process at a time: stop the other, or use PostgreSQL."
            ) from None
        yield


def _lock_file(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(f"{path.name}.lock").open("a")
    except OSError as fault:
        raise Failed(f"CAMCHA_DATABASE_URL: can't write beside {path}: {fault.strerror}") from None


def serve(app: Starlette, listener: socket.socket, listening: Callable[[], None]) -> int:
    """Serve until told to stop; `listening` is called once connections are taken. Returns the exit status."""
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", lifespan="on", access_log=False, log_config=None, log_level="warning",
        timeout_graceful_shutdown=5, server_header=False, **UVICORN,
    )  # fmt: skip
    server = _Announced(config, listening)
    with suppress(KeyboardInterrupt):  # uvicorn has left in order by then
        server.run([listener])
    return 0 if server.started else 1


class _Announced(Server):
    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _calm_collector()
        self._listening()


def _calm_collector() -> None:
    """Spare the garbage collector what lives for ever, and let it look at a large answer once instead of twenty times.

    A page of a thousand rows is ten thousand objects that no cycle holds; collecting after each 700 new ones, and looking
    at all modules' objects now and then, took half the time of such an answer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 4)
