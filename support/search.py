"""Filling the full-text index of tickets (models/support/search_entry.py): a job.

It adds the subjects, messages and notes that have no entry yet. A transaction may commit after
others that took later keys, so the job checks a number of earlier keys each time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.database.sql import fetch_records
from models.support.search_entry import indexed_stems

BATCH_SIZE = 100
PAUSE_SECONDS = 0.05  # between batches, so that those who wait for a response go first
LOOK_BACK = 5_000  # keys


@dataclass(frozen=True)
class _Source:
    """A kind of rows that are searched, and the column of the entry that refers to one."""

    column: str  # NULL for the subject of a ticket
    select: str
    internal: bool


_SOURCES = (
    _Source("NULL", "SELECT r.id, r.id, r.subject FROM ticket r", internal=False),
    _Source("message_id", "SELECT r.id, r.ticket_id, r.body FROM message r", internal=False),
    _Source("note_id", "SELECT r.id, r.ticket_id, r.body FROM note r", internal=True),
)


async def index_new() -> int:
    """Add index entries for what is new. Returns how many."""
    return sum([await _index(source) for source in _SOURCES])


async def _index(source: _Source) -> int:
    count = 0
    while rows := await _missing(source):
        await _insert(source, rows)
        count += len(rows)
        if len(rows) < BATCH_SIZE:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    return count


async def _missing(source: _Source) -> Sequence[Any]:
    is_subject = source.column == "NULL"
    key = "e.ticket_id" if is_subject else f"e.{source.column}"
    entries = "search_entry e" + (
        " WHERE e.message_id IS NULL AND e.note_id IS NULL" if is_subject else ""
    )
    both = " AND " if is_subject else " WHERE "
    # Said twice, so that both indexes are read from there on.
    return await fetch_records(
        f"WITH since AS (SELECT COALESCE(MAX({key}), 0) - ? AS id FROM {entries}) "  # noqa: S608 - our own names
        f"{source.select} WHERE r.id > (SELECT id FROM since) AND NOT EXISTS "
        f"(SELECT 1 FROM {entries}{both}{key} = r.id AND {key} > (SELECT id FROM since)) "
        f"ORDER BY r.id LIMIT ?",
        LOOK_BACK,
        BATCH_SIZE,
    )


async def _insert(source: _Source, rows: Sequence[Any]) -> None:
    internal = "TRUE" if source.internal else "FALSE"
    if source.column == "NULL":
        columns, place = "ticket_id, stems, internal", f"(?, ?, {internal})"
    else:
        columns, place = f"ticket_id, stems, {source.column}, internal", f"(?, ?, ?, {internal})"
    params: list[Any] = []
    for key, ticket_id, text in rows:
        params += (ticket_id, indexed_stems(text))
        if source.column != "NULL":
            params.append(key)
    await fetch_records(
        f"INSERT INTO search_entry ({columns}) VALUES {', '.join([place] * len(rows))}"  # noqa: S608 - our own names
        " ON CONFLICT DO NOTHING",
        *params,
    )
