"""Queues in tables: any number of processes claim rows that are due, and each row is claimed by
one.
"""

from datetime import timedelta

from models.action import Action
from models.database.sql import dialect, execute

LEASE = timedelta(minutes=2)  # longer than the work on one row may take
_MAX_WAIT_MINUTES = 240


async def claim_due(action: Action, table: str, key: str = "id", where: str = "") -> int | None:
    """Claim the row of a queue that has been due for the longest time, and return its key. Its next
    attempt is after 2, 4, 8, ... minutes, at most 4 hours: the claim expires by itself if the
    process dies, so that a failure only needs to be recorded.

    `where` is a further condition in SQL. The table has the columns `next_attempt_at`, null for a
    row that isn't queued, and `attempts`, which counts the claims.
    """
    skip_locked = f" FOR NO KEY UPDATE OF {table} SKIP LOCKED" if dialect() == "postgres" else ""
    condition = f" AND {where}" if where else ""
    async with action.transaction() as tx:
        rows = await execute(
            f"SELECT {key} AS key, attempts FROM {table} WHERE next_attempt_at <= ?{condition} "  # noqa: S608 - our own names
            f"ORDER BY next_attempt_at, {key} LIMIT 1{skip_locked}",
            action.at,
            db=tx.db,
        )
        if not rows:
            return None
        attempts = int(rows[0]["attempts"])
        wait = timedelta(minutes=min(2**attempts, _MAX_WAIT_MINUTES))
        await execute(
            f"UPDATE {table} SET next_attempt_at = ?, attempts = ? WHERE {key} = ?",  # noqa: S608 - our own names
            action.at + max(LEASE, wait),
            attempts + 1,
            rows[0]["key"],
            db=tx.db,
        )
    return int(rows[0]["key"])
