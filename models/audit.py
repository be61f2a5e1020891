"""The audit log: who did what to which object, and from where. Entries are only appended, in a hash
chain that reveals tampering.

Each entry contains the hash of the previous one, and a SHA-256 over itself including that hash. To
change, remove, reorder or insert an entry, one would have to write all later ones again, and the
end of the chain. Comparing the end with one that was recorded elsewhere reveals even that.

Entries are written at the end of the transaction whose action they record (`Transaction.audit`), so
both are committed or neither is. The end of the chain is a single row, locked last and until the
commit. So numbers have no gaps, transactions can't deadlock on it, and actions that aren't audited,
such as posting a message, never wait for those that are.

An entry refers to rows by their keys. It contains no personal data, no secrets and no text that
someone entered. See docs/security.md.
"""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Role
from models.database.sql import dialect, execute
from models.identity.user import Staff

if TYPE_CHECKING:
    from models.viewer import Viewer

Detail = str | int | bool | None
GENESIS_HASH = "0" * 64  # the previous hash of the very first entry


class AuditEntry(Model):
    """One audited action. Its key is its number in the chain, without gaps. It has no foreign keys,
    so it outlives the rows.
    """

    id = fields.BigIntField(primary_key=True, generated=False)
    at: datetime = fields.DatetimeField(db_index=True)
    actor_id: int | None = fields.BigIntField(null=True)
    staff = fields.CharField(max_length=10, null=True)
    account_id: int | None = fields.BigIntField(null=True)
    session_id: int | None = fields.BigIntField(null=True)
    action = fields.CharField(max_length=40)
    object_type = fields.CharField(max_length=40, null=True)
    object_id: int | None = fields.BigIntField(null=True)
    address = fields.CharField(max_length=45, null=True)
    details = fields.TextField()
    previous_hash = fields.CharField(max_length=64)
    hash = fields.CharField(max_length=64)

    class Meta:
        table = "audit_entry"
        indexes = (
            ("account_id", "id"),
            ("actor_id", "id"),
            ("action", "id"),
            ("object_type", "object_id"),
        )

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["AuditEntry"]:
        """Operators see all entries, owners those of their account."""
        if viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        account_id = viewer.account.pk if viewer.account and viewer.role is Role.OWNER else None
        return cls.filter(account_id=account_id) if account_id else cls.filter(id=None)


class AuditChain(Model):
    """Both ends of the chain, in a single row: the number and hash of the last expired entry, and
    of the last entry of all.
    """

    id = fields.IntField(primary_key=True, generated=False)
    expired_sequence = fields.BigIntField(default=0)
    expired_hash = fields.CharField(max_length=64, default=GENESIS_HASH)
    last_sequence = fields.BigIntField(default=0)
    last_hash = fields.CharField(max_length=64, default=GENESIS_HASH)

    class Meta:
        table = "audit_chain"


HASHED_COLUMNS = (
    "at",
    "actor_id",
    "staff",
    "account_id",
    "session_id",
    "action",
    "object_type",
    "object_id",
    "address",
    "details",
)


def entry_hash(sequence: int, values: Sequence[Any], previous: str) -> str:
    """Return an entry's hash in hexadecimal: SHA-256 over a JSON array of its number, its values in
    the order of HASHED_COLUMNS, and the previous hash.

    Raises TypeError for a value that can't be stored in these columns.
    """
    at, *other_values = values
    # as SQLite stores it
    timestamp = at.astimezone(UTC).isoformat(" ") if isinstance(at, datetime) else at
    return hashlib.sha256(orjson.dumps([sequence, timestamp, *other_values, previous])).hexdigest()


def encode_details(details: Mapping[str, Detail]) -> str:
    """Return details as they are stored: as JSON with sorted keys."""
    return orjson.dumps(details, option=orjson.OPT_SORT_KEYS).decode()


async def append(db: BaseDBAsyncClient, entries: Sequence[Mapping[str, Any]]) -> None:
    """Append entries, which map HASHED_COLUMNS to values, to the chain, just before the
    transaction's commit.

    Several entries take one statement, so that the duration of a failed sign-in doesn't reveal in
    how many accounts it is logged.
    """
    end, previous = await _reserve_numbers(db, len(entries))
    rows: list[list[Any]] = []
    for sequence, entry in enumerate(entries, end - len(entries) + 1):
        values = [entry[column] for column in HASHED_COLUMNS]
        current = entry_hash(sequence, values, previous)
        rows.append([sequence, *values, previous, current])
        previous = current
    batches = [rows[start : start + _BATCH_SIZE] for start in range(0, len(rows), _BATCH_SIZE)]
    for batch in batches[:-1]:
        await execute(_insert(batch), *itertools.chain(*batch), db=db)
    last = batches[-1]
    if dialect(db) == "postgres":  # in one statement, because others wait for the end of the chain
        statement = f"WITH stored AS ({_insert(last)}) {_SET_LAST_HASH}"
        await execute(statement, *itertools.chain(*last), previous, db=db)
    else:
        await execute(_insert(last), *itertools.chain(*last), db=db)
        await execute(_SET_LAST_HASH, previous, db=db)


def _insert(rows: Sequence[Sequence[Any]]) -> str:
    return f"{_INSERT} {', '.join([_PLACEHOLDERS] * len(rows))}"


async def _reserve_numbers(db: BaseDBAsyncClient, count: int) -> tuple[int, str]:
    """Take the next `count` numbers. Returns the last of them and the hash of the last entry; locks
    the end of the chain.
    """
    (end,) = await execute(
        "UPDATE audit_chain SET last_sequence = last_sequence + ? WHERE id = 1 RETURNING "
        "last_sequence, last_hash",
        count,
        db=db,
    )
    return end["last_sequence"], end["last_hash"]


_COLUMNS = ("id", *HASHED_COLUMNS, "previous_hash", "hash")
_INSERT = f"INSERT INTO audit_entry ({', '.join(_COLUMNS)}) VALUES"
_PLACEHOLDERS = f"({', '.join('?' * len(_COLUMNS))})"
_SET_LAST_HASH = "UPDATE audit_chain SET last_hash = ? WHERE id = 1"
_BATCH_SIZE = 100
