"""P6.3: typical questions of managers, answered over HTTP on both databases, with results computed
by hand from query_fixtures.py.
"""

import csv
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from random import Random
from typing import Any

import httpx
import pytest

from models.clock import PARIS
from models.database.sql import dialect, execute, execute_report
from models.identity.user import Staff
from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import Function
from operations.analytics.periods import (
    SERIES,
    Period,
    bucket,
    bucket_text,
    first_day,
    keys_of,
    paris_day,
)
from operations.analytics.query import AnalyticsQuery, Measure
from operations.analytics.statement import can_be_bounded, cells_statement
from tests.schema.analytics.query_fixtures import (
    TABLE,
    Analyst,
    analyst_client,
    create_market,
    pay,
    sell,
    support,
    try_out,
)

AUTUMN = {"since": "2026-09-01", "until": "2026-12-01"}
NOVEMBER = {"since": "2026-11-01", "until": "2026-12-01"}
COUNT = {"function": "COUNT"}


def of(function: str, name: str, **options: Any) -> dict[str, Any]:
    return {"function": function, "of": name, **options}


@pytest.fixture
async def nadia(db: str) -> AsyncIterator[Analyst]:
    async with analyst_client() as analyst:
        yield analyst


async def test_p6_3_the_ten_questions_about_money_and_support(nadia: Analyst) -> None:
    market = await create_market()
    for fill in (sell, try_out, pay, support):
        await fill(market)

    # 1. Recurring revenue by month: 6 x 29.00 + 6 x 100.00, then one company less.
    mrr = {**AUTUMN, "by": ["MONTH"], "measures": [of("DISTINCT", "PURCHASE"), of("SUM", "MRR")]}
    assert await nadia.rows(mrr=mrr) == [
        ("2026-09-01", 12, 77_400),
        ("2026-10-01", 12, 77_400),
        ("2026-11-01", 11, 74_500),
    ]

    # 2. Churn: one of twelve in November.
    churn = {
        **AUTUMN,
        "by": ["MONTH"],
        "measures": [COUNT, of("SUM", "LOST"), of("MEAN", "LOST"), of("SUM", "MRR_LOST")],
    }
    assert await nadia.rows(churn=churn) == [
        ("2026-10-01", 12, 0, 0, 0),
        ("2026-11-01", 12, 1, 1 / 12, 2_900),
    ]

    # 3. The offers that sold most: 6 x 1,200.00, and 6 + 6 + 5 months of 29.00.
    revenue = {
        **AUTUMN,
        "by": ["OFFER"],
        "measures": [of("SUM", "NET", order="DESC"), of("SUM", "VAT"), of("DISTINCT", "INVOICE")],
    }
    assert await nadia.rows(revenue=revenue) == [
        ("pme", 720_000, 144_000, 6),
        ("tpe", 17 * 2_900, 17 * 580, 17),
    ]

    # 4. The backlog at the end of each week: ten of Sunday, 25 October; in the week of 2 November
    # six were solved on the same Tuesday on which six others came.
    backlog = {
        "since": "2026-10-19",
        "until": "2026-11-09",
        "by": ["WEEK"],
        "measures": [COUNT, of("MEAN", "AGE")],
    }
    assert await nadia.rows(backlog=backlog) == [
        ("2026-10-19", 10, 0),
        ("2026-10-26", 10, 7),
        ("2026-11-02", 16, (10 * 14 + 6 * 5) / 16),
    ]

    # 5. By weekday and hour, in Paris, also when the clocks go back.
    busy = {"since": "2026-10-01", "until": "2026-12-01", "measures": [COUNT]}
    assert await nadia.rows(tickets={**busy, "by": ["WEEKDAY", "HOUR_OF_DAY"]}) == [
        ("1", "9", 6),
        ("2", "14", 6),
        ("7", "2", 10),
    ]
    assert await nadia.rows(
        tickets={"since": "2026-10-25", "until": "2026-10-26", "by": ["HOUR"], "measures": [COUNT]}
    ) == [("2026-10-25T00:00:00Z", 5), ("2026-10-25T01:00:00Z", 5)]

    # 6. By team, with the response times of 1 to 6 minutes.
    teams = {
        **NOVEMBER,
        "by": ["TEAM"],
        "measures": [
            COUNT,
            of("MEDIAN", "FIRST_RESPONSE"),
            of("P90", "FIRST_RESPONSE"),
            of("MEAN", "RESOLUTION"),
        ],
    }
    assert await nadia.rows(tickets=teams) == [
        ("Facturation", 6, None, None, None),
        ("Technique", 6, 210, 360, 86_400),
    ]

    # 7. How many were reopened: two of the six that were solved.
    reopened = {
        **NOVEMBER,
        "by": ["CATEGORY"],
        "measures": [of("SUM", "REOPENED"), of("MEAN", "REOPENED")],
    }
    assert await nadia.rows(tickets=reopened) == [("BUG", 2, 2 / 6), ("BILLING", 0, 0)]

    # 8. The SLA: one of six missed its target.
    sla = {
        **NOVEMBER,
        "by": ["MEASURE", "TEAM"],
        "measures": [
            COUNT,
            of("MEAN", "BREACHED"),
            of("MEDIAN", "BUSINESS_TIME"),
            of("P90", "BUSINESS_TIME"),
        ],
    }
    assert await nadia.rows(sla=sla) == [("FIRST_RESPONSE", "Technique", 6, 1 / 6, 210, 360)]

    # 9. Failed payments by their reason, and what part of all failed.
    failed = {
        **NOVEMBER,
        "by": ["REASON"],
        "where": {"status": {"eq": "DECLINED"}},
        "measures": [COUNT, of("SUM", "AMOUNT")],
    }
    assert await nadia.rows(payments=failed) == [("insufficient_funds", 6, 6 * 3_480)]
    share = {**NOVEMBER, "measures": [of("MEAN", "DECLINED"), of("MEAN", "SUCCEEDED")]}
    assert await nadia.rows(payments=share) == [(0.5, 0.5)]

    # 10. Trials that became paid: three of the five that are over.
    trials = {**AUTUMN, "by": ["MONTH"], "measures": [COUNT, of("MEAN", "CONVERTED")]}
    assert await nadia.rows(trials=trials) == [("2026-10-01", 6, 3 / 5)]

    # And how satisfied customers were: five of six, (5 x 5 + 2) / 6.
    csat = {
        **NOVEMBER,
        "by": ["TEAM"],
        "measures": [COUNT, of("MEAN", "SATISFIED"), of("MEAN", "SCORE")],
    }
    assert await nadia.rows(ratings=csat) == [("Technique", 6, 5 / 6, 27 / 6)]


