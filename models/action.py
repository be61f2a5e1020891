"""Actions: who acts, when and from where. An Action is the first argument of every function that
changes data.
"""

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet
from tortoise.transactions import in_transaction

from models import audit
from models.accounts.account import Account
from models.audit import Detail
from models.audit_action import AuditAction
from models.clock import local_date
from models.database.writing import lock_row
from models.errors import TransactionConflict
from models.event import EventKind, NewEvent, append_events, next_sequence
from models.lock_order import is_numbered_at_once, stream_position
from models.measurements import EVENTS, LabeledCounter, Labels
from models.tracing import current_traceparent

if TYPE_CHECKING:
    from models.identity.user import User

log = structlog.stdlib.get_logger()
Row = TypeVar("Row", bound=Model)
Result = TypeVar("Result")


class Bus(Protocol):
    """Notifies the subscribers of streams; realtime's Hub is one. It carries no data, so a lost
    call only delays them.
    """

    def announce(self, streams: Iterable[str]) -> None: ...


@dataclass(frozen=True)
class Origin:
    """Where an action comes from: its session, the account that the session acts for, and the
    network address.
    """

    session_id: int | None = None
    account_id: int | None = None
    address: str | None = None


@lru_cache(maxsize=4_096)
def network_address(text: str) -> str | None:
    """Return an IP address in its canonical form, or None for any other text: a client can make a
    proxy forward anything.
    """
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _account_id(row: Model | None, origin: Origin) -> int | None:
    """The account that a row belongs to, or else the account that the session acts for."""
    account_id: int | None = (
        row.pk if isinstance(row, Account) else getattr(row, "account_id", origin.account_id)
    )
    return account_id


@dataclass
class _Attempt:
    has_committed: bool = False


_attempt: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)


