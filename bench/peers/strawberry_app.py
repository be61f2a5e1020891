"""Strawberry and Tortoise on uvicorn, as an experienced user writes it: types created from rows,
data loaders for relations.

Run as `python -m bench.peers.strawberry_app DATABASE_URL PORT AGENT`. It needs no sign-in: that
agent is the author of all messages.
"""

import asyncio
import sys
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any, NewType
from zoneinfo import ZoneInfo

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig
from tortoise import Tortoise
from tortoise.transactions import in_transaction

from bench.peers import models
from models.billing.offer import Segment
from models.event import EventKind, ticket_stream
from models.support.classification import Channel
from models.support.ticket_status import TicketStatus

PARIS = ZoneInfo("Europe/Paris")
BigInt = NewType("BigInt", int)
Info = strawberry.Info[dict[str, Any], None]
subscribers: defaultdict[int, set[asyncio.Queue["TicketEvent"]]] = defaultdict(set)
agent = 0
strawberry.enum(Segment)
strawberry.enum(Channel)
strawberry.enum(TicketStatus)
strawberry.enum(EventKind)


def encode_id(kind: str, key: int) -> strawberry.ID:
    return strawberry.ID(b64encode(f"{kind}:{key}".encode()).decode().rstrip("="))


def decode_id(id: strawberry.ID) -> int:
    return int(b64decode(id + "=" * (-len(id) % 4)).decode().partition(":")[2])


@strawberry.type
class Money:
    amount_cents: BigInt
    currency: str = "EUR"


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.type
class Offer(Node):
    slug: str
    segment: Segment
    name: str
    description: str

    @classmethod
    def from_row(cls, row: models.Offer) -> "Offer":
        texts = row.texts["fr"]
        return cls(
            id=encode_id("Offer", row.id),
            slug=row.slug,
            segment=row.segment,
            name=texts["name"],
            description=texts["description"],
        )


@strawberry.type
class InvoiceLine:
    position: int
    label: str
    quantity: int
    net: Money

    @classmethod
    def from_row(cls, row: models.InvoiceLine) -> "InvoiceLine":
        net = Money(amount_cents=BigInt(row.net_cents))
        return cls(position=row.position, label=row.label, quantity=row.quantity, net=net)


@strawberry.type
class Invoice(Node):
    key: strawberry.Private[int]
    number: str
    issued_on: date
    due_on: date
    net: Money
    vat: Money
    gross: Money

    @classmethod
    def from_row(cls, row: models.Invoice) -> "Invoice":
        return cls(
            id=encode_id("Invoice", row.id),
            key=row.id,
            number=row.number,
            issued_on=row.issued_on,
            due_on=row.due_on,
            net=Money(amount_cents=BigInt(row.net_cents)),
            vat=Money(amount_cents=BigInt(row.vat_cents)),
            gross=Money(amount_cents=BigInt(row.gross_cents)),
        )

    @strawberry.field
    async def sha256(self, info: Info) -> str:
        return str(await info.context["document_hashes"].load(self.key))

    @strawberry.field
    async def lines(self, info: Info) -> list[InvoiceLine]:
        rows = await info.context["lines"].load(self.key)
        return [InvoiceLine.from_row(row) for row in rows]


@strawberry.type
class InvoiceConnection:
    nodes: list[Invoice]


@strawberry.type
class Account(Node):
    key: strawberry.Private[int]
    legal_name: str
    siren: str

    @classmethod
    def from_row(cls, row: models.Account) -> "Account":
        return cls(
            id=encode_id("Account", row.id), key=row.id, legal_name=row.legal_name, siren=row.siren
        )

    @strawberry.field
    async def invoices(self, first: int = 20) -> InvoiceConnection:
        rows = (
            await models.Invoice.filter(account_id=self.key)
            .order_by("-issued_at", "-id")
            .limit(first)
        )
        return InvoiceConnection(nodes=[Invoice.from_row(row) for row in rows])


@strawberry.type
class User:
    name: str


@strawberry.type
class Message:
    sequence: BigInt
    body: str
    at: datetime
    from_staff: bool

    @classmethod
    def from_row(cls, row: models.Message) -> "Message":
        return cls(
            sequence=BigInt(row.sequence), body=row.body, at=row.at, from_staff=row.from_staff
        )


