"""`bin/bench`: the operations and the fan-out on all servers, or one of the commands for our own
server. See README.md.
"""

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

from bench import (
    chat_queue,
    chats,
    invoices,
    large_reports,
    lists,
    metrics_cost,
    proofs,
    renewals,
    reports,
    sign_in,
    tickets,
    two_processes,
)
from bench.comparison import compare_responses
from bench.data import FULL, TINY, Sizes
from bench.database import Database, filled_database, large_database, wait_until_indexed
from bench.fan_out import FanOutRound, fan_out
from bench.large_data import LargeSizes
from bench.load import load
from bench.memory import memory_per_subscription
from bench.operations import OPERATIONS, Operation
from bench.processes import cpu_seconds, pin_to_core
from bench.report import (
    OWN_SERVER,
    Figures,
    MeasuredRound,
    as_json,
    delivery_figures,
    request_figures,
    table,
)
from bench.scaling import measure_scaling
from bench.servers import (
    COMMANDS,
    ROOT,
    BenchmarkError,
    Server,
    install_node_packages,
    running_servers,
)
from bench.sqlite_copy import copy_to_sqlite

RESULTS_FOLDER = ROOT / "var" / "bench"
FAN_OUT, MEMORY = "F", "memory"
OWN_SERVER_COMMANDS = [
    "scaling",
    "sign-in",
    "flood",
    "reports",
    "invoices",
    "renewals",
    "processes",
    "chats",
    "tickets",
    "queue",
    "metrics",
]
LARGE_COMMANDS = ["lists", "large-reports", "proofs"]
CHAT_TICKET = 4  # a ticket whose channel is CHAT
NOTES = """
CPU us is the server's own processor time per request or delivery. The shares are of one core each
and show what was busy: a server far below 100 % was waiting for its database, for the client, or
for other work on this machine. The other servers need no sign-in and check no permission, limit or
cost; camcha does all of it, and logs."""


