"""The connections to PostgreSQL: a pool for each workload, bounded, and shared fairly between
people.

A single statement passes through `read`, which takes a connection, executes and returns the
connection without creating a task: asyncpg's own pool costs a task, two futures and two timers,
which take longer than a short statement. Transactions acquire a connection and release it.

A connection is used again when its statement or transaction ended properly, with a result or with
an error that the server reported. Otherwise it is closed, which sends a pending cancellation first,
and its place is free once that is done.

**When the server is lost**, which is when a connection breaks or doesn't answer in time, other
connections have usually been lost with it without anyone having noticed yet. So all of them are
replaced: the idle ones at once, the others when they are released. Otherwise each of them would
make one more request wait in vain.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

import asyncpg
import structlog
from asyncpg import Connection

from models.database.failures import as_service_error, is_lost
from models.database.fair_queue import Admission, FairQueue
from models.database.options import DatabaseOptions
from models.database.workload import Workload, current_person, current_workload

log = structlog.stdlib.get_logger()

CLOSE_TIMEOUT = 2.0  # for a statement to be canceled and the connection to be closed
CLIENT_MARGIN = 1.0  # how much longer than the server the client waits for a statement
_KEEPALIVE_INTERVAL = 2  # seconds between the probes of an idle connection


class Lease(NamedTuple):
    """The use of a connection by one statement or transaction."""

    connection: Connection
    admission: Admission
    generation: int


class PoolUsage(NamedTuple):
    """How the connections of a workload are used now, and how many requests had to wait for one so
    far, for how many seconds together, and how many of them got none.
    """

    workload: Workload
    size: int
    used: int
    waiting: int
    waits: int
    waited_seconds: float
    refusals: int

    @classmethod
    def of(cls, workload: Workload, queue: FairQueue) -> "PoolUsage":
        """The usage of the connections to which a queue admits."""
        return cls(
            workload,
            queue.size,
            queue.used,
            queue.waiting,
            queue.waits,
            queue.waited_seconds,
            queue.refusals,
        )


class ConnectionPool:
    """The connections of one workload."""

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], queue: FairQueue, pools: "Pools"
    ) -> None:
        self._connect, self._queue, self._pools = connect, queue, pools
        self._idle: list[Connection] = []
        self._closing: set[asyncio.Task[None]] = set()

    def usage(self, workload: Workload) -> PoolUsage:
        """How the connections are used."""
        return PoolUsage.of(workload, self._queue)

    async def acquire(self, *, transaction: bool) -> Lease:
        """Acquire a connection. Raises ServiceUnavailable."""
        admission = await self._queue.enter(current_person(), transaction=transaction)
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():  # the server may have closed it while it was idle
                return Lease(connection, admission, self._pools.generation)
        try:
            return Lease(await self._connect(), admission, self._pools.generation)
        except BaseException as error:
            self._queue.leave(admission)
            self._pools.raise_service_error(error)
            raise

    def release(self, lease: Lease, *, reuse: bool) -> None:
        """Return a connection. `reuse` is whether its statement or transaction ended properly."""
        connection, admission, generation = lease
        if reuse and generation == self._pools.generation and not connection.is_in_transaction():
            self._idle.append(connection)
            self._queue.leave(admission)
        else:
            close_task = asyncio.get_running_loop().create_task(self._close(lease))
            self._closing.add(close_task)
            close_task.add_done_callback(self._closing.discard)

    async def _close(self, lease: Lease) -> None:
        try:
            with suppress(Exception):  # it is aborted then
                await lease.connection.close(timeout=CLOSE_TIMEOUT)
        finally:
            self._queue.leave(lease.admission)

    async def read(self, statement: str, params: list[Any]) -> list[Any]:
        """Execute one statement outside any transaction and return asyncpg's records."""
        lease = await self.acquire(transaction=False)
        try:
            records: list[Any] = await lease.connection.fetch(statement, *params)
        except BaseException as error:
            self.release(lease, reuse=is_reported(error))
            self._pools.raise_service_error(error)
            raise
        self.release(lease, reuse=True)
        return records

    def abort_idle_connections(self) -> None:
        """Abort the idle connections."""
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        """Close the idle connections, and wait for those that are being closed."""
        idle_connections, self._idle = self._idle, []
        await asyncio.gather(
            *(connection.close(timeout=CLOSE_TIMEOUT) for connection in idle_connections),
            *self._closing,
            return_exceptions=True,
        )


