"""The statuses of invoices that platforms exchange (AFNOR XP Z12-012, life cycle), and the moves
between them that the standard allows.
"""

from datetime import datetime
from enum import IntEnum, StrEnum


class PlatformStatusCode(StrEnum):
    """A status of an invoice at the platforms. The platforms set those of the transmission, the
    buyer those of the processing, and the seller COLLECTED.
    """

    DEPOSITED = "DEPOSITED"
    ISSUED = "ISSUED"
    RECEIVED = "RECEIVED"
    AVAILABLE = "AVAILABLE"
    TAKEN_OVER = "TAKEN_OVER"
    APPROVED = "APPROVED"
    PARTIALLY_APPROVED = "PARTIALLY_APPROVED"
    DISPUTED = "DISPUTED"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    REFUSED = "REFUSED"
    PAYMENT_SENT = "PAYMENT_SENT"
    COLLECTED = "COLLECTED"
    REJECTED = "REJECTED"
    ROUTING_ERROR = "ROUTING_ERROR"
    INADMISSIBLE = "INADMISSIBLE"

    @property
    def number(self) -> int:
        """The number that platforms exchange (MDT-105)."""
        return _NUMBERS[self]

    @property
    def needs_reason(self) -> bool:
        """Whether the standard requires a reason (BR-FR-CDV-15)."""
        return self in _WITH_REASON

    @property
    def is_before_buyer(self) -> bool:
        """Whether it means that a platform rejected the document before its buyer could see it."""
        return self in _BEFORE_BUYER

    @property
    def is_final(self) -> bool:
        """Whether no other status may follow: another document is needed."""
        return self in _FINAL

    @classmethod
    def of(cls, number: int) -> "PlatformStatusCode | None":
        """The status with this number, None for one that doesn't concern the seller."""
        return _BY_NUMBER.get(number)

    def may_follow(
        self, at: datetime, current: "PlatformStatusCode | None", since: datetime | None
    ) -> bool:
        """Whether an invoice moves from its current status to this one, set at the time `at`.
        Statuses arrive late, twice and in any order, so an older one doesn't move an invoice back.
        COLLECTED says nothing about the document's progress at the platforms and the buyer: most
        invoices are paid before anybody has seen them.
        """
        if self is PlatformStatusCode.COLLECTED:
            return False
        if current is None or since is None:
            return True
        if current.is_final or (current is self and at <= since):
            return False
        if self in _BEFORE_BUYER:
            return _phase(current) < _Phase.AVAILABLE
        if self is PlatformStatusCode.REFUSED:
            return current is not PlatformStatusCode.PAYMENT_SENT
        if _phase(self) is _Phase.PROCESSING and _phase(current) is _Phase.PROCESSING:
            return at >= since
        return _phase(self) > _phase(current)


class _Phase(IntEnum):
    DEPOSITED = 1
    ISSUED = 2
    ROUTING_ERROR = 3
    RECEIVED = 4
    AVAILABLE = 5
    TAKEN_OVER = 6
    PROCESSING = 7


def _phase(code: PlatformStatusCode) -> _Phase:
    return _Phase.__members__.get(code.name, _Phase.PROCESSING)


_NUMBERS = {
    PlatformStatusCode.DEPOSITED: 200,
    PlatformStatusCode.ISSUED: 201,
    PlatformStatusCode.RECEIVED: 202,
    PlatformStatusCode.AVAILABLE: 203,
    PlatformStatusCode.TAKEN_OVER: 204,
    PlatformStatusCode.APPROVED: 205,
    PlatformStatusCode.PARTIALLY_APPROVED: 206,
    PlatformStatusCode.DISPUTED: 207,
    PlatformStatusCode.SUSPENDED: 208,
    PlatformStatusCode.COMPLETED: 209,
    PlatformStatusCode.REFUSED: 210,
    PlatformStatusCode.PAYMENT_SENT: 211,
    PlatformStatusCode.COLLECTED: 212,
    PlatformStatusCode.REJECTED: 213,
    PlatformStatusCode.ROUTING_ERROR: 221,
    PlatformStatusCode.INADMISSIBLE: 501,
}
_BY_NUMBER = {number: code for code, number in _NUMBERS.items()}
_WITH_REASON = frozenset(
    {
        PlatformStatusCode.PARTIALLY_APPROVED,
        PlatformStatusCode.DISPUTED,
        PlatformStatusCode.SUSPENDED,
        PlatformStatusCode.REFUSED,
        PlatformStatusCode.REJECTED,
        PlatformStatusCode.INADMISSIBLE,
    }
)
# A platform rejects a document before its buyer can see it, and a buyer who pays doesn't refuse it.
_BEFORE_BUYER = frozenset({PlatformStatusCode.REJECTED, PlatformStatusCode.INADMISSIBLE})
_FINAL = _BEFORE_BUYER | {PlatformStatusCode.REFUSED}
