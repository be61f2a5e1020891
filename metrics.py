"""The metrics of a server process in Prometheus' format, on an address of their own.

They hold no personal data, and no values of clients but the names of operations. Those are limited
in number, because each is stored: the first ones that signed-in people use, and those of trusted
documents. All others are counted as `other`.

Operations are counted in dictionaries, which become metrics when they are read: the counters of the
client library take locks and check labels, which is 4 % of a small query. Numbers of the database
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
    Info,
    PlatformCollector,
    ProcessCollector,
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
from models.measurements import (
    COUNTERS,
    HISTOGRAMS,
    DurationHistogram,
    LabeledCounter,
    Labels,
)
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
        registry = self.registry
        self.operations = OperationCounts(trusted_names)
        registry.register(self.operations)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Info("camcha_build", "The version of the program.", registry=registry).info(
            {"version": VERSION}
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


class OperationCounts(Collector):
    """The counts of the operations of one process. Implements engine.Observer."""

    def __init__(self, trusted_names: Iterable[str]) -> None:
        self._names = set(trusted_names)
        self._max_names = len(self._names) + MAX_NAMES
        self._executed = LabeledCounter(
            "camcha_operations",
            "GraphQL operations that were executed, by name and by the code of their first error.",
            ["operation", "kind", "code"],
        )
        self._refused = LabeledCounter(
            "camcha_operations_refused",
            "GraphQL operations that weren't executed, by the code of their first error.",
            ["code"],
        )
        self._durations = {
            kind: DurationHistogram(
                "camcha_operation_duration_seconds",
                "How long the execution of a GraphQL operation took.",
                _SECONDS,
            )
            for kind in ("query", "mutation")
        }
        self._cost = 0

    def executed(self, operation: Operation, context: Any, result: Result, seconds: float) -> None:
        """Count an operation that was executed."""
        name = operation.name
        if name not in self._names:
            name = self._new_name(name, context)
        errors = result.get("errors")
        self._executed.add(name, operation.kind, _first_code(errors) if errors else "OK")
        self._durations[operation.kind].observe_seconds(seconds)
        self._cost += operation.cost

    def refused(self, error: RequestError) -> None:
        """Count an operation that was not executed."""
        self._refused.add(_first_code(error.errors))

    def _new_name(self, name: str | None, context: Context) -> str:
        if name is None or context.viewer.user is None or len(self._names) >= self._max_names:
            return OTHER
        self._names.add(name)
        return name

    def collect(self) -> Iterator[Metric]:
        yield _counter_family(self._executed)
        yield _counter_family(self._refused)
        yield _histogram_family({(kind,): each for kind, each in self._durations.items()}, ["kind"])
        yield SummaryMetricFamily(
            "camcha_operation_cost",
            "The cost of executed operations.",
            count_value=sum(self._executed.counts.values()),
            sum_value=self._cost,
        )


class _DatabaseNumbers(Collector):
    """The numbers that were read from the database last, none before the first time."""

    values: Mapping[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        for name, value in self.values.items():
            yield GaugeMetricFamily(name, DESCRIPTIONS[name], value)


class _Measurements(Collector):
    """What this process has counted and measured (models/measurements.py)."""

    def collect(self) -> Iterator[Metric]:
        yield from map(_counter_family, COUNTERS)
        for histogram in HISTOGRAMS:
            yield _histogram_family({(): histogram})


def _counter_family(counter: LabeledCounter) -> Metric:
    family = CounterMetricFamily(counter.name, counter.description, labels=counter.labels)
    for values, count in counter.counts.items():
        family.add_metric(values, count)
    return family


def _histogram_family(
    histograms: Mapping[Labels, DurationHistogram], labels: Sequence[str] = ()
) -> Metric:
    """One metric of these histograms, which have the same buckets, by the values of the labels."""
    first = next(iter(histograms.values()))
    family = HistogramMetricFamily(first.name, first.description, labels=labels)
    for values, histogram in histograms.items():
        counts, seconds = histogram.read()
        bounds = (*map(floatToGoString, histogram.bounds), "+Inf")
        family.add_metric(values, [*zip(bounds, accumulate(counts), strict=True)], seconds)
    return family


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


def _first_code(errors: Sequence[Mapping[str, Any]]) -> str:
    code = (errors[0].get("extensions") or {}).get("code")
    return str(code or "UNKNOWN")
