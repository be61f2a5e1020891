"""Verifying that the audit log is complete and unchanged, and removing entries that have expired,
without making it unverifiable.

The verification reads the stored values as the driver returns them, a page at a time, so that
values which the application could never have written are reported instead of causing an exception.
Entries expire from the oldest on: the chain then starts after the last expired entry, whose hash is
kept, and an entry records it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from itertools import takewhile
from typing import Any, NamedTuple

from models.action import Action, Transaction
from models.audit import GENESIS_HASH, HASHED_COLUMNS, encode_details, entry_hash
from models.database.sql import execute, fetch_records
from models.database.workload import Workload, workload
from models.operations.audit_actions import OperationsAuditAction

RETENTION = timedelta(days=365)
_BATCH_SIZE = 1_000
_PAGE_SIZE = 500


class ChainPosition(NamedTuple):
    """A position in the chain: the number of an entry and its hash."""

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> "ChainPosition":
        """Parse a position as printed by a verification. Raises ValueError."""
        sequence, _, hash_ = text.partition(":")
        if len(hash_) != len(GENESIS_HASH):
            raise ValueError(text)
        return cls(int(sequence), hash_)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


@dataclass(frozen=True)
class AuditProof:
    """The number of entries and the end of the chain; the first invalid entry and its error, None
    when all are valid.
    """

    entries: int
    last: ChainPosition
    first_invalid_sequence: int | None = None
    error: str | None = None


class _Chain(NamedTuple):
    begin: ChainPosition
    last: ChainPosition
    oldest: int | None
    newest: int | None


class _InvalidEntry(Exception):
    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(reason)
        self.sequence, self.reason = sequence, reason


async def audit_proof(expected: ChainPosition | None = None) -> AuditProof:
    """Verify every entry up to the current end. `expected` is an earlier end that was stored
    elsewhere, to compare with.
    """
    while True:
        chain = await _read_chain()
        proof = AuditProof(chain.last.sequence - chain.begin.sequence, chain.last)
        try:
            await _verify(chain, expected)
        except _InvalidEntry as error:
            if (await _read_chain()).begin != chain.begin:
                continue  # entries expired during the verification
            return replace(proof, first_invalid_sequence=error.sequence, error=error.reason)
        return proof


async def _read_chain() -> _Chain:
    rows = await execute(_SELECT_CHAIN)
    if not rows:
        return _Chain(ChainPosition(0, GENESIS_HASH), ChainPosition(0, ""), None, None)
    return _Chain(
        ChainPosition(rows[0]["expired_sequence"], rows[0]["expired_hash"]),
        ChainPosition(rows[0]["last_sequence"], rows[0]["last_hash"]),
        rows[0]["oldest"],
        rows[0]["newest"],
    )


async def _verify(chain: _Chain, expected: ChainPosition | None) -> None:
    """Verify the chain. Raises _InvalidEntry at the first invalid entry."""
    if not chain.last.hash:
        raise _InvalidEntry(0, "the row that holds both ends of the chain is missing")
    position, expiry = chain.begin, None
    if expected and expected.sequence < position.sequence:
        raise _InvalidEntry(
            expected.sequence,
            f"entry {expected.sequence} was expected, but has expired: use a later one",
        )
    _compare_with_expected(position, expected)
    while page := await _next_page(chain, position):
        # In a thread, and short enough not to hold up others who wait for Python's interpreter.
        position, page_expiry = await asyncio.to_thread(_verify_page, position, page, expected)
        expiry = page_expiry or expiry
    _verify_end(chain, position, expiry, expected)


def _verify_page(
    position: ChainPosition, page: Sequence[Sequence[Any]], expected: ChainPosition | None
) -> tuple[ChainPosition, str | None]:
    """Verify entries that follow this position. Returns the position of the last one, and what the
    last entry about expired ones says, if there is any. Raises _InvalidEntry.
    """
    expiry = None
    for sequence, *values, previous, hash_ in page:
        _verify_entry(position, sequence, values, previous, hash_)
        position = ChainPosition(sequence, hash_)
        _compare_with_expected(position, expected)
        if values[_ACTION] == OperationsAuditAction.AUDIT_EXPIRE:
            expiry = values[_DETAILS]
    return position, expiry


def _compare_with_expected(position: ChainPosition, expected: ChainPosition | None) -> None:
    if expected and expected.sequence == position.sequence and expected != position:
        raise _InvalidEntry(
            position.sequence, f"entry {position.sequence} is not the one that was expected"
        )


def _verify_entry(
    previous_position: ChainPosition,
    sequence: int,
    values: Sequence[Any],
    previous: Any,
    hash_: Any,
) -> None:
    if sequence != previous_position.sequence + 1:
        raise _InvalidEntry(
            previous_position.sequence + 1, f"entry {previous_position.sequence + 1} is missing"
        )
    if previous != previous_position.hash:
        raise _InvalidEntry(sequence, f"entry {sequence} does not follow the one before it")
    try:
        is_valid = hash_ == entry_hash(sequence, values, previous_position.hash)
    except TypeError:
        is_valid = False
    if not is_valid:
        raise _InvalidEntry(sequence, f"entry {sequence} was changed")


def _verify_end(
    chain: _Chain, position: ChainPosition, expiry: str | None, expected: ChainPosition | None
) -> None:
    begin, last = chain.begin, chain.last
    if position != last or (chain.newest or last.sequence) > last.sequence:
        suffix = ", and there are later ones" if position.sequence == last.sequence else ""
        raise _InvalidEntry(
            position.sequence + 1,
            f"the entries end at {position.sequence}, but the chain at {last.sequence}{suffix}",
        )
    if begin.sequence and expiry != encode_details({"through": begin.sequence, "hash": begin.hash}):
        raise _InvalidEntry(
            begin.sequence, f"no entry tells that those up to {begin.sequence} expired"
        )
    if chain.oldest is not None and chain.oldest <= begin.sequence:
        raise _InvalidEntry(chain.oldest, f"entry {chain.oldest} expired, but is there")
    if expected and expected.sequence > last.sequence:
        raise _InvalidEntry(
            last.sequence + 1,
            f"entry {expected.sequence} was expected, but the chain ends at {last.sequence}",
        )


async def _next_page(chain: _Chain, position: ChainPosition) -> Sequence[Sequence[Any]]:
    with workload(Workload.REPORTS):
        return await fetch_records(
            _SELECT_ENTRIES, position.sequence, chain.last.sequence, _PAGE_SIZE
        )


async def expire(action: Action, retention: timedelta = RETENTION) -> int:
    """Remove the entries that are older than `retention`, from the oldest on. Returns how many;
    safe to run repeatedly and concurrently.
    """
    removed = 0
    while count := await _expire_batch(action, retention):
        removed += count
    return removed


async def _expire_batch(action: Action, retention: timedelta) -> int:
    async with action.transaction() as tx:
        end = await _last_expirable(tx, retention)
        if end is None or not await _advance_start(tx, end):
            return 0
        deleted_rows = await execute(
            "DELETE FROM audit_entry WHERE id <= ? RETURNING id", end.sequence, db=tx.db
        )
        tx.audit(OperationsAuditAction.AUDIT_EXPIRE, through=end.sequence, hash=end.hash)
    return len(deleted_rows)


async def _last_expirable(tx: Transaction, retention: timedelta) -> ChainPosition | None:
    """The last entry of the next batch whose entries are all too old."""
    rows = await execute(
        _SELECT_OLDEST, (tx.action.at - retention).astimezone(UTC), _BATCH_SIZE, db=tx.db
    )
    expired_entries = list(takewhile(lambda entry: entry["old"], rows))
    return (
        ChainPosition(expired_entries[-1]["id"], expired_entries[-1]["hash"])
        if expired_entries
        else None
    )


async def _advance_start(tx: Transaction, end: ChainPosition) -> bool:
    """Start the chain after this entry, unless another process has just done so."""
    rows = await execute(_ADVANCE_START, end.sequence, end.hash, end.sequence, db=tx.db)
    return bool(rows)


_ACTION, _DETAILS = HASHED_COLUMNS.index("action"), HASHED_COLUMNS.index("details")
_SELECT_CHAIN = """
SELECT expired_sequence, expired_hash, last_sequence, last_hash,
    (SELECT MIN(id) FROM audit_entry) AS oldest, (SELECT MAX(id) FROM audit_entry) AS newest
FROM audit_chain WHERE id = 1
"""
_SELECT_ENTRIES = (
    f"SELECT id, {', '.join(HASHED_COLUMNS)}, previous_hash, hash FROM audit_entry"  # noqa: S608 - names of columns
    " WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
)
_SELECT_OLDEST = "SELECT id, hash, at < ? AS old FROM audit_entry ORDER BY id LIMIT ?"
_ADVANCE_START = """
UPDATE audit_chain SET expired_sequence = ?, expired_hash = ? WHERE id = 1 AND expired_sequence < ?
RETURNING expired_sequence
"""
