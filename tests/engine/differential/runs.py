"""How many cases a test looks at."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

LONGER = os.environ.get("CAMCHA_CASES")
CASES = int(LONGER or 4_000)


def cases(share: float, scenes: int) -> Callable[[Any], Any]:
    """This part of all cases, a document being one in each scene: the same in each run of the suite, others in longer runs."""
    return settings(
        max_examples=max(1, int(CASES * share / scenes)),
        derandomize=not LONGER,
        deadline=None,
        phases=[Phase.generate],  # shrinking takes minutes; most documents are small
        database=None,
        suppress_health_check=list(HealthCheck),
    )
