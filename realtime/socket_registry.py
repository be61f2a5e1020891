"""The websockets of one endpoint, counted by network and by person.

Before `connection_init` a websocket says nothing about who opens it. So a handshake is refused only
when no websocket could give way: the oldest one that is not signed in gives way, of the same
network or, when the endpoint is full, of any network. Strangers therefore never keep out those who
sign in. Once a client is identified, the limits per person and of anonymous clients apply.
"""

from collections import Counter
from collections.abc import Hashable
from typing import Any, Protocol

from engine.http import RequestScheduler
from realtime.client import SocketLimits
from realtime.close_codes import CloseCode, CloseConnection
from realtime.connection_limits import LimitLog

ANONYMOUS = object()  # instead of a person


class LimitedConnection(Protocol):
    """A websocket, as far as the registry is concerned."""

    network: str

    def close(self, reason: CloseConnection) -> None:
        """Close the websocket."""


class SocketRegistry:
    """The open websockets of one endpoint."""

    def __init__(self, limits: SocketLimits) -> None:
        self._limits = limits
        self._limit_log = LimitLog()
        # One client is identified in each iteration of the loop, however many connect at once.
        self.identifications = RequestScheduler()
        self._open: dict[LimitedConnection, Hashable | None] = {}  # who is signed in
        self._per_network: Counter[str] = Counter()
        self._per_person: Counter[Hashable] = Counter()
        self._anonymous: Counter[str] = Counter()
        # Those that are not signed in, by network, in the order in which they were opened.
        self._anonymous_connections: dict[str, dict[LimitedConnection, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def make_room(self, network: str) -> bool:
        """Let another websocket of this network give way when there are too many. False when none
        can.
        """
        if self._per_network[network] >= self._limits.connections_per_network:
            return self._evict(network, "socket_connections_per_network")
        if len(self._open) >= self._limits.connections:
            return self._evict(
                self._network_with_most_anonymous_connections(), "socket_connections"
            )
        return True

    def _network_with_most_anonymous_connections(self) -> str | None:
        return max(
            self._anonymous_connections,
            key=lambda each: len(self._anonymous_connections[each]),
            default=None,
        )

    def _evict(self, network: str | None, limit: str) -> bool:
        self._limit_log.record(limit)
        if network is None or network not in self._anonymous_connections:
            return False
        oldest = next(iter(self._anonymous_connections[network]))
        self.remove(oldest)
        oldest.close(CloseConnection(CloseCode.TRY_AGAIN_LATER, "Too many connections"))
        return True

    def add(self, connection: LimitedConnection) -> None:
        """Count a websocket whose client is not known yet."""
        self._open[connection] = None
        self._per_network[connection.network] += 1
        self._anonymous_connections.setdefault(connection.network, {})[connection] = None

    def identify(self, connection: LimitedConnection, person: Hashable | None) -> None:
        """Count the websocket of this person, None for an anonymous client. Raises CloseConnection
        with TRY_AGAIN_LATER when there are too many.
        """
        if connection not in self._open:  # it has just given way to another one
            return
        network = connection.network
        if person is not None:
            self._check(self._per_person[person], "connections_per_person")
            self._per_person[person] += 1
            self._remove_anonymous_connection(connection)
        else:
            self._check(self._anonymous[network], "anonymous_per_network")
            self._check(self._anonymous.total(), "anonymous")
            self._anonymous[network] += 1
        self._open[connection] = ANONYMOUS if person is None else person

    def _check(self, count: int, limit: str) -> None:
        if count >= getattr(self._limits, limit):
            self._limit_log.record(f"socket_{limit}")
            raise CloseConnection(CloseCode.TRY_AGAIN_LATER, "Too many connections")

    def _remove_anonymous_connection(self, connection: LimitedConnection) -> None:
        anonymous_connections = self._anonymous_connections.get(connection.network, {})
        anonymous_connections.pop(connection, None)
        if not anonymous_connections:
            self._anonymous_connections.pop(connection.network, None)

    def remove(self, connection: LimitedConnection) -> None:
        """Stop counting a websocket."""
        if connection not in self._open:
            return
        person = self._open.pop(connection)
        self._remove_anonymous_connection(connection)
        _decrement(self._per_network, connection.network)
        if person is ANONYMOUS:
            _decrement(self._anonymous, connection.network)
        elif person is not None:
            _decrement(self._per_person, person)


def _decrement(counts: Counter[Any], key: Hashable) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
