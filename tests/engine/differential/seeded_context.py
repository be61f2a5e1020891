"""The context of resolvers in the differential tests: reproducible random choices, and a log of
calls.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from random import Random
from typing import Any
from zlib import crc32

from engine.execution.columns import batch_column

Batch = Callable[..., Any]


class SeededContext:
    """`fault_percentage` is the percentage of values that are wrong. Another `seed` gives other
    values.

    Each value follows from the seed and its path in the response, so two executions of one
    operation get the same values, in whatever order they resolve them.
    """

    def __init__(self, seed: int = 0, fault_percentage: int = 0) -> None:
        self.seed, self.fault_percentage = seed, fault_percentage
        self.calls: Counter[tuple[Any, ...]] = Counter()  # of resolvers, by path
        self.effects: list[str] = []  # of mutations, in order
        self._waiting: dict[Hashable, list[tuple[Any, asyncio.Future[Any]]]] = {}

    def __repr__(self) -> str:
        return f"SeededContext({self.seed}, {self.fault_percentage})"

    def random(self, *key: Any) -> Random:
        """A generator of the same numbers each time, for this key."""
        return Random(crc32(repr((self.seed, *key)).encode()))

    def is_faulty(self, random: Random) -> bool:
        """Whether the value that is generated next should be wrong."""
        return random.randrange(100) < self.fault_percentage

    def load(self, batch: Batch, parent: Any, **arguments: Any) -> asyncio.Future[Any]:
        """A batch's result for one parent. It gathers the parents, because graphql-core calls
        resolvers one by one.
        """
        loop = asyncio.get_running_loop()
        key = (batch, repr(arguments))
        if key not in self._waiting:
            self._waiting[key] = []
            loop.call_soon(lambda: loop.create_task(self._call(key, batch, arguments)))
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting[key].append((parent, future))
        return future

    async def _call(self, key: Hashable, batch: Batch, arguments: dict[str, Any]) -> None:
        waiting = self._waiting.pop(key)
        parents = [parent for parent, _ in waiting]
        try:
            result = batch(self, parents, **arguments)
            result = await result if hasattr(result, "__await__") else result
            values = batch_column(len(parents), result)
        except Exception as error:
            values = [error] * len(parents)
        for (_, future), value in zip(waiting, values, strict=True):
            if not future.done():
                future.set_result(value)
