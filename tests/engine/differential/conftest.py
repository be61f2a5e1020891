"""Fixtures of the differential tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collect_garbage() -> Iterator[None]:
    """Collects coroutines that graphql-core never awaited here, where the warning is expected, not
    in a later test.
    """
    yield
    gc.collect()
