"""Fixtures of the differential tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def collect_all_garbage(collect_garbage: None) -> None:
    """After each of these tests."""
