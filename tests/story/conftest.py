"""A server for each test in tests/story."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.story.server_fixtures import Server, serve_catalogue


@pytest.fixture
def server(catalogue_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server on each kind of database."""
    with serve_catalogue(catalogue_url, tmp_path) as running_server:
        yield running_server
