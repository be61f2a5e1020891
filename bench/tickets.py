"""`bin/bench tickets`: how many tickets are opened per second by 32 customers at once, through two
server processes.

Every opened ticket takes a number in the stream of the agents' inbox, so all of them wait for one
row. With `--delay` the database is that many milliseconds away, there and back, and each round trip
takes that long, also those during which the row is locked.
"""

import asyncio
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx

from auth.sessions import token_hash
from bench.data import END_OF_SESSIONS, Sizes
from bench.database import Database
from bench.load import percentile
from bench.servers import ROOT, BenchmarkError, Server, running_servers

WRITERS = 32
WARM_UP_SECONDS = 2.0
OPEN = """mutation($key: String!) { ticketOpen(input: {channel: WEB, subject: "Ma facture",
    body: "Bonjour, je ne comprends pas ma facture.", idempotencyKey: $key}) {
    ticket { id } userErrors { code message } } }"""


async def measure_tickets(
    database: Database, sizes: Sizes, folder: Path, seconds: float, delay: float
) -> None:
    """Print the rate, and how long a customer waits. Verifies that the inbox has no gap."""
    tokens = await _create_sessions(database.url, sizes)
    _, last = await _inbox(database.url)
    with _database_url(database.url, delay) as url:
        async with running_servers(["camcha", "camcha"], url, sizes, folder, None) as servers:
            await _open_tickets(servers, tokens, WARM_UP_SECONDS)
            latencies = await _open_tickets(servers, tokens, seconds)
    events, new_last = await _inbox(database.url, last)
    if events != new_last - last or not events:
        raise BenchmarkError(f"the inbox has {events} new events, but is {new_last - last} further")
    print(
        f"{len(latencies) / seconds:.0f} tickets a second by {WRITERS} customers, the database"
        f" {delay} ms away; p50 {percentile(latencies, 50):.0f} ms,"
        f" p99 {percentile(latencies, 99):.0f} ms"
    )


async def _create_sessions(url: str, sizes: Sizes) -> list[str]:
    """An access token for each of the customers."""
    tokens = [f"cam_at_{secrets.token_urlsafe(32)}" for _ in range(min(WRITERS, sizes.accounts))]
    connection = await asyncpg.connect(url)
    try:
        for user, token in enumerate(tokens, 1):
            await connection.execute(
                "INSERT INTO session (user_id, account_id, access_hash, access_expires_at,"
                " expires_at, created_at, last_used_at, second_factor)"
                " VALUES ($1, $1, $2, $3, $3, $4, $4, false)",
                user,
                token_hash(token),
                END_OF_SESSIONS,
                datetime.now(UTC),
            )
    finally:
        await connection.close()
    return tokens


async def _inbox(url: str, after: int = 0) -> tuple[int, int]:
    """The number of events of the inbox after a sequence, and its last sequence. The server deletes
    the oldest events meanwhile.
    """
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(
            "SELECT (SELECT COUNT(*) FROM event WHERE stream = 'inbox' AND sequence > $1),"
            " (SELECT last_sequence FROM stream WHERE key = 'inbox')",
            after,
        )
        return row[0], row[1]
    finally:
        await connection.close()


@contextmanager
def _database_url(url: str, delay: float) -> Iterator[str]:
    """The URL of the database, through a slow network if there is a delay."""
    if not delay:
        yield url
        return
    socket = f"{parse_qs(urlsplit(url).query)['host'][0]}/.s.PGSQL.5432"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.slow_network", socket, str(delay)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101
        port = process.stdout.readline().strip()
        yield f"postgres://postgres:@127.0.0.1:{port}{urlsplit(url).path}?application_name=bench&ssl=disable"
    finally:
        process.terminate()
        process.wait()


async def _open_tickets(servers: list[Server], tokens: list[str], seconds: float) -> list[float]:
    """Open tickets until the time is over, one after another by each customer. Returns how long
    each took, in seconds.
    """
    until, latencies = time.perf_counter() + seconds, list[float]()

    async def write(server: Server, token: str) -> None:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        ) as http:
            while (start := time.perf_counter()) < until:
                body = {"query": OPEN, "variables": {"key": secrets.token_hex(8)}}
                response = (await http.post("/graphql", json=body)).json()
                if "errors" in response or response["data"]["ticketOpen"]["userErrors"]:
                    raise BenchmarkError(f"no ticket was opened: {response}")
                if (end := time.perf_counter()) < until:
                    latencies.append(end - start)

    await asyncio.gather(
        *(write(servers[n % len(servers)], token) for n, token in enumerate(tokens))
    )
    return latencies
