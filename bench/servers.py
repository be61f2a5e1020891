"""Starting the servers: one process each, all on one core and with the same database."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.data import TOKEN, Sizes
from server import bind

ROOT = Path(__file__).parents[1]
NODE_FOLDER = ROOT / "bench"
START_TIMEOUT = 180.0


class BenchmarkError(Exception):
    """The benchmark can't continue, for the reason in the message."""


@dataclass(frozen=True)
class Server:
    """A running server, which listens on this port of this machine."""

    name: str
    port: int
    pid: int

    @property
    def token(self) -> str | None:
        """The bearer token; None for the other servers, which need no sign-in."""
        return TOKEN if self.name == "camcha" else None


Command = Callable[[str, int, Sizes], Sequence[str]]


def _python_peer(module: str, url: str, port: int, sizes: Sizes) -> Sequence[str]:
    return [sys.executable, "-m", f"bench.peers.{module}", url, str(port), str(sizes.agent)]


COMMANDS: dict[str, Command] = {
    "camcha": lambda url, port, sizes: [sys.executable, "-m", "cli", "serve", "--port", str(port)],
    "strawberry": lambda url, port, sizes: [
        sys.executable,
        "-m",
        "bench.peers.strawberry_app",
        url,
        str(port),
        str(sizes.agent),
    ],
    "mercurius": lambda url, port, sizes: [
        "node",
        "bench/peers/mercurius.js",
        url,
        str(port),
        str(sizes.agent),
    ],
    "baseline": lambda url, port, sizes: _python_peer("baseline", url, port, sizes),
}


@asynccontextmanager
async def running_servers(
    names: Sequence[str],
    url: str,
    sizes: Sizes,
    folder: Path,
    core: int | None,
    settings: Mapping[str, str] = MappingProxyType({}),
    arguments: Sequence[str] = (),
) -> AsyncIterator[list[Server]]:
    """These servers, ready for requests, on this core if one is given. Their logs and
    files are in `folder`. `settings` and `arguments` are further ones of
    ours.
    """
    async with AsyncExitStack() as stack:
        server_starts = [
            stack.enter_async_context(
                _running_server(name, url, sizes, folder, core, settings, arguments)
            )
            for name in names
        ]
        # Waits for all, even if one fails.
        results = await asyncio.gather(*server_starts, return_exceptions=True)
        for each in results:
            if isinstance(each, BaseException):
                raise each
        yield [each for each in results if isinstance(each, Server)]


@asynccontextmanager
async def _running_server(
    name: str,
    url: str,
    sizes: Sizes,
    folder: Path,
    core: int | None,
    settings: Mapping[str, str],
    arguments: Sequence[str],
) -> AsyncIterator[Server]:
    port = free_port()
    command = [*COMMANDS[name](url, port, sizes), *arguments]
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env={**_environment(url, folder), **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}) if core is not None else None,
        )
    try:
        if not await _wait_until_listening(process, port):
            raise BenchmarkError(f"{name} did not start:\n{_last_lines(log)}")
        yield Server(name, port, process.pid)
    finally:
        await _stop(process)


# Each operation uses one of these pools. The client is one person, who may use half of it: ten
# connections, as many as the other servers have.
_CONNECTIONS = "&interactive_connections=20&chat_connections=20"


def _environment(url: str, folder: Path) -> dict[str, str]:
    """The environment of a production server, without the CAMCHA variables of this shell."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("CAMCHA_")
    }
    return environment | {
        "CAMCHA_DATABASE_URL": url if url.startswith("sqlite") else f"{url}{_CONNECTIONS}",
        "CAMCHA_TEST_INSTALLATION": "true",
        "CAMCHA_SECRET_KEY": "only-for-benchmarks-0123456789-abcdefgh",
        # All subscribers of a fan-out are one person at one address.
        "CAMCHA_LIMIT_SOCKET_CONNECTIONS_PER_PERSON": "100000",
        "CAMCHA_LIMIT_CONNECTIONS_PER_NETWORK": "100000",
        "CAMCHA_LIMIT_SOCKET_CONNECTIONS_PER_NETWORK": "100000",
        # The client that posts messages waits until all subscriptions have started.
        "CAMCHA_LIMIT_IDLE_SECONDS": "60",
        "CAMCHA_MAIL_URL": f"file://{folder / 'mail'}",
        "CAMCHA_FILES": str(folder / "files"),
        "CAMCHA_LIMIT_ACTIVITY_MESSAGES_OF_STAFF": "1000000000",  # one agent sends all of them
        "CAMCHA_LIMIT_ACTIVITY_TICKETS": "1000000000",
        "CAMCHA_LIMIT_ACTIVITY_TICKETS_PER_COMPANY": "1000000000",
        "NODE_ENV": "production",
    }


async def _wait_until_listening(process: asyncio.subprocess.Process, port: int) -> bool:
    async def connect() -> None:
        while process.returncode is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)

    with suppress(TimeoutError):
        await asyncio.wait_for(connect(), START_TIMEOUT)
        return process.returncode is None
    return False


def _last_lines(log: Path) -> str:
    return log.read_text()[-2_000:]


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with bind("127.0.0.1", 0) as probe:
        return int(probe.getsockname()[1])


def install_node_packages() -> None:
    """Install the packages of the lock file into bench/node_modules, unless they are there. Raises
    BenchmarkError.
    """
    lock_hash = hashlib.sha256((NODE_FOLDER / "package-lock.json").read_bytes()).hexdigest()
    stamp = NODE_FOLDER / "node_modules" / ".stamp"
    if stamp.exists() and stamp.read_text() == lock_hash:
        return
    if not shutil.which("npm"):
        raise BenchmarkError(
            "Mercurius needs Node 20 or newer, with npm on the PATH. Use --servers to leave it out."
        )
    process = subprocess.run(
        ["npm", "ci", "--loglevel=error"],
        cwd=NODE_FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise BenchmarkError(f"npm ci failed:\n{process.stderr[-2000:]}")
    stamp.write_text(lock_hash)
