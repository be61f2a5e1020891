"""The spans of traces: what was done for an operation or a job, in which order, and for how long.

Nothing is traced, and a span costs a comparison, until a tracer is given to `trace_with`; the one
for OpenTelemetry is in tracing.py. Names and attributes of spans hold no personal data: they are
names of operations, fields, jobs, tables and templates, numbers and codes, but never variables, the
values or the text of a statement, addresses, or keys of rows.

What a request or a run of a job causes is done later, often by another process. So events, emails
and requests for documents are stored with the identifier of the span in which they were
(`current_traceparent`), as long as something is traced. What is done for one of them alone
continues its trace (`parent`). What is done for several at once has a trace of its own with links
to theirs (`links`, `link_causes`).
"""

import re
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol, TypeVar

TRACEPARENT_LENGTH = 55

T = TypeVar("T")
Attributes = Mapping[str, str | int | bool]


class SpanKind(StrEnum):
    """What a span stands for. A request and a job begin a trace when they are in none, a task
    when it has no parent.
    """

    PART = "PART"  # a part of what is traced, in this process
    CALL = "CALL"  # a call of another server
    REQUEST = "REQUEST"  # an answer to a client
    JOB = "JOB"  # a run of a job
    TASK = "TASK"  # what was caused before is done now


class Tracer(Protocol):
    """Records spans."""

    def span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        parent: str | None = None,
        links: Iterable[str] = (),
    ) -> AbstractContextManager[object]:
        """A span of the code inside. The spans that begin inside belong to it."""

    def traceparent(self) -> str | None:
        """The `traceparent` of the current span, None when it isn't recorded."""

    def link(self, traceparents: Iterable[str]) -> None:
        """Link the current span to these."""


_tracer: Tracer | None = None
_NO_SPAN: AbstractContextManager[object] = nullcontext()


def trace_with(tracer: Tracer | None) -> None:
    """Record the spans of this process with this tracer from now on; None ends that."""
    global _tracer
    _tracer = tracer


def span(
    name: str,
    kind: SpanKind,
    *,
    parent: str | None = None,
    links: Iterable[str | None] = (),
    **attributes: str | int | bool,
) -> AbstractContextManager[object]:
    """A span of the code inside. In the names of attributes, `__` stands for a dot. `parent` is the
    stored `traceparent` of what caused it, and `links` are those of what else did; None stands for
    what wasn't traced.
    """
    if _tracer is None:
        return _NO_SPAN
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return _tracer.span(name, kind, named, parent, filter(None, links))


def is_tracing() -> bool:
    """Whether anything is traced in this process."""
    return _tracer is not None


def current_traceparent() -> str | None:
    """The `traceparent` of the current span (W3C Trace Context), to store with what it causes. None
    when nothing is traced.
    """
    return None if _tracer is None else _tracer.traceparent()


def link_causes(traceparents: Iterable[str | None]) -> None:
    """Link the current span to what caused it, by their stored `traceparent`. None stands for what
    wasn't traced.
    """
    if _tracer is not None:
        _tracer.link(filter(None, traceparents))


def trace_statement(statement: str, result: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """The coroutine that executes a statement, in a span of its own if anything is traced."""
    return result if _tracer is None else _in_span(statement, result)


async def _in_span(statement: str, result: Coroutine[Any, Any, T]) -> T:
    summary = _summary(statement)
    with span(summary, SpanKind.CALL, db__query__summary=summary):
        return await result


class TracedStatements:
    """The methods of Tortoise's clients that execute a statement, with a span for each."""

    def execute_query(self, query: str, values: Any = None) -> Any:
        return trace_statement(query, super().execute_query(query, values))  # type: ignore[misc]

    def execute_query_dict(self, query: str, values: Any = None) -> Any:
        return trace_statement(query, super().execute_query_dict(query, values))  # type: ignore[misc]

    def execute_insert(self, query: str, values: Any) -> Any:
        return trace_statement(query, super().execute_insert(query, values))  # type: ignore[misc]

    def execute_many(self, query: str, values: Any) -> Any:
        return trace_statement(query, super().execute_many(query, values))  # type: ignore[misc]


_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?([a-z_]+)"?(?![\w(])', re.IGNORECASE)


@lru_cache(1_000)
def _summary(statement: str) -> str:
    """What a statement does and the first table that it names, such as `SELECT ticket`."""
    verb = statement.split(None, 1)[0].upper() if statement.strip() else ""
    table = _TABLE.search(statement)
    return f"{verb} {table[1]}" if table else verb
