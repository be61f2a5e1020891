"""How cost grows in our own server: with rows, with levels, and with the number of different documents it has seen."""

import asyncio
from collections.abc import Iterator

import orjson

from bench.data import INVOICES_EACH, Sizes
from bench.load import Asker, load
from bench.processes import cpu, resident
from bench.servers import Server
from resolvers.ids import encode

FIELDS = "id number issuedOn dueOn sha256 net { amountCents } vat { amountCents } gross { amountCents }"
PAGES = (1, 2, 5, 10, 20, 50, 100)  # purchases, of ten invoices each
TURNS = (0, 1, 2, 3, 4)
MARKS = 20


async def growth(server: Server, sizes: Sizes, seconds: float, documents: int) -> None:
    """Print all three."""
    await rows(server, seconds)
    await levels(server, sizes, seconds)
    await memory(server, documents)


async def rows(server: Server, seconds: float) -> None:
    """Processor time for lists of 10 to 1,000 invoices."""
    print("\nrows in the answer    us a request    us a row    us a further row")
    before: tuple[int, float] | None = None
    for pages in PAGES:
        query = f"{{ purchases(first: {pages}) {{ nodes {{ invoices {{ {FIELDS} }} }} }} }}"
        count, used = INVOICES_EACH * pages, await _cost(server, query, seconds)
        further = f"{(used - before[1]) / (count - before[0]):20.2f}" if before else ""
        print(f"{count:18}{used:16,.0f}{used / count:12.2f}{further}", flush=True)
        before = count, used


async def levels(server: Server, sizes: Sizes, seconds: float) -> None:
    """Processor time for one row below another, each fetched by a statement of its own."""
    print("\nstatements in turn    us a request    us a further one")
    before: tuple[int, float] | None = None
    account = encode("Account", sizes.accounts)
    for turns in TURNS:
        query = f'{{ node(id: "{account}") {{ ... on Account {{ {_chain(turns)} }} }} }}'
        count, used = 1 + 2 * turns, await _cost(server, query, seconds)
        further = f"{(used - before[1]) / (count - before[0]):20.1f}" if before else ""
        print(f"{count:18}{used:16,.0f}{further}", flush=True)
        before = count, used


def _chain(turns: int) -> str:
    """A company's latest ticket, that ticket's company, and so on: two statements a turn."""
    return f"legalName tickets(first: 1) {{ nodes {{ id account {{ {_chain(turns - 1)} }} }} }}" if turns else "legalName"


async def _cost(server: Server, query: str, seconds: float) -> float:
    """Microseconds of the server's processor time for one request of this query."""
    body = orjson.dumps({"query": query})

    def bodies() -> Iterator[bytes]:
        while True:
            yield body

    await load(server, bodies(), seconds / 4)
    before = cpu(server.pid)
    round_ = await load(server, bodies(), seconds)
    return 1e6 * (cpu(server.pid) - before) / len(round_.latencies)


async def memory(server: Server, documents: int) -> None:
    """Resident memory while many different documents come by, each once."""
    print("\ndifferent documents    resident MiB")
    print(f"{0:19,}{resident(server.pid) / 1024:16.1f}", flush=True)
    step, seen = max(1, documents // MARKS), 0
    while seen < documents:
        seen += await _different(server, seen, min(step, documents - seen))
        await asyncio.sleep(0)
        print(f"{seen:19,}{resident(server.pid) / 1024:16.1f}", flush=True)


async def _different(server: Server, start: int, count: int) -> int:
    """Ask so many documents nobody asked before."""

    async def lane(first: int) -> None:
        async with Asker.to(server) as asker:
            for number in range(first, start + count, 4):
                query = f'query D{number} {{ offer(slug: "offre-01") {{ a{number}: id slug segment name description }} }}'
                await asker.ask(orjson.dumps({"query": query}))

    await asyncio.gather(*(lane(start + each) for each in range(4)))
    return count
