"""Benchmarks of signing in.

`bin/bench sign-in` shows whether response times reveal anything about an account, and `bin/bench
flood` whether many sign-ins delay chat messages.
"""

import asyncio
import gc
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from statistics import NormalDist, median
from uuid import uuid4

import asyncpg
import httpx
import orjson
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from auth.passwords import Passwords
from bench.data import TOKEN, Sizes
from bench.load import HTTPConnection, percentile, response_error
from bench.operations import M1, F, reply
from bench.servers import BenchmarkError, Server
from resolvers.ids import encode

PASSWORD, WRONG_PASSWORD = "corneille sabot pluvier 42", "mouette phare ardoise 77"
SIGN_IN = (
    "mutation($i: SessionSignInInput!) { sessionSignIn(input: $i) { user { id } userErrors { code "
    "} } }"
)
MESSAGE_INTERVAL = 0.02  # seconds
FLOOD_SIZE = 500
# Digits might be masked as a card number.
DIGITS_TO_LETTERS = str.maketrans("0123456789", "ghijklmnop")


async def prepare(url: str) -> None:
    """Set a password for all customers, and leave the address of every tenth one unverified."""
    passwords = Passwords()
    connection = await asyncpg.connect(url)
    await connection.execute(
        'UPDATE "user" SET password_hash = $1 WHERE staff IS NULL', await passwords.hash(PASSWORD)
    )
    await connection.execute(
        'UPDATE "user" SET email_verified_at = NULL WHERE staff IS NULL AND id % 10 = 0'
    )
    await connection.close()
    passwords.close()


async def sign_in(http: httpx.AsyncClient, email: str, password: str) -> tuple[float, str | None]:
    """One sign-in from a random network. Returns its seconds, and the error code or None."""
    return await sign_in_from(http, _random_address(), email, password)


async def sign_in_from(
    http: httpx.AsyncClient, address: str, email: str, password: str
) -> tuple[float, str | None]:
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    start = time.perf_counter()
    response = await http.post("/graphql", content=_body(email, password), headers=headers)
    seconds = time.perf_counter() - start
    result = response.json()
    errors = [each["extensions"]["code"] for each in result.get("errors", [])]
    errors += [
        each["code"]
        for each in ((result["data"] or {}).get("sessionSignIn") or {}).get("userErrors", [])
    ]
    return seconds, errors[0] if errors else None


def _random_address() -> str:
    return f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def _body(email: str, password: str) -> bytes:
    return orjson.dumps(
        {"query": SIGN_IN, "variables": {"i": {"email": email, "password": password}}}
    )


# Response times


async def compare_times(server: Server, sizes: Sizes, samples: int) -> None:
    """Print how long each kind of failure takes, and how well two kinds can be distinguished by the
    time of one response.
    """
    customers = _customers(sizes)
    times: dict[str, list[float]] = {"unknown": [], "wrong": [], "locked": [], "unverified": []}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http:
        for number in range(samples + 5):
            for kind in random.sample(sorted(times), len(times)):
                seconds, code = await _fail(http, kind, number, customers)
                if code != EXPECTED_CODES[kind]:
                    raise BenchmarkError(f"{kind}: {code}")
                if number >= 5:  # the first ones warm up
                    times[kind].append(seconds)
    _report(times)


EXPECTED_CODES = {
    "unknown": "CREDENTIALS_INVALID",
    "wrong": "CREDENTIALS_INVALID",
    "locked": "RATE_LIMITED",
    "unverified": "EMAIL_UNVERIFIED",
}


def _customers(sizes: Sizes) -> Iterator[int]:
    """The keys of customers, in turn: an address that is tried often would be treated as under
    attack.
    """
    while True:
        yield from (n for n in range(1, sizes.accounts + 1) if n % 10)


async def _fail(
    http: httpx.AsyncClient, kind: str, number: int, customers: Iterator[int]
) -> tuple[float, str | None]:
    if kind == "unknown":
        return await sign_in(http, f"nobody{number}-{uuid4().hex}@example.fr", WRONG_PASSWORD)
    if kind == "wrong":
        return await sign_in(http, f"person{next(customers)}@example.fr", WRONG_PASSWORD)
    if kind == "unverified":
        return await sign_in(http, f"person{10 * (1 + number % 50)}@example.fr", PASSWORD)
    email, address = f"person{next(customers)}@example.fr", f"192.0.2.{number % 250}"
    # After the seventh, this caller has to wait.
    await asyncio.gather(*(sign_in_from(http, address, email, WRONG_PASSWORD) for _ in range(7)))
    await asyncio.sleep(0.05)  # the server is idle, as before the other kinds
    return await sign_in_from(http, address, email, WRONG_PASSWORD)


