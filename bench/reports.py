"""`bin/bench reports`: whether heavy reports of one analyst delay chat messages.

A message is posted every 20 ms, on an idle server and while 24 reports over a million tickets are
requested at once, again and again.
"""

import asyncio
import gc
import secrets
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx

from auth.sessions import token_hash
from bench.data import AGENTS, END_OF_SESSIONS, START, Sizes
from bench.load import percentile
from bench.servers import BenchmarkError, Server
from bench.sign_in import Chat

TICKETS = 1_000_000
REPORTS = 24
DAYS = 1_000
REPORT = f"""{{ analytics(query: {{tickets: {{by: [DAY, CHANNEL, CATEGORY], first: 1000,
    since: "{START:%Y-%m-%d}", until: "{START + timedelta(days=DAYS):%Y-%m-%d}", measures: [
    {{function: COUNT}}, {{function: SUM, of: ANSWERED}}, {{function: MEDIAN, of: FIRST_RESPONSE}},
    {{function: P90, of: FIRST_RESPONSE}}]}}}}) {{ rows {{ keys cells {{ number }} }} }} }}"""
_FILL = """
INSERT INTO ticket (account_id, requester_id, subject, channel, category, kind, status, priority,
    created_at, opened_on, updated_at, first_response_at, first_response_seconds, closed_at)
SELECT account, account, 'Question ' || n, (ARRAY['CHAT', 'WEB', 'EMAIL', 'PHONE'])[1 + n % 4],
    (ARRAY['USAGE', 'BUG', 'BILLING', 'ACCOUNT'])[1 + n % 4], 'GENERAL', 'CLOSED', 'NORMAL',
    at, at::date, at,
    at + interval '1 minute', 60 + n % 1000, at + interval '1 day'
FROM (SELECT n, 1 + n % $2 AS account, $3::timestamptz + (n % $4) * interval '1 day' AS at
      FROM generate_series(1, $1::int) AS n) AS numbered"""


async def prepare(url: str, sizes: Sizes) -> str:
    """Add a million closed tickets and an analyst. Returns the analyst's access token."""
    token, user = f"cam_at_{secrets.token_urlsafe(32)}", sizes.accounts + AGENTS + 1
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_FILL, TICKETS, sizes.accounts, START, DAYS)
        await connection.execute(
            'INSERT INTO "user" (id, email, name, locale, staff, password_hash, email_verified_at,'
            " second_factor_at, created_at) VALUES ($1, 'nadia@example.fr', 'Nadia', 'fr',"
            " 'ANALYST', '!', $2, $2, $2)",
            user,
            START,
        )
        await connection.execute(
            "INSERT INTO session (user_id, access_hash, access_expires_at, expires_at, created_at,"
            " last_used_at, second_factor) VALUES ($1, $2, $3, $3, $4, $4, true)",
            user,
            token_hash(token),
            END_OF_SESSIONS,
            datetime.now(UTC),
        )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return token


async def measure_reports(server: Server, token: str, seconds: float, rounds: int) -> None:
    """Print how long chat messages take to arrive, on an idle server and while the reports run."""
    gc.collect()
    gc.freeze()  # collecting the objects that filled the database would delay this client
    idle_latencies: list[float] = []
    busy_latencies: list[float] = []
    outcomes: dict[str, int] = {}
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=REPORTS)
    async with (
        Chat(server).open(4) as chat,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=60, limits=limits
        ) as http,
    ):
        await chat.post_messages(2.0)
        for _ in range(rounds):
            idle_latencies += await chat.post_messages(seconds)
            requesting = [
                asyncio.create_task(_request_reports(http, outcomes)) for _ in range(REPORTS)
            ]
            await asyncio.sleep(1)
            busy_latencies += await chat.post_messages(seconds)
            for task in requesting:
                task.cancel()
            await asyncio.gather(*requesting, return_exceptions=True)
            await asyncio.sleep(3)  # the statement that was running is canceled
    print("\nms until a message arrives      p50      p99   maximum   messages")
    for name, values in (("idle", idle_latencies), (f"{REPORTS} reports", busy_latencies)):
        percentiles = "".join(f"{percentile(values, nth):9.2f}" for nth in (50, 99))
        print(f"{name:26}{percentiles}{1e3 * max(values):10.2f}{len(values):11}")
    ratio = percentile(busy_latencies, 99) / percentile(idle_latencies, 99)
    print(f"p99 beside the reports is {ratio:.2f} times that of the idle server")
    print("reports:", ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    if not outcomes.get("completed"):
        raise BenchmarkError("no report was completed")


async def _request_reports(http: httpx.AsyncClient, outcomes: dict[str, int]) -> None:
    while True:
        response = (await http.post("/graphql", json={"query": REPORT})).json()
        errors = response.get("errors")
        outcome = errors[0]["extensions"]["code"] if errors else "completed"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if errors:
            await asyncio.sleep(errors[0]["extensions"].get("retryAfter", 1))