@strawberry.type
class Ticket(Node):
    row: strawberry.Private[models.Ticket]
    subject: str
    status: TicketStatus
    channel: Channel
    updated_at: datetime

    @classmethod
    def from_row(cls, row: models.Ticket) -> "Ticket":
        return cls(
            id=encode_id("Ticket", row.id),
            row=row,
            subject=row.subject,
            status=row.status,
            channel=row.channel,
            updated_at=row.updated_at,
        )

    @strawberry.field
    def number(self) -> str:
        return f"CAM-{self.row.created_at.astimezone(PARIS).year}-{self.row.id:06d}"

    @strawberry.field
    async def account(self, info: Info) -> Account:
        return Account.from_row(await info.context["accounts"].load(self.row.account_id))

    @strawberry.field
    async def assignee(self, info: Info) -> User | None:
        row = (
            await info.context["users"].load(self.row.assignee_id) if self.row.assignee_id else None
        )
        return User(name=row.name) if row else None

    @strawberry.field
    async def last_message(self, info: Info) -> Message | None:
        row = await info.context["last_messages"].load(self.row.id)
        return Message.from_row(row) if row else None


@strawberry.type
class TicketConnection:
    nodes: list[Ticket]


@strawberry.type
class Purchase(Node):
    key: strawberry.Private[int]

    @strawberry.field
    async def invoices(self, info: Info) -> list[Invoice]:
        return [Invoice.from_row(row) for row in await info.context["invoices"].load(self.key)]


@strawberry.type
class PurchaseConnection:
    nodes: list[Purchase]


@strawberry.type
class TicketEvent:
    sequence: BigInt
    kind: EventKind
    message: Message | None


@strawberry.type
class Query:
    @strawberry.field
    async def offer(self, slug: str) -> Offer | None:
        row = await models.Offer.get_or_none(slug=slug)
        return Offer.from_row(row) if row else None

    @strawberry.field
    async def node(self, id: strawberry.ID) -> Node | None:
        row = await models.Account.get_or_none(id=decode_id(id))
        return Account.from_row(row) if row else None

    @strawberry.field
    async def tickets(self, first: int = 20) -> TicketConnection:
        rows = await models.Ticket.all().order_by("-updated_at", "-id").limit(first)
        return TicketConnection(nodes=[Ticket.from_row(row) for row in rows])

    @strawberry.field
    async def purchases(self, first: int = 20) -> PurchaseConnection:
        rows = await models.Purchase.all().order_by("-created_at", "-id").limit(first)
        return PurchaseConnection(
            nodes=[Purchase(id=encode_id("Purchase", row.id), key=row.id) for row in rows]
        )


@strawberry.input
class TicketReplyInput:
    ticket_id: strawberry.ID
    body: str
    client_message_id: str


@strawberry.type
class UserError:
    code: str


@strawberry.type
class TicketReplyPayload:
    message: Message | None
    user_errors: list[UserError]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def ticket_reply(self, input: TicketReplyInput) -> TicketReplyPayload:
        message = Message.from_row(
            await store_message(
                decode_id(input.ticket_id), input.body.strip(), input.client_message_id
            )
        )
        event = TicketEvent(
            sequence=message.sequence, kind=EventKind.MESSAGE_POSTED, message=message
        )
        for queue in subscribers[decode_id(input.ticket_id)]:
            queue.put_nowait(event)
        return TicketReplyPayload(message=message, user_errors=[])


