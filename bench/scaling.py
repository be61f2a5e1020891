"""How the cost of our own server grows: with the rows of a response, its depth, and the number of
distinct documents.
"""

import asyncio
from collections.abc import Iterator

import orjson

from bench.data import INVOICES_PER_PURCHASE, Sizes
from bench.load import Client, load
from bench.processes import cpu_seconds, resident_kib
from bench.servers import Server
from resolvers.ids import encode

INVOICE_FIELDS = (
    "id number issuedOn dueOn sha256 net { amountCents } vat { amountCents } gross { amountCents }"
)
PURCHASE_COUNTS = (1, 2, 5, 10, 20, 50, 100)  # of ten invoices each
DEPTHS = (0, 1, 2, 3, 4)
MEMORY_READING_COUNT = 20


async def measure_scaling(server: Server, sizes: Sizes, seconds: float, documents: int) -> None:
    """Print all three."""
    await measure_rows(server, seconds)
    await measure_depth(server, sizes, seconds)
    await measure_memory(server, documents)


async def measure_rows(server: Server, seconds: float) -> None:
    """Processor time for lists of 10 to 1,000 invoices."""
    print("\nrows per response     us per request    us per row    us per additional row")
    before: tuple[int, float] | None = None
    for purchases in PURCHASE_COUNTS:
        query = (
            f"{{ purchases(first: {purchases}) {{ nodes {{ invoices {{ {INVOICE_FIELDS} }} }} }} }}"
        )
        count, cost = INVOICES_PER_PURCHASE * purchases, await _cost(server, query, seconds)
        marginal_cost = f"{(cost - before[1]) / (count - before[0]):25.2f}" if before else ""
        print(f"{count:17}{cost:19,.0f}{cost / count:14.2f}{marginal_cost}", flush=True)
        before = count, cost


async def measure_depth(server: Server, sizes: Sizes, seconds: float) -> None:
    """Processor time for nested objects, each fetched by a statement of its own."""
    print("\nstatements per request    us per request    us per additional statement")
    before: tuple[int, float] | None = None
    account = encode("Account", sizes.accounts)
    for levels in DEPTHS:
        query = (
            f'{{ node(id: "{account}") {{ ... on Account {{ {_nested_selection(levels)} }} }} }}'
        )
        count, cost = 1 + 2 * levels, await _cost(server, query, seconds)
        marginal_cost = f"{(cost - before[1]) / (count - before[0]):31.1f}" if before else ""
        print(f"{count:22}{cost:18,.0f}{marginal_cost}", flush=True)
        before = count, cost


def _nested_selection(levels: int) -> str:
    """A selection of a company's latest ticket, that ticket's company, and so on: two statements
    per level.
    """
    return (
        "legalName tickets(first: 1) "
        f"{{ nodes {{ id account {{ {_nested_selection(levels - 1)} }} }} }}"
        if levels
        else "legalName"
    )


async def _cost(server: Server, query: str, seconds: float) -> float:
    """Microseconds of the server's processor time for one request with this query."""
    body = orjson.dumps({"query": query})

    def bodies() -> Iterator[bytes]:
        while True:
            yield body

    await load(server, bodies(), seconds / 4)
    before = cpu_seconds(server.pid)
    result = await load(server, bodies(), seconds)
    return 1e6 * (cpu_seconds(server.pid) - before) / len(result.latencies)


async def measure_memory(server: Server, documents: int) -> None:
    """Resident memory after many distinct documents, each sent once."""
    print("\ndistinct documents    resident MiB")
    print(f"{0:18,}{resident_kib(server.pid) / 1024:16.1f}", flush=True)
    batch_size, sent_count = max(1, documents // MEMORY_READING_COUNT), 0
    while sent_count < documents:
        sent_count += await _send_distinct(
            server, sent_count, min(batch_size, documents - sent_count)
        )
        await asyncio.sleep(0)
        print(f"{sent_count:18,}{resident_kib(server.pid) / 1024:16.1f}", flush=True)


async def _send_distinct(server: Server, start: int, count: int) -> int:
    """Send this many documents that were not sent before. Returns the number."""

    async def send_share(first: int) -> None:
        async with Client.connect(server) as client:
            for number in range(first, start + count, 4):
                query = (
                    f'query D{number} {{ offer(slug: "offre-01") {{ a{number}: id slug '
                    f"segment name description }} }}"
                )
                await client.execute(orjson.dumps({"query": query}))

    await asyncio.gather(*(send_share(start + offset) for offset in range(4)))
    return count
