"""One server for all tests of clients: some kill it and start it again, and each has customers of
its own.
"""

from collections.abc import Iterator

import pytest

from tests.conftest import database_copy
from tests.story.server_fixtures import Server, serve_catalogue


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with (
        database_copy(request, "sqlite", folder, catalogue=True) as url,
        serve_catalogue(url, folder) as server_process,
    ):
        yield server_process
