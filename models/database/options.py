"""The parameters of a PostgreSQL URL that are ours: how long the server waits for the database, and
how many connections each workload has. docs/operating.md describes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from models.database.encryption import PARAMETERS
from models.database.workload import Workload


@dataclass(frozen=True)
class DatabaseOptions:
    """Times in seconds.

    The database ends a statement that takes longer than its workload allows (`statement_timeout`).
    Should it not answer at all, the client gives up a second later. Together with `connect_timeout`
    this is how long a request waits for a database that stops responding without closing its
    connections.
    """

    connect_timeout: float = 5
    chat_timeout: float = 8
    interactive_timeout: float = 8
    report_timeout: float = 25  # the engine ends a query after 30 seconds
    job_timeout: float = 60
    lock_timeout: float = 4  # how long a statement waits for another transaction
    idle_in_transaction_timeout: float = 10
    tcp_user_timeout: float = 8  # how long the network may leave sent data unacknowledged
    chat_connections: int = 6
    interactive_connections: int = 8
    report_connections: int = 1
    job_connections: int = 4

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """The options among the parameters of a URL. Raises ValueError with a message for the
        operator.
        """
        values: dict[str, Any] = {
            field.name: _number(field.name, params[field.name], is_integer=field.type is int)
            for field in fields(cls)
            if field.name in params
        }
        return cls(**values)

    @classmethod
    def unknown_parameters(cls, params: Mapping[str, str]) -> list[str]:
        """The parameters that neither we nor the driver know."""
        return sorted(params.keys() - cls.names() - PARAMETERS - _DRIVER_PARAMETERS)

    @classmethod
    def names(cls) -> frozenset[str]:
        """The names of the parameters."""
        return frozenset(field.name for field in fields(cls))

    def statement_timeout(self, kind: Workload) -> float:
        """The maximum duration of a statement of this workload."""
        return {
            Workload.CHAT: self.chat_timeout,
            Workload.INTERACTIVE: self.interactive_timeout,
            Workload.REPORTS: self.report_timeout,
            Workload.JOBS: self.job_timeout,
            Workload.HEALTH: HEALTH_TIMEOUT,
        }[kind]

    def connections(self, kind: Workload) -> int:
        """The maximum number of connections of this workload."""
        return {
            Workload.CHAT: self.chat_connections,
            Workload.INTERACTIVE: self.interactive_connections,
            Workload.REPORTS: self.report_connections,
            Workload.JOBS: self.job_connections,
            Workload.HEALTH: 1,
        }[kind]


HEALTH_TIMEOUT = 5.0
_DRIVER_PARAMETERS = {
    "application_name",
    "host",
    "max_cacheable_statement_size",
    "max_cached_statement_lifetime",
    "passfile",
    "password",
    "port",
    "schema",
    "statement_cache_size",
    "target_session_attrs",
    "user",
}


def _number(name: str, text: str, *, is_integer: bool) -> float:
    try:
        number = int(text) if is_integer else float(text)
    except ValueError:
        number = 0
    if not 0 < number < 86_400:  # excludes nan and inf
        kind = "a whole number" if is_integer else "a number of seconds"
        raise ValueError(f"{name} must be {kind} greater than 0")
    return number