async def retry_conflict(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run some work and return its result. The work is repeated once when the database rolled its
    transaction back because of another one, and it had committed nothing before, except in
    transactions that may be repeated. Otherwise raises TransactionConflict.
    """
    attempt = _Attempt()
    token = _attempt.set(attempt)
    try:
        return await work()
    except TransactionConflict as conflict:
        if attempt.has_committed:
            raise
        log.warning("transaction.retried", error=conflict.args[0])
        return await work()
    finally:
        _attempt.reset(token)


class Transaction:
    """An open transaction: its connection, the streams to announce and the counts to add after the
    commit, its events and its audit entries.
    """

    def __init__(self, db: BaseDBAsyncClient, action: "Action") -> None:
        self.db = db
        self.action = action
        self.streams: dict[str, None] = {}
        self.audit_entries: list[dict[str, Any]] = []
        self.counts: list[tuple[LabeledCounter, Labels]] = []
        self._events: list[NewEvent] = []
        self._counts: dict[str, int] = {}  # the numbers to take at the end, by stream
        self._new_streams: set[str] = set()

    async def next_sequence(self, stream: str) -> int:
        """Take the next number of a ticket's stream at once, for a message. The transaction has
        locked the ticket, or has created it: then its numbers are counted here and stored at the
        end.
        """
        if stream in self._new_streams:
            self.advance(stream)
            return self._counts[stream]
        self.streams[stream] = None
        return await next_sequence(self.db, stream)

    def start_stream(self, stream: str) -> None:
        """Start the stream of a ticket that the transaction has created, so that nobody else takes
        its numbers.
        """
        self._new_streams.add(stream)

    def advance(self, stream: str) -> None:
        """Take the next number of a stream at the end of the transaction: of one that only counts,
        or for an event.
        """
        self.streams[stream] = None
        self._counts[stream] = self._counts.get(stream, 0) + 1

    async def append(
        self, stream: str, kind: EventKind, sequence: int | None = None, **columns: Any
    ) -> None:
        """Store an event in a stream at the end of the transaction. When omitted, `sequence` is the
        stream's next number.
        """
        if sequence is None and is_numbered_at_once(stream):
            sequence = await self.next_sequence(stream)
        elif sequence is None:
            self.advance(stream)
        values = {"actor_id": self.action.actor.pk if self.action.actor else None} | columns
        values["traceparent"] = current_traceparent()
        self._events.append(NewEvent(stream, sequence, kind.value, self.action.at, **values))
        self.count(EVENTS, stream.partition(":")[0])

    async def store_events(self) -> None:
        """Take the numbers of the events and store them: after all other statements, except those
        of the audit log. The streams' rows stay locked until the commit.
        """
        if self._events or self._counts:
            streams = sorted(self._counts, key=stream_position)
            counts = {stream: self._counts[stream] for stream in streams}
            await append_events(self.db, counts, self._events)

    def count(self, counter: LabeledCounter, *labels: str) -> None:
        """Count something for the metrics once the transaction has committed."""
        self.counts.append((counter, labels))

    def audit(
        self,
        audit_action: AuditAction,
        row: Model | None = None,
        account_id: int | EllipsisType | None = ...,
        actor: "User | None" = None,
        **details: Detail,
    ) -> None:
        """Record in the audit log what this transaction does to a row. The entry is written at the
        end of the transaction.

        When omitted, `account_id` is the account that the row belongs to, or else the one that the
        session acts for, and `actor` is that of the action. Details never contain secrets, personal
        data or text that someone entered.
        """
        actor, origin = actor or self.action.actor, self.action.origin
        self.audit_entries.append(
            {
                "at": self.action.at.astimezone(UTC),
                "actor_id": actor.pk if actor else None,
                "staff": actor.staff.value if actor and actor.staff else None,
                "account_id": _account_id(row, origin) if account_id is ... else account_id,
                "session_id": origin.session_id,
                "action": audit_action.value,
                "object_type": type(row).__name__ if row else None,
                "object_id": row.pk if row else None,
                "address": origin.address,
                "details": audit.encode_details(details),
            }
        )

    async def lock(self, model: type[Row], key: int) -> Row:
        """Lock the row with this primary key until the transaction ends, and return its current
        state. Raises DoesNotExist.

        This and `lock_rows` are the only ways to lock rows, so that all locks have the same
        strength, FOR NO KEY UPDATE: others can't change or lock the row, but they can insert rows
        that refer to it. (The ORM's default, FOR UPDATE, makes each such insert wait, and can
        deadlock with transactions that take their locks in another order.) A transaction locks
        rows in the order of models/lock_order.py.
        """
        return await lock_row(model, key, db=self.db)

    async def lock_rows(self, queryset: QuerySet[Row]) -> list[Row]:
        """Lock the rows of a queryset in key order, and return their current state."""
        key = queryset.model._meta.pk_attr
        return await queryset.using_db(self.db).order_by(key).select_for_update(no_key=True)


@dataclass(frozen=True)
class Action:
    """Who acts (None for jobs), at what time (UTC), the bus that announces the changes, and where
    the action comes from.
    """

    actor: "User | None"
    at: datetime
    bus: Bus
    origin: Origin = field(default_factory=Origin)

    @property
    def day(self) -> date:
        """The calendar day of the action in Europe/Paris."""
        return local_date(self.at)

    @asynccontextmanager
    async def transaction(self, *, is_repeatable: bool = False) -> AsyncIterator[Transaction]:
        """A transaction that announces, after its commit, the streams to which it appended events.
        When work conflicts after a transaction that is repeatable, `retry_conflict` repeats both.

        Events and then audit entries are written last, so that streams and the end of the audit
        chain are locked as briefly as possible.
        """
        async with in_transaction() as db:
            transaction = Transaction(db, self)
            yield transaction
            await transaction.store_events()
            if transaction.audit_entries:
                await audit.append(db, transaction.audit_entries)
        if not is_repeatable and (attempt := _attempt.get()):
            attempt.has_committed = True
        for counter, labels in transaction.counts:
            counter.add(*labels)
        self.bus.announce(transaction.streams)