def is_reported(error: BaseException) -> bool:
    """Whether the server has reported the error, so that its connection can be used again."""
    is_reported = isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError)
    return is_reported and not is_lost(error)


class Pools:
    """The pools of all workloads. `parameters` are those of `asyncpg.connect`."""

    def __init__(self, options: DatabaseOptions, parameters: dict[str, Any]) -> None:
        self.generation = 0  # one more each time that the server was lost
        self._pools = {
            kind: ConnectionPool(_connector(kind, options, parameters), _queue(kind, options), self)
            for kind in Workload
        }

    @property
    def current(self) -> ConnectionPool:
        """The pool of the current task's workload."""
        return self._pools[current_workload()]

    def usage(self) -> list[PoolUsage]:
        """How the connections of each workload are used."""
        return [pool.usage(kind) for kind, pool in self._pools.items()]

    def raise_service_error(self, error: BaseException) -> None:
        """Raise ServiceUnavailable if the error is temporary, otherwise return."""
        if isinstance(error, Exception):
            if is_lost(error):
                self._replace_connections()
            if unavailable := as_service_error(error):
                raise unavailable from error

    def was_lost_since(self, lease: Lease) -> bool:
        """Whether the server was lost since this connection was acquired."""
        return lease.generation != self.generation

    def _replace_connections(self) -> None:
        self.generation += 1
        for pool in self._pools.values():
            pool.abort_idle_connections()

    async def close(self) -> None:
        """Close the connections that aren't in use. The others are closed when they are
        released.
        """
        self.generation += 1
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))

    def terminate(self) -> None:
        """Abort the connections that aren't in use."""
        self._replace_connections()


def _queue(kind: Workload, options: DatabaseOptions) -> FairQueue:
    size = options.connections(kind)
    return FairQueue(
        size,
        share=(size + 1) // 2,
        transactions=max(1, size - size // 4),
        wait=options.statement_timeout(kind),
    )


def _connector(
    kind: Workload, options: DatabaseOptions, parameters: dict[str, Any]
) -> Callable[[], Awaitable[Connection]]:
    timeout = options.statement_timeout(kind)
    configured_settings: dict[str, str] = parameters.get("server_settings") or {}
    settings = _server_settings(options, timeout) | configured_settings
    if kind is Workload.REPORTS:
        # One processor, and sorts in memory: the others keep what is left.
        settings = {"max_parallel_workers_per_gather": "0", "work_mem": "64MB"} | settings

    async def connect() -> Connection:
        connection = await asyncpg.connect(
            **parameters
            | {
                "server_settings": settings,
                "timeout": options.connect_timeout,
                "command_timeout": timeout + CLIENT_MARGIN,
            }
        )
        _watch_network(connection, options)
        return connection

    return connect


def _server_settings(options: DatabaseOptions, statement_timeout: float) -> dict[str, str]:
    """The settings of the server for a client that is lost or waits for too long."""
    return {
        "statement_timeout": _milliseconds(statement_timeout),
        "lock_timeout": _milliseconds(options.lock_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(options.idle_in_transaction_timeout),
        "tcp_user_timeout": _milliseconds(options.tcp_user_timeout),
        "tcp_keepalives_idle": str(max(1, round(options.tcp_user_timeout / 2))),
        "tcp_keepalives_interval": str(_KEEPALIVE_INTERVAL),
    }


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1_000))


def _watch_network(connection: Connection, options: DatabaseOptions) -> None:
    """Let the kernel break a connection whose packets get lost, also while it is idle."""
    network = connection._transport.get_extra_info("socket")
    if network is None or network.family == socket.AF_UNIX:
        return
    idle_seconds = max(1, round(options.tcp_user_timeout / 2))
    network.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    network.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_seconds)
    network.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL)
    network.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(options.tcp_user_timeout * 1_000)
    )
