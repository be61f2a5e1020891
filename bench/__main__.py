"""`bin/bench`: the operations and the fan-out against every server, or `bin/bench growth`. See README.md."""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench import signing_in
from bench.data import FULL, TINY, Sizes
from bench.database import Database, database
from bench.fanout import Delivered, fan_out
from bench.growth import growth
from bench.load import load
from bench.memory import per_subscription
from bench.operations import OPERATIONS, Operation
from bench.processes import cpu, settle
from bench.report import OURS, Line, Measured, as_json, of_deliveries, of_rounds, table
from bench.same import check
from bench.servers import COMMANDS, ROOT, Failed, Server, install_node_packages, running

RESULTS = ROOT / "var" / "bench"
FAN_OUT, IDLE = "F", "memory"
ALONE = ["growth", "sign-in", "flood"]  # what concerns our own server only
CHAT = 4  # a ticket whose channel is CHAT
NOTES = """
CPU us is the server's own processor time for each request or delivery. The shares tell who was busy, of one core each:
a server far below 100 % was held up by its database, by the client, or by other work on this machine.
The peers need no sign-in and check no permission, limit or cost; camcha does all of it, and logs."""


class Bench:
    """One run: its settings, the database, and what was found."""

    def __init__(self, asked: argparse.Namespace, sizes: Sizes, database: Database, folder: Path, core: int | None) -> None:
        self.asked, self.sizes, self.database, self.folder, self.core = asked, sizes, database, folder, core
        self.found: dict[str, Any] = {}

    def running(self, names: Sequence[str]) -> Any:
        """These servers on their core."""
        return running(names, self.database.url, self.sizes, self.folder, self.core)

    async def compare(self) -> None:
        """Check that all answer the same, then measure what was asked for."""
        chosen = self.asked.operations
        async with self.running(self.asked.servers) as servers:
            print(f"{await check(servers, self.database.url, self.sizes)} answers are the same.", flush=True)
            for name in OPERATIONS:
                if name in chosen:
                    await self._operation(OPERATIONS[name], servers)
            if FAN_OUT in chosen:
                await self._fan_out(servers)
        if IDLE in chosen and OURS in self.asked.servers:
            await self._idle()

    async def _operation(self, operation: Operation, servers: Sequence[Server]) -> None:
        rounds: defaultdict[str, list[Measured]] = defaultdict(list)
        for number in range(self.asked.rounds + 1):  # the first one warms up
            for server in self._well(servers, operation.name):
                seconds = self.asked.seconds if number else min(1.0, self.asked.seconds)
                measured = await self._measured(server, operation, seconds, f"{operation.name}-{server.name}-{number}")
                if measured and number:
                    rounds[server.name].append(measured)
        self._tell(operation.name, operation.title, [of_rounds(name, each) for name, each in rounds.items()])

    async def _measured(self, server: Server, operation: Operation, seconds: float, label: str) -> Measured | None:
        used, database = cpu(server.pid), cpu(self.database.pid)
        try:
            round_ = await load(server, operation.bodies(self.sizes, label), seconds)
        except (Failed, OSError) as failure:
            self._failed(server, operation.name, failure)
            return None
        return Measured(round_, cpu(server.pid) - used, cpu(self.database.pid) - database)

    def _well(self, servers: Sequence[Server], name: str) -> list[Server]:
        return [server for server in servers if f"{server.name} {name}" not in self.found.get("failed", {})]

    def _failed(self, server: Server, name: str, failure: Exception) -> None:
        self.found.setdefault("failed", {})[f"{server.name} {name}"] = str(failure)
        print(f"\nFAILED  {name}: {failure}", flush=True)

    async def _fan_out(self, servers: Sequence[Server]) -> None:
        rounds: defaultdict[str, list[Delivered]] = defaultdict(list)
        for number in range(self.asked.rounds):
            for server in self._well(servers, FAN_OUT):
                label = f"{FAN_OUT}-{server.name}-{number}"
                try:
                    given = await fan_out(server, CHAT, self.asked.subscribers, self.asked.seconds, label)
                    rounds[server.name].append(given)
                except (Failed, OSError) as failure:
                    self._failed(server, FAN_OUT, failure)
        title = f"a message to each of {self.asked.subscribers:,} subscribers of one chat (deliveries)"
        self._tell(FAN_OUT, title, [of_deliveries(name, each) for name, each in rounds.items()])

    def _tell(self, name: str, title: str, lines: Sequence[Line]) -> None:
        self.found[name] = as_json(lines)
        print(table(f"{name}  {title}", lines), flush=True)

    async def _idle(self) -> None:
        async with self.running([OURS]) as (server,):
            size = await per_subscription(server, self.asked.subscribers, self.sizes.tickets)
        self.found[IDLE] = size
        print(f"\nmemory  {size:.1f} KiB resident for each idle subscription of {OURS}", flush=True)

    async def alone(self, command: str) -> None:
        """What concerns only our own server: how its cost grows, and signing in. A flood may have every core."""
        if command != "growth":
            await signing_in.prepare(self.database.url)
        async with self.running([OURS]) as (server,):
            if command == "growth":
                await growth(server, self.sizes, self.asked.seconds, self.asked.documents)
            elif command == "sign-in":
                await signing_in.flat(server, self.sizes, self.asked.samples)
            else:
                await signing_in.flood(server, self.sizes, self.asked.seconds, self.asked.rounds)

    def keep(self) -> Path:
        """Write everything found as JSON."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
        told = {"asked": {name: each for name, each in vars(self.asked).items() if name != "command"}, "machine": machine()}
        path.write_bytes(orjson.dumps(told | self.found, option=orjson.OPT_INDENT_2))
        return path


def machine() -> dict[str, str]:
    """What it ran on."""
    commit = _output("git", "rev-parse", "--short", "HEAD")
    return {
        "commit": commit, "python": platform.python_version(), "node": _output("node", "--version"),
        "kernel": platform.release(), "cores": str(os.cpu_count()), "load before": str(os.getloadavg()[0]),
    }  # fmt: skip


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def main() -> int:
    """Run what was asked for. Returns the exit status: 1 when the servers differ or one of them failed."""
    asked = _parser().parse_args()
    _many_files()
    core = None if asked.command == "flood" else settle()
    sizes = TINY if asked.tiny else FULL
    try:
        if "mercurius" in asked.servers and asked.command == "compare":
            install_node_packages()
        return _run(asked, sizes, core)
    except Failed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1


def _run(asked: argparse.Namespace, sizes: Sizes, core: int | None) -> int:
    print(f"{machine()}\npreparing the data ...", flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="camcha-bench-") as folder, database(sizes) as data:
        print(f"ready after {time.monotonic() - start:.0f} s", flush=True)
        bench = Bench(asked, sizes, data, Path(folder), core)
        uvloop.run(bench.alone(asked.command) if asked.command in ALONE else bench.compare())
    if asked.command in ALONE:
        return 0
    print(f"{NOTES}\n\nkept in {bench.keep().relative_to(ROOT)}")
    return 1 if bench.found.get("failed") else 0


def _many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    every = [*OPERATIONS, FAN_OUT, IDLE]
    parser.add_argument("command", nargs="?", choices=["compare", *ALONE], default="compare")
    parser.add_argument("--servers", type=_among(list(COMMANDS)), default=list(COMMANDS), metavar=",".join(COMMANDS))
    parser.add_argument("--operations", type=_among(every), default=every, metavar=",".join(every))
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=5, help="of each operation, servers taking turns")
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--documents", type=int, default=20_000, help="of growth: how many different ones")
    parser.add_argument("--samples", type=int, default=200, help="of sign-in: how many of each kind")
    parser.add_argument("--tiny", action="store_true", help="little data: only to see that everything works")
    return parser


def _among(known: Sequence[str]) -> Any:
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return [name for name in known if name in chosen]

    return parse


if __name__ == "__main__":
    sys.exit(main())
