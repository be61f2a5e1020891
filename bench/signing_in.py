"""Signing in: whether its time tells anything (`bin/bench sign-in`), whether a flood holds up chats (`bin/bench flood`)."""

import asyncio
import gc
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
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
from bench.load import Wire, fault, percentile
from bench.operations import M1, F, reply
from bench.servers import Failed, Server
from resolvers.ids import encode

PASSWORD, WRONG = "corneille sabot pluvier 42", "mouette phare ardoise 77"
SIGN_IN = "mutation($i: SessionSignInInput!) { sessionSignIn(input: $i) { user { id } userErrors { code } } }"
EVERY = 0.02  # seconds between two messages of the chat
FLOOD = 500
LETTERS = str.maketrans("0123456789", "ghijklmnop")  # digits might look like a card number, and would be masked


async def prepare(url: str) -> None:
    """Give the customers of the data a password, and leave every tenth one's address unverified."""
    passwords = Passwords()
    connection = await asyncpg.connect(url)
    await connection.execute('UPDATE "user" SET password_hash = $1 WHERE staff IS NULL', await passwords.hash(PASSWORD))
    await connection.execute('UPDATE "user" SET email_verified_at = NULL WHERE staff IS NULL AND id % 10 = 0')
    await connection.close()
    passwords.close()


async def attempt(http: httpx.AsyncClient, email: str, password: str) -> tuple[float, str | None]:
    """One sign-in from a network of its own: its seconds, and the code of what went wrong."""
    return await attempt_from(http, _network(), email, password)


async def attempt_from(http: httpx.AsyncClient, network: str, email: str, password: str) -> tuple[float, str | None]:
    headers = {"Content-Type": "application/json", "X-Forwarded-For": network}
    start = time.perf_counter()
    answer = await http.post("/graphql", content=_body(email, password), headers=headers)
    seconds = time.perf_counter() - start
    told = answer.json()
    errors = [each["extensions"]["code"] for each in told.get("errors", [])]
    errors += [each["code"] for each in ((told["data"] or {}).get("sessionSignIn") or {}).get("userErrors", [])]
    return seconds, errors[0] if errors else None


def _network() -> str:
    return f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def _body(email: str, password: str) -> bytes:
    return orjson.dumps({"query": SIGN_IN, "variables": {"i": {"email": email, "password": password}}})


# Flatness


async def flat(server: Server, sizes: Sizes, samples: int) -> None:
    """Print how long each kind of failure takes, and how well two of them could be told apart by one answer's time."""
    persons = _persons(sizes)
    found: dict[str, list[float]] = {"unknown": [], "wrong": [], "locked": [], "unverified": []}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http:
        for number in range(samples + 5):
            for kind in random.sample(sorted(found), len(found)):
                seconds, code = await _sample(http, kind, number, persons)
                if code != EXPECTED[kind]:
                    raise Failed(f"{kind}: {code}")
                if number >= 5:  # the first ones warm up
                    found[kind].append(seconds)
    _tell(found)


EXPECTED = {
    "unknown": "CREDENTIALS_INVALID", "wrong": "CREDENTIALS_INVALID", "locked": "RATE_LIMITED", "unverified": "EMAIL_UNVERIFIED"
}  # fmt: skip


def _persons(sizes: Sizes) -> Iterator[int]:
    """Customers, each at most once in a thousand, for somebody who is tried often is under attack."""
    while True:
        yield from (n for n in range(1, sizes.accounts + 1) if n % 10)


async def _sample(http: httpx.AsyncClient, kind: str, number: int, persons: Iterator[int]) -> tuple[float, str | None]:
    if kind == "unknown":
        return await attempt(http, f"nobody{number}-{uuid4().hex}@example.fr", WRONG)
    if kind == "wrong":
        return await attempt(http, f"person{next(persons)}@example.fr", WRONG)
    if kind == "unverified":
        return await attempt(http, f"person{10 * (1 + number % 50)}@example.fr", PASSWORD)
    email, network = f"person{next(persons)}@example.fr", f"192.0.2.{number % 250}"
    await asyncio.gather(*(attempt_from(http, network, email, WRONG) for _ in range(7)))  # the seventh has to wait a second
    await asyncio.sleep(0.05)  # as quiet as before the others
    return await attempt_from(http, network, email, WRONG)


