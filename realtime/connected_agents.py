"""The agents whose devices are connected to this process."""

import secrets
from collections import Counter
from datetime import datetime

from models.clock import Clock
from models.support.agent_presence import LEASE, LINGER
from realtime.hub import Hub

# the hub's key for agents who connect to this process or disconnect
CONNECTIONS = "connected agents"


class ConnectedAgents:
    """Which agents are connected, and until when that holds (models/support/agent_presence.py).
    `process` identifies this process.
    """

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub, self._clock = hub, clock
        self.process = secrets.token_hex(8)
        self._devices: Counter[int] = Counter()
        # The ends of the leases that changed: their agents connected or disconnected.
        self._changed: dict[int, datetime] = {}
        self._renewed_at: datetime | None = None
        # Since when the leases have been renewed without interruption.
        self.steady_since: datetime | None = None

    def connect(self, user_id: int) -> None:
        """Count another device of an agent."""
        self._devices[user_id] += 1
        if self._devices[user_id] == 1:
            self._changed[user_id] = self._clock.now() + LEASE
            self._hub.notify([CONNECTIONS])

    def disconnect(self, user_id: int) -> None:
        """Stop counting a device of an agent."""
        self._devices[user_id] -= 1
        if not self._devices[user_id]:
            del self._devices[user_id]
            self._changed[user_id] = self._clock.now() + LINGER
            self._hub.notify([CONNECTIONS])

    def take_leases(self) -> tuple[dict[int, datetime], bool]:
        """The leases to store now, and whether somebody has come or left since the last time."""
        now, changed = self._clock.now(), self._changed
        self._changed = {}
        if self._renewed_at is None or now - self._renewed_at > LEASE:
            self.steady_since = now
        self._renewed_at = now
        return changed | dict.fromkeys(self._devices, now + LEASE), bool(changed)
