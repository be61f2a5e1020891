"""The baseline: a bare ASGI application with hand-written SQL, asyncpg and orjson. It has no
GraphQL, and selects the operation by its name.

Run as `python -m bench.peers.baseline DATABASE_URL PORT AGENT`, with the uvicorn configuration of
our own server.
"""

import asyncio
import sys
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import orjson

from realtime.connection_limits import ConnectionLimits
from server import bind, serve

PARIS = ZoneInfo("Europe/Paris")
Json = dict[str, Any]
Send = Callable[[Json], Awaitable[None]]

OFFER_QUERY = "SELECT id, slug, segment, texts FROM offer WHERE slug = $1"
ACCOUNT_QUERY = "SELECT id, legal_name, siren FROM account WHERE id = $1"
INVOICES_QUERY = """SELECT id, number, issued_on, net_cents, vat_cents, gross_cents FROM invoice
WHERE account_id = $1 ORDER BY issued_at DESC, id DESC LIMIT $2"""
LINES_QUERY = """SELECT invoice_id, position, label, quantity, net_cents FROM invoice_line
WHERE invoice_id = ANY($1) ORDER BY position"""
TICKETS_QUERY = """SELECT t.id, t.subject, t.status, t.channel, t.updated_at, t.created_at,
  a.legal_name, u.name, m.body, m.at, m.from_staff
FROM (SELECT * FROM ticket ORDER BY updated_at DESC, id DESC LIMIT $1) t
JOIN account a ON a.id = t.account_id LEFT JOIN "user" u ON u.id = t.assignee_id
LEFT JOIN LATERAL (SELECT body, at, from_staff FROM message WHERE ticket_id = t.id ORDER BY
sequence DESC LIMIT 1) m ON true
ORDER BY t.updated_at DESC, t.id DESC"""
PURCHASES_QUERY = "SELECT id FROM purchase ORDER BY created_at DESC, id DESC LIMIT $1"
PURCHASE_INVOICES_QUERY = """SELECT purchase_id, id, number, issued_on, due_on, sha256, net_cents,
    vat_cents, gross_cents FROM invoice JOIN invoice_document ON invoice_id = id
WHERE purchase_id = ANY($1) ORDER BY issued_at, id"""
REPLY_QUERY = """WITH head AS (UPDATE stream SET last_sequence = last_sequence + 1 WHERE key = $1
    RETURNING last_sequence),
stored AS (INSERT INTO message (ticket_id, origin_id, author_id, sequence, body, from_staff,
client_message_id, at)
  SELECT $2, $2, $3, last_sequence, $4, true, $5, $6 FROM head RETURNING id, sequence),
stored_event AS (INSERT INTO event (stream, sequence, kind, at, actor_id, ticket_id, message_id)
  SELECT $1, sequence, 'MESSAGE_POSTED', $6, $3, $2, id FROM stored),
updated AS (UPDATE ticket SET updated_at = $6, reply_awaited_since = NULL WHERE id = $2)
SELECT sequence FROM stored"""


