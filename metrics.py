"""The metrics of a server process in Prometheus' format, on an address of their own.

They hold no personal data, and no values of clients but the names of operations. Those are limited
in number, because each is stored: the first ones that signed-in people use, and those of trusted
documents. All others are counted as `other`.

Numbers that are counted as things happen cost an operation some microseconds. Those of the database
are read by a job of the processes that run jobs, and only they export them, so several processes
that serve don't read the same again and again. `/metrics` is answered by a thread, so a scrape
delays nobody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
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
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from engine import Operation, RequestError, Result
from models.database.pool import PoolUsage
from models.measurements import COUNTERS, HISTOGRAMS
from operations.database_metrics import DESCRIPTIONS, read_numbers
from operations.version import VERSION
from realtime.broadcast import SubscriptionCounts
from resolvers.context import Context

MAX_NAMES = 300  # of operations
OTHER = "other"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Sockets(Protocol):
    """The websockets of an endpoint."""

    @property
    def open_count(self) -> int:
        """How many websockets are open."""

    def subscription_counts(self) -> SubscriptionCounts:
        """The subscriptions to streams of stored events."""


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
        self._subscriptions = Gauge(
            "camcha_subscriptions",
            "Subscriptions to events in this process: live, or catching_up with what they missed.",
            ["state"],
            registry=registry,
        )
        self._broadcasts = Gauge(
            "camcha_broadcasts",
            "Groups of subscriptions in this process for which an event is executed once.",
            registry=registry,
        )
        self.database = _DatabaseNumbers()
        registry.register(self.database)
        registry.register(_Measurements())

    def watch_websockets(self, sockets: Sockets) -> None:
        """Read the numbers of open websockets and of subscriptions from this endpoint."""
        self._websockets.set_function(lambda: sockets.open_count)
        counts = sockets.subscription_counts
        self._subscriptions.labels("live").set_function(lambda: counts().live)
        self._subscriptions.labels("catching_up").set_function(lambda: counts().catching_up)
        self._broadcasts.set_function(lambda: counts().broadcasts)

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
        self.database.values = await read_numbers(at)

    def watch_connections(self, read: Callable[[], Sequence[PoolUsage]]) -> None:
        """Read from this function how the connections to the database are used."""
        self.registry.register(_Connections(read))

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


class _DatabaseNumbers(Collector):
    """The numbers that were read from the database last, none before the first time."""

    values: Mapping[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        for name, value in self.values.items():
            yield GaugeMetricFamily(name, DESCRIPTIONS[name], value)


class _Measurements(Collector):
    """What this process has counted and measured (models/measurements.py)."""

    def collect(self) -> Iterator[Metric]:
        for counter in COUNTERS:
            family = CounterMetricFamily(counter.name, counter.description, labels=counter.labels)
            for values, count in counter.counts.items():
                family.add_metric(values, count)
            yield family
        for histogram in HISTOGRAMS:
            counts, seconds = histogram.read()
            totals = zip(
                (*map(floatToGoString, histogram.bounds), "+Inf"), accumulate(counts), strict=True
            )
            yield HistogramMetricFamily(histogram.name, histogram.description, [*totals], seconds)


class _Connections(Collector):
    """The connections to the database, by workload."""

    def __init__(self, read: Callable[[], Sequence[PoolUsage]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        name, labels = "camcha_database_connections", ["workload"]
        sizes = GaugeMetricFamily(f"{name}_limit", "How many may be open.", labels=labels)
        used = GaugeMetricFamily(f"{name}_in_use", "How many are in use.", labels=labels)
        waiting = GaugeMetricFamily(
            f"{name}_waiting", "Statements and transactions that wait for one.", labels=labels
        )
        waits = SummaryMetricFamily(
            "camcha_database_connection_wait_seconds",
            "How long those that had to wait for one have waited.",
            labels=labels,
        )
        refusals = CounterMetricFamily(
            "camcha_database_connection_timeouts",
            "Statements and transactions that waited for one in vain.",
            labels=labels,
        )
        for each in self._read():
            values = [each.workload.lower()]
            sizes.add_metric(values, each.size)
            used.add_metric(values, each.used)
            waiting.add_metric(values, each.waiting)
            waits.add_metric(values, each.waits, each.waited_seconds)
            refusals.add_metric(values, each.refusals)
        yield from (sizes, used, waiting, waits, refusals)


def _first_code(errors: Any) -> str:
    if not errors:
        return "OK"
    code = (errors[0].get("extensions") or {}).get("code")
    return str(code or "UNKNOWN")
