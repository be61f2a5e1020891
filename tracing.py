"""Traces of OpenTelemetry, sent to a collector over HTTP (OTLP). Imported only when they are
configured, because the libraries take a tenth of a second.

A trace begins with a request or with a run of a job. The caller's own trace continues (W3C
`traceparent`) when it calls from a network that the operator trusts: anybody else could choose the
identifiers, and have everything recorded. A run of a job that found nothing to do isn't sent.

What happens inside of a request or a run is a part of its trace. Tasks that outlive it, such as the
readers of streams, record nothing afterwards.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import islice
from threading import Thread

import httpx
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine import Operation
from models.tracing import Attributes, SpanKind, trace_with
from operations.version import VERSION

_KINDS = {
    SpanKind.PART: trace.SpanKind.INTERNAL,
    SpanKind.CALL: trace.SpanKind.CLIENT,
    SpanKind.REQUEST: trace.SpanKind.SERVER,
    SpanKind.JOB: trace.SpanKind.INTERNAL,
    SpanKind.TASK: trace.SpanKind.CONSUMER,
}
_EXPORT_SECONDS = 5.0  # for one request to the collector
_CLOSE_SECONDS = 5.0  # for all requests at the end
_UNTRACED = frozenset({"/healthz", "/readyz"})
_STATUS = "http.response.status_code"
_MAX_KEPT_SPANS = 10_000  # of the runs of jobs that go on
_MAX_NAME = 100
_MAX_LINKS = 100  # of a span
_TRACEPARENT = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()
_NO_SPAN: AbstractContextManager[object] = nullcontext()


class Tracing:
    """Implements models.tracing.Tracer and engine.Tracer. `url` is the collector's, without
    `/v1/traces`; `callers` are the networks from which `traceparent` is accepted.
    """

    def __init__(self, url: str, callers: Sequence[IPv4Network | IPv6Network]) -> None:
        exporter = OTLPSpanExporter(f"{url.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
        resource = Resource.create({"service.name": "camcha", "service.version": VERSION})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(_WithoutIdleRuns(BatchSpanProcessor(exporter)))
        self._tracer = self._provider.get_tracer("camcha", VERSION)
        self._callers = callers
        self._send_request = httpx.AsyncHTTPTransport.handle_async_request

    def start(self) -> None:
        """Record spans from now on, also for the requests that httpx sends."""
        trace_with(self)
        send_request = self._send_request

        async def send_traced(
            transport: httpx.AsyncHTTPTransport, request: httpx.Request
        ) -> httpx.Response:
            # The path may name a company.
            attributes = {"http.request.method": request.method, "server.address": request.url.host}
            with self.span(request.method, SpanKind.CALL, attributes):
                response = await send_request(transport, request)
                trace.get_current_span().set_attribute(_STATUS, response.status_code)
                return response

        httpx.AsyncHTTPTransport.handle_async_request = send_traced  # type: ignore[assignment, method-assign]

    def close(self) -> None:
        """Record nothing more, and send what is recorded. The collector has some seconds for it."""
        trace_with(None)
        httpx.AsyncHTTPTransport.handle_async_request = self._send_request  # type: ignore[method-assign]
        sending = Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(_CLOSE_SECONDS)

    def span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        parent: str | None = None,
        links: Iterable[str] = (),
    ) -> AbstractContextManager[object]:
        """A span of the code inside. `parent` and `links` are what `traceparent` returned."""
        begins = kind in (SpanKind.REQUEST, SpanKind.JOB, SpanKind.TASK)
        if not begins and not trace.get_current_span().is_recording():
            return _NO_SPAN
        # A task may run within a job, which has a trace of its own.
        context = _context_of(parent) if kind is SpanKind.TASK else None
        return self._recorded(name[:_MAX_NAME], kind, attributes, context, _links_to(links))

    def traceparent(self) -> str | None:
        """The `traceparent` of the current span, None when it isn't recorded."""
        if not trace.get_current_span().is_recording():
            return None
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get(_TRACEPARENT)

    def link(self, traceparents: Iterable[str]) -> None:
        """Link the current span to these, as far as their number allows."""
        current = trace.get_current_span()
        if current.is_recording():
            for each in _links_to(traceparents):
                current.add_link(each.context)

    def operation(self, operation: Operation) -> AbstractContextManager[object]:
        """A span of the execution of an operation. Over a websocket it begins a trace."""
        is_part = trace.get_current_span().is_recording()
        attributes: dict[str, str | int | bool] = {
            "graphql.operation.type": operation.kind,
            "graphql.document.hash": operation.document.id,
            "camcha.cost": operation.cost,
        }
        if operation.name:
            attributes["graphql.operation.name"] = operation.name[:_MAX_NAME]
        name = " ".join(filter(None, (operation.kind, operation.name)))
        return self.span(name, SpanKind.PART if is_part else SpanKind.REQUEST, attributes)

    def step(self, field: str, count: int) -> AbstractContextManager[object]:
        """A span of what is awaited for a field of a level."""
        return self.span(field, SpanKind.PART, {"camcha.count": count})

    @contextmanager
    def _recorded(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        parent: Context | None = None,
        links: Sequence[trace.Link] = (),
    ) -> Iterator[trace.Span]:
        if kind is SpanKind.JOB:
            attributes = {**attributes, _IS_JOB: True}
        with self._tracer.start_as_current_span(
            name,
            parent,
            _KINDS[kind],
            attributes,
            links,
            # The message of an exception may quote what a person typed.
            record_exception=False,
            set_status_on_exception=False,
        ) as current:
            try:
                yield current
            except BaseException as error:
                current.set_attribute("error.type", type(error).__name__)
                current.set_status(StatusCode.ERROR)
                raise

    def traced_app(self, app: ASGIApp, paths: Iterable[str]) -> ASGIApp:
        """The application, with a span for each HTTP request but the checks of its health. Only
        the first segment of one of its paths is recorded, because the rest may be a secret.
        """
        routes = {_first_segment(path) for path in paths}

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] in _UNTRACED:
                await app(scope, receive, send)
                return
            method, segment = scope["method"], _first_segment(scope["path"])
            route = segment if segment in routes else "other"
            attributes = {"http.request.method": method, "http.route": route}
            with self._recorded(
                f"{method} {route}", SpanKind.REQUEST, attributes, self._parent(scope)
            ) as current:
                await app(scope, receive, _with_status(send, current))

        return traced

    def _parent(self, scope: Scope) -> Context:
        """The caller's trace, if it is to be continued."""
        client = scope.get("client")
        if not client or not self._is_trusted(client[0]):
            return Context()
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        return _PROPAGATOR.extract(headers, Context())

    def _is_trusted(self, address: str) -> bool:
        with suppress(ValueError):  # the path of a socket
            return any(ip_address(address) in network for network in self._callers)
        return False