async def test_p6_3_a_query_compares_fills_gaps_and_adds_up(nadia: Analyst) -> None:
    market = await create_market()
    for day, size in ((1, 5), (3, 6)):
        at = datetime(2026, 11, day, 9, tzinfo=UTC)
        await market.open_tickets(at, market.companies[:size])
    await market.open_tickets(datetime(2026, 10, 30, 9, tzinfo=UTC), market.companies[:10])
    table = await nadia.table(
        tickets={
            "since": "2026-11-01",
            "until": "2026-11-04",
            "by": ["DAY"],
            "measures": [{**COUNT, "runningTotal": True}, of("MEDIAN", "FIRST_RESPONSE")],
            "compare": "PREVIOUS_PERIOD",
            "fillGaps": True,
        }
    )
    counts = [(row["keys"][0], row["cells"][0]) for row in table["rows"]]
    assert [
        (day, cell["number"], cell["runningTotal"]["number"], cell["previous"]["number"])
        for day, cell in counts
    ] == [("2026-11-01", 5, 5, 0), ("2026-11-02", 0, 5, 10), ("2026-11-03", 6, 11, 0)]
    assert [cell["change"] for _, cell in counts] == [None, -1, None]
    assert [row["cells"][1]["number"] for row in table["rows"]] == [None] * 3
    # Whole months are compared with whole months, and a year with the same days a year before.
    for comparison, since in (("PREVIOUS_PERIOD", 10), ("PREVIOUS_YEAR", 0)):
        (row,) = await nadia.rows(tickets={**NOVEMBER, "measures": [COUNT], "compare": comparison})
        table = await nadia.table(tickets={**NOVEMBER, "measures": [COUNT], "compare": comparison})
        assert row == (11,)
        assert table["rows"][0]["cells"][0]["previous"]["number"] == since


