"""Verifying that the audit log is complete and unchanged, and removing entries that are too old,
after which it can still be verified.

The verification reads the stored values as the driver returns them, a page at a time, so that
values which the application could never have written are reported instead of causing an exception.
Entries expire from the oldest on: the chain then starts after the last expired entry, whose hash is
kept, and an entry records it.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from itertools import takewhile
from typing import Any, NamedTuple

from models.action import Action, Transaction
from models.audit import GENESIS_HASH, HASHED_COLUMNS, encode_details, entry_hash
from models.database.sql import execute, fetch_records
from models.operations.audit_actions import OperationsAuditAction

KEPT = timedelta(days=365)
_BATCH = 1_000
_PAGE = 500


class End(NamedTuple):
    """A position in the chain: the number of an entry and its hash."""

    sequence: int
    hash: str

    @classmethod
    def of(cls, text: str) -> "End":
        """Parse an end as printed by a verification. Raises ValueError."""
        sequence, _, hashed = text.partition(":")
        if len(hashed) != len(GENESIS_HASH):
            raise ValueError(text)
        return cls(int(sequence), hashed)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


@dataclass(frozen=True)
class AuditProof:
    """The number of entries and the end of the chain; the first invalid entry and what is wrong
    with it, None when all are valid.
    """

    entries: int
    last: End
    broken_at: int | None = None
    fault: str | None = None


class _Chain(NamedTuple):
    begin: End
    last: End
    oldest: int | None
    newest: int | None


class _Broken(Exception):
    def __init__(self, sequence: int, fault: str) -> None:
        super().__init__(fault)
        self.sequence, self.fault = sequence, fault


async def audit_proof(noted: End | None = None) -> AuditProof:
    """Verify every entry up to the current end. `noted` is an earlier end that was stored
    elsewhere, to compare with.
    """
    while True:
        chain = await _chain()
        found = AuditProof(chain.last.sequence - chain.begin.sequence, chain.last)
        try:
            await _verify(chain, noted)
        except _Broken as broken:
            if (await _chain()).begin != chain.begin:
                continue  # entries expired while we looked
            return replace(found, broken_at=broken.sequence, fault=broken.fault)
        return found


async def _chain() -> _Chain:
    found = await execute(_CHAIN)
    if not found:
        return _Chain(End(0, GENESIS_HASH), End(0, ""), None, None)
    return _Chain(
        End(found[0]["expired_sequence"], found[0]["expired_hash"]),
        End(found[0]["last_sequence"], found[0]["last_hash"]),
        found[0]["oldest"],
        found[0]["newest"],
    )


async def _verify(chain: _Chain, noted: End | None) -> None:
    """Verify the chain. Raises _Broken at the first invalid entry."""
    if not chain.last.hash:
        raise _Broken(0, "the row that holds both ends of the chain is missing")
    place, expiry = chain.begin, None
    if noted and noted.sequence < place.sequence:
        raise _Broken(
            noted.sequence, f"entry {noted.sequence} was noted, but has expired: note a later one"
        )
    _compare(place, noted)
    async for sequence, *told, previous, hashed in _entries(chain):
        _follow(place, sequence, told, previous, hashed)
        place = End(sequence, hashed)
        _compare(place, noted)
        expiry = told[_DETAILS] if told[_ACTION] == OperationsAuditAction.AUDIT_EXPIRE else expiry
    _close(chain, place, expiry, noted)


def _compare(place: End, noted: End | None) -> None:
    if noted and noted.sequence == place.sequence and noted != place:
        raise _Broken(place.sequence, f"entry {place.sequence} is not the one that was noted")


def _follow(before: End, sequence: int, told: Sequence[Any], previous: Any, hashed: Any) -> None:
    if sequence != before.sequence + 1:
        raise _Broken(before.sequence + 1, f"entry {before.sequence + 1} is missing")
    if previous != before.hash:
        raise _Broken(sequence, f"entry {sequence} does not follow the one before it")
    try:
        right = hashed == entry_hash(sequence, told, before.hash)
    except TypeError:
        right = False
    if not right:
        raise _Broken(sequence, f"entry {sequence} was changed")


def _close(chain: _Chain, place: End, expiry: str | None, noted: End | None) -> None:
    begin, last = chain.begin, chain.last
    if place != last or (chain.newest or last.sequence) > last.sequence:
        more = ", and there are later ones" if place.sequence == last.sequence else ""
        raise _Broken(
            place.sequence + 1,
            f"the entries end at {place.sequence}, but the chain at {last.sequence}{more}",
        )
    if begin.sequence and expiry != encode_details({"through": begin.sequence, "hash": begin.hash}):
        raise _Broken(begin.sequence, f"no entry tells that those up to {begin.sequence} expired")
    if chain.oldest is not None and chain.oldest <= begin.sequence:
        raise _Broken(chain.oldest, f"entry {chain.oldest} expired, but is there")
    if noted and noted.sequence > last.sequence:
        raise _Broken(
            last.sequence + 1,
            f"entry {noted.sequence} was noted, but the chain ends at {last.sequence}",
        )


async def _entries(chain: _Chain) -> AsyncIterator[Sequence[Any]]:
    place = chain.begin.sequence
    while page := await fetch_records(_READ, place, chain.last.sequence, _PAGE):
        for entry in page:
            yield entry
        place = page[-1][0]


async def expire(action: Action, kept: timedelta = KEPT) -> int:
    """Remove the entries that are older than `kept`, from the oldest on. Returns how many; safe to
    run repeatedly and concurrently.
    """
    removed = 0
    while count := await _expire_some(action, kept):
        removed += count
    return removed


async def _expire_some(action: Action, kept: timedelta) -> int:
    async with action.transaction() as tx:
        end = await _expirable(tx, kept)
        if end is None or not await _move_start(tx, end):
            return 0
        gone = await execute(
            "DELETE FROM audit_entry WHERE id <= ? RETURNING id", end.sequence, db=tx.db
        )
        tx.audit(OperationsAuditAction.AUDIT_EXPIRE, through=end.sequence, hash=end.hash)
    return len(gone)


async def _expirable(tx: Transaction, kept: timedelta) -> End | None:
    """The last entry of the next batch whose entries are all too old."""
    found = await execute(_OLDEST, (tx.action.at - kept).astimezone(UTC), _BATCH, db=tx.db)
    old = list(takewhile(lambda entry: entry["old"], found))
    return End(old[-1]["id"], old[-1]["hash"]) if old else None


async def _move_start(tx: Transaction, end: End) -> bool:
    """Let the chain start after this entry, unless another process has just done so."""
    moved = await execute(_MOVE, end.sequence, end.hash, end.sequence, db=tx.db)
    return bool(moved)


_ACTION, _DETAILS = HASHED_COLUMNS.index("action"), HASHED_COLUMNS.index("details")
_CHAIN = """
SELECT expired_sequence, expired_hash, last_sequence, last_hash,
    (SELECT MIN(id) FROM audit_entry) AS oldest, (SELECT MAX(id) FROM audit_entry) AS newest
FROM audit_chain WHERE id = 1
"""
_READ = (
    f"SELECT id, {', '.join(HASHED_COLUMNS)}, previous_hash, hash FROM audit_entry"  # noqa: S608 - names of columns
    " WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
)
_OLDEST = "SELECT id, hash, at < ? AS old FROM audit_entry ORDER BY id LIMIT ?"
_MOVE = """
UPDATE audit_chain SET expired_sequence = ?, expired_hash = ? WHERE id = 1 AND expired_sequence < ?
RETURNING expired_sequence
"""
