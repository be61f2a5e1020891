"""Records the locks of every transaction, and says which ones break models/lock_order.py."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

import models.action
from models.action import Transaction
from models.database.postgres import PostgresTransaction
from models.database.sqlite import ImmediateTransaction
from models.event import NewEvent, append_events
from models.lock_order import TABLES, stream_position
from models.support.ticket import Ticket

_WRITE = re.compile(r'\s*(?:UPDATE|DELETE FROM)\s+"?(\w+)"?', re.I)


class Locks:
    """The locks of one transaction: positions in the order, with what was locked there."""

    def __init__(self) -> None:
        self._held: list[tuple[tuple[int, int, Any], str]] = []
        self._tables: set[str] = set()  # of which the transaction has chosen and locked rows
        self.errors: list[str] = []

    def add_rows(self, table: str, keys: list[Any]) -> None:
        """The rows that the transaction is going to change, possibly none."""
        self._tables.add(table)
        for key in keys:
            self._add_row(table, key)

    def _add_row(self, table: str, key: Any) -> None:
        self._add((0, TABLES.index(table), key), f"{table} {key}")

    def add_inserted(self, table: str, key: Any) -> None:
        """Record a row that nobody else sees before the commit, so no one can wait for it."""
        self._tables.add(table)
        self._held.append(((0, -1, 0), f"{table} {key}"))

    def add_write(self, table: str) -> None:
        """Record a statement that changes rows of a table, whichever they are."""
        if table in TABLES and table not in self._tables:
            self._add((0, TABLES.index(table), 0), f"{table} (unlocked)")

    def add_stream(self, stream: str) -> None:
        kind, _, key = stream.partition(":")
        if kind == "ticket" and any(name == f"ticket {key}" for _, name in self._held):
            return
        self._add((1, *stream_position(stream)), f"stream {stream}")

    def _add(self, position: tuple[int, int, Any], name: str) -> None:
        if any(name == held_name for _, held_name in self._held):
            return
        if self._held and position < max(self._held)[0]:
            held_names = [name for _, name in self._held]
            self.errors.append(f"{name} after {', '.join(held_names)}")
        self._held.append((position, name))


class LockRecorder:
    """The locks of all transactions since it was installed."""

    def __init__(self) -> None:
        self._transactions: dict[int, tuple[Any, Locks]] = {}

    def _locks_of(self, db: Any) -> Locks:
        return self._transactions.setdefault(id(db), (db, Locks()))[1]

    @property
    def errors(self) -> list[str]:
        return [error for _, locks in self._transactions.values() for error in locks.errors]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        recorder = self
        lock, lock_rows = Transaction.lock, Transaction.lock_rows
        next_sequence = Transaction.next_sequence

        async def record_lock(tx: Transaction, model: type[Model], key: int) -> Any:
            recorder._locks_of(tx.db).add_rows(model._meta.db_table, [key])
            return await lock(tx, model, key)

        async def record_lock_rows(tx: Transaction, queryset: QuerySet[Any]) -> Any:
            rows = await lock_rows(tx, queryset)
            recorder._locks_of(tx.db).add_rows(
                queryset.model._meta.db_table, [row.pk for row in rows]
            )
            return rows

        async def record_stream(tx: Transaction, stream: str) -> int:
            recorder._locks_of(tx.db).add_stream(stream)
            return await next_sequence(tx, stream)

        async def record_streams(
            db: BaseDBAsyncClient, counts: Mapping[str, int], events: Sequence[NewEvent]
        ) -> None:
            for stream in counts:
                recorder._locks_of(db).add_stream(stream)
            await append_events(db, counts, events)

        monkeypatch.setattr(Transaction, "lock", record_lock)
        monkeypatch.setattr(Transaction, "lock_rows", record_lock_rows)
        monkeypatch.setattr(Transaction, "next_sequence", record_stream)
        monkeypatch.setattr(models.action, "append_events", record_streams)
        create = Ticket.create.__func__  # type: ignore[attr-defined] # a class method

        async def record_created(
            model: type[Ticket], /, *, using_db: Any = None, **values: Any
        ) -> Any:
            ticket = await create(model, using_db=using_db, **values)
            if using_db:
                recorder._locks_of(using_db).add_inserted("ticket", ticket.pk)
            return ticket

        monkeypatch.setattr(Ticket, "create", classmethod(record_created))
        for client in (PostgresTransaction, ImmediateTransaction):
            for name in ("execute_query", "execute_query_dict"):
                monkeypatch.setattr(client, name, self._recording(getattr(client, name)))

    def _recording(self, execute: Any) -> Any:
        async def record(client: Any, query: str, values: Any = None) -> Any:
            if write := _WRITE.match(query):
                self._locks_of(client).add_write(write[1])
            return await execute(client, query, values)

        return record


@pytest.fixture(autouse=True)
def lock_order(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test in which a transaction took its locks in a different order from the documented
    one.
    """
    recorder = LockRecorder()
    recorder.install(monkeypatch)
    yield
    if recorder.errors:
        pytest.fail("\n".join(recorder.errors))
