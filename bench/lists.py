"""`bin/bench lists`: how long every list of the schema takes with the data of a large vendor, for
each kind of viewer.

The requests are derived from the schema (list_requests.py) and sent over HTTP one after another.
They are printed from the slowest on. `--explain N` also prints the plans of the statements of the N
slowest: PostgreSQL logs these statements with their parameters, and they are executed again with
EXPLAIN.
"""

import asyncio
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import asyncpg
import httpx
import orjson

from bench.database import Database
from bench.large_data import DAYS, VIEWERS, LargeSizes, token_of
from bench.list_requests import PAGE_SIZE, ListRequest, Samples, list_requests
from bench.servers import Server
from resolvers.ids import encode
from schema.nodes import NODE_TYPES
from schema.root import schema

TARGET_MILLISECONDS = 50
_MIN_EXPLAINED = 2  # milliseconds of a statement
_STATEMENT = re.compile(r"duration: ([\d.]+) ms  execute [^:]*: (.*)", re.S)


@dataclass(frozen=True)
class Timing:
    """The times of a request in milliseconds."""

    viewer: str
    request: ListRequest
    milliseconds: tuple[float, ...]

    @property
    def p50(self) -> float:
        return median(self.milliseconds)

    @property
    def p95(self) -> float:
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]


def samples(sizes: LargeSizes, now: datetime) -> Samples:
    """Values that exist in the data. Company 7 is the largest."""
    n, agent = sizes.rows, sizes.first_agent
    keys = {"Account": 7, "User": 7, "Ticket": n - 100, "Invoice": 7, "Purchase": 7, "Team": 3}
    ids = {kind.__name__: encode(kind.__name__, keys.get(kind.__name__, 1)) for kind in NODE_TYPES}
    ids |= {name: encode("User", agent + 3) for name in ("Agent", "Assignee")}
    day = (now - timedelta(days=DAYS // 2)).date()
    return Samples(ids, _values(sizes, now), day)


def _values(sizes: LargeSizes, now: datetime) -> dict[str, Sequence[Any]]:
    opened = now - timedelta(days=DAYS // 2)
    ticket = f"CAM-{opened.year}-{sizes.rows // 2:06d}"
    searches = ['"facture"', '"tableau"', '"facture paiement"', '"rapproch"', f'"{ticket}"']
    agent = encode("User", sizes.first_agent + 3)
    return {
        "AuditEntryFilter.actorId": [f'{{eq: "{agent}"}}'],
        "AuditEntryFilter.objectId": [f'"{encode("Ticket", sizes.rows // 2)}"'],
        "InvoiceFilter.number": [f'{{eq: "FA-{opened.year}-{sizes.rows // 2:06d}"}}'],
        "Query.analytics.query": ["{tickets: {by: [MONTH], measures: [{function: COUNT}]}}"],
        "Query.articleSuggestions.text": ['"facture paiement"'],
        "Query.articles.search": ['"facture"'],
        "Query.caller.number": ['"+33600000103"'],
        "Query.cannedReplies.search": ['"facture"'],
        "Query.mailingPreview.input": [
            '{purpose: NEWSLETTER, subjectFr: "a", subjectEn: "a", bodyFr: "a", bodyEn: "a"}'
        ],
        "Query.nodes.ids": [f'["{encode("Ticket", 1)}", "{encode("Invoice", 1)}"]'],
        "Query.statusBoard.token": ['"cam_sb_none"'],
        "Query.ticketRatings.agentId": [f'"{agent}"'],
        "Query.ticketRatings.score": ["[1]", "[4, 5]"],
        "Query.users.search": ['"client"', '"client 77"', '"pme7"', f'"{ticket}"'],
        "TicketFilter.assigneeId": [f'{{eq: "{agent}"}}'],
        "TicketFilter.search": searches,
        "TicketFilter.number": [f'{{eq: "{ticket}"}}'],
        "TicketFilter.tag": ['{eq: "tag7"}'],
    }


async def measure_lists(
    server: Server,
    database: Database,
    sizes: LargeSizes,
    now: datetime,
    *,
    rounds: int,
    only: str,
    explained: int,
) -> bool:
    """Print the times of all requests, from the slowest on. Returns whether all meet the target."""
    timings: list[Timing] = []
    for viewer in VIEWERS:
        async with client(server, viewer) as http:
            for request in await _requests(http, sizes, now, only):
                if (timing := await time_request(http, viewer, request, rounds)) is not None:
                    timings.append(timing)
    timings.sort(key=lambda each: each.p95, reverse=True)
    slow = [each for each in timings if each.p95 > TARGET_MILLISECONDS]
    print(f"\n{len(timings)} requests, {len(slow)} above {TARGET_MILLISECONDS} ms")
    print(f"{'viewer':12}{'p50':>9}{'p95':>9}  request")
    for each in timings[: max(40, len(slow))]:
        print(f"{each.viewer:12}{each.p50:9.1f}{each.p95:9.1f}  {each.request.name}")
    for each in timings[:explained]:
        await explain(server, database, each)
    return not slow


def client(server: Server, viewer: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}",
        headers={"Authorization": f"Bearer {token_of(viewer)}"},
        timeout=60,
    )


async def _requests(
    http: httpx.AsyncClient, sizes: LargeSizes, now: datetime, only: str
) -> list[ListRequest]:
    requests: list[ListRequest] = []
    for request in list_requests(schema._schema, samples(sizes, now)):
        if only not in request.name:
            continue
        requests.append(request)
        if request.has_cursors and f"first: {PAGE_SIZE}" in request.query:
            requests += await _middle_pages(http, request)
    return requests


async def _middle_pages(http: httpx.AsyncClient, request: ListRequest) -> list[ListRequest]:
    """The pages after and before a position in the middle of the list, if it has several pages."""
    cursors = []
    for size in ("first", "last"):
        query = request.query.replace(f"first: {PAGE_SIZE}", f"{size}: 1")
        found = _list_in(await _post(http, query), request.path)
        if not found or not found.get("nodes"):
            return []
        cursors.append(found["pageInfo"]["startCursor"])
    if cursors[0] == cursors[1]:
        return []
    middle = _middle_cursor(*cursors)
    return [request.page_at("after", middle, "first"), request.page_at("before", middle, "last")]


def _middle_cursor(first: str, last: str) -> str:
    """A cursor between two of the same order."""
    (order, low, _), (_, high, key) = (
        orjson.loads(urlsafe_b64decode(each + "=" * (-len(each) % 4))) for each in (first, last)
    )
    if isinstance(low, int):
        value: Any = (low + high) // 2
    elif _is_time(low) and _is_time(high):
        begin, end = datetime.fromisoformat(low), datetime.fromisoformat(high)
        middle = begin + (end - begin) / 2
        value = middle.isoformat() if "T" in low else middle.date().isoformat()
    else:
        value = high
    return urlsafe_b64encode(orjson.dumps([order, value, key])).decode().rstrip("=")


def _is_time(text: Any) -> bool:
    try:
        datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return False
    return True


def _list_in(response: dict[str, Any], path: Sequence[str]) -> Any:
    found: Any = response.get("data")
    for name in path:
        found = found and found.get(name)
    return found


async def _post(http: httpx.AsyncClient, query: str) -> dict[str, Any]:
    response: dict[str, Any] = (await http.post("/graphql", json={"query": query})).json()
    return response


async def time_request(
    http: httpx.AsyncClient, viewer: str, request: ListRequest, rounds: int
) -> Timing | None:
    """The times of a request, None if the viewer may not see the list."""
    milliseconds = []
    for number in range(rounds + 1):
        start = time.perf_counter()
        response = await _post(http, request.query)
        if number:  # the first one warms up
            milliseconds.append(1_000 * (time.perf_counter() - start))
        codes = {error["extensions"]["code"] for error in response.get("errors", ())}
        if codes - {"FORBIDDEN", "UNAUTHENTICATED"}:
            print(f"{viewer} {request.name}: {response['errors'][0]['message']}", flush=True)
        if _list_in(response, request.path) is None:
            return None
    return Timing(viewer, request, tuple(milliseconds))


async def explain(server: Server, database: Database, timing: Timing) -> None:
    """Print the plans of a request's statements."""
    log_path = database.log
    assert log_path is not None, "a large database has a log in JSON"  # noqa: S101
    print(f"\n=== {timing.viewer} {timing.request.name}\n{timing.request.query}")
    connection = await asyncpg.connect(database.url)
    try:
        await _set_logging(connection, "0")
        start = log_path.stat().st_size
        async with client(server, timing.viewer) as http:
            await _post(http, timing.request.query)
        await _set_logging(connection, "-1")
        with log_path.open() as log:
            log.seek(start)
            text = log.read()
        for duration, statement in _logged_statements(text):
            if duration >= _MIN_EXPLAINED:
                print(f"--- {duration} ms\n{statement}")
                for row in await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statement}"):
                    print(row[0])
    finally:
        await connection.close()


async def _set_logging(connection: asyncpg.Connection, minimum: str) -> None:
    await connection.execute(f"ALTER SYSTEM SET log_min_duration_statement = {minimum}")
    await connection.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.5)


def _logged_statements(text: str) -> Iterator[tuple[float, str]]:
    """The SELECTs that a log in JSON contains, with their durations in milliseconds, and with the
    values of their parameters instead of these.
    """
    for line in text.splitlines():
        entry = orjson.loads(line)
        found = _STATEMENT.match(entry.get("message", ""))
        if found and found[2].lstrip().startswith(("SELECT", "WITH")):
            yield float(found[1]), _with_values(found[2], entry.get("detail", ""))


def _with_values(statement: str, parameters: str) -> str:
    values = dict(re.findall(r"\$(\d+) = ('(?:[^']|'')*'|NULL)", parameters))
    return re.sub(r"\$(\d+)", lambda match: values.get(match[1], match[0]), statement)