async def test_p6_3_rows_are_chosen_by_their_numbers_ordered_and_cut(nadia: Analyst) -> None:
    market = await create_market()
    for channel, size in (("CHAT", 5), ("EMAIL", 7), ("PHONE", 9), ("WEB", 11)):
        at = datetime(2026, 11, 2, 9, tzinfo=UTC)
        await market.open_tickets(at, market.companies[:size], channel=channel)
    query = {**NOVEMBER, "by": ["CHANNEL"]}
    most = {**query, "measures": [{**COUNT, "order": "DESC"}], "first": 2}
    assert await nadia.rows(tickets=most) == [("WEB", 11), ("PHONE", 9)]
    table = await nadia.table(tickets=most)
    assert (table["rowCount"], table["truncated"]) == (4, True)
    some = {**query, "measures": [{**COUNT, "having": {"gte": 7, "lt": 11}}]}
    assert await nadia.rows(tickets=some) == [("EMAIL", 7), ("PHONE", 9)]
    assert not (await nadia.table(tickets=some))["truncated"]
    # The last complete month, with a condition on a dimension and on a value.
    where = {"channel": {"in": ["EMAIL", "WEB"]}, "first_responseRange": {"gte": 1}}
    del where["first_responseRange"]
    last = {"last": {"number": 1, "period": "MONTH"}, "measures": [COUNT], "where": where}
    assert await nadia.rows(tickets=last) == [(0,)]
    answered = {**query, "measures": [COUNT], "where": {"firstResponseRange": {"gte": 1}}}
    assert await nadia.rows(tickets=answered) == []


async def test_p6_3_numbers_about_few_companies_are_hidden(nadia: Analyst) -> None:
    market = await create_market()
    at = datetime(2026, 11, 2, 9, tzinfo=UTC)
    for channel, size in (("CHAT", 4), ("EMAIL", 6), ("PHONE", 8), ("WEB", 10)):
        seconds = {"CHAT": 1}.get(channel)
        await market.open_tickets(
            at, market.companies[:size], channel=channel, first_response_seconds=seconds
        )
    query = {**NOVEMBER, "by": ["CHANNEL"], "measures": [COUNT]}

    # Four companies chatted. The smallest other group is hidden, too: without it, the number would
    # be the difference of the total and the others.
    hidden = [("CHAT", "-"), ("EMAIL", "-"), ("PHONE", 8), ("WEB", 10)]
    table = await nadia.table(tickets=query)
    assert await nadia.rows(tickets=query) == hidden
    assert (table["hiddenCount"], table["minimumCompanies"]) == (2, 5)
    assert await nadia.rows(tickets={**NOVEMBER, "measures": [COUNT]}) == [(28,)]

    # Neither conditions nor orders, limits or sums know a hidden number.
    for having in ({"gte": 5}, {"lt": 5}, {"gte": 1_000}):
        rows = await nadia.rows(tickets={**query, "measures": [{**COUNT, "having": having}]})
        assert rows[:2] == hidden[:2]
    for order in ("ASC", "DESC"):
        rows = await nadia.rows(tickets={**query, "measures": [{**COUNT, "order": order}]})
        assert rows[2:] == hidden[:2]
    days = {**query, "by": ["CHANNEL", "DAY"], "measures": [{**COUNT, "runningTotal": True}]}
    table = await nadia.table(tickets=days)
    assert [row["cells"][0]["runningTotal"]["number"] for row in table["rows"]] == [0, 0, 8, 10]

    # A filter shows what is hidden no more than a dimension does: alone, with another group, and
    # by leaving it out.
    for chosen, expected in (
        (["CHAT"], "-"),
        (["EMAIL"], "-"),
        (["CHAT", "WEB"], "-"),
        (["EMAIL", "PHONE", "WEB"], "-"),
        (["CHAT", "EMAIL"], 10),
        (["PHONE", "WEB"], 18),
    ):
        where = {"channel": {"in": chosen}}
        rows = await nadia.rows(tickets={**NOVEMBER, "measures": [COUNT], "where": where})
        assert rows == [(expected,)], chosen

    # Counts of different companies are hidden alike, and a number of a larger group that is about
    # few of its companies.
    distinct = {**query, "measures": [of("DISTINCT", "COMPANY"), of("DISTINCT", "TICKET")]}
    assert [row[1:] for row in await nadia.rows(tickets=distinct)] == [
        ("-", "-"),
        ("-", "-"),
        (8, 8),
        (10, 10),
    ]
    median = {**NOVEMBER, "measures": [COUNT, of("MEDIAN", "FIRST_RESPONSE")]}
    assert await nadia.rows(tickets=median) == [(28, "-")]

    # Compared with other days, too.
    later = {"since": "2026-12-01", "until": "2027-01-01", "compare": "PREVIOUS_PERIOD"}
    table = await nadia.table(tickets={**query, **later})
    assert [row["cells"][0]["previous"]["isHidden"] for row in table["rows"]] == [
        True,
        True,
        False,
        False,
    ]
    assert all(row["cells"][0]["change"] in (None, -1) for row in table["rows"])


