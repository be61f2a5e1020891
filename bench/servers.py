"""Starting the servers: each one process on one core, all on the same database."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.data import TOKEN, Sizes
from server import bind

ROOT = Path(__file__).parents[1]
NODE = ROOT / "bench"
PATIENCE = 60.0


class Failed(Exception):
    """The benchmark can't go on. The text says why."""


@dataclass(frozen=True)
class Server:
    """A server that takes connections at this port of this machine."""

    name: str
    port: int
    pid: int

    @property
    def token(self) -> str | None:
        """What to sign in with: only our own server asks for it."""
        return TOKEN if self.name == "camcha" else None


Command = Callable[[str, int, Sizes], Sequence[str]]
COMMANDS: dict[str, Command] = {
    "camcha": lambda url, port, sizes: [sys.executable, "-m", "cli", "serve", "--port", str(port)],
    "strawberry": lambda url, port, sizes: [sys.executable, "-m", "bench.peers.plain", url, str(port), str(sizes.agent)],
    "mercurius": lambda url, port, sizes: ["node", "bench/peers/mercurius.js", url, str(port), str(sizes.agent)],
    "limit": lambda url, port, sizes: [sys.executable, "-m", "bench.peers.limit", url, str(port), str(sizes.agent)],
}


@asynccontextmanager
async def running(names: Sequence[str], url: str, sizes: Sizes, folder: Path, core: int | None) -> AsyncIterator[list[Server]]:
    """These servers, ready, all on one core where one is given; their logs and files lie in `folder`."""
    async with AsyncExitStack() as stack:
        starting = [stack.enter_async_context(_started(name, url, sizes, folder, core)) for name in names]
        started = await asyncio.gather(*starting, return_exceptions=True)  # so that all have settled, whoever failed
        for each in started:
            if isinstance(each, BaseException):
                raise each
        yield [each for each in started if isinstance(each, Server)]


@asynccontextmanager
async def _started(name: str, url: str, sizes: Sizes, folder: Path, core: int | None) -> AsyncIterator[Server]:
    port = _free_port()
    command = COMMANDS[name](url, port, sizes)
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=_environment(url, folder), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}) if core is not None else None,
        )  # fmt: skip
    try:
        if not await _listening(process, port):
            raise Failed(f"{name} does not serve:\n{_end(log)}")
        yield Server(name, port, process.pid)
    finally:
        await _stop(process)


def _environment(url: str, folder: Path) -> dict[str, str]:
    """As in production. CAMCHA's variables are those of this run only."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMCHA_")}
    return kept | {
        "CAMCHA_DATABASE_URL": f"{url}&maxsize=10",  # connections, as for all
        "CAMCHA_SECRET_KEY": "only-for-benchmarks-0123456789-abcdefgh",
        "CAMCHA_MAIL_URL": f"file://{folder / 'mail'}",
        "CAMCHA_FILES": str(folder / "files"),
        "NODE_ENV": "production",
    }


async def _listening(process: asyncio.subprocess.Process, port: int) -> bool:
    async def knock() -> None:
        while process.returncode is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)

    with suppress(TimeoutError):
        await asyncio.wait_for(knock(), PATIENCE)
        return process.returncode is None
    return False


def _end(log: Path) -> str:
    return log.read_text()[-2_000:]


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with bind("127.0.0.1", 0) as probe:
        return int(probe.getsockname()[1])


def install_node_packages() -> None:
    """Make bench/node_modules match its lock file; nothing when it already does. Raises Failed."""
    made_from = hashlib.sha256((NODE / "package-lock.json").read_bytes()).hexdigest()
    stamp = NODE / "node_modules" / ".stamp"
    if stamp.exists() and stamp.read_text() == made_from:
        return
    if not shutil.which("npm"):
        raise Failed("Mercurius needs Node 20 or newer and its npm on the PATH; --servers leaves it out.")
    done = subprocess.run(["npm", "ci", "--loglevel=error"], cwd=NODE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"npm ci failed:\n{done.stderr[-2000:]}")
    stamp.write_text(made_from)
