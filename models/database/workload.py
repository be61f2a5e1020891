"""The kind of work that a task does, and for whom: this determines which connections it uses.

Each workload has connections of its own, so that a slow one delays only itself. Within a workload
the people who wait for a connection take turns. Both belong to the running task and are inherited
by the tasks that it starts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class Workload(StrEnum):
    """A kind of work with connections of its own."""

    CHAT = "CHAT"  # posting messages, and delivering events
    INTERACTIVE = "INTERACTIVE"  # every other request
    REPORTS = "REPORTS"  # statements that read a large part of the database
    JOBS = "JOBS"  # the timetable
    HEALTH = "HEALTH"  # whether the database answers


_workload: ContextVar[Workload] = ContextVar("workload", default=Workload.INTERACTIVE)
_person: ContextVar[str | None] = ContextVar("person", default=None)


# The workload of the current task.
current_workload = _workload.get
# Whom the current task works for. None for the server itself, which needn't take turns.
current_person = _person.get


@contextmanager
def workload(kind: Workload) -> Iterator[None]:
    """Do what is inside as this kind of work."""
    token = _workload.set(kind)
    try:
        yield
    finally:
        _workload.reset(token)


def assign_workload(kind: Workload) -> None:
    """Do everything that the current task does from now on as this kind of work."""
    _workload.set(kind)


def assign_person(person: str | None) -> None:
    """Do everything that the current task does from now on for this person: any text that
    identifies them.
    """
    _person.set(person)
