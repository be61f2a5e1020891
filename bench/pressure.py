"""`bin/pressure`: what attacks from one place do to the server's memory and to a bystander. See
README.md.

Each attack has a server of its own. A bystander sends a query every 20 ms, every tenth one on a new
connection: first alone, then during the attack. The attack passes when the server's resident memory
grows by at most 50 MiB and the bystander's p99 stays below 250 ms.
"""

import argparse
import asyncio
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import asyncpg
import orjson
import uvloop

from auth.sessions import token_hash
from bench.attacks import ATTACKS, SOCKET_COUNT
from bench.data import TINY, TOKEN, Sizes
from bench.database import filled_database
from bench.load import percentile
from bench.processes import resident_kib
from bench.servers import ROOT, BenchmarkError, Server, running_servers
from realtime.descriptors import raise_descriptor_limit
from resolvers.ids import encode

MAX_GROWTH = 50.0  # MiB
OPEN_SOCKETS_GROWTH = (
    SOCKET_COUNT * 30 / 1024
)  # those who come back stay: 30 KiB for each websocket
MAX_P99 = 250.0  # ms
INTERVAL = 0.02
QUERY = orjson.dumps({"query": '{ offer(slug: "offre-01") { slug } }'})
LONG_MESSAGE = "Je ne comprends pas cette facture. " * 137  # 4,800 characters
SIZES: Sizes = replace(TINY, accounts=100)
EXPIRING_SESSION_COUNT = 100


@dataclass
class Measurement:
    """The effects of one attack."""

    name: str
    memory_before: float  # MiB
    memory_peak: float
    memory_after: float
    p99_before: float  # ms
    p99: float
    max_latency: float
    failures: int  # of the bystander's requests
    outcome: dict[str, int]

    @property
    def has_passed(self) -> bool:
        growth = self.memory_peak - self.memory_before
        max_growth = OPEN_SOCKETS_GROWTH if self.name == "sockets-at-once" else MAX_GROWTH
        return growth <= max_growth and self.p99 < MAX_P99 and not self.failures