async def test_numbers_are_the_same_with_lower_bounds_of_companies(nadia: Analyst) -> None:
    await support(await create_market())
    days, today = (date(2026, 9, 1), date(2026, 12, 1)), date(2026, 12, 1)
    fact = fact_tables(dialect(), today)["tickets"]
    measures = (Measure(Function.COUNT), Measure(Function.MEAN, "FIRST_RESPONSE"))
    query = AnalyticsQuery("tickets", measures, dimensions=("TEAM", "MONTH"))
    assert can_be_bounded(query, dialect()) == (dialect() == "postgres")
    if dialect() == "sqlite":
        return
    exact, bounded = [
        {
            (row.pop("key0"), row.pop("key1")): row
            for row in map(dict, await execute_report(statement.sql, *statement.params))
        }
        for statement in (
            cells_statement(query, fact, days, today, dialect(), is_bounded=is_bounded)
            for is_bounded in (False, True)
        )
    ]
    assert exact.keys() == bounded.keys()
    assert len(exact) > 1
    for key, row in exact.items():
        bounds = {name: each for name, each in bounded[key].items() if "companies" in name}
        assert all(0 < bound <= row[name] for name, bound in bounds.items() if row[name])
        assert bounded[key] | {name: row[name] for name in bounds} == row


async def test_p6_3_only_analysts_ask_and_mistakes_are_named(nadia: Analyst) -> None:
    teams = {"team": {"in": [*map(str, range(101))]}}
    for query, path, part in (
        ({"measures": []}, "measures", "« measures » doit contenir au moins une valeur"),
        ({"measures": [COUNT] * 7}, "measures", "au plus 6"),
        ({"measures": [of("SUM", "COMPANY")]}, "measures.0.of", "FIRST_RESPONSE"),
        ({"measures": [COUNT], "by": ["DAY", "DAY"]}, "by", "« by »"),
        ({"measures": [COUNT], "first": 0}, "first", "entre 1 et 1"),
        ({"measures": [COUNT], "since": "2020-01-01"}, "since", "jours"),
        ({"measures": [COUNT], "since": "2026-01-01", "until": "2026-01-01"}, "since", "jours"),
        ({"measures": [COUNT], "until": "0001-01-01"}, "since", "jours"),
        ({"measures": [COUNT], "last": {"number": 0, "period": "DAY"}}, "last.number", "jours"),
        ({"measures": [{**COUNT, "order": "ASC"}] * 2}, "measures.1.order", "« order »"),
        ({"measures": [COUNT], "where": teams}, "where.team.in", "au plus 100"),
    ):
        response = await nadia.post(TABLE, variables={"query": {"tickets": query}})
        (error,) = response["errors"]
        assert error["extensions"]["code"] == "VALUE_INVALID", query
        assert error["extensions"]["field"] == ["query", "tickets", *path.split(".")]
        assert part in error["message"].replace("\xa0", " "), error
    wrong = {
        "measures": [of("SUM", "TICKET"), of("COUNT", "AGE")],
        "by": ["DAY", "MONTH"],
        "first": 0,
    }
    response = await nadia.post(TABLE, variables={"query": {"backlog": wrong}})
    (error,) = response["errors"]
    paths = [".".join(each["field"][2:]) for each in error["extensions"]["errors"]]
    assert paths == ["first", "measures.0.of", "measures.1.of", "by"]
    two = {"tickets": {"measures": [COUNT]}, "sla": {"measures": [COUNT]}}
    response = await nadia.post(TABLE, variables={"query": two})
    assert response["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    snapshot = {"backlog": {"measures": [COUNT], "by": ["DAY", "MONTH"]}}
    response = await nadia.post(TABLE, variables={"query": snapshot})
    assert "« by »" in response["errors"][0]["message"]
    async with analyst_client(Staff.AGENT, "Alice") as alice:
        response = await alice.post(TABLE, variables={"query": {"tickets": {"measures": [COUNT]}}})
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_p6_3_the_cost_is_told_before_and_after(nadia: Analyst) -> None:
    query = {"tickets": {**AUTUMN, "by": ["DAY", "CHANNEL"], "measures": [COUNT]}}
    told = await nadia.post(TABLE, variables={"query": query}, extensions={"dryRun": True})
    answered = await nadia.post(TABLE, variables={"query": query})
    assert told["extensions"]["cost"] == answered["extensions"]["cost"]
    assert told["extensions"]["cost"]["limit"] == 20_000
    years = {"since": "2023-12-01", "until": "2026-12-01", "compare": "PREVIOUS_YEAR"}
    by = ["DAY", "CHANNEL", "CATEGORY", "TEAM"]
    costly = {"tickets": {**years, "by": by, "measures": [COUNT]}}
    refused = await nadia.post(TABLE, variables={"query": costly})
    assert refused["errors"][0]["extensions"]["code"] == "QUERY_TOO_COSTLY"


async def test_p6_3_an_answer_is_a_file_for_some_minutes(nadia: Analyst) -> None:
    market = await create_market()
    await sell(market)
    await market.teams[0].filter(pk=market.teams[0].pk).update(name="=1+1")
    await support(market)
    revenue = {
        **AUTUMN,
        "by": ["OFFER"],
        "measures": [of("SUM", "NET", runningTotal=True), COUNT],
        "compare": "PREVIOUS_YEAR",
        "first": 1,
    }
    link = "query ($query: AnalyticsQueryInput!) { analytics(query: $query) { csvUrl } }"

    async def file(query: dict[str, Any]) -> httpx.Response:
        response = await nadia.post(link, variables={"query": query})
        url = response["data"]["analytics"]["csvUrl"]
        return await nadia.http.get(httpx.URL(url).raw_path.decode())

    response = await file({"revenue": revenue})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "camcha-revenue-2026-11-24.csv" in response.headers["content-disposition"]
    assert next(iter(csv.DictReader(StringIO(response.text)))) == {
        "OFFER": "pme",
        "SUM_NET": "7200.00",
        "SUM_NET_hidden": "false",
        "SUM_NET_previous": "0.00",
        "SUM_NET_change": "",
        "SUM_NET_running_total": "7200.00",
        "COUNT": "6",
        "COUNT_hidden": "false",
        "COUNT_previous": "0",
        "COUNT_change": "",
    }
    assert len(response.text.splitlines()) == 3
    # No spreadsheet takes a name for a formula, and what is hidden is hidden here, too.
    where = {"channel": {"in": ["EMAIL", "CHAT"]}, "firstResponseRange": {"lt": 300}}
    tickets = {**NOVEMBER, "by": ["TEAM"], "measures": [COUNT], "where": where}
    assert (await file({"tickets": tickets})).text.splitlines()[1:] == ["Technique,,true"]
    del where["firstResponseRange"]
    last = {**tickets, "last": {"number": 2, "period": "YEAR"}, "measures": [COUNT]}
    assert "2026" not in (await file({"tickets": last})).text
    named = (await file({"tickets": tickets})).text.splitlines()[1:]
    assert named == ["'=1+1,6,false", "Technique,6,false"]
    assert (await nadia.http.get("/downloads/x")).status_code == 404


PERIODS_OF_DAYS = [*SERIES, Period.WEEKDAY, Period.HOUR_OF_DAY]


async def test_both_databases_know_the_time_in_paris(db: str) -> None:
    random, begin = Random(57), datetime(2000, 1, 1, tzinfo=UTC)
    moments = [begin + timedelta(seconds=random.randrange(40 * 365 * 86_400)) for _ in range(60)]
    changes = [
        datetime(year, month, 31 - date(year, month, 31).isoweekday() % 7, 1, tzinfo=UTC)
        for year in (1999, 2026, 2027, 2032)
        for month in (3, 10)
    ]
    moments += [at + timedelta(seconds=by) for at in changes for by in (-1, -1e-6, 0, 1)]
    cast = "?" if dialect() == "sqlite" else "CAST(? AS TIMESTAMPTZ)"
    columns = ", ".join(
        bucket_text(period, dialect()).format(
            bucket(period, paris_day("at", dialect()), "at", dialect())
        )
        + f" AS c{index}"
        for index, period in enumerate(PERIODS_OF_DAYS)
    )
    sql = " UNION ALL ".join(f"SELECT {index} AS n, {cast} AS at" for index in range(len(moments)))
    rows = await execute(f"SELECT {columns} FROM ({sql}) AS moments ORDER BY n", *moments)  # noqa: S608 - our own
    for at, row in zip(moments, rows, strict=True):
        local = at.astimezone(PARIS)
        expected = [first_day(period, local.date()).isoformat() for period in SERIES]
        assert [str(row[f"c{index}"]) for index in range(len(PERIODS_OF_DAYS))] == [
            *expected,
            str(local.isoweekday()),
            str(local.hour),
        ], at


def test_a_series_has_each_bucket_once() -> None:
    assert len(keys_of(Period.HOUR, date(2026, 10, 25), date(2026, 10, 26))) == 25
    assert len(keys_of(Period.HOUR, date(2026, 3, 29), date(2026, 3, 30))) == 23
    assert keys_of(Period.WEEK, date(2026, 11, 1), date(2026, 11, 3)) == [
        "2026-10-26",
        "2026-11-02",
    ]
    assert keys_of(Period.QUARTER, date(2026, 2, 1), date(2026, 8, 1)) == [
        "2026-01-01",
        "2026-04-01",
        "2026-07-01",
    ]
