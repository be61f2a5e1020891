"""The faults: each begins, lasts for some seconds, and ends. `FAULTS` has them by name."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from bench.chaos.deployment import Deployment, Service

_LATENCY = 0.1
_FILLER_BYTES = 1 << 16
Cause = Callable[[Deployment, float], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """What happens. `cause` brings it about within its context, with the seconds that it lasts.

    `repeats_emails` is whether an email may arrive twice because of it: the mail server accepted a
    message, and the process that sent it couldn't record that. SMTP can't do better.
    """

    description: str
    cause: Cause
    repeats_emails: bool = False
    needs: Callable[[Deployment], str | None] = lambda _: None  # why it can't be had here


def _without_postgres(deployment: Deployment) -> str | None:
    return "needs PostgreSQL" if deployment.database_proxy is None else None


def _without_restart(deployment: Deployment) -> str | None:
    return None if deployment.restart_database else "needs a PostgreSQL server of its own"


def _without_redis(deployment: Deployment) -> str | None:
    return None if deployment.redis else "needs Redis"


def _without_disk(deployment: Deployment) -> str | None:
    return None if deployment.filler else "needs the right to mount a small disk (root, on Linux)"


def _without_clock(deployment: Deployment) -> str | None:
    return None if deployment.clock else "needs libfaketime"


@asynccontextmanager
async def _kill_server(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    async with _killed(deployment.servers[0], seconds):
        yield


@asynccontextmanager
async def _kill_worker(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    async with _killed(deployment.worker, seconds):
        yield


@asynccontextmanager
async def _killed(service: Service, seconds: float) -> AsyncIterator[None]:
    """Kill a process, which is started again at once, as by systemd, and once more meanwhile."""
    await asyncio.to_thread(service.kill)
    service.start()
    await service.wait_until_ready()
    await asyncio.sleep(seconds)
    await asyncio.to_thread(service.kill)
    service.start()
    yield
    await service.wait_until_ready()


@asynccontextmanager
async def _pause_server(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    deployment.servers[0].pause()
    try:
        await asyncio.sleep(seconds)
        yield
    finally:
        deployment.servers[0].resume()


@asynccontextmanager
async def _pause_worker(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    """Pause the process that runs the jobs until its claims have ended, while another one takes
    over. When it continues, both run.
    """
    other = deployment.spare_worker()
    deployment.worker.pause()
    try:
        other.start()
        await asyncio.sleep(max(seconds, 25.0))
        yield
    finally:
        deployment.worker.resume()
        await asyncio.sleep(min(seconds, 3.0))
        await asyncio.to_thread(other.stop)


@asynccontextmanager
async def _restart_database(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    assert deployment.restart_database is not None, "see _without_restart"  # noqa: S101
    await asyncio.to_thread(deployment.restart_database)
    yield


@asynccontextmanager
async def _terminate_connections(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    url = deployment.database_url.replace("postgres://", "postgresql://", 1)
    connection = await asyncpg.connect(url)
    try:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.3)
    finally:
        await connection.close()
    yield


@asynccontextmanager
async def _lose_database(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    assert deployment.database_proxy is not None, "see _without_postgres"  # noqa: S101
    deployment.database_proxy.drop()
    await asyncio.sleep(seconds)
    deployment.database_proxy.forward()
    yield


@asynccontextmanager
async def _slow_database(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    assert deployment.database_proxy is not None, "see _without_postgres"  # noqa: S101
    deployment.database_proxy.latency = _LATENCY
    await asyncio.sleep(seconds)
    deployment.database_proxy.latency = 0
    yield


@asynccontextmanager
async def _slow_clients(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    for proxy in deployment.client_proxies:
        proxy.latency = 3 * _LATENCY
    await asyncio.sleep(seconds)
    for proxy in deployment.client_proxies:
        proxy.latency = 0
    yield


@asynccontextmanager
async def _lose_clients(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    """Lose what clients and servers send, then break every connection."""
    for proxy in deployment.client_proxies:
        proxy.drop()
    await asyncio.sleep(seconds)
    for proxy in deployment.client_proxies:
        proxy.forward()
        proxy.reset()
    yield


@asynccontextmanager
async def _lose_redis(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    assert deployment.redis is not None, "see _without_redis"  # noqa: S101
    deployment.redis.kill()
    await asyncio.sleep(seconds)
    await asyncio.to_thread(deployment.redis.start)
    yield


@asynccontextmanager
async def _pause_redis(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    assert deployment.redis is not None, "see _without_redis"  # noqa: S101
    deployment.redis.suspend()
    await asyncio.sleep(seconds)
    deployment.redis.resume()
    yield


@asynccontextmanager
async def _lose_answers(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    deployment.mail.loses_answers = True
    await asyncio.sleep(seconds)
    deployment.mail.loses_answers = False
    yield


@asynccontextmanager
async def _fill_disk(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
    """Fill the disk of the uploaded files and of an SQLite database, again and again."""
    assert deployment.filler is not None, "see _without_disk"  # noqa: S101
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    try:
        while loop.time() < until:
            _fill(deployment)
            await asyncio.sleep(0.05)
    finally:
        deployment.filler.unlink(missing_ok=True)
    yield


def _fill(deployment: Deployment) -> None:
    assert deployment.filler is not None, "see _without_disk"  # noqa: S101
    size = _FILLER_BYTES
    with deployment.filler.open("ab", buffering=0) as file:
        while size:
            try:
                os.write(file.fileno(), bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 2  # what is left is smaller


def _clock_fault(description: str, duration: timedelta) -> Fault:
    @asynccontextmanager
    async def jump(deployment: Deployment, seconds: float) -> AsyncIterator[None]:
        await deployment.move_clock(duration)
        await asyncio.sleep(seconds)
        yield

    # The claim on an email that is being sent may end by the jump, and then it is sent again.
    return Fault(f"the clock jumps {description}", jump, True, _without_clock)


FAULTS: dict[str, Fault] = {
    "kill-server": Fault("kill -9 of a server, twice", _kill_server),
    "kill-worker": Fault("kill -9 of the jobs' process, twice", _kill_worker, True),
    "pause-server": Fault("a server stops for some seconds (SIGSTOP)", _pause_server),
    "pause-worker": Fault(
        "the jobs' process stops for longer than its claims last, and another one takes over",
        _pause_worker,
        True,
        _without_postgres,
    ),
    "restart-database": Fault(
        "PostgreSQL crashes and starts again", _restart_database, True, _without_restart
    ),
    "terminate-connections": Fault(
        "all connections to PostgreSQL are terminated, again and again",
        _terminate_connections,
        True,
        _without_postgres,
    ),
    "lose-database": Fault(
        "the network to PostgreSQL loses everything", _lose_database, True, _without_postgres
    ),
    "slow-database": Fault(
        "the network to PostgreSQL takes 0.1 s for each packet",
        _slow_database,
        needs=_without_postgres,
    ),
    "lose-clients": Fault("the network to the clients loses everything", _lose_clients),
    "slow-clients": Fault("the network to the clients takes 0.3 s for each packet", _slow_clients),
    "lose-redis": Fault("kill -9 of Redis, and its restart", _lose_redis, needs=_without_redis),
    "pause-redis": Fault("Redis stops for some seconds", _pause_redis, needs=_without_redis),
    "lose-answers": Fault(
        "the mail server accepts emails and breaks off before it says so", _lose_answers, True
    ),
    "fill-disk": Fault(
        "the disk of the uploaded files, and of SQLite, is full",
        _fill_disk,
        True,
        _without_disk,
    ),
    "clock-forward-hour": _clock_fault("forward by an hour", timedelta(hours=1)),
    "clock-forward-day": _clock_fault("forward by a day", timedelta(days=1)),
    "clock-forward-month": _clock_fault("forward by a month", timedelta(days=31)),
    "clock-back-hour": _clock_fault("back by an hour", timedelta(hours=-1)),
    "clock-back-day": _clock_fault("back by a day", timedelta(days=-1)),
}
