"""Deletes received emails when they are no longer needed.

The email as it arrived is deleted some weeks after it became a message or was ignored, and the row
of an ignored email after half a year. Emails that wait for an agent or an operator stay.
"""

from datetime import timedelta

import structlog
from tortoise.expressions import Q

from models.action import Action
from models.support.incoming_email import IncomingEmail, IncomingEmailStatus
from storage.store import Store, StoreUnavailable

_IGNORED_RETENTION = timedelta(days=180)
_BATCH_SIZE = 200
_FINISHED = (IncomingEmailStatus.POSTED, IncomingEmailStatus.IGNORED)

log = structlog.stdlib.get_logger()


async def delete_old_emails(action: Action, store: Store, raw_retention: timedelta) -> int:
    """Delete the contents and rows whose retention period is over. Returns the number of contents.
    While the store is unavailable, the rest waits for the next call.
    """
    finished = Q(status__in=_FINISHED, processed_at__lte=action.at - raw_retention)
    ignored = Q(
        status=IncomingEmailStatus.IGNORED, processed_at__lte=action.at - _IGNORED_RETENTION
    )
    try:
        count = await _delete_contents(store, finished)
        return count + await delete_emails(store, ignored)
    except StoreUnavailable:
        log.warning("store.unavailable", job="old incoming emails")
        return 0


async def _delete_contents(store: Store, condition: Q) -> int:
    count = 0
    while rows := await IncomingEmail.filter(condition, raw_key__not_isnull=True).limit(
        _BATCH_SIZE
    ):
        for row in rows:
            await store.delete(row.raw_key)
        keys = [row.pk for row in rows]
        count += await IncomingEmail.filter(pk__in=keys).update(raw_key=None)
    return count


async def delete_emails(store: Store, condition: Q) -> int:
    """Delete emails, their contents first, because nothing refers to these without the row. Returns
    how many.
    """
    count = await _delete_contents(store, condition)
    while (
        keys := await IncomingEmail.filter(condition)
        .limit(_BATCH_SIZE)
        .values_list("id", flat=True)
    ):
        await IncomingEmail.filter(pk__in=keys).delete()
    return count
