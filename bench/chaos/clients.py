"""The load: clients that write, buy, upload and follow their tickets, as docs/clients.md says.

Whoever gets no answer, or one that says to try again, repeats the same request under the same key
until it is acknowledged. Whoever loses a websocket opens another one, and continues after the last
event received. What was acknowledged and what was received is kept, to compare it with the
database.
"""

import asyncio
import hashlib
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from bench.chaos.world import Person, World

_REQUEST_SECONDS = 6.0
_REPEAT_SECONDS = 0.1
_FILE_BYTES = 40_000
_TEMPORARY_CODES = {"SERVICE_UNAVAILABLE", "TIMEOUT", "TRANSACTION_CONFLICT", "PAYMENT_UNAVAILABLE"}
_EVENTS = """subscription($id: ID!, $after: BigInt) { ticketEvents(ticketId: $id, after: $after) {
    sequence message { clientMessageId } } }"""
_REPLY = """mutation($input: TicketReplyInput!) { ticketReply(input: $input) {
    message { sequence } userErrors { code } } }"""
_OPEN = """mutation($input: TicketOpenInput!) { ticketOpen(input: $input) {
    ticket { id } userErrors { code } } }"""
_CLAIM = """mutation($input: TicketClaimInput!) { ticketClaim(input: $input) {
    ticket { id } userErrors { code } } }"""
_DRAFT = """mutation($input: PurchaseDraftInput!) { purchaseDraft(input: $input) {
    purchase { id } userErrors { code } } }"""
_CONFIRM = """mutation($input: PurchaseConfirmBillingInput!) {
    purchaseConfirmBilling(input: $input) { purchase { id } userErrors { code } } }"""
_PAY = """mutation($input: PurchasePayInput!) { purchasePay(input: $input) {
    payment { id status } userErrors { code } } }"""
_ANNOUNCE = """mutation($input: FileAnnounceInput!) { fileAnnounce(input: $input) {
    file { id } uploadUrl userErrors { code } } }"""
_ADDRESS = {"street": "3 rue du Four", "postalCode": "69001", "city": "Lyon"}


class Unexpected(Exception):
    """An answer that a correct client doesn't get, whatever fails."""


@dataclass(frozen=True)
class Acknowledged:
    """A request that was acknowledged: what it did, when it began and ended, in seconds of the
    monotonic clock, and for a message its ticket and its key.
    """

    name: str
    began_at: float
    ended_at: float
    ticket: str | None = None
    key: str | None = None


@dataclass
class TicketReader:
    """A client that follows one ticket through one server."""

    person: Person
    url: str
    ticket: str
    sequences: list[int] = field(default_factory=list)
    received_at: dict[str | None, float] = field(default_factory=dict)  # by the message's key

    @property
    def last_sequence(self) -> int:
        """The last event that was received."""
        return self.sequences[-1] if self.sequences else 0

    async def follow(self, problems: Counter[str]) -> None:
        """Follow the ticket until cancelled."""
        while True:
            with suppress(OSError, EOFError, TimeoutError, WebSocketException):
                async with connect(
                    f"{self.url.replace('http', 'ws')}/graphql",
                    subprotocols=[Subprotocol("graphql-transport-ws")],
                    open_timeout=_REQUEST_SECONDS,
                    close_timeout=1,
                ) as websocket:
                    await self._receive_all(websocket, problems)
            await asyncio.sleep(_REPEAT_SECONDS)

    async def _receive_all(self, websocket: ClientConnection, problems: Counter[str]) -> None:
        authorization = {"authorization": f"Bearer {self.person.token}"}
        await _send(websocket, type="connection_init", payload=authorization)
        async with asyncio.timeout(_REQUEST_SECONDS):
            await websocket.recv()
        variables = {"id": self.ticket, "after": self.last_sequence}
        await _send(
            websocket, id="1", type="subscribe", payload={"query": _EVENTS, "variables": variables}
        )
        async for text in websocket:
            message = orjson.loads(text)
            if message["type"] == "ping":
                await _send(websocket, type="pong")
            elif message["type"] == "next" and not message["payload"].get("errors"):
                self._receive(message["payload"]["data"]["ticketEvents"])
            else:
                problems[f"a subscription got {_code_of(message)}"] += not _is_temporary(message)
                return

    def _receive(self, event: dict[str, Any]) -> None:
        self.sequences.append(event["sequence"])
        if event["message"] and event["message"]["clientMessageId"]:
            self.received_at[event["message"]["clientMessageId"]] = time.monotonic()


