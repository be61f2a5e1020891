"""The metrics of a server process in Prometheus' format, on an address of their own.

They hold no personal data, and no values of clients but the names of operations. Those are limited
in number, because each is stored: the first ones that signed-in people use, and those of trusted
documents. All others are counted as `other`.

Numbers that are counted as things happen cost an operation some microseconds. Those of the database
are read by a job, and `/metrics` is answered by a thread, so a scrape delays nobody.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    Summary,
    start_http_server,
)

from engine import Operation, RequestError, Result
from models.billing.payment import Payment, PaymentStatus
from models.billing.receivable import Receivable
from models.clock import local_date
from models.operations.email import Email
from models.operations.webhook import WebhookEndpoint
from models.support.inbox_view import is_breaching
from models.support.ticket import Ticket
from models.support.ticket_status import FINISHED_STATUSES
from operations.version import VERSION
from resolvers.context import Context

MAX_NAMES = 300  # of operations
OTHER = "other"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Sockets(Protocol):
    """The websockets of an endpoint."""

    @property
    def open_count(self) -> int:
        """How many websockets are open."""


class Metrics:
    """The metrics of one process. `trusted_names` are the names of the operations of trusted
    documents.
    """

    def __init__(self, trusted_names: Iterable[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self._names = set(trusted_names)
        self._max_names = len(self._names) + MAX_NAMES
        registry = self.registry
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Info("camcha_build", "The version of the program.", registry=registry).info(
            {"version": VERSION}
        )
        self._operations = Counter(
            "camcha_operations",
            "GraphQL operations that were executed, by name and by the code of their first error.",
            ["operation", "kind", "code"],
            registry=registry,
        )
        self._refusals = Counter(
            "camcha_operations_refused",
            "GraphQL operations that weren't executed, by the code of their first error.",
            ["code"],
            registry=registry,
        )
        self._durations = Histogram(
            "camcha_operation_duration_seconds",
            "How long the execution of a GraphQL operation took.",
            ["kind"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._costs = Summary(
            "camcha_operation_cost", "The cost of executed operations.", registry=registry
        )
        # Prometheus itself sets the label `job` to the name under which it reads the metrics.
        self._job_runs = Counter(
            "camcha_job_runs",
            "Runs of jobs, by result: ok or error.",
            ["job_name", "result"],
            registry=registry,
        )
        self._job_seconds = Counter(
            "camcha_job_seconds",
            "How long the runs of a job took together.",
            ["job_name"],
            registry=registry,
        )
        self._job_successes = Gauge(
            "camcha_job_last_success_timestamp_seconds",
            "When a job last succeeded in this process.",
            ["job_name"],
            registry=registry,
        )
        self._websockets = Gauge(
            "camcha_websockets", "Open websockets of this process.", registry=registry
        )
        self._rows = {
            name: Gauge(f"camcha_{name}", description, registry=registry)
            for name, description in _ROWS.items()
        }

    def watch_websockets(self, sockets: Sockets) -> None:
        """Read the number of open websockets from this endpoint."""
        self._websockets.set_function(lambda: sockets.open_count)

    # Operations: engine.Observer

    def executed(self, operation: Operation, context: Any, result: Result, seconds: float) -> None:
        """Count an operation that was executed."""
        self._operations.labels(
            self._name(operation, context), operation.kind, _first_code(result.get("errors"))
        ).inc()
        self._durations.labels(operation.kind).observe(seconds)
        self._costs.observe(operation.cost)

    def refused(self, error: RequestError) -> None:
        """Count an operation that was not executed."""
        self._refusals.labels(_first_code(error.errors)).inc()

    def _name(self, operation: Operation, context: Context) -> str:
        name = operation.name
        if name in self._names:
            return name
        if name is None or context.viewer.user is None or len(self._names) >= self._max_names:
            return OTHER
        self._names.add(name)
        return name

    # Jobs: worker.Observer

    def job_ended(self, name: str, seconds: float, *, succeeded: bool) -> None:
        """Count a run of a job."""
        self._job_runs.labels(name, "ok" if succeeded else "error").inc()
        self._job_seconds.labels(name).inc(seconds)
        if succeeded:
            self._job_successes.labels(name).set_to_current_time()

    # The database

    async def read_database(self, at: datetime) -> None:
        """The job that reads the numbers of the database."""
        values = await _read_rows(at)
        for name, gauge in self._rows.items():
            gauge.set(values[name])

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answer requests to this address. Returns a function that stops the server. Raises OSError
        when the address is in use.
        """
        server, thread = start_http_server(port, host, self.registry)

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return close


_ROWS = {
    "emails_waiting": "Emails that wait to be sent.",
    "oldest_email_seconds": "For how long the longest overdue email has been waiting.",
    "payments_pending": "Payments whose result isn't known yet.",
    "invoices_overdue": "Invoices that are overdue and not disputed.",
    "tickets_unassigned": "Open tickets without an assignee.",
    "webhook_endpoints_failing": "Webhook endpoints whose last request failed.",
    "tickets_breaching": "Open tickets that have missed a target, or are about to.",
}


async def _read_rows(at: datetime) -> dict[str, float]:
    waiting = Email.filter(next_attempt_at__not_isnull=True)
    overdue = Email.filter(next_attempt_at__lt=at)
    oldest = await overdue.order_by("next_attempt_at").first()
    delay = at - oldest.next_attempt_at if oldest and oldest.next_attempt_at else timedelta()
    late = Receivable.filter(open_cents__gt=0, due_on__lt=local_date(at), disputed_at=None)
    unfinished = Ticket.exclude(status__in=FINISHED_STATUSES)
    return {
        "emails_waiting": await waiting.count(),
        "oldest_email_seconds": delay.total_seconds(),
        "payments_pending": await Payment.filter(status__in=_PENDING).count(),
        "invoices_overdue": await late.count(),
        "tickets_unassigned": await unfinished.filter(assignee_id=None).count(),
        "webhook_endpoints_failing": await WebhookEndpoint.filter(
            failing_since__not_isnull=True, disabled_at=None
        ).count(),
        "tickets_breaching": await unfinished.filter(is_breaching()).count(),
    }


_PENDING = [status for status in PaymentStatus if not status.is_final]


def _first_code(errors: Any) -> str:
    if not errors:
        return "OK"
    code = (errors[0].get("extensions") or {}).get("code")
    return str(code or "UNKNOWN")
