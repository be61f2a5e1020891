"""What the nasty schemas' resolvers share in one operation: dice that always fall the same way, and a log of what happened."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from random import Random
from typing import Any
from zlib import crc32

from engine.execution.resolution import of_size

Batch = Callable[..., Any]


class Scene:
    """A context. `wildness` is how many values in a hundred are wrong; another `salt`, other values.

    Nothing is random: each value follows from the salt and from where it stands in the answer, so two executions of one
    operation meet the same values, in whatever order they ask.
    """

    def __init__(self, salt: int = 0, wildness: int = 0) -> None:
        self.salt, self.wildness = salt, wildness
        self.calls: Counter[tuple[Any, ...]] = Counter()  # of resolvers, by path
        self.effects: list[str] = []  # of mutations, in their order
        self._waiting: dict[Hashable, list[tuple[Any, asyncio.Future[Any]]]] = {}

    def __repr__(self) -> str:
        return f"Scene({self.salt}, {self.wildness})"

    def dice(self, *place: Any) -> Random:
        return Random(crc32(repr((self.salt, *place)).encode()))

    def wild(self, dice: Random) -> bool:
        return dice.randrange(100) < self.wildness

    def load(self, batch: Batch, parent: Any, **arguments: Any) -> asyncio.Future[Any]:
        """What a batch answers for this parent, for graphql-core, which calls resolvers one by one."""
        loop = asyncio.get_running_loop()
        key = (batch, repr(arguments))
        if key not in self._waiting:
            self._waiting[key] = []
            loop.call_soon(lambda: loop.create_task(self._answer(key, batch, arguments)))
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting[key].append((parent, future))
        return future

    async def _answer(self, key: Hashable, batch: Batch, arguments: dict[str, Any]) -> None:
        asked = self._waiting.pop(key)
        parents = [parent for parent, _ in asked]
        try:
            found = batch(self, parents, **arguments)
            found = await found if hasattr(found, "__await__") else found
            answers = of_size(len(parents), found)
        except Exception as error:
            answers = [error] * len(parents)
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)
