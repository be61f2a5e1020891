"""Working through the rows that are due, in a job."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from tortoise.queryset import QuerySet

from models.action import retry_conflict
from models.database.batches import keys_of

log = structlog.stdlib.get_logger()


async def handle_each(
    rows: QuerySet[Any], handle: Callable[[int], Awaitable[bool]], failure: str
) -> int:
    """Handle each row by its key. Returns for how many rows something was done. A conflict is
    retried once. A row that fails is logged as the event `failure`, is tried again by the next run,
    and doesn't hold up the others.
    """
    count = 0
    async for key in keys_of(rows):
        try:
            count += await retry_conflict(partial(handle, key))
        except Exception as error:
            log.error(failure, key=key, error=type(error).__name__, exc_info=error)
    return count
