"""The audit log: who did what to which object, from where. Entries are only ever appended, and chained so that tampering shows.

An entry holds the hash of the one before it, and the SHA-256 of itself with that. Whoever changes, removes, swaps or slips in
one must write all later ones anew, and the chain's end: an end that was noted elsewhere shows even that.

Entries are written at the very end of the transaction whose act they tell of (`Transaction.audit`): with it or not at all. The
chain's end is one row, taken last of all and kept until the commit. So numbers have no gap, two transactions never wait for
each other, and what is not audited, such as saying something in a ticket, never waits for what is.

An entry names rows by their keys: no person, no secret, no words of anybody's. See docs/security.md.
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
from models.database.sql import execute
from models.identity.user import Staff

if TYPE_CHECKING:
    from models.viewer import Viewer

Detail = str | int | bool | None
GENESIS_HASH = "0" * 64  # what the first entry of all has for the hash before it


class AuditEntry(Model):
    """One act. Its key is its number in the chain, without gaps. It refers to no row, so it outlives them all."""

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
        indexes = (("account_id", "id"), ("actor_id", "id"), ("action", "id"), ("object_type", "object_id"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["AuditEntry"]:
        """The operator sees every entry, a company's owner those of the company."""
        if viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        owned = viewer.account.pk if viewer.account and viewer.role is Role.OWNER else None
        return cls.filter(account_id=owned) if owned else cls.filter(id=None)


class AuditChain(Model):
    """Both ends of the chain, one row: the last entry that expired with its hash, and the last one of all with its own."""

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


def entry_hash(sequence: int, told: Sequence[Any], previous: str) -> str:
    """An entry's hash: SHA-256 over a JSON list of its number, its columns in the order of TOLD, and the hash before it.

    Raises TypeError for values that no column of ours holds.
    """
    at, *others = told
    moment = at.astimezone(UTC).isoformat(" ") if isinstance(at, datetime) else at  # SQLite keeps and returns that very text
    return hashlib.sha256(orjson.dumps([sequence, moment, *others, previous])).hexdigest()


def encode_details(details: Mapping[str, Detail]) -> str:
    """Details as they are stored: their JSON, the keys in order."""
    return orjson.dumps(details, option=orjson.OPT_SORT_KEYS).decode()


async def append(db: BaseDBAsyncClient, entries: Sequence[Mapping[str, Any]]) -> None:
    """Store entries (their columns TOLD) as the chain's next ones, just before the commit of what they tell of.

    One statement for several: how many companies a failed sign-in is told to must not show in its time.
    """
    end, previous = await _taken(db, len(entries))
    values: list[list[Any]] = []
    for sequence, entry in enumerate(entries, end - len(entries) + 1):
        told = [entry[column] for column in HASHED_COLUMNS]
        following = entry_hash(sequence, told, previous)
        values.append([sequence, *told, previous, following])
        previous = following
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        await execute(f"{_INSERT} {', '.join([_PLACES] * len(part))}", *itertools.chain(*part), db=db)
    await execute("UPDATE audit_chain SET last_hash = ? WHERE id = 1", previous, db=db)


async def _taken(db: BaseDBAsyncClient, count: int) -> tuple[int, str]:
    """The last of the next `count` numbers, and the hash of the last entry; the chain's end is locked by it."""
    (end,) = await execute(
        "UPDATE audit_chain SET last_sequence = last_sequence + ? WHERE id = 1 RETURNING last_sequence, last_hash", count, db=db
    )
    return end["last_sequence"], end["last_hash"]


_COLUMNS = ("id", *HASHED_COLUMNS, "previous_hash", "hash")
_INSERT = f"INSERT INTO audit_entry ({', '.join(_COLUMNS)}) VALUES"
_PLACES = f"({', '.join('?' * len(_COLUMNS))})"
_AT_ONCE = 100
