"""The kind of work that a task does, and for whom: this determines which connections it uses.

Each workload has connections of its own, so that a slow one delays only itself. Within a workload
the people who wait for a connection take turns. Both belong to the running task and are inherited
by the tasks that it starts.
"""

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


class workload:
    """Run the code inside as this kind of work."""

    __slots__ = ("_kind", "_token")

    def __init__(self, kind: Workload) -> None:
        self._kind = kind

    def __enter__(self) -> None:
        self._token = _workload.set(self._kind)

    def __exit__(self, *error: object) -> None:
        _workload.reset(self._token)


def assign_workload(kind: Workload) -> None:
    """Run everything that the current task does from now on as this kind of work."""
    _workload.set(kind)


def assign_person(person: str | None) -> None:
    """Run everything that the current task does from now on for this person, given as any text that
    identifies them.
    """
    _person.set(person)
