"""The log of operations that take long."""

from typing import Any

import structlog

from engine.documents.operation import Operation
from engine.errors import RequestError

_MAX_NAME = 100
log = structlog.stdlib.get_logger()


class SlowOperationLog:
    """Logs each query and mutation that takes at least so many seconds, never with its variables:
    the hash of the document tells which one it was. Implements engine.Observer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def executed(
        self, operation: Operation, context: Any, result: dict[str, Any], seconds: float
    ) -> None:
        """Log the operation if it was slow."""
        if seconds < self._seconds:
            return
        log.warning(
            "operation.slow",
            kind=operation.kind,
            operation=(operation.name or "")[:_MAX_NAME],
            document=operation.document.id,
            cost=operation.cost,
            milliseconds=round(1_000 * seconds),
        )

    def refused(self, error: RequestError) -> None:
        """An operation that wasn't executed isn't slow."""