def _code_of(message: dict[str, Any]) -> str:
    payload = message.get("payload")
    errors = payload.get("errors") if isinstance(payload, dict) else payload
    return str(errors[0]["extensions"]["code"]) if errors else str(message["type"])


def _is_temporary(message: dict[str, Any]) -> bool:
    return _code_of(message) in _TEMPORARY_CODES


async def _send(websocket: ClientConnection, **message: Any) -> None:
    await websocket.send(orjson.dumps(message).decode())


class Load:
    """All clients. `urls` are where they reach the servers, which they use in turn."""

    def __init__(self, world: World, urls: list[str], pace: float) -> None:
        self._world, self._urls, self._pace = world, urls, pace
        self._numbers = count(1)
        self._is_producing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._busy = 0
        self._http = httpx.AsyncClient(timeout=_REQUEST_SECONDS)
        self.readers: list[TicketReader] = []
        self.tickets: dict[str, Person] = {}  # whose chat it is
        self.messages: dict[tuple[str, str], int] = {}  # the sequence, by ticket and key
        self.opened: dict[str, str] = {}  # the ticket, by idempotency key
        self.purchases: list[str] = []
        self.files: dict[str, str] = {}  # the SHA-256, by the file's ID
        self.acknowledged: list[Acknowledged] = []
        self.failures: Counter[str] = Counter()  # requests that had to be repeated
        self.problems: Counter[str] = Counter()

    async def start(self) -> None:
        """Open the chats, and begin to follow and to produce."""
        for person in self._world.customers:
            key = f"chat-{person.name}"
            ticket = await self._open_ticket(person, key, "CHAT")
            self.tickets[ticket] = person
            await self._mutate("claim", self._world.agent, _CLAIM, {"ticketId": ticket})
            self.readers += [TicketReader(person, url, ticket) for url in self._urls]
        self._start_tasks()

    def _start_tasks(self) -> None:
        writers = [
            partial(self.write, each, ticket)
            for ticket, person in self.tickets.items()
            for each in (person, self._world.agent)
        ]
        slow = [self._open_another, self._buy, self._upload]
        self._tasks = [
            *(asyncio.create_task(each.follow(self.problems)) for each in self.readers),
            *(asyncio.create_task(self._repeat(each, self._pace)) for each in writers),
            *(asyncio.create_task(self._repeat(each, 5 * self._pace)) for each in slow),
        ]
        self._is_producing.set()

    async def _repeat(self, work: Callable[[], Awaitable[object]], pause: float) -> None:
        while True:
            await self._is_producing.wait()
            self._busy += 1
            try:
                await work()
            except Unexpected as problem:
                self.problems[str(problem)] += 1
            finally:
                self._busy -= 1
            await asyncio.sleep(pause)

    async def pause(self, seconds: float) -> bool:
        """Begin nothing new, and wait until everything is acknowledged. Returns whether it was."""
        self._is_producing.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._busy:  # noqa: ASYNC110 - for once, it needs no event
                    await asyncio.sleep(0.05)
                for ticket, person in self.tickets.items():
                    # Whoever has received this one has received what came before, also twice.
                    await self.write(person, ticket)
                return True
        return False

    def resume(self) -> None:
        """Produce again."""
        self._is_producing.set()

    async def close(self) -> None:
        """End all clients."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    # What clients do

    async def write(self, person: Person, ticket: str, file_ids: Sequence[str] = ()) -> str:
        """Post a message. Returns its key."""
        key = f"{person.name}-{next(self._numbers)}"
        message = {
            "ticketId": ticket,
            "body": f"Message {key}",
            "clientMessageId": key,
            "fileIds": list(file_ids),
        }
        data = await self._mutate("message", person, _REPLY, message)
        self.messages[ticket, key] = data["message"]["sequence"]
        return key

    async def _open_another(self) -> None:
        """Open a ticket and, as after a lost answer, once more: it has to be the same one."""
        number = next(self._numbers)
        person = self._world.customers[number % len(self._world.customers)]
        key = f"ticket-{number}"
        ticket = await self._open_ticket(person, key, "WEB")
        if await self._open_ticket(person, key, "WEB") != ticket:
            raise Unexpected("a repeated key opened another ticket")
        self.opened[key] = ticket

    async def _open_ticket(self, person: Person, key: str, channel: str) -> str:
        ticket = {"subject": key, "body": "Bonjour", "channel": channel, "idempotencyKey": key}
        return str((await self._mutate("ticket", person, _OPEN, ticket))["ticket"]["id"])

    async def _buy(self) -> None:
        number = next(self._numbers)
        person = self._world.customers[number % len(self._world.customers)]
        draft = {"priceId": self._world.price_id, "idempotencyKey": f"draft-{number}"}
        purchase = (await self._mutate("draft", person, _DRAFT, draft))["purchase"]["id"]
        billing = {"purchaseId": purchase, "billingAddress": _ADDRESS}
        await self._mutate("billing", person, _CONFIRM, billing)
        payment = {
            "purchaseId": purchase,
            "paymentMethod": "pm_sandbox_success",
            "idempotencyKey": f"pay-{number}",
        }
        paid = (await self._mutate("payment", person, _PAY, payment))["payment"]
        if paid["status"] not in ("SUCCEEDED", "PROCESSING"):
            raise Unexpected(f"a payment is {paid['status']}")
        self.purchases.append(purchase)

    async def _upload(self) -> None:
        """Upload a file, and attach it to a message: without one it is deleted after a day. The
        link is valid for some minutes, so the file is announced again when the clock has jumped.
        """
        number = next(self._numbers)
        ticket, person = list(self.tickets.items())[number % len(self.tickets)]
        content = b"%PDF-1.4\n" + os.urandom(_FILE_BYTES)
        file_id = await self._upload_content(person, number, content, is_repeat=False)
        await self.write(person, ticket, [file_id])
        self.files[file_id] = hashlib.sha256(content).hexdigest()

    async def _upload_content(
        self, person: Person, number: int, content: bytes, *, is_repeat: bool
    ) -> str:
        """Announce and upload a file. Returns its ID. Raises Unexpected."""
        name = {"name": f"{number}.pdf", "contentType": "application/pdf", "size": len(content)}
        announced = await self._mutate("announcement", person, _ANNOUNCE, name)
        url = httpx.URL(announced["uploadUrl"]).raw_path.decode()
        is_expired = False

        async def put() -> bool:
            nonlocal is_expired
            response = await self._http.put(
                f"{self._url()}{url}", content=content, headers={"Content-Type": "application/pdf"}
            )
            if response.status_code in (200, 201):
                return True
            if response.status_code in (503, 507):
                return False
            if response.status_code == 404 and not is_repeat:
                is_expired = True
                return True
            raise Unexpected(f"an upload got {response.status_code}")

        await self._until_acknowledged("upload", put)
        if is_expired:
            return await self._upload_content(person, number, content, is_repeat=True)
        return str(announced["file"]["id"])

    # Requests

    async def _mutate(
        self, name: str, person: Person, document: str, values: dict[str, Any]
    ) -> dict[str, Any]:
        """The payload of a mutation, repeated until it is acknowledged. Raises Unexpected."""
        payload: dict[str, Any] = {}

        async def execute() -> bool:
            response = await self._http.post(
                f"{self._url()}/graphql",
                json={"query": document, "variables": {"input": values}},
                headers={"Authorization": f"Bearer {person.token}"},
            )
            result = response.json()
            codes = [error["extensions"]["code"] for error in result.get("errors", ())]
            found = next(iter((result.get("data") or {}).values()), None)
            codes += [error["code"] for error in (found or {}).get("userErrors", ())]
            if codes and _TEMPORARY_CODES.issuperset(codes):
                return False
            if codes or found is None:
                raise Unexpected(f"{name}: {', '.join(codes) or response.status_code}")
            payload.update(found)
            return True

        await self._until_acknowledged(
            name, execute, values.get("ticketId"), values.get("clientMessageId")
        )
        return payload

    def _url(self) -> str:
        return self._urls[next(self._numbers) % len(self._urls)]

    async def _until_acknowledged(
        self,
        name: str,
        request: Callable[[], Awaitable[bool]],
        ticket: str | None = None,
        key: str | None = None,
    ) -> None:
        while True:
            began_at = time.monotonic()
            try:
                if await request():
                    self.acknowledged.append(
                        Acknowledged(name, began_at, time.monotonic(), ticket, key)
                    )
                    return
            except (httpx.TransportError, orjson.JSONDecodeError):
                pass
            self.failures[name] += 1
            await asyncio.sleep(_REPEAT_SECONDS)