class Baseline:
    """The ASGI application."""

    def __init__(self, database_url: str, agent: int) -> None:
        self._url, self._agent = database_url, agent
        self._subscribers: defaultdict[str, set[Send]] = defaultdict(set)
        self._events: asyncio.Queue[tuple[str, Json]] = asyncio.Queue()
        self._operations = {
            "Q1": self.offer,
            "Q2": self.account,
            "Q3": self.tickets,
            "Q4": self.purchases,
            "M1": self.reply,
        }

    async def __call__(
        self, scope: Json, receive: Callable[[], Awaitable[Json]], send: Send
    ) -> None:
        if scope["type"] == "http":
            await self._respond(receive, send)
        elif scope["type"] == "websocket":
            await self._subscribe(receive, send)
        else:
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Callable[[], Awaitable[Json]], send: Send) -> None:
        await receive()
        self._pool: Any = await asyncpg.create_pool(
            self._url, min_size=1, max_size=10, reset=_skip_reset
        )
        delivery = asyncio.create_task(self._deliver())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        delivery.cancel()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, receive: Callable[[], Awaitable[Json]], send: Send) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        request = orjson.loads(body)
        response = orjson.dumps(
            {"data": await self._operations[request["operationName"]](request["variables"])}
        )
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(response)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": response})

    async def offer(self, variables: Json) -> Json:
        row = await self._pool.fetchrow(OFFER_QUERY, variables["slug"])
        texts = orjson.loads(row["texts"])["fr"]
        name, description = texts["name"], texts["description"]
        offer = {
            "id": encode_id("Offer", row["id"]),
            "slug": row["slug"],
            "segment": row["segment"],
        }
        return {"offer": offer | {"name": name, "description": description}}

    async def account(self, variables: Json) -> Json:
        key = decode_id(variables["id"])
        async with self._pool.acquire() as db:
            row = await db.fetchrow(ACCOUNT_QUERY, key)
            invoices = await db.fetch(INVOICES_QUERY, key, 20)
            lines = await db.fetch(LINES_QUERY, [invoice["id"] for invoice in invoices])
        lines_by_invoice: defaultdict[int, list[Json]] = defaultdict(list)
        for invoice_id, position, label, quantity, net in lines:
            line = {
                "position": position,
                "label": label,
                "quantity": quantity,
                "net": {"amountCents": net},
            }
            lines_by_invoice[invoice_id].append(line)
        nodes = [_invoice(invoice, lines_by_invoice[invoice["id"]]) for invoice in invoices]
        account = {"id": variables["id"], "legalName": row["legal_name"], "siren": row["siren"]}
        return {"node": account | {"invoices": {"nodes": nodes}}}

    async def tickets(self, variables: Json) -> Json:
        return {
            "tickets": {
                "nodes": [_ticket(*row) for row in await self._pool.fetch(TICKETS_QUERY, 50)]
            }
        }

    async def purchases(self, variables: Json) -> Json:
        async with self._pool.acquire() as db:
            keys = [key for (key,) in await db.fetch(PURCHASES_QUERY, 100)]
            invoices = await db.fetch(PURCHASE_INVOICES_QUERY, keys)
        invoices_by_purchase: dict[int, list[Json]] = {key: [] for key in keys}
        for key, *invoice in invoices:
            invoices_by_purchase[key].append(_purchase_invoice(*invoice))
        return {"purchases": {"nodes": [{"invoices": invoices_by_purchase[key]} for key in keys]}}

    async def reply(self, variables: Json) -> Json:
        input, now = variables["input"], datetime.now(UTC)
        body, ticket = input["body"].strip(), decode_id(input["ticketId"])
        values = f"ticket:{ticket}", ticket, self._agent, body, input["clientMessageId"], now
        sequence = await self._pool.fetchval(REPLY_QUERY, *values)
        message = {"body": body, "fromStaff": True}
        if self._subscribers[input["ticketId"]]:
            self._events.put_nowait(
                (
                    input["ticketId"],
                    {"sequence": sequence, "kind": "MESSAGE_POSTED", "message": message},
                )
            )
        return {"ticketReply": {"message": {"sequence": sequence} | message, "userErrors": []}}

    async def _deliver(self) -> None:
        """Send one text to every socket, ignoring the id that each subscription has."""
        while True:
            ticket_id, event = await self._events.get()
            text = orjson.dumps(
                {"id": "1", "type": "next", "payload": {"data": {"ticketEvents": event}}}
            ).decode()
            for number, send in enumerate(tuple(self._subscribers[ticket_id])):
                await send({"type": "websocket.send", "text": text})
                if number % 100 == 99:  # so that the next message can be stored
                    await asyncio.sleep(0)

    async def _subscribe(self, receive: Callable[[], Awaitable[Json]], send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
        ticket_id = ""
        while (event := await receive())["type"] == "websocket.receive":
            frame = orjson.loads(event["text"])
            if frame["type"] == "connection_init":
                await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
            elif frame["type"] == "subscribe":
                ticket_id = frame["payload"]["variables"]["ticketId"]
                self._subscribers[ticket_id].add(send)
        self._subscribers[ticket_id].discard(send)


def encode_id(kind: str, key: int) -> str:
    return b64encode(f"{kind}:{key}".encode()).decode().rstrip("=")


def decode_id(id_: str) -> int:
    return int(b64decode(id_ + "=" * (-len(id_) % 4)).partition(b":")[2])


def _invoice(row: Any, lines: list[Json]) -> Json:
    key, number, issued_on, net, vat, gross = row
    return {
        "id": encode_id("Invoice", key),
        "number": number,
        "issuedOn": issued_on,
        "net": {"amountCents": net},
        "vat": {"amountCents": vat},
        "gross": {"amountCents": gross, "currency": "EUR"},
        "lines": lines,
    }


def _ticket(
    key: int,
    subject: str,
    status: str,
    channel: str,
    updated_at: datetime,
    created_at: datetime,
    legal_name: str,
    assignee: str | None,
    body: str | None,
    at: datetime,
    from_staff: bool,
) -> Json:
    return {
        "id": encode_id("Ticket", key),
        "number": f"CAM-{created_at.astimezone(PARIS).year}-{key:06d}",
        "subject": subject,
        "status": status,
        "channel": channel,
        "updatedAt": updated_at,
        "account": {"legalName": legal_name},
        "assignee": {"name": assignee} if assignee else None,
        "lastMessage": {"body": body, "at": at, "fromStaff": from_staff}
        if body is not None
        else None,
    }


def _purchase_invoice(
    key: int, number: str, issued_on: Any, due_on: Any, sha256: str, net: int, vat: int, gross: int
) -> Json:
    return {
        "id": encode_id("Invoice", key),
        "number": number,
        "issuedOn": issued_on,
        "dueOn": due_on,
        "sha256": sha256,
        "net": {"amountCents": net},
        "vat": {"amountCents": vat},
        "gross": {"amountCents": gross},
    }


async def _skip_reset(connection: object) -> None:
    """Run no statement that resets the connection, as our own pool does."""


if __name__ == "__main__":
    application: Any = Baseline(sys.argv[1], int(sys.argv[3]))
    with bind("127.0.0.1", int(sys.argv[2])) as listener:
        sys.exit(serve(application, listener, lambda: None, ConnectionLimits()))
