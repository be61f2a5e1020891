"""Who acts, when, and whom to tell once it is done: the first argument of every verb."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.transactions import in_transaction

from models.clock import local_date
from models.event import Event, EventKind, next_sequence
from models.writing import insert, locked

if TYPE_CHECKING:
    from models.user import User

Row = TypeVar("Row", bound=Model)


class Bus(Protocol):
    """Wakes the readers of streams. It carries no data, so losing a call only delays them."""

    def announce(self, streams: Iterable[str]) -> None: ...


class Transaction:
    """An open transaction: its connection, and the streams to announce after the commit."""

    def __init__(self, db: BaseDBAsyncClient, act: "Act") -> None:
        self.db = db
        self.act = act
        self.touched: dict[str, None] = {}

    async def take(self, stream: str) -> int:
        """The stream's next number, its row locked until the commit.

        Streams are taken in the order ticket, account, inbox, so that two transactions never wait for each other.
        """
        self.touched[stream] = None
        return await next_sequence(self.db, stream)

    async def append(self, stream: str, kind: EventKind, sequence: int | None = None, **facts: Any) -> None:
        """Store the stream's next event, under a number taken before or now."""
        told = {
            "stream": stream, "sequence": sequence or await self.take(stream), "kind": kind.value, "at": self.act.at,
            "actor_id": self.act.actor.pk if self.act.actor else None,
        } | facts  # fmt: skip
        await insert(Event, told, db=self.db)

    async def locked(self, model: type[Row], key: int) -> Row:
        """The row of this key as it stands, all of it, locked until the transaction ends. Raises DoesNotExist."""
        return await locked(model, key, db=self.db)


@dataclass(frozen=True)
class Act:
    """One thing done: by whom (nobody when the clock did it), at what time (UTC), with the bus to tell."""

    actor: "User | None"
    at: datetime
    bus: Bus

    @property
    def day(self) -> date:
        """The calendar day of the act in Europe/Paris."""
        return local_date(self.at)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that announces the streams it appended to, only after it has committed."""
        async with in_transaction() as db:
            transaction = Transaction(db, self)
            yield transaction
        self.bus.announce(transaction.touched)
