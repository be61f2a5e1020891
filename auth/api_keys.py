"""API keys: what they look like, how much they may use, and which of them are valid.

A key is `cam_sk_`, eight characters that identify it, `_`, and 43 random letters and digits, which
are 256 bits. The database stores only its SHA-256 hash. A slow hash would protect nothing: nobody
can try 256 bits.
"""

import re
import secrets
import string
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from auth.sessions import token_hash
from auth.throttle import Key, Limit, key
from models.accounts.account import AccountStatus
from models.accounts.service_account import ApiKey
from models.action import Transaction

MARK = "cam_sk_"
# For scanners that look for leaked keys, as docs/security.md tells.
KEY_PATTERN = re.compile(r"cam_sk_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}")
_ALPHABET = string.digits + string.ascii_letters

# The time that one use is written at most once in, so that most requests need no write.
USE_PRECISION = timedelta(minutes=5)
MIN_POINTS = 10  # that an operation takes from the allowance of its key
# The allowance of a key, in points: an operation takes its cost. It recovers by 500 a second.
ALLOWANCE = Limit(
    "api key",
    free_attempts=50_000,
    decay=timedelta(milliseconds=2),
    max_wait=timedelta(seconds=10),
)
# Keys that don't exist, per network.
UNKNOWN_KEY = Limit("unknown api key", free_attempts=20, decay=timedelta(minutes=1))


class NewKey(NamedTuple):
    """A new key in clear text, which exists only here, and what is stored of it."""

    secret: str
    prefix: str
    key_hash: str


class ApiKeyCredential(NamedTuple):
    """The key that a subscription was opened with."""

    key_id: int


def new_key() -> NewKey:
    """A new random key."""
    prefix = MARK + _random_text(8)
    secret = f"{prefix}_{_random_text(43)}"
    return NewKey(secret, prefix, token_hash(secret))


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def is_api_key(token: str) -> bool:
    """Whether a token is an API key, valid or not, and not a session's."""
    return token.startswith(MARK)


def api_key_key(key_id: int) -> str:
    """The key to announce when an API key is revoked or its company can no longer use it, so that
    its websockets close and no cached viewer is used any more.
    """
    return f"api_key:{key_id}"


def allowance_key(key_id: int) -> Key:
    """The key under which the operations of an API key count."""
    return key(ALLOWANCE, key_id)


async def valid_key_ids(key_ids: Collection[int], at: datetime) -> set[int]:
    """Which of these keys are valid, in one query: neither revoked nor expired, and of an active
    company.
    """
    valid_keys = ApiKey.filter(
        pk__in=list(key_ids),
        revoked_at=None,
        expires_at__gt=at,
        service_account__account__status=AccountStatus.ACTIVE,
    )
    return set(await valid_keys.values_list("id", flat=True)) if key_ids else set()  # type: ignore[arg-type]


async def announce_keys_of(tx: Transaction, account_id: int) -> None:
    """Announce that the keys of a company may have changed."""
    keys = ApiKey.filter(service_account__account_id=account_id, revoked_at=None).using_db(tx.db)
    for key_id in await keys.order_by("id").values_list("id", flat=True):
        tx.streams[api_key_key(int(str(key_id)))] = None
