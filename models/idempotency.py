"""Keys that make a repeated request return what the first request created."""

import hashlib
from contextlib import suppress
from typing import Any, TypeVar

import orjson
from tortoise import fields
from tortoise.models import Model

from models.action import Action, Transaction
from models.database.sql import execute
from models.errors import CommonErrorCode, Refusal
from models.text import client_key

_PROVIDER_OWNER = "provider:"

Row = TypeVar("Row", bound=Model)


class IdempotencyKey(Model):
    """A key that a client sent with a request that creates something, and what the request
    created.
    """

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


async def earlier_result(
    tx: Transaction, owner: str, operation: str, key: str | None, arguments: Any
) -> int | None:
    """Return what an earlier request with this key stored, usually a row's id, or None for the
    first one, whose key is then stored.

    Without a key, every request is a first one. A concurrent request with the same key waits for
    the commit of the first one. `arguments` never contain a password, a code or a token, because
    their hash is stored. Raises IDEMPOTENCY_MISMATCH when the earlier request had other arguments.
    """
    if key is None:
        return None
    fingerprint = hashlib.sha256(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)).hexdigest()
    inserted_rows = await execute(
        "INSERT INTO idempotency_key (owner, operation, key, fingerprint, created_on) VALUES (?, "
        "?, ?, ?, ?) ON CONFLICT (owner, operation, key) DO NOTHING RETURNING id",
        owner,
        operation,
        key,
        fingerprint,
        tx.action.day.isoformat(),
        db=tx.db,
    )
    if inserted_rows:
        return None
    existing = await IdempotencyKey.get(owner=owner, operation=operation, key=key, using_db=tx.db)
    if existing.fingerprint != fingerprint:
        raise Refusal(CommonErrorCode.IDEMPOTENCY_MISMATCH, "input", "idempotencyKey")
    return existing.created_id


async def earlier_row(tx: Transaction, model: type[Row], key: int) -> Row:
    """The row that an earlier request created. Raises NOT_ACTIVE when it was deleted since."""
    row = await model.get_or_none(pk=key, using_db=tx.db)
    if row is None:
        raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "idempotencyKey")
    return row


async def has_earlier_result(owner: str, operation: str, key: str) -> bool:
    """Whether an earlier request had this key, whatever its arguments: a repeat isn't limited."""
    return await IdempotencyKey.filter(owner=owner, operation=operation, key=key).exists()


async def is_known_key(owner: str, operation: str, key: str) -> bool:
    """Whether an earlier request had a key that isn't checked yet. False for an invalid key."""
    with suppress(Refusal):
        return await has_earlier_result(owner, operation, client_key(key))
    return False


async def store_result(
    tx: Transaction, owner: str, operation: str, key: str | None, result: int = 0
) -> None:
    """Store what the request returned, for its repeats: a row's id, or any number where there is
    nothing to return.
    """
    if key is not None:
        await (
            IdempotencyKey.filter(owner=owner, operation=operation, key=key)
            .using_db(tx.db)
            .update(created_id=result)
        )


def provider_owner(provider: str) -> str:
    """The owner of the keys of a payment provider."""
    return f"{_PROVIDER_OWNER}{provider}"


def owner_of(action: Action) -> str:
    """The owner of the keys of a member of staff, or of the operator's commands."""
    return f"user:{action.actor.pk}" if action.actor else "operator"


def anonymous_owner(network: str, email: str) -> str:
    """Return the owner of the keys of requests without a session: the network they come from and
    the address that they name.

    No one in another network can use up or test someone's keys, and a key never reveals whether the
    address is known.
    """
    owner = f"{network} {email}".encode("utf-8", "surrogatepass")
    return f"network:{hashlib.sha256(owner).hexdigest()[:24]}"
