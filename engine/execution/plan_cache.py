"""The cache of plans, bounded by the number of their fields, whatever callers send."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from engine.execution.plan import ExecutionPlan

MAX_FIELDS = 30_000  # about 3 kB each; the plan of a typical operation has ten to fifty


class PlanCache:
    """A least-recently-used cache. Plans grow while they are executed, with each runtime type that
    occurs.
    """

    def __init__(self, max_fields: int = MAX_FIELDS) -> None:
        self._max_fields, self.size = max_fields, 0
        self._plans: OrderedDict[Hashable, tuple[ExecutionPlan, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._plans)

    def get(self, key: Hashable) -> ExecutionPlan | None:
        """The cached plan; None when there is none."""
        entry = self._plans.get(key)
        return entry[0] if entry else None

    def put(self, key: Hashable, plan: ExecutionPlan) -> None:
        """Cache a plan that was just executed, with its current size, and evict the least recently
        used ones.
        """
        if previous := self._plans.pop(key, None):
            self.size -= previous[1]
        if plan.size <= self._max_fields:
            self._plans[key] = plan, plan.size
            self.size += plan.size
        while self.size > self._max_fields:
            _, (_, size) = self._plans.popitem(last=False)
            self.size -= size
