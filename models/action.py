"""Who acts, when, and whom to tell once it is done: the first argument of every verb."""

import ipaddress
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.transactions import in_transaction

from models import audit
from models.accounts.account import Account
from models.audit import Detail
from models.audit_action import AuditAction
from models.clock import local_date
from models.database.writing import insert, locked
from models.event import Event, EventKind, next_sequence

if TYPE_CHECKING:
    from models.identity.user import User

Row = TypeVar("Row", bound=Model)


class Bus(Protocol):
    """Notifies the subscribers of streams; realtime's Hub is one. It carries no data, so a lost call only delays them."""

    def announce(self, streams: Iterable[str]) -> None: ...


@dataclass(frozen=True)
class Origin:
    """From where something is done: by which sign-in, for which account, from which network address."""

    session_id: int | None = None
    account_id: int | None = None
    address: str | None = None


def network_address(text: str) -> str | None:
    """The address in its canonical form; None for anything else, which a proxy may have been made to say."""
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _account_id(about: Model | None, origin: Origin) -> int | None:
    """The account a row belongs to, as far as it tells; else the one acted for."""
    found: int | None = about.pk if isinstance(about, Account) else getattr(about, "account_id", origin.account_id)
    return found


class Transaction:
    """An open transaction: its connection, the streams to announce after the commit, and what the auditor is told."""

    def __init__(self, db: BaseDBAsyncClient, action: "Action") -> None:
        self.db = db
        self.action = action
        self.streams: dict[str, None] = {}
        self.audit_entries: list[dict[str, Any]] = []

    async def next_sequence(self, stream: str) -> int:
        """The stream's next number, its row locked until the commit.

        Streams are taken in the order ticket, account, inbox, so that two transactions never wait for each other.
        """
        self.streams[stream] = None
        return await next_sequence(self.db, stream)

    async def append(self, stream: str, kind: EventKind, sequence: int | None = None, **facts: Any) -> None:
        """Store the stream's next event, under a number taken before or now."""
        if sequence is None:
            sequence = await self.next_sequence(stream)
        event = {
            "stream": stream, "sequence": sequence, "kind": kind.value, "at": self.action.at,
            "actor_id": self.action.actor.pk if self.action.actor else None,
        }  # fmt: skip
        await insert(Event, event | facts, db=self.db)

    def audit(
        self, audit_action: AuditAction, about: Model | None = None, account_id: int | EllipsisType | None = ...,
        by: "User | None" = None, **details: Detail,
    ) -> None:  # fmt: skip
        """Tell the audit log what this transaction does to which row. It is written at the end, with the rest or not at all.

        The account is the row's own unless told, else the one acted for. Details never hold a secret, a person's data, or
        words that somebody typed.
        """
        actor, origin = by or self.action.actor, self.action.origin
        self.audit_entries.append({
            "at": self.action.at.astimezone(UTC),
            "actor_id": actor.pk if actor else None,
            "staff": actor.staff.value if actor and actor.staff else None,
            "account_id": _account_id(about, origin) if account_id is ... else account_id,
            "session_id": origin.session_id,
            "action": audit_action.value,
            "object_type": type(about).__name__ if about else None,
            "object_id": about.pk if about else None,
            "address": origin.address,
            "details": audit.encode_details(details),
        })  # fmt: skip

    async def locked(self, model: type[Row], key: int) -> Row:
        """The row of this key as it stands, all of it, locked until the transaction ends. Raises DoesNotExist."""
        return await locked(model, key, db=self.db)


@dataclass(frozen=True)
class Action:
    """One thing done: by whom (nobody when the clock did it), at what time (UTC), with the bus to tell, from where."""

    actor: "User | None"
    at: datetime
    bus: Bus
    origin: Origin = field(default_factory=Origin)

    @property
    def day(self) -> date:
        """The calendar day of the act in Europe/Paris."""
        return local_date(self.at)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that announces the streams it appended to, only after it has committed.

        What it tells the auditor is written last of all, so that the chain's end is held as shortly as can be.
        """
        async with in_transaction() as db:
            transaction = Transaction(db, self)
            yield transaction
            if transaction.audit_entries:
                await audit.append(db, transaction.audit_entries)
        self.bus.announce(transaction.streams)