def _tell(found: dict[str, list[float]]) -> None:
    print("\nms until the answer   median    95 % of it          p5      p95   samples")
    for kind, seconds in found.items():
        low, high = interval(seconds)
        ends = [f"{percentile(seconds, nth):8.2f}" for nth in (5, 95)]
        middle = f"{1e3 * median(seconds):10.2f}    {1e3 * low:.2f} to {1e3 * high:.2f}"
        print(f"{kind:18}{middle}{ends[0]:>10}{ends[1]}{len(seconds):10}")
    print("\npair                      told apart   p (Mann-Whitney)")
    kinds = list(found)
    for first, one in enumerate(kinds):
        for other in kinds[first + 1 :]:
            apart, p = mann_whitney(found[one], found[other])
            print(f"{one + ' / ' + other:26}{apart:10.2f}{p:15.3f}")
    halves = mann_whitney(found["wrong"][::2], found["wrong"][1::2])
    print(f"{'wrong / wrong: the noise':26}{halves[0]:10.2f}{halves[1]:15.3f}")
    print("told apart: how often a guess by one answer's time is right, 0.50 being chance")


def interval(values: Sequence[float], times: int = 1_000) -> tuple[float, float]:
    """Where the median lies, with 95 % confidence: by drawing the samples anew, with repetition."""
    medians = sorted(median(random.choices(values, k=len(values))) for _ in range(times))
    return medians[int(times * 0.025)], medians[int(times * 0.975)]


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """How often a value of one is on its side of a value of the other (0.5 to 1), and the probability of such by chance.

    By the normal approximation, for samples without many ties (Mann and Whitney, 1947).
    """
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks = sum(rank for rank, (_, side) in enumerate(ranked, 1) if side == 0)
    count = len(one) * len(other)
    above = (ranks - len(one) * (len(one) + 1) / 2) / count
    deviation = math.sqrt((len(one) + len(other) + 1) / (12 * count))
    return max(above, 1 - above), 2 * (1 - NormalDist().cdf(abs(above - 0.5) / deviation))


# A flood


async def flood(server: Server, sizes: Sizes, seconds: float, rounds: int) -> None:
    """Print how long a chat's messages take to arrive, with nothing else and while 500 people sign in together."""
    gc.collect()
    gc.freeze()  # what filled the database: looking through it takes this client 100 ms, in which no message arrives
    async with Chat(server).open(4) as chat:
        await chat.talk(2.0)
        idle: list[float] = []
        flooded: list[float] = []
        for number in range(rounds):
            idle += await chat.talk(seconds)
            flooded += await _flooded(chat, server, sizes, number)
    print("\nms until a message arrives      p50      p99      most   messages")
    for name, values in (("idle", idle), (f"{FLOOD} sign-ins", flooded)):
        told = "".join(f"{percentile(values, nth):9.2f}" for nth in (50, 99))
        print(f"{name:26}{told}{1e3 * max(values):10.2f}{len(values):11}")
    print(f"p99 under the flood is {percentile(flooded, 99) / percentile(idle, 99):.2f} times the idle one")


