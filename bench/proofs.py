"""`bin/bench proofs`: how long `auditProof` and `invoiceNumbering` take with the data of a large
vendor, and how long others wait meanwhile.
"""

import asyncio
import time
from contextlib import suppress

import httpx

from bench.database import Database
from bench.large_data import token_of
from bench.load import percentile
from bench.processes import cpu_seconds, resident_kib
from bench.servers import BenchmarkError, Server

INTERVAL = 0.02  # between the bystander's requests
PROOFS = {
    "auditProof": "{ auditProof { entries error firstInvalidSequence } }",
    "invoiceNumbering": "{ invoiceNumbering { issuedCount errors } }",
}


async def measure_proofs(server: Server, database: Database) -> bool:
    """Print the times. Returns whether both proofs found no error."""
    async with _client(server, "OPERATOR") as operator, _client(server, "AGENT") as agent:
        idle = await _bystander(agent, asyncio.create_task(asyncio.sleep(5)))
        _print("idle", idle)
        for name, query in PROOFS.items():
            cpu, memory, start = cpu_seconds(server.pid), resident_kib(server.pid), time.monotonic()
            proof = asyncio.create_task(operator.post("/graphql", json={"query": query}))
            latencies = await _bystander(agent, proof)
            response = (await proof).json()
            _print(name, latencies)
            print(
                f"{name}: {time.monotonic() - start:.1f} s,"
                f" {cpu_seconds(server.pid) - cpu:.1f} s of the server's processor time,"
                f" {(resident_kib(server.pid) - memory) / 1024:.0f} MiB more, {response}"
            )
            if response.get("errors"):
                raise BenchmarkError(f"{name} failed")
    return True


def _client(server: Server, viewer: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}",
        headers={"Authorization": f"Bearer {token_of(viewer)}"},
        timeout=120,
    )


async def _bystander(http: httpx.AsyncClient, work: "asyncio.Task[object]") -> list[float]:
    """How long small requests take until the work is done, in seconds."""
    latencies = []
    while not work.done():
        start = time.perf_counter()
        await http.post("/graphql", json={"query": "{ viewer { user { name } } }"})
        latencies.append(time.perf_counter() - start)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(work), INTERVAL)
    return latencies


def _print(name: str, latencies: list[float]) -> None:
    print(
        f"a request beside {name:18} p50 {percentile(latencies, 50):.1f} ms,"
        f" p99 {percentile(latencies, 99):.1f} ms, maximum {1_000 * max(latencies):.1f} ms",
        flush=True,
    )
