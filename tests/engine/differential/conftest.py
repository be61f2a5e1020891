"""Fixtures of the differential tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def collect_all_garbage(collect_garbage: None) -> None:
    """Collect garbage after each of these tests."""
