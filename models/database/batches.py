"""Go through many rows without holding them in memory."""

from collections.abc import AsyncIterator
from typing import Any

from tortoise.queryset import QuerySet

BATCH_SIZE = 100


async def keys_of(rows: QuerySet[Any]) -> AsyncIterator[int]:
    """The keys of all rows, in ascending order. Each is read once, so a row that stays in the
    queryset because it can't be handled doesn't hold up the others.
    """
    last = 0
    while True:
        page = rows.filter(id__gt=last).order_by("id").limit(BATCH_SIZE)
        keys = [int(str(key)) for key in await page.values_list("id", flat=True)]
        for key in keys:
            yield key
        if len(keys) < BATCH_SIZE:
            return
        last = keys[-1]