def _context_of(traceparent: str | None) -> Context:
    """The context of a stored `traceparent`; an empty one, which begins a trace, without any."""
    return _PROPAGATOR.extract({_TRACEPARENT: traceparent} if traceparent else {}, Context())


def _links_to(traceparents: Iterable[str]) -> list[trace.Link]:
    """Links to spans, each once, and no more than a span may have."""
    contexts = [
        trace.get_current_span(_context_of(each)).get_span_context()
        for each in islice(dict.fromkeys(traceparents), _MAX_LINKS)
    ]
    return [trace.Link(context) for context in contexts if context.is_valid]


def _first_segment(path: str) -> str:
    return "/" + path.lstrip("/").split("/", 1)[0]


def _with_status(send: Send, current: trace.Span) -> Send:
    async def send_with_status(message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            current.set_attribute(_STATUS, status)
            if status >= 500:
                current.set_status(StatusCode.ERROR)
            if (b"content-type", b"text/event-stream") in message.get("headers", ()):
                current.end()  # what follows goes on for hours
        await send(message)

    return send_with_status


_IS_JOB = "camcha.job"


class _WithoutIdleRuns(SpanProcessor):
    """Passes on all spans but those of runs of jobs that only read: most runs look for work, and
    there is none.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        self._processor = processor
        self._runs: dict[int, list[ReadableSpan]] = {}  # by trace
        self._kept = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if span.attributes and _IS_JOB in span.attributes:
            self._runs[span.get_span_context().trace_id] = []

    def on_end(self, span: ReadableSpan) -> None:
        spans = self._runs.get(span.get_span_context().trace_id)  # type: ignore[union-attr]
        if spans is None:
            self._processor.on_end(span)
        elif span.attributes and _IS_JOB in span.attributes:
            self._end_run([*spans, span])
        elif self._kept < _MAX_KEPT_SPANS:
            spans.append(span)
            self._kept += 1

    def _end_run(self, spans: list[ReadableSpan]) -> None:
        del self._runs[spans[-1].get_span_context().trace_id]  # type: ignore[union-attr]
        self._kept -= len(spans) - 1
        if any(map(_did_something, spans)):
            for span in spans:
                self._processor.on_end(span)

    def shutdown(self) -> None:
        self._processor.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._processor.force_flush(timeout_millis)


def _did_something(span: ReadableSpan) -> bool:
    """Whether the span is a call other than a reading statement, or failed."""
    statement = str((span.attributes or {}).get("db.query.summary", ""))
    if statement:
        return not statement.startswith(("SELECT", "WITH"))
    return span.kind is trace.SpanKind.CLIENT or span.status.status_code is StatusCode.ERROR
