"""`bin/bench large-reports`: how long an analyst's reports over three years take with the data of a
large vendor: each fact table by month, by month and each of its dimensions, and with each of its
values.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from bench.database import Database
from bench.large_data import DAYS
from bench.list_requests import ListRequest
from bench.lists import Timing, client, explain, time_request
from bench.servers import Server
from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import Fact, Unit

TARGET_MILLISECONDS = 500
VIEWER = "ANALYST"


async def measure_reports(
    server: Server,
    database: Database,
    filled_at: datetime,
    *,
    rounds: int,
    only: str,
    explained: int,
) -> bool:
    """Print the times of all reports, from the slowest on. Returns whether all meet the target."""
    day, timings = filled_at.date(), list[Timing]()
    async with client(server, VIEWER) as http:
        for fact in fact_tables("postgres", day).values():
            for request in _requests(fact, day):
                if only in request.name:
                    timing = await time_request(http, VIEWER, request, rounds)
                    timings += [timing] if timing else []
    timings.sort(key=lambda each: each.p95, reverse=True)
    slow = [each for each in timings if each.p95 > TARGET_MILLISECONDS]
    print(f"\n{len(timings)} reports, {len(slow)} above {TARGET_MILLISECONDS} ms")
    print(f"{'p50':>9}{'p95':>9}  report")
    for each in timings:
        print(f"{each.p50:9.1f}{each.p95:9.1f}  {each.request.name}")
    for each in timings[:explained]:
        await explain(server, database, each)
    return not slow


def _requests(fact: Fact, day: date) -> Iterator[ListRequest]:
    yield _request(fact, day, "MONTH", "{function: COUNT}")
    for name in fact.dimensions:
        yield _request(fact, day, f"MONTH, {name}", "{function: COUNT}")
    for name, value in fact.values.items():
        function = "SUM" if value.unit is Unit.SHARE else "MEDIAN"
        yield _request(fact, day, "MONTH", f"{{function: {function}, of: {name}}}")


def _request(fact: Fact, day: date, by: str, measure: str) -> ListRequest:
    days = f'since: "{day - timedelta(days=DAYS)}", until: "{day}"'
    query = f"{{ {fact.name}: {{ by: [{by}], {days}, measures: [{measure}] }} }}"
    return ListRequest(
        f"{fact.name} by {by} {measure}",
        f"{{ analytics(query: {query}) {{ rows {{ keys cells {{ number }} }} }} }}",
        ("analytics",),
    )
