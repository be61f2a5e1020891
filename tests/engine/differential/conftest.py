"""A house with something of everything, on SQLite, asked by several people."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.schema.conftest import House, engine, house, price, services

__all__ = ["House", "database_url", "engine", "house", "price", "services"]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """What graphql-core leaves unawaited is collected here, where that is expected, and not in whichever test comes next."""
    yield
    gc.collect()


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite database: the differences looked for are the engine's."""
    path = tmp_path / "camcha.sqlite3"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite://{path}"