async def store_message(ticket_id: int, body: str, client_message_id: str) -> models.Message:
    """Store the next sequence, the message, its event and the ticket's times in one transaction,
    with a lock on the ticket.
    """
    now = datetime.now(UTC)
    async with in_transaction() as db:
        ticket = await models.Ticket.select_for_update().using_db(db).get(id=ticket_id)
        stream = ticket_stream(ticket_id)
        rows = await db.execute_query_dict(
            "UPDATE stream SET last_sequence = last_sequence + 1 WHERE key = $1 RETURNING "
            "last_sequence",
            [stream],
        )
        sequence = rows[0]["last_sequence"]
        message = await models.Message.create(
            using_db=db,
            ticket_id=ticket_id,
            origin_id=ticket_id,
            author_id=agent,
            sequence=sequence,
            body=body,
            from_staff=True,
            client_message_id=client_message_id,
            at=now,
        )
        await models.Event.create(
            using_db=db,
            stream=stream,
            sequence=sequence,
            kind=EventKind.MESSAGE_POSTED,
            at=now,
            actor_id=agent,
            ticket_id=ticket_id,
            message_id=message.id,
        )
        ticket.updated_at, ticket.reply_awaited_since = now, None
        await ticket.save(using_db=db, update_fields=["updated_at", "reply_awaited_since"])
    return message


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticket_events(self, ticket_id: strawberry.ID) -> AsyncGenerator[TicketEvent, None]:
        queues, queue = subscribers[decode_id(ticket_id)], asyncio.Queue[TicketEvent]()
        queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)


def load_by_id(model: Any) -> Callable[[list[int]], Awaitable[list[Any]]]:
    async def load(keys: list[int]) -> list[Any]:
        rows = {row.id: row for row in await model.filter(id__in=keys)}
        return [rows.get(key) for key in keys]

    return load


def group_rows(keys: list[int], owner: str, rows: Iterable[Any]) -> list[list[Any]]:
    lists: dict[int, list[Any]] = {key: [] for key in keys}
    for row in rows:
        lists[getattr(row, owner)].append(row)
    return [lists[key] for key in keys]


async def load_lines(keys: list[int]) -> list[list[Any]]:
    return group_rows(
        keys,
        "invoice_id",
        await models.InvoiceLine.filter(invoice_id__in=keys).order_by("position"),
    )


async def load_invoices(keys: list[int]) -> list[list[Any]]:
    return group_rows(
        keys,
        "purchase_id",
        await models.Invoice.filter(purchase_id__in=keys).order_by("issued_at", "id"),
    )


async def load_document_hashes(keys: list[int]) -> list[str | None]:
    documents = models.InvoiceDocument.filter(invoice_id__in=keys)
    hashes = dict(await documents.values_list("invoice_id", "sha256"))
    return [hashes.get(key) for key in keys]


LAST_MESSAGES_QUERY = """SELECT m.* FROM unnest($1::BIGINT[]) AS t(id)
CROSS JOIN LATERAL (SELECT * FROM message WHERE ticket_id = t.id ORDER BY sequence DESC LIMIT 1)
m"""


async def load_last_messages(keys: list[int]) -> list[Any]:
    _, records = await models.Message._meta.db.execute_query(LAST_MESSAGES_QUERY, [keys])
    rows = {record["ticket_id"]: models.Message._init_from_db(**record) for record in records}
    return [rows.get(key) for key in keys]


class App(GraphQL[dict[str, Any], None]):
    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        return {
            "accounts": DataLoader(load_by_id(models.Account)),
            "users": DataLoader(load_by_id(models.User)),
            "lines": DataLoader(load_lines),
            "invoices": DataLoader(load_invoices),
            "document_hashes": DataLoader(load_document_hashes),
            "last_messages": DataLoader(load_last_messages),
        }


def application(database_url: str) -> Starlette:
    """The ASGI application."""
    scalar = strawberry.scalar(name="BigInt", serialize=int, parse_value=int)
    config = StrawberryConfig(scalar_map={BigInt: scalar})
    graph = App(strawberry.Schema(Query, Mutation, Subscription, types=[Account], config=config))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        url = f"{database_url}&minsize=1&maxsize=10".replace("postgres://", "asyncpg://", 1)
        await Tortoise.init(
            db_url=url,
            modules={"models": ["bench.peers.models"]},
            use_tz=True,
            timezone="UTC",
            _enable_global_fallback=True,
        )
        yield
        await Tortoise.close_connections()

    return Starlette(
        routes=[Route("/graphql", graph), WebSocketRoute("/graphql", graph)], lifespan=lifespan
    )


if __name__ == "__main__":
    agent = int(sys.argv[3])
    uvicorn.run(
        application(sys.argv[1]), port=int(sys.argv[2]), access_log=False, log_level="warning"
    )
