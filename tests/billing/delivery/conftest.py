"""Fixtures of the tests of delivery."""

from collections.abc import Iterator

import pytest

from tests.billing.delivery.platform_server import PlatformServer
from tests.uvicorn_thread import serve_in_thread


@pytest.fixture(scope="session")
def running_platform() -> Iterator[PlatformServer]:
    """A platform over HTTP, for all tests."""
    server = PlatformServer()
    with serve_in_thread(server.app()) as url:
        server.url = url
        yield server


@pytest.fixture
def platform_server(running_platform: PlatformServer) -> PlatformServer:
    """The platform, reset to its initial state."""
    fresh = PlatformServer(running_platform.url)
    running_platform.__dict__.update(fresh.__dict__)
    return running_platform
