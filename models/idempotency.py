"""Keys that make a repeated request return what the first one made."""

import hashlib
from typing import Any

import orjson
from tortoise import fields
from tortoise.models import Model

from models.action import Transaction
from models.database.sql import execute
from models.errors import CommonErrorCode, Refusal


class IdempotencyKey(Model):
    """A key a client gave with a request that creates something, and what came of it."""

    id = fields.BigIntField(primary_key=True)
    owner = fields.CharField(max_length=32)
    operation = fields.CharField(max_length=40)
    key = fields.CharField(max_length=64)
    fingerprint = fields.CharField(max_length=64)
    created_id: int | None = fields.BigIntField(null=True)
    created_on = fields.CharField(max_length=10)

    class Meta:
        table = "idempotency_key"
        unique_together = (("owner", "operation", "key"),)


async def earlier(tx: Transaction, owner: str, operation: str, key: str, arguments: Any) -> int | None:
    """What the same request made before, as its row's id, or None for a first one, whose key is then taken.

    Of two at once, the second waits for the first's commit. Raises IDEMPOTENCY_MISMATCH when the key came with other arguments.
    """
    fingerprint = hashlib.sha256(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)).hexdigest()
    taken = await execute(
        "INSERT INTO idempotency_key (owner, operation, key, fingerprint, created_on) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, operation, key) DO NOTHING RETURNING id",
        owner, operation, key, fingerprint, tx.action.day.isoformat(), db=tx.db,
    )  # fmt: skip
    if taken:
        return None
    first = await IdempotencyKey.get(owner=owner, operation=operation, key=key, using_db=tx.db)
    if first.fingerprint != fingerprint:
        raise Refusal(CommonErrorCode.IDEMPOTENCY_MISMATCH, "input", "idempotencyKey")
    return first.created_id


async def made(tx: Transaction, owner: str, operation: str, key: str, created_id: int) -> None:
    """Note what the request made, for its repeats."""
    await IdempotencyKey.filter(owner=owner, operation=operation, key=key).using_db(tx.db).update(created_id=created_id)
