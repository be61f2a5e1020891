"""The plans that are kept: as many as hold a bounded number of fields, whoever asks for whatever."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from engine.execution.plan import Plan

KEPT_FIELDS = 30_000  # some 3 kB each; a plan of a page's usual operation has ten to fifty


class Plans:
    """Plans in least-recently-used order. They grow while they are walked, by the runtime types that are met."""

    def __init__(self, most: int = KEPT_FIELDS) -> None:
        self._most, self.size = most, 0
        self._kept: OrderedDict[Hashable, tuple[Plan, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Plan | None:
        """A plan that was kept."""
        found = self._kept.get(key)
        return found[0] if found else None

    def keep(self, key: Hashable, plan: Plan) -> None:
        """Keep a plan that was just used, at its size by now, and let go of those that nobody used for longest."""
        if known := self._kept.pop(key, None):
            self.size -= known[1]
        if plan.size <= self._most:
            self._kept[key] = plan, plan.size
            self.size += plan.size
        while self.size > self._most:
            _, (_, size) = self._kept.popitem(last=False)
            self.size -= size