class Benchmark:
    """One run: its options, the database, and the results."""

    def __init__(
        self,
        options: argparse.Namespace,
        sizes: Sizes,
        database: Database,
        folder: Path,
        core: int | None,
    ) -> None:
        self.options = options
        self.sizes = sizes
        self.database = database
        self.folder = folder
        self.core = core
        self.results: dict[str, Any] = {}
        self.failures: dict[str, str] = {}  # messages, by server and operation

    def start_servers(self, names: Sequence[str]) -> Any:
        """These servers, on their core."""
        return running_servers(names, self.database.url, self.sizes, self.folder, self.core)

    async def compare_servers(self) -> None:
        """Check that all servers give the same responses, then measure the selected operations."""
        selected_operations = self.options.operations
        async with self.start_servers(self.options.servers) as servers:
            count = await compare_responses(servers, self.database.url, self.sizes)
            print(f"{count} responses are the same on all servers.", flush=True)
            for name in OPERATIONS:
                if name in selected_operations:
                    await self._measure_operation(OPERATIONS[name], servers)
            if FAN_OUT in selected_operations:
                await self._measure_fan_out(servers)
        if MEMORY in selected_operations and OWN_SERVER in self.options.servers:
            await self._measure_memory()

    async def _measure_operation(self, operation: Operation, servers: Sequence[Server]) -> None:
        rounds: defaultdict[str, list[MeasuredRound]] = defaultdict(list)
        for number in range(self.options.rounds + 1):  # the first one warms up
            for server in self._servers_without_failures(servers, operation.name):
                seconds = self.options.seconds if number else min(1.0, self.options.seconds)
                if server.name == OWN_SERVER:
                    await wait_until_indexed(self.database.url)
                measured_round = await self._measure_round(
                    server, operation, seconds, f"{operation.name}-{server.name}-{number}"
                )
                if measured_round and number:
                    rounds[server.name].append(measured_round)
        self._report(
            operation.name,
            operation.title,
            [request_figures(name, each) for name, each in rounds.items()],
        )

    async def _measure_round(
        self, server: Server, operation: Operation, seconds: float, label: str
    ) -> MeasuredRound | None:
        server_cpu, database_cpu = cpu_seconds(server.pid), cpu_seconds(self.database.pid)
        try:
            round_ = await load(server, operation.bodies(self.sizes, label), seconds)
        except (BenchmarkError, OSError) as error:
            self._record_failure(server, operation.name, error)
            return None
        return MeasuredRound(
            round_,
            cpu_seconds(server.pid) - server_cpu,
            cpu_seconds(self.database.pid) - database_cpu,
        )

    def _servers_without_failures(self, servers: Sequence[Server], operation: str) -> list[Server]:
        return [server for server in servers if f"{server.name} {operation}" not in self.failures]

    def _record_failure(self, server: Server, operation: str, error: Exception) -> None:
        self.failures[f"{server.name} {operation}"] = str(error)
        print(f"\nFAILED  {operation}: {error}", flush=True)

    async def _measure_fan_out(self, servers: Sequence[Server]) -> None:
        rounds: defaultdict[str, list[FanOutRound]] = defaultdict(list)
        for number in range(self.options.rounds):
            for server in self._servers_without_failures(servers, FAN_OUT):
                label = f"{FAN_OUT}-{server.name}-{number}"
                try:
                    round_ = await fan_out(
                        server, CHAT_TICKET, self.options.subscribers, self.options.seconds, label
                    )
                    rounds[server.name].append(round_)
                except (BenchmarkError, OSError) as error:
                    self._record_failure(server, FAN_OUT, error)
        title = (
            f"each message to all {self.options.subscribers:,} subscribers of one chat (deliveries)"
        )
        self._report(
            FAN_OUT, title, [delivery_figures(name, each) for name, each in rounds.items()]
        )

    def _report(self, name: str, title: str, all_figures: Sequence[Figures]) -> None:
        self.results[name] = as_json(all_figures)
        print(table(f"{name}  {title}", all_figures), flush=True)

    async def _measure_memory(self) -> None:
        async with self.start_servers([OWN_SERVER]) as (server,):
            size = await memory_per_subscription(
                server, self.options.subscribers, self.sizes.tickets
            )
        self.results[MEMORY] = size
        print(
            f"\nmemory  {size:.1f} KiB resident per idle subscription of {OWN_SERVER}", flush=True
        )

    async def measure_own_server(self, command: str) -> None:
        """Run one of the commands for our own server."""
        if command == "renewals":  # without a server, whose jobs would bill as well
            await renewals.measure_renewals(
                self.database, self.options.purchases, self.options.kills
            )
            return
        if command == "processes":
            await two_processes.measure_delivery(
                self.database.url, self.sizes, self.folder, self.options.seconds
            )
            return
        if command == "tickets":
            await tickets.measure_tickets(
                self.database, self.sizes, self.folder, self.options.seconds, self.options.delay
            )
            return
        if command == "queue":
            await chat_queue.measure_queue(
                self.database.url, self.sizes, self.options.waiting, self.options.agents
            )
            return
        if command == "metrics":
            await metrics_cost.measure_metrics(
                self.database.url,
                self.sizes,
                self.folder,
                self.core,
                self.options.seconds,
                self.options.rounds,
            )
            return
        token = ""
        if command == "reports":
            token = await reports.prepare(self.database.url, self.sizes)
        elif command in ("sign-in", "flood"):
            await sign_in.prepare(self.database.url)
        async with self.start_servers([OWN_SERVER]) as (server,):
            if command == "scaling":
                await measure_scaling(
                    server, self.sizes, self.options.seconds, self.options.documents
                )
            elif command == "reports":
                await reports.measure_reports(
                    server, token, self.options.seconds, self.options.rounds
                )
            elif command == "invoices":
                await invoices.measure_invoices(
                    server, self.database.url, self.options.seconds, self.options.rounds
                )
            elif command == "chats":
                await chats.measure_chats(
                    server, self.sizes, self.options.subscribers, self.options.seconds
                )
            elif command == "sign-in":
                await sign_in.compare_times(server, self.sizes, self.options.samples)
            else:
                await sign_in.flood(server, self.sizes, self.options.seconds, self.options.rounds)

    def save(self) -> Path:
        """Write all results as JSON."""
        RESULTS_FOLDER.mkdir(parents=True, exist_ok=True)
        path = RESULTS_FOLDER / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
        options = {name: each for name, each in vars(self.options).items() if name != "command"}
        run = {"options": options, "machine": machine(), "failures": self.failures}
        path.write_bytes(orjson.dumps(run | self.results, option=orjson.OPT_INDENT_2))
        return path


def machine() -> dict[str, str]:
    """The machine, the versions and the commit of this run."""
    commit = _output("git", "rev-parse", "--short", "HEAD")
    return {
        "commit": commit,
        "python": platform.python_version(),
        "node": _output("node", "--version"),
        "kernel": platform.release(),
        "cores": str(os.cpu_count()),
        "load before": str(os.getloadavg()[0]),
    }


def _output(*command: str) -> str:
    try:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip()
    except OSError:
        return ""


