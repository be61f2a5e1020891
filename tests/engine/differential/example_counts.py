"""How many examples a test with generated operations tries."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

REQUESTED_EXAMPLES = os.environ.get("CAMCHA_CASES")
EXAMPLES = int(REQUESTED_EXAMPLES or 800)


def examples(share: float, contexts: int) -> Callable[[Any], Any]:
    """Hypothesis settings for this share of all examples, where each document is executed in this
    many contexts.

    The examples are the same in each run, and different ones when CAMCHA_CASES requests more.
    """
    return settings(
        max_examples=max(1, int(EXAMPLES * share / contexts)),
        derandomize=not REQUESTED_EXAMPLES,
        deadline=None,
        phases=[Phase.generate],  # shrinking takes minutes, and most documents are small
        database=None,
        suppress_health_check=list(HealthCheck),
    )
