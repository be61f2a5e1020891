"""Go through many rows without holding them in memory."""

from collections.abc import AsyncIterator
from typing import Any

from tortoise.queryset import QuerySet

BATCH_SIZE = 100


async def keys_of(rows: QuerySet[Any]) -> AsyncIterator[int]:
    """The keys of all rows, in ascending order. Each key is read once, so a row that can't be
    handled, and therefore stays in the queryset, doesn't hold up the others.
    """
    async for keys in batches_of(rows):
        for key in keys:
            yield key


async def batches_of(rows: QuerySet[Any]) -> AsyncIterator[list[int]]:
    """The keys of all rows like `keys_of`, in lists, for work that is done concurrently."""
    name = rows.model._meta.pk_attr
    last = 0
    while True:
        page = rows.filter(**{f"{name}__gt": last}).order_by(name).limit(BATCH_SIZE)
        keys = [int(str(key)) for key in await page.values_list(name, flat=True)]
        yield keys
        if len(keys) < BATCH_SIZE:
            return
        last = keys[-1]