class Bystander:
    """Someone who is signed in, and sends a query every 20 ms."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._head = (
            "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(QUERY)}\r\n\r\n"
        ).encode()
        self.latencies: list[float] = []
        self.failures = 0

    async def run(self, seconds: float) -> None:
        """Measure for some seconds. Requests that fail or take more than 10 s are failures."""
        end, number = monotonic() + seconds, 0
        writer: asyncio.StreamWriter | None = None
        while monotonic() < end:
            started = monotonic()
            try:
                async with asyncio.timeout(10):
                    if writer is None or number % 10 == 0:
                        if writer:
                            writer.close()
                        reader, writer = await asyncio.open_connection(
                            "127.0.0.1", self._server.port
                        )
                    writer.write(self._head + QUERY)
                    await self._receive(reader)
            except (OSError, EOFError, TimeoutError, BenchmarkError):
                self.failures += 1
                writer = None
            self.latencies.append(monotonic() - started)
            number += 1
            await asyncio.sleep(max(0.0, INTERVAL - (monotonic() - started)))
        if writer:
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(size)
        if b"offre-01" not in body:
            raise BenchmarkError(body[:200].decode(errors="replace"))


async def measure(name: str, url: str, folder: Path, seconds: float) -> Measurement:
    """Start a server, and measure it and a bystander before, during and after an attack."""
    async with running_servers(["camcha"], url, SIZES, folder, None) as (server,):
        await Bystander(server).run(2.0)  # warms up
        alone, beside = Bystander(server), Bystander(server)
        await alone.run(3.0)
        before = resident_kib(server.pid) / 1024
        peak = before

        async def watch_memory() -> None:
            nonlocal peak
            while True:
                peak = max(peak, resident_kib(server.pid) / 1024)
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch_memory())
        data = await prepare(url, name, seconds, folder)
        attack = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.attacks", name, str(server.port), str(seconds), data),
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        output, _ = (await asyncio.gather(attack.communicate(), beside.run(seconds)))[0]
        await asyncio.sleep(3.0)
        watching.cancel()
        return Measurement(
            name,
            before,
            peak,
            resident_kib(server.pid) / 1024,
            percentile(alone.latencies, 99),
            percentile(beside.latencies, 99),
            1e3 * max(beside.latencies),
            beside.failures,
            orjson.loads(output) if output else {"the attack failed": 1},
        )


async def prepare(url: str, name: str, seconds: float, folder: Path) -> str:
    """Sign people in, and store a hundred long messages. Returns the file that the attack reads."""
    expiring = name == "expiring-sockets"
    lifetime = timedelta(seconds=seconds / 2) if expiring else timedelta(hours=1)
    now = datetime.now(UTC)
    tokens = [secrets.token_urlsafe(32) for _ in range(EXPIRING_SESSION_COUNT)]
    connection = await asyncpg.connect(url.replace("postgres://", "postgresql://", 1))
    try:
        await connection.executemany(
            "INSERT INTO session (user_id, account_id, access_hash, access_expires_at, expires_at,"
            " second_factor, created_at) VALUES ($1, $1, $2, $3, $4, false, $5)",
            [
                (1 + n, token_hash(token), now + lifetime, now + timedelta(days=1), now)
                for n, token in enumerate(tokens)
            ],
        )
        sequence = await connection.fetchval("SELECT max(sequence) FROM message WHERE ticket_id=1")
        if sequence < 100:
            await connection.executemany(
                "INSERT INTO message (ticket_id, origin_id, sequence, author_id, from_staff, body,"
                " client_message_id, at) VALUES (1, 1, $1, 1, false, $2, $3, $4)",
                [(sequence + n, LONG_MESSAGE, f"long-{n}", now) for n in range(1, 101)],
            )
    finally:
        await connection.close()
    file = folder / f"{name}.json"
    file.write_bytes(orjson.dumps({"tokens": tokens, "ticket": encode("Ticket", 1)}))
    return str(file)


def table(measurements: Sequence[Measurement]) -> str:
    """The measurements as lines of text."""
    lines = [
        f"{'attack':<18} {'MiB before':>10} {'peak':>7} {'after':>7}"
        f" {'p99 before':>11} {'during':>8} {'max, ms':>12}   outcome"
    ]
    for each in measurements:
        outcome = ", ".join(f"{count} {what}" for what, count in sorted(each.outcome.items()))
        failures = f"; {each.failures} of the bystander's requests failed" * bool(each.failures)
        lines.append(
            f"{each.name:<18} {each.memory_before:>10.0f} {each.memory_peak:>7.0f}"
            f" {each.memory_after:>7.0f} {each.p99_before:>11.1f} {each.p99:>8.1f}"
            f" {each.max_latency:>12.1f}"
            f"   {'ok' if each.has_passed else 'FAILED'}: {outcome}{failures}"
        )
    return "\n".join(lines)


def main() -> int:
    """Run the selected attacks. Returns the exit status: 1 when one of them fails."""
    options = _parser().parse_args()
    raise_descriptor_limit()
    for name in options.attacks:
        print(f"{name:<18} {ATTACKS[name][1]}")
    measurements = []
    with (
        tempfile.TemporaryDirectory(prefix="camcha-pressure-") as folder,
        filled_database(SIZES) as database,
    ):
        for name in options.attacks:
            measurements.append(
                uvloop.run(measure(name, database.url, Path(folder), options.seconds))
            )
            print(f"\n{table(measurements[-1:])}", flush=True)
    print(f"\n{table(measurements)}")
    return 0 if all(each.has_passed for each in measurements) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/pressure", description=__doc__)
    parser.add_argument(
        "--attacks",
        type=_attack_names,
        default=list(ATTACKS),
        metavar=",".join(ATTACKS),
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="duration of each attack")
    return parser


def _attack_names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - ATTACKS.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