def _report(times: dict[str, list[float]]) -> None:
    print("\nms per response       median    its 95 % interval   p5      p95   samples")
    for kind, seconds in times.items():
        low, high = interval(seconds)
        percentiles = [f"{percentile(seconds, nth):8.2f}" for nth in (5, 95)]
        median_column = f"{1e3 * median(seconds):10.2f}    {1e3 * low:.2f} to {1e3 * high:.2f}"
        print(f"{kind:18}{median_column}{percentiles[0]:>10}{percentiles[1]}{len(seconds):10}")
    print("\npair                      distinguishable   p (Mann-Whitney)")
    kinds = list(times)
    for index, first_kind in enumerate(kinds):
        for second_kind in kinds[index + 1 :]:
            probability, p = mann_whitney(times[first_kind], times[second_kind])
            print(f"{first_kind + ' / ' + second_kind:26}{probability:15.2f}{p:15.3f}")
    noise = mann_whitney(times["wrong"][::2], times["wrong"][1::2])
    print(f"{'wrong / wrong (noise)':26}{noise[0]:15.2f}{noise[1]:15.3f}")
    print(
        "distinguishable: how often a guess by the time of one response is right; 0.50 is pure "
        "chance"
    )


def interval(values: Sequence[float], times: int = 1_000) -> tuple[float, float]:
    """The 95 % confidence interval of the median, by bootstrap: resampling with replacement."""
    medians = sorted(median(random.choices(values, k=len(values))) for _ in range(times))
    return medians[int(times * 0.025)], medians[int(times * 0.975)]


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The share of pairs in which a value of one sample is on the same side of a value of the other
    (0.5 to 1), and the p-value.

    The p-value is the normal approximation for samples without many ties (Mann and Whitney, 1947).
    """
    ranked_values = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(rank for rank, (_, side) in enumerate(ranked_values, 1) if side == 0)
    count = len(first) * len(second)
    probability = (ranks - len(first) * (len(first) + 1) / 2) / count
    deviation = math.sqrt((len(first) + len(second) + 1) / (12 * count))
    return max(probability, 1 - probability), 2 * (
        1 - NormalDist().cdf(abs(probability - 0.5) / deviation)
    )


# A flood


async def flood(server: Server, sizes: Sizes, seconds: float, rounds: int) -> None:
    """Print how long chat messages take to arrive, on an idle server and while 500 people sign in
    simultaneously.
    """
    gc.collect()
    # the objects that filled the database: collecting them would delay this client by 100 ms
    gc.freeze()
    async with Chat(server).open(4) as chat:
        await chat.post_messages(2.0)
        idle_latencies: list[float] = []
        flood_latencies: list[float] = []
        for number in range(rounds):
            idle_latencies += await chat.post_messages(seconds)
            flood_latencies += await _measure_during_flood(chat, server, sizes, number)
    print("\nms until a message arrives      p50      p99   maximum   messages")
    for name, values in (("idle", idle_latencies), (f"{FLOOD_SIZE} sign-ins", flood_latencies)):
        percentiles = "".join(f"{percentile(values, nth):9.2f}" for nth in (50, 99))
        print(f"{name:26}{percentiles}{1e3 * max(values):10.2f}{len(values):11}")
    ratio = percentile(flood_latencies, 99) / percentile(idle_latencies, 99)
    print(f"p99 during the flood is {ratio:.2f} times that of the idle server")


async def _measure_during_flood(
    chat: "Chat", server: Server, sizes: Sizes, number: int
) -> list[float]:
    """The latencies while another process lets all sign in simultaneously, each repeating until it
    succeeds.
    """
    command = [
        sys.executable,
        "-m",
        "bench.sign_in",
        str(server.port),
        str(sizes.accounts),
        str(number),
    ]
    with subprocess.Popen(  # noqa: ASYNC220 - it only starts
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if not process.stdin or not process.stdout:
            raise BenchmarkError("a process without pipes")
        await asyncio.to_thread(process.stdout.readline)  # until it is ready
        process.stdin.write("go\n")
        process.stdin.flush()
        done = asyncio.create_task(asyncio.to_thread(process.stdout.readline))
        latencies = await chat.post_messages(0, done)
        print((await done).strip(), flush=True)
    return latencies


class Chat:
    """One chat. Messages are posted by HTTP, to `writer` if given, and arrive at a websocket."""

    def __init__(self, server: Server, writer: Server | None = None) -> None:
        self._server, self._writer = server, writer or server
        self._sent_at: dict[str, float] = {}
        self._latencies: list[float] = []
        self._all_arrived = asyncio.Event()

    @asynccontextmanager
    async def open(self, ticket: int) -> AsyncIterator["Chat"]:
        """Subscribe to a ticket."""
        self._ticket = ticket
        url = f"ws://127.0.0.1:{self._server.port}/graphql"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            connect(
                url, subprotocols=[Subprotocol("graphql-transport-ws")], additional_headers=headers
            ) as socket,
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{self._writer.port}", headers=headers, timeout=60
            ) as self._http,
        ):
            await socket.send('{"type":"connection_init"}')
            payload = {"query": F, "variables": {"ticketId": encode("Ticket", ticket)}}
            await socket.send(
                orjson.dumps({"id": "1", "type": "subscribe", "payload": payload}).decode()
            )
            self._reading = asyncio.create_task(self._read(socket))
            try:
                await self._wait_until_subscribed()
                yield self
            finally:
                self._reading.cancel()

    async def _wait_until_subscribed(self) -> None:
        """Post until a message arrives: without `after`, the subscription starts when the server
        has processed it.
        """
        async with asyncio.timeout(60):
            while not self._latencies:
                await self._post_message()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._all_arrived.wait(), 0.5)
        self._sent_at.clear()

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            now, frame = time.perf_counter(), orjson.loads(text)
            if frame["type"] == "ping":
                await socket.send('{"type":"pong"}')
            message = (
                frame["payload"]["data"]["ticketEvents"]["message"]
                if frame["type"] == "next"
                else None
            )
            for key in [key for key in self._sent_at if message and key[:20] in message["body"]]:
                self._latencies.append(now - self._sent_at.pop(key))
            if self._latencies and not self._sent_at:
                self._all_arrived.set()

    async def post_messages(
        self, seconds: float, until: "asyncio.Task[str] | None" = None
    ) -> list[float]:
        """Post a message at each interval, for this many seconds or until the task is done. Returns
        their latencies in seconds.
        """
        self._latencies = []
        end, posts = time.perf_counter() + seconds, []
        while (not until.done()) if until else time.perf_counter() < end:
            posts.append(asyncio.create_task(self._post_message()))
            await asyncio.sleep(MESSAGE_INTERVAL)
        await asyncio.gather(*posts)
        self._all_arrived.clear()
        if self._sent_at:
            try:
                await asyncio.wait_for(self._all_arrived.wait(), 60)
            except TimeoutError:
                raise BenchmarkError(
                    f"{len(self._sent_at)} messages did not arrive: {self._reading}"
                ) from None
        return self._latencies

    async def _post_message(self) -> None:
        key = uuid4().hex.translate(DIGITS_TO_LETTERS)
        self._sent_at[key] = time.perf_counter()
        response = await self._http.post(
            "/graphql", json={"query": M1, "variables": reply(self._ticket, key)}
        )
        if '"errors"' in response.text or '"code"' in response.text:
            raise BenchmarkError(response.text)


class SignInConnection(HTTPConnection):
    """The connection of one of the people who sign in simultaneously."""

    def __init__(self, request: bytes) -> None:
        super().__init__()
        self._request, self._attempts, self._loop = request, 0, asyncio.get_running_loop()
        self._succeeded: asyncio.Future[int] = self._loop.create_future()

    async def sign_in(self, port: int) -> int:
        """Connect and repeat until it succeeds. Returns the number of attempts. Raises
        BenchmarkError.
        """
        await self._loop.create_connection(lambda: self, "127.0.0.1", port)
        return await self._succeeded

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._send_request()

    def _send_request(self) -> None:
        self._attempts += 1
        self.transport.write(self._request)

    def response_received(self, head: bytes, body: bytes) -> None:
        if response_error(head, body):
            self._loop.call_later(1 + random.random(), self._send_request)
        else:
            self._succeeded.set_result(self._attempts)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._succeeded.done():
            self._succeeded.set_exception(BenchmarkError(f"a connection was lost: {error}"))


async def _sign_in_all(port: int, accounts: int, number: int) -> None:
    """Let 500 people sign in simultaneously; those who are rejected as too frequent try again.
    Prints the result.

    It uses connections of the load client. With httpx, each response makes the pool check all other
    connections, which takes 12 ms of a core that the server needs. This process represents other
    machines, so it has the lowest priority.
    """
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    customers = [n for n in range(1, accounts + 1) if n % 10]
    keys = [customers[(number * FLOOD_SIZE + n) % len(customers)] for n in range(FLOOD_SIZE)]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    start = time.perf_counter()
    connections = [SignInConnection(_request(port, f"person{key}@example.fr")) for key in keys]
    attempts = await asyncio.gather(*(each.sign_in(port) for each in connections))
    print(
        f"{FLOOD_SIZE} signed in after {time.perf_counter() - start:.1f} s, {attempts.count(1)} "
        f"of them at the first attempt",
        flush=True,
    )


def _request(port: int, email: str) -> bytes:
    body = _body(email, PASSWORD)
    return (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Forwarded-For: "
        f"{_random_address()}\r\n"
        f"Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: "
        f"{len(body)}\r\n\r\n"
    ).encode() + body


if __name__ == "__main__":
    uvloop.run(_sign_in_all(*map(int, sys.argv[1:])))
