"""Delete files that were never attached to anything, row and content.

Each file takes three steps: the row is marked, the content is deleted, the row is deleted. Marking
a file and attaching it are single statements with conditions that exclude each other, so of two
concurrent ones the database lets only one succeed: an attached file is never marked, and a marked
file can't be attached. If the process is killed in between, the marked row remains and the next run
continues with it. The content goes before the row, because without the row nothing would ever find
it again. Content that copies of the file share stays until the last of them is deleted.

The steps don't share a transaction: the store may be slow, and on SQLite no one else could write in
the meantime.
"""

from datetime import timedelta

import structlog
from tortoise.expressions import Q

from models.action import Action
from models.support.file import File
from storage.file_service import delete_content
from storage.store import Store, StoreUnavailable

# Since the file was announced. A day lets people finish a message or a request the next morning. It
# has to be longer than an
# upload can take (five minutes for the link and five for the body), so that no content arrives for
# a deleted row.
RETENTION = timedelta(hours=24)
_BATCH_SIZE = 100

log = structlog.stdlib.get_logger()


async def delete_abandoned_files(action: Action, store: Store) -> int:
    """Delete the files that aren't attached to anything a day after they were announced, and those
    of deleted messages at once. Returns how many rows were deleted.

    Stops while the store is unavailable. Any other error of one file is logged and doesn't delay
    the others.
    """
    last_id = deleted_count = 0
    while (
        files := await File.unattached()
        .filter(
            Q(created_at__lte=action.at - RETENTION) | Q(abandoned_at__not_isnull=True),
            pk__gt=last_id,
        )
        .order_by("id")
        .limit(_BATCH_SIZE)
    ):
        for file in files:
            try:
                deleted_count += await _delete(action, store, file)
            except StoreUnavailable:
                log.warning("store.unavailable", file=file.pk)
                return deleted_count
            except Exception as error:
                log.error(
                    "file.not_deleted", file=file.pk, error=type(error).__name__, exc_info=error
                )
        last_id = files[-1].pk
    return deleted_count


async def _delete(action: Action, store: Store, file: File) -> int:
    """Mark and delete one file. Never locks two rows at once, so that it can't deadlock with
    someone who attaches files.
    """
    if not await File.unattached().filter(pk=file.pk).update(abandoned_at=action.at):
        return 0
    await delete_content(store, file)
    return await File.filter(pk=file.pk, abandoned_at__not_isnull=True).delete()
