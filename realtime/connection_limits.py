"""Limits on what one connection, one network and all connections together may use of the server
before anybody has signed in.

The limits are those of operating.md ("Limits"); http_protocol.py and uvicorn_protocol.py enforce
them on the connections that the server accepts, endpoint.py those of websockets.

A request that has not arrived completely, and a connection that has not sent any yet, are *half
open*. They are what a caller can have many of at no cost, so they are bounded per network and
altogether. When a bound is reached, the oldest one of the network gives way, or the oldest one of
the network that has the most, so a complete request is never refused because of others that are
not. None gives way in its first seconds, because thousands may connect at once after a restart. The
addresses of trusted proxies say nothing about their clients: their connections are only counted
altogether.

A limit that is met is logged as `limit.reached` with its name, at most once a minute each.
Addresses are not logged.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import structlog

from realtime.networks import client_network

log = structlog.stdlib.get_logger()

LOG_INTERVAL = 60.0  # seconds between two lines about the same limit


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of HTTP requests and of websocket frames. Times in seconds, sizes in bytes."""

    header_bytes: int = 32_768  # of a request line with all headers
    headers: int = 100  # lines
    queued_requests: int = 16  # of one connection, sent before the previous ones are answered
    head_seconds: float = 10.0  # until the headers are complete
    body_seconds: float = 30.0  # until the body is complete, ...
    body_rate: int = 4_096  # ... and one second more for each of so many bytes
    idle_seconds: float = 5.0  # between two requests
    unread_seconds: float = 60.0  # in which a client reads nothing of what was sent
    control_frames: int = 50  # pings, pongs and fragments per second; ten times as many at once
    connections: int = 20_000
    connections_per_network: int = 1_000
    half_open_seconds: float = 3.0  # in which a half-open connection doesn't give way to others
    half_open: int = 1_000
    half_open_per_network: int = 64


class LimitLog:
    """Logs that limits are met, at most once a minute each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    def record(self, limit: str) -> None:
        """Count that a limit was met. The next log line about it states the number."""
        self._counts[limit] += 1
        now = monotonic()
        if now - self._logged_at.get(limit, -LOG_INTERVAL) >= LOG_INTERVAL:
            self._logged_at[limit] = now
            log.warning("limit.reached", limit=limit, times=self._counts.pop(limit))


class HalfOpenConnection(Protocol):
    """A connection whose request has not arrived completely."""

    network: str | None

    def give_up_waiting(self) -> None:
        """Stop waiting for the rest of the request, and close the connection."""


class UpgradeQueue:
    """Lets one handshake of a websocket be processed in each iteration of the event loop, in the
    order in which they came.

    A handshake takes half a millisecond. Without the queue, a thousand that arrive together would
    all be parsed and answered in one iteration, in which nothing else is.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, callback: Callable[[], None]) -> None:
        """Call this function when it is its turn."""
        self._waiting.append(callback)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._call_next)

    def _call_next(self) -> None:
        try:
            self._waiting[0]()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._call_next)


class ConnectionRegistry:
    """The connections of one server, counted by network."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.limit_log = LimitLog()
        self.connections = self.half_open = 0
        self._connections_of: Counter[str | None] = Counter()
        # In the order in which they began to wait; the networks of trusted proxies are None.
        self._half_open_of: dict[str | None, dict[HalfOpenConnection, float]] = {}
        self.upgrades = UpgradeQueue()

    def open(self, peer: str | None) -> str | None:
        """Count a connection from this address, None for a trusted proxy's. Returns its network."""
        network = None if peer is None else client_network(peer)
        self.connections += 1
        self._connections_of[network] += 1
        return network

    def close(self, network: str | None) -> None:
        """Stop counting a connection."""
        self.connections -= 1
        self._connections_of[network] -= 1
        if not self._connections_of[network]:
            del self._connections_of[network]

    def make_room(self, network: str | None) -> str | None:
        """Let half-open connections give way when the newest connection of this network is above a
        limit. Returns the name of the limit when there are none.
        """
        limit = self.limits.connections_per_network
        if network is not None and self._connections_of[network] > limit:
            return self._evict_or_return_limit(network, "connections_per_network")
        if self.connections > self.limits.connections:
            return self._evict_or_return_limit(self._network_with_most_half_open(), "connections")
        return None

    def _evict_or_return_limit(self, network: str | None, limit: str) -> str | None:
        if network not in self._half_open_of:
            return limit
        self._evict(network, limit)
        return None

    def _network_with_most_half_open(self) -> str | None:
        return max(self._half_open_of, key=lambda each: len(self._half_open_of[each]), default=None)

    def add_half_open(self, connection: HalfOpenConnection) -> None:
        """Remember that the connection is half open. Another one gives way when there are too
        many.
        """
        network = connection.network
        waiting = self._half_open_of.setdefault(network, {})
        if connection in waiting:
            return
        waiting[connection] = monotonic()
        self.half_open += 1
        while network is not None and len(waiting) > self.limits.half_open_per_network:
            if not self._evict_old(network, "half_open_per_network"):
                break
        while self.half_open > self.limits.half_open:
            if not self._evict_old(self._network_with_most_half_open(), "half_open"):
                break

    def _evict_old(self, network: str | None, limit: str) -> bool:
        """Let the oldest half-open connection of this network give way, unless it is new."""
        since = next(iter(self._half_open_of[network].values()))
        is_old = monotonic() - since >= self.limits.half_open_seconds
        if is_old:
            self._evict(network, limit)
        return is_old

    def _evict(self, network: str | None, limit: str) -> None:
        oldest = next(iter(self._half_open_of[network]))
        self.limit_log.record(limit)
        self.remove_half_open(oldest)
        oldest.give_up_waiting()

    def remove_half_open(self, connection: HalfOpenConnection) -> None:
        """Forget a connection that is no longer half open."""
        waiting = self._half_open_of.get(connection.network, {})
        if connection in waiting:
            del waiting[connection]
            self.half_open -= 1
            if not waiting:
                del self._half_open_of[connection.network]
