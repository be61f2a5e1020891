"""Subscriptions as a viewer's client makes them, over a websocket in memory."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from engine import Engine
from models.viewer import Viewer
from realtime.close_codes import CloseCode
from realtime.endpoint import SocketEndpoint
from realtime.hub import Listener
from resolvers.context import Context, Services
from tests.realtime.stream_fixtures import LIMITS, client_in_memory, results


@dataclass(frozen=True)
class ViewerClient:
    """A viewer's client, whose connection stays open whatever happens to the session. Implements realtime.client.Client."""

    viewer: Viewer
    services: Services
    cost_limit: int | None = 10**9
    introspection: bool = True
    trusted_only: bool = False

    def context(self) -> Context:
        return Context(self.viewer, self.services, "192.0.2.1")

    def add_listener(self, listener: Listener) -> None:
        """The stream's own access checks are what is tested."""

    def remove_listener(self, listener: Listener) -> None:
        """None was added."""

    async def close_code(self) -> CloseCode | None:
        return None


def endpoint_of(engine: Engine) -> SocketEndpoint:
    return SocketEndpoint(engine, client_in_memory, LIMITS)


def subscribe(engine: Engine, viewer: Viewer, services: Services, query: str, **variables: Any) -> AsyncGenerator[Any, None]:
    """The results of the viewer's subscription, on an endpoint of its own; of one that can't start, its errors."""
    return results(endpoint_of(engine), ViewerClient(viewer, services), query, **variables)