async def _flooded(chat: "Chat", server: Server, sizes: Sizes, number: int) -> list[float]:
    """Latencies while a process of its own has everybody sign in at once, each until they are in."""
    command = [sys.executable, "-m", "bench.signing_in", str(server.port), str(sizes.accounts), str(number)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220 - it only starts
        if not process.stdin or not process.stdout:
            raise Failed("a process without pipes")
        await asyncio.to_thread(process.stdout.readline)  # it is ready
        process.stdin.write("go\n")
        process.stdin.flush()
        done = asyncio.create_task(asyncio.to_thread(process.stdout.readline))
        latencies = await chat.talk(0, done)
        print((await done).strip(), flush=True)
    return latencies


class Chat:
    """One conversation: its messages are posted by HTTP and arrive at a websocket."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._sent: dict[str, float] = {}
        self._took: list[float] = []
        self._quiet = asyncio.Event()

    @asynccontextmanager
    async def open(self, ticket: int) -> AsyncIterator["Chat"]:
        """Subscribe to a ticket."""
        self._ticket = ticket
        url = f"ws://127.0.0.1:{self._server.port}/graphql"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], additional_headers=headers) as socket,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._server.port}", headers=headers, timeout=60) as self._http,
        ):
            await socket.send('{"type":"connection_init"}')
            payload = {"query": F, "variables": {"ticketId": encode("Ticket", ticket)}}
            await socket.send(orjson.dumps({"id": "1", "type": "subscribe", "payload": payload}).decode())
            self._reading = asyncio.create_task(self._read(socket))
            await asyncio.sleep(0.5)  # without `after`, it begins once the server has got so far
            try:
                yield self
            finally:
                self._reading.cancel()

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            now, told = time.perf_counter(), orjson.loads(text)
            if told["type"] == "ping":
                await socket.send('{"type":"pong"}')
            message = told["payload"]["data"]["ticketEvents"]["message"] if told["type"] == "next" else None
            for key in [key for key in self._sent if message and key[:20] in message["body"]]:
                self._took.append(now - self._sent.pop(key))
            if not self._sent:
                self._quiet.set()

    async def talk(self, seconds: float, until: "asyncio.Task[str] | None" = None) -> list[float]:
        """Say something every so often, for so long or until that is done. Returns how long each message took, in seconds."""
        self._took = []
        end, posts = time.perf_counter() + seconds, []
        while (not until.done()) if until else time.perf_counter() < end:
            posts.append(asyncio.create_task(self._say()))
            await asyncio.sleep(EVERY)
        await asyncio.gather(*posts)
        self._quiet.clear()
        if self._sent:
            try:
                await asyncio.wait_for(self._quiet.wait(), 60)
            except TimeoutError:
                raise Failed(f"{len(self._sent)} messages did not arrive: {self._reading}") from None
        return self._took

    async def _say(self) -> None:
        key = uuid4().hex.translate(LETTERS)
        self._sent[key] = time.perf_counter()
        answer = await self._http.post("/graphql", json={"query": M1, "variables": reply(self._ticket, key)})
        if '"errors"' in answer.text or '"code"' in answer.text:
            raise Failed(answer.text)


class Visitor(Wire):
    """One of the people who sign in at once, on a connection of their own."""

    def __init__(self, request: bytes) -> None:
        super().__init__()
        self._request, self._tries, self._loop = request, 0, asyncio.get_running_loop()
        self._inside: asyncio.Future[int] = self._loop.create_future()

    async def signed_in(self, port: int) -> int:
        """Connect and try until they are in. Returns how often they tried; raises Failed when the connection is lost."""
        await self._loop.create_connection(lambda: self, "127.0.0.1", port)
        return await self._inside

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._try()

    def _try(self) -> None:
        self._tries += 1
        self.transport.write(self._request)

    def answered(self, head: bytes, body: bytes) -> None:
        if fault(head, body):
            self._loop.call_later(1 + random.random(), self._try)
        else:
            self._inside.set_result(self._tries)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._inside.done():
            self._inside.set_exception(Failed(f"a connection was lost: {error}"))


async def _everybody(port: int, accounts: int, number: int) -> None:
    """Have 500 people sign in at once; who is told to wait tries again. Prints how that went.

    On connections of the load client, since one of httpx looks at all the others whenever an answer comes: 12 ms of a core that
    chats and database need, for each sign-in. It stands for other machines, so it runs where this one has nothing else to do.
    """
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    persons = [n for n in range(1, accounts + 1) if n % 10]
    chosen = [persons[(number * FLOOD + n) % len(persons)] for n in range(FLOOD)]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    start = time.perf_counter()
    visitors = [Visitor(_request(port, f"person{person}@example.fr")) for person in chosen]
    tries = await asyncio.gather(*(each.signed_in(port) for each in visitors))
    print(f"{FLOOD} signed in after {time.perf_counter() - start:.1f} s, {tries.count(1)} of them at once", flush=True)


def _request(port: int, email: str) -> bytes:
    body = _body(email, PASSWORD)
    return (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Forwarded-For: {_network()}\r\nAccept: application/json\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


if __name__ == "__main__":
    uvloop.run(_everybody(*map(int, sys.argv[1:])))
