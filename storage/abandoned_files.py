"""Files that nobody attached to anything are deleted, row and bytes.

Three steps for each file, each by itself: the row is marked, then the bytes go, then the row. The mark and attaching a file are
each one statement that wants the row without the other's trace, so of two at once the database lets one through: what was
attached is never marked, what is marked is attached to nothing any more. A process killed in between leaves a marked row, which
the next turn finds as it found it first. Bytes go before the row that leads to them, else they would stay for ever.

No transaction holds the three together: the store may take its time, and on SQLite nobody could write meanwhile.
"""

from datetime import timedelta

import structlog

from models.action import Action
from models.support.file import File
from storage.store import Store, StoreUnavailable

# From its announcement. A message or a request is written in a sitting: a day lets one be finished the next morning. It must be
# longer than an upload can last (the link's five minutes and the five of its body), so no bytes arrive for a row that went.
RETENTION = timedelta(hours=24)
_BATCH = 100

log = structlog.stdlib.get_logger()


async def delete_abandoned(action: Action, store: Store) -> int:
    """Delete the files that aren't attached to anything a day after they were announced. Returns how many rows were deleted.

    Stops while the store is unavailable. Any other error of one file is logged and doesn't delay the others.
    """
    last = gone = 0
    while (
        files := await File.unattached().filter(created_at__lte=action.at - RETENTION, pk__gt=last).order_by("id").limit(_BATCH)
    ):
        for file in files:
            try:
                gone += await _deleted(action, store, file)
            except StoreUnavailable:
                log.warning("store.unavailable", file=file.pk)
                return gone
            except Exception as fault:
                log.error("file.not_deleted", file=file.pk, error=type(fault).__name__, exc_info=fault)
        last = files[-1].pk
    return gone


async def _deleted(action: Action, store: Store, file: File) -> int:
    """One row at a time, so that this never waits for a row while it holds another one that its owner attaches."""
    if not await File.unattached().filter(pk=file.pk).update(abandoned_at=action.at):
        return 0
    await store.delete(file.key)
    return await File.filter(pk=file.pk, abandoned_at__not_isnull=True).delete()
