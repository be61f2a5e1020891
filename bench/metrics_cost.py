"""`bin/bench metrics`: what the metrics cost a small query.

Two servers differ in `CAMCHA_METRICS` only. They share a core and take short turns with the same
requests, and run no jobs, so whatever else the machine does slows both. The pairs of turns are
compared, by the processor time of a request. In each of its turns the metrics are read once, which
is more often than Prometheus does.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import httpx

from bench.data import Sizes
from bench.load import load
from bench.operations import OPERATIONS, Operation
from bench.processes import cpu_seconds
from bench.servers import Server, free_port, running_servers
from bench.sign_in import interval

_WARM_UP_SECONDS = 2.0


async def measure_metrics(
    url: str, sizes: Sizes, folder: Path, core: int | None, seconds: float, rounds: int
) -> None:
    """Print the microseconds of a request without metrics and with them, and the difference."""
    address = f"127.0.0.1:{free_port()}"
    async with AsyncExitStack() as stack:
        servers = []
        for name, settings in (("without", {}), ("with", {"CAMCHA_METRICS": address})):
            (folder / name).mkdir()
            running = running_servers(
                ["camcha"], url, sizes, folder / name, core, settings, ["--no-worker"]
            )
            servers += await stack.enter_async_context(running)
        without, with_them = servers
        turn = _Turn(sizes, f"http://{address}/metrics")
        operation = OPERATIONS["Q1"]
        for server in (without, with_them):
            await turn.measure(server, operation, _WARM_UP_SECONDS, "warm up", is_read=False)
        pairs = []
        for number in range(rounds):
            order = [(without, False), (with_them, True)]
            measured = {
                is_read: await turn.measure(
                    server, operation, seconds, f"{number}", is_read=is_read
                )
                for server, is_read in (order if number % 2 else order[::-1])
            }
            pairs.append((measured[False], measured[True]))
    _report(pairs)


class _Turn:
    """Turns with the same requests. `metrics_url` is where the metrics are read."""

    def __init__(self, sizes: Sizes, metrics_url: str) -> None:
        self._sizes, self._metrics_url = sizes, metrics_url

    async def measure(
        self, server: Server, operation: Operation, seconds: float, label: str, *, is_read: bool
    ) -> float:
        """The processor time of a request in microseconds."""
        before = cpu_seconds(server.pid)
        async with asyncio.TaskGroup() as group:
            loading = group.create_task(load(server, operation.bodies(self._sizes, label), seconds))
            if is_read:
                group.create_task(self._read())
        return 1e6 * (cpu_seconds(server.pid) - before) / len(loading.result().latencies)

    async def _read(self) -> None:
        async with httpx.AsyncClient() as http:
            (await http.get(self._metrics_url)).raise_for_status()


def _report(pairs: Sequence[tuple[float, float]]) -> None:
    without, with_them = (median(each) for each in zip(*pairs, strict=True))
    shares = [100 * (second - first) / first for first, second in pairs]
    low, high = interval(shares)
    print(f"\nCPU us per request of Q1: {without:.1f} without metrics, {with_them:.1f} with them")
    print(
        f"difference in {len(pairs)} pairs of turns: {median(shares):+.2f} % (median; its 95 % "
        f"interval {low:+.2f} to {high:+.2f})"
    )
