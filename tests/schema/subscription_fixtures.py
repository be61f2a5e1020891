"""Subscriptions as a viewer's client makes them, over an in-memory websocket."""

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
    """A viewer's client, whose connection stays open when the session ends. Implements
    realtime.client.Client.
    """

    viewer: Viewer
    services: Services
    cost_limit: int | None = 10**9
    max_response_bytes: int | None = None
    introspection: bool = True
    trusted_only: bool = False

    @property
    def person(self) -> int | None:
        return self.viewer.user.pk if self.viewer.user else None

    def seconds_left(self) -> float | None:
        return None

    def context(self) -> Context:
        return Context(self.viewer, self.services, "192.0.2.1")

    def connected(self) -> None:
        if self.viewer.is_agent and self.viewer.user:
            self.services.presence.agents.connect(self.viewer.user.pk)

    def disconnected(self) -> None:
        if self.viewer.is_agent and self.viewer.user:
            self.services.presence.agents.disconnect(self.viewer.user.pk)

    def add_listener(self, listener: Listener) -> None:
        """Does nothing: the tests are about the stream's own access checks."""

    def remove_listener(self, listener: Listener) -> None:
        """Does nothing, because no listener was added."""

    async def close_code(self) -> CloseCode | None:
        return None


def create_endpoint(engine: Engine) -> SocketEndpoint:
    return SocketEndpoint(engine, client_in_memory, LIMITS)


def subscribe(
    engine: Engine, viewer: Viewer, services: Services, query: str, **variables: Any
) -> AsyncGenerator[Any, None]:
    """Yields the results of the viewer's subscription on an endpoint of its own, or the errors when
    it can't start.
    """
    return results(create_endpoint(engine), ViewerClient(viewer, services), query, **variables)
