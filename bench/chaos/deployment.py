"""What the suite runs: server processes, a process for the jobs, and the peers that they need, all
on this machine and reached over the loopback interface only.

Between the servers and PostgreSQL, and between the clients and each server, is a proxy, so that a
network can fail.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol

import httpx

from bench.chaos.mail_server import MailServer
from bench.proxy import SHORT_TIMEOUTS, Proxy, socket_path, url_through_proxy
from bench.redis_server import RedisServer
from bench.servers import ROOT, BenchmarkError
from models.database.connection import sqlite_path
from server import bind

SECRET_KEY = "only-for-chaos-0123456789-abcdefghijkl"  # noqa: S105 - of a database that is deleted
START_TIMEOUT = 120.0
_STOP_TIMEOUT = 60.0
_CLOCK_TIMEOUT, _CLOCK_TOLERANCE = 30.0, timedelta(seconds=5)


class Process(Protocol):
    """A running process: subprocess.Popen, or what behaves like it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float = ...) -> int: ...
    def send_signal(self, number: int, /) -> None: ...


Launch = Callable[[Sequence[str], Mapping[str, str], Path], Process]


def launch(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a command of the program with frequent jobs (timetable.py), which appends what it
    prints to `log`.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "bench.chaos.timetable", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


@dataclass
class Service:
    """A process that is started again and again with the same command."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    launch: Launch
    ready_url: str | None = None  # which answers once it is ready
    metrics_url: str | None = None
    process: Process | None = None

    @property
    def log(self) -> Path:
        """The file with everything that it has printed."""
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start the process."""
        self.process = self.launch(self.arguments, self.environment, self.log)

    async def wait_until_ready(self) -> None:
        """Wait until it answers requests. Raises BenchmarkError when it ends or takes too long."""
        if self.ready_url is None:
            return
        deadline = time.monotonic() + START_TIMEOUT
        async with httpx.AsyncClient(timeout=5) as http:
            while time.monotonic() < deadline and self.running.poll() is None:
                with suppress(httpx.TransportError):
                    if (await http.get(self.ready_url)).status_code == 200:
                        return
                await asyncio.sleep(0.05)
        raise BenchmarkError(f"{self.name} isn't ready:\n{self.log.read_text()[-2_000:]}")

    async def clock(self) -> datetime:
        """The time by the clock of the process, to the second: that at which it says that it has
        answered a request for its metrics. Raises httpx.TransportError.
        """
        assert self.metrics_url is not None, "it exports metrics"  # noqa: S101
        async with httpx.AsyncClient(timeout=5) as http:
            return parsedate_to_datetime((await http.get(self.metrics_url)).headers["date"])

    @property
    def running(self) -> Process:
        """The process that was started last."""
        assert self.process is not None, "started"  # noqa: S101
        return self.process

    def kill(self) -> None:
        """Kill the process, as a power failure would."""
        self.running.send_signal(signal.SIGKILL)
        self.running.wait(_STOP_TIMEOUT)

    def pause(self) -> None:
        """Stop the process without ending it, as a virtual machine that is moved."""
        self.running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process continue."""
        self.running.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop the process as an operator would, or kill it."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class Deployment:
    """The running processes and peers. `database_url` leads to the database directly, not through
    the proxy. With SQLite there is one server, which runs the jobs as well, and neither a proxy
    before the database nor Redis.
    """

    database_url: str
    folder: Path
    servers: list[Service]
    worker: Service
    client_proxies: list[Proxy]
    mail: MailServer
    database_proxy: Proxy | None = None
    redis: RedisServer | None = None
    restart_database: Callable[[], None] | None = None
    clock: Path | None = None  # the file that moves the clock of the processes
    filler: Path | None = None  # the file that fills the disk of the files or of SQLite
    _offset: timedelta = timedelta()

    @property
    def files(self) -> Path:
        """The folder of uploaded files."""
        return disk_of(self.folder) / "files"

    @property
    def services(self) -> list[Service]:
        """All services, each once."""
        return [*self.servers, *([] if self.worker in self.servers else [self.worker])]

    @property
    def urls(self) -> list[str]:
        """Where clients reach the servers."""
        return [f"http://127.0.0.1:{proxy.port}" for proxy in self.client_proxies]

    @property
    def now(self) -> datetime:
        """The time by the clock of the processes."""
        return datetime.now(UTC) + self._offset

    async def move_clock(self, duration: timedelta) -> None:
        """Let the clock of all processes jump, and wait until each of them says so. Raises
        BenchmarkError when one doesn't.
        """
        assert self.clock is not None, "the processes use libfaketime"  # noqa: S101
        self._offset += duration
        write_clock(self.clock, self._offset)
        deadline = time.monotonic() + _CLOCK_TIMEOUT
        for each in self.services:
            while abs((at := await each.clock()) - self.now) > _CLOCK_TOLERANCE:
                if time.monotonic() > deadline:
                    raise BenchmarkError(f"the clock of {each.name} hasn't jumped: {at}")
                await asyncio.sleep(0.1)
            print(f"the clock of {each.name} is at {at:%Y-%m-%d %H:%M:%S}", flush=True)

    def spare_worker(self) -> Service:
        """Another process for the jobs, not yet started."""
        environment = {**self.worker.environment, "CAMCHA_METRICS": ""}
        return replace(
            self.worker,
            name="spare-worker",
            environment=environment,
            metrics_url=None,
            process=None,
        )

    def logged(self, text: str) -> int:
        """How often the processes have logged a text."""
        return sum(
            each.log.read_text(errors="replace").count(text)
            for each in self.services
            if each.log.exists()
        )


@dataclass(frozen=True)
class Options:
    """How to deploy: the number of servers, how processes are started, further settings, and how
    PostgreSQL is restarted, if it can be.
    """

    servers: int = 2
    launch: Launch = launch
    settings: Mapping[str, str] = field(default_factory=dict)
    restart_database: Callable[[], None] | None = None
    uses_redis: bool = True
    clock: Path | None = None
    filler: Path | None = None


@asynccontextmanager
async def running_deployment(
    database_url: str, folder: Path, options: Options
) -> AsyncIterator[Deployment]:
    """A deployment on a migrated database, ready for requests. Its logs and files are in the
    folder.
    """
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(MailServer().running())
        is_sqlite = sqlite_path(database_url) is not None
        proxy, url = None, database_url
        if not is_sqlite:
            proxy = await stack.enter_async_context(Proxy(socket_path(database_url)).running())
            url = url_through_proxy(proxy, database_url, **SHORT_TIMEOUTS)
        redis = RedisServer() if options.uses_redis and not is_sqlite else None
        if redis:
            stack.callback(redis.close)
        ports = [_free_port() for _ in range(1 if is_sqlite else options.servers)]
        proxies = [await stack.enter_async_context(Proxy(port).running()) for port in ports]
        environment = _environment(url, folder, mail.port, proxies[0].port, redis, options)

        def new_service(name: str, *arguments: str, ready_url: str | None = None) -> Service:
            address = f"127.0.0.1:{_free_port()}"
            return Service(
                name,
                arguments,
                {**environment, "CAMCHA_METRICS": address},
                folder,
                options.launch,
                ready_url,
                f"http://{address}/metrics",
            )

        servers = [
            new_service(
                f"server-{number}",
                *("serve", "--port", str(port)),
                *([] if is_sqlite else ["--no-worker"]),
                ready_url=f"http://127.0.0.1:{port}/readyz",
            )
            for number, port in enumerate(ports, 1)
        ]
        worker = servers[0] if is_sqlite else new_service("worker", "work")
        deployment = Deployment(
            database_url,
            folder,
            servers,
            worker,
            proxies,
            mail,
            proxy,
            redis,
            options.restart_database,
            options.clock,
            options.filler,
        )
        for service in deployment.services:
            stack.push_async_callback(asyncio.to_thread, service.stop)
            service.start()
        await asyncio.gather(*(each.wait_until_ready() for each in deployment.services))
        yield deployment


def _environment(
    url: str,
    folder: Path,
    mail_port: int,
    port: int,
    redis: RedisServer | None,
    options: Options,
) -> dict[str, str]:
    """The environment of the processes, without the CAMCHA variables of this shell."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAMCHA")}
    return {
        **inherited,
        "CAMCHA_DATABASE_URL": url,
        "CAMCHA_SECRET_KEY": SECRET_KEY,
        "CAMCHA_TEST_INSTALLATION": "true",
        "CAMCHA_BASE_URL": f"http://127.0.0.1:{port}",
        "CAMCHA_MAIL_URL": f"smtp://127.0.0.1:{mail_port}?starttls=never",
        "CAMCHA_MAIL_REPLY_DELAY": "1",
        "CAMCHA_FILES": str(disk_of(folder) / "files"),
        # All clients are at one address, and write faster than people.
        "CAMCHA_LIMIT_CONNECTIONS_PER_NETWORK": "10000",
        "CAMCHA_LIMIT_SOCKET_CONNECTIONS_PER_NETWORK": "10000",
        "CAMCHA_LIMIT_ACTIVITY_MESSAGES": "1000000",
        "CAMCHA_LIMIT_ACTIVITY_MESSAGES_PER_COMPANY": "1000000",
        "CAMCHA_LIMIT_ACTIVITY_MESSAGES_OF_STAFF": "1000000",
        "CAMCHA_LIMIT_ACTIVITY_TICKETS": "1000000",
        "CAMCHA_LIMIT_ACTIVITY_TICKETS_PER_COMPANY": "1000000",
        "CAMCHA_LIMIT_ACTIVITY_PURCHASES": "1000000",
        "CAMCHA_LIMIT_ACTIVITY_PURCHASES_PER_COMPANY": "1000000",
        **({"CAMCHA_REDIS_URL": redis.url} if redis else {}),
        **options.settings,
    }


def write_clock(clock: Path, offset: timedelta) -> None:
    """Write by how much libfaketime moves the clock, in one step."""
    partial = clock.with_suffix(".partial")
    partial.write_text(f"{offset.total_seconds():+.0f}\n")
    partial.rename(clock)


def clock_settings(library: Path, clock: Path) -> dict[str, str]:
    """The environment in which libfaketime moves the clock of a process as the file says."""
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",  # second, after which the file is read again
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def disk_of(folder: Path) -> Path:
    """The folder, perhaps a small disk, of uploaded files and of an SQLite database."""
    return folder / "disk"


def _free_port() -> int:
    with bind("127.0.0.1", 0) as probe:
        return int(probe.getsockname()[1])