def main() -> int:
    """Run the selected benchmarks. Returns the exit status: 1 when the servers differ or one of
    them failed.
    """
    options = _parser().parse_args()
    _allow_many_files()
    # In these, our processes and the database may use every core.
    uses_every_core = options.command in (
        "flood",
        "reports",
        "invoices",
        "renewals",
        "processes",
        "tickets",
        *LARGE_COMMANDS,
        "queue",
    )
    core = None if uses_every_core else pin_to_core()
    sizes = TINY if options.tiny else FULL
    try:
        if "mercurius" in options.servers and options.command == "compare":
            install_node_packages()
        if options.command in LARGE_COMMANDS:
            return _run_large(options)
        return _run(options, sizes, core)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, sizes: Sizes, core: int | None) -> int:
    print(f"{machine()}\npreparing the data ...", flush=True)
    start = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="camcha-bench-") as folder,
        filled_database(sizes) as database,
    ):
        print(f"ready after {time.monotonic() - start:.0f} s", flush=True)
        benchmark = Benchmark(options, sizes, database, Path(folder), core)
        is_own_server_command = options.command in OWN_SERVER_COMMANDS
        uvloop.run(
            benchmark.measure_own_server(options.command)
            if is_own_server_command
            else benchmark.compare_servers()
        )
    if is_own_server_command:
        return 0
    print(f"{NOTES}\n\nsaved in {benchmark.save().relative_to(ROOT)}")
    return 1 if benchmark.failures else 0


def _run_large(options: argparse.Namespace) -> int:
    sizes = LargeSizes(options.rows)
    print(f"{machine()}\npreparing the data ...", flush=True)
    start = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="camcha-bench-") as folder,
        large_database(sizes, options.database) as (database, filled_at),
    ):
        url = database.url
        if options.sqlite:
            url = copy_to_sqlite(url, Path(folder) / "camcha.sqlite3")
        print(f"ready after {time.monotonic() - start:.0f} s", flush=True)

        async def measure() -> bool:
            async with running_servers([OWN_SERVER], url, FULL, Path(folder), None) as (server,):
                if options.command == "large-reports":
                    return await large_reports.measure_reports(
                        server,
                        database,
                        filled_at,
                        rounds=options.rounds,
                        only=options.only,
                        explained=options.explain,
                    )
                if options.command == "proofs":
                    return await proofs.measure_proofs(server, database)
                return await lists.measure_lists(
                    server,
                    database,
                    sizes,
                    filled_at,
                    rounds=options.rounds,
                    only=options.only,
                    explained=options.explain,
                )

        return 0 if uvloop.run(measure()) else 1


def _allow_many_files() -> None:
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    operations = [*OPERATIONS, FAN_OUT, MEMORY]
    parser.add_argument(
        "command",
        nargs="?",
        choices=["compare", *OWN_SERVER_COMMANDS, *LARGE_COMMANDS],
        default="compare",
    )
    parser.add_argument(
        "--servers",
        type=_name_list(list(COMMANDS)),
        default=list(COMMANDS),
        metavar=",".join(COMMANDS),
    )
    parser.add_argument(
        "--operations",
        type=_name_list(operations),
        default=operations,
        metavar=",".join(operations),
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of each round")
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        help="rounds per operation, alternating between the servers",
    )
    parser.add_argument(
        "--subscribers", type=int, default=1_000, help="number of subscribers in F and memory"
    )
    parser.add_argument(
        "--documents", type=int, default=20_000, help="number of distinct documents in scaling"
    )
    parser.add_argument(
        "--samples", type=int, default=200, help="number of attempts of each kind in sign-in"
    )
    parser.add_argument(
        "--purchases", type=int, default=10_000, help="number of due purchases in renewals"
    )
    parser.add_argument(
        "--kills", type=int, default=10, help="how often the run is killed in renewals"
    )
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="tickets and invoices in lists and proofs"
    )
    parser.add_argument(
        "--database", type=Path, help="a folder that keeps the database of lists and proofs"
    )
    parser.add_argument(
        "--sqlite", action="store_true", help="copy the data of lists and proofs to SQLite first"
    )
    parser.add_argument("--only", default="", help="a part of the names of the lists to measure")
    parser.add_argument(
        "--explain", type=int, default=0, help="print the plans of the N slowest requests"
    )
    parser.add_argument(
        "--delay",
        type=float,
        default=0,
        help="milliseconds to the database and back in tickets",
    )
    parser.add_argument(
        "--waiting", type=int, default=10_000, help="number of chats that wait in queue"
    )
    parser.add_argument("--agents", type=int, default=1_000, help="number of idle agents in queue")
    parser.add_argument(
        "--tiny", action="store_true", help="use little data, only to check that everything works"
    )
    return parser


def _name_list(allowed_names: Sequence[str]) -> Any:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown_names := set(names) - set(allowed_names):
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(sorted(unknown_names))}; known: {', '.join(allowed_names)}"
            )
        return [name for name in allowed_names if name in names]

    return parse


if __name__ == "__main__":
    sys.exit(main())
