"""The positions up to which people have received streams over the subscriptions of this process.

A job collects these positions and stores them, so that the other side sees what has arrived, and
nobody is sent by email what they received live, in whichever process. A process that is killed
loses those of its last seconds: somebody may get an email too many, but never one too few.
"""

from collections.abc import Collection
from typing import NamedTuple, Protocol


class Receiver(NamedTuple):
    """The person who receives a stream, and whether they are staff."""

    user_id: int
    is_staff: bool


class Reader(Protocol):
    """A subscription: its stream's key, the person who receives it, and the last event that they
    received.
    """

    @property
    def stream_key(self) -> str: ...
    @property
    def receiver(self) -> Receiver: ...
    @property
    def cursor(self) -> int: ...


Positions = dict[tuple[str, Receiver], int]


class DeliveredPositions:
    """The positions of the open subscriptions and of those that ended since they were collected."""

    def __init__(self) -> None:
        self._open: set[Reader] = set()
        self._ended: Positions = {}
        self._collected: Positions = {}

    def add(self, reader: Reader) -> None:
        """Collect the positions of this subscription from now on."""
        self._open.add(reader)

    def remove(self, reader: Reader) -> None:
        """Collect the last position of a subscription that ends. A repeat changes nothing."""
        if reader in self._open:
            self._open.remove(reader)
            _advance(self._ended, (reader,))

    def collect(self) -> Positions:
        """The positions by stream and person that have moved since the last call."""
        current, self._ended = self._ended, {}
        _advance(current, self._open)
        moved = {
            key: cursor for key, cursor in current.items() if cursor != self._collected.get(key)
        }
        self._collected = current
        return moved

    def restore(self, positions: Positions) -> None:
        """Collect these positions again, because they could not be stored."""
        for key, cursor in positions.items():
            self._ended[key] = max(cursor, self._ended.get(key, 0))
            self._collected.pop(key, None)


def _advance(positions: Positions, readers: Collection[Reader]) -> None:
    for reader in readers:
        if reader.cursor:
            key = (reader.stream_key, reader.receiver)
            positions[key] = max(reader.cursor, positions.get(key, 0))
