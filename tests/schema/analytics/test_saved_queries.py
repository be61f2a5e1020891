"""P6.3: analysts save queries, share them, and run them again, over HTTP on both databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import httpx
import orjson
import pytest

from models.analytics.saved_query import SavedQuery
from models.identity.user import Staff
from models.locale import Locale
from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import Function
from operations.analytics.labels import ENUMS, FACTS, dimension_label, measure_label
from operations.analytics.query import Measure
from tests.schema.analytics.query_fixtures import (
    TABLE,
    Analyst,
    analyst_client,
    create_market,
    rows_of,
    sell,
    support,
)

SAVED = "savedQuery { id name isShared query owner { name } problems { code message field } }"
TICKETS = {"tickets": {"by": ["CHANNEL"], "measures": [{"function": "COUNT"}]}}


@pytest.fixture
async def nadia(db: str) -> AsyncIterator[Analyst]:
    async with analyst_client() as analyst:
        yield analyst


async def mutate(analyst: Analyst, name: str, selection: str, /, **fields: Any) -> dict[str, Any]:
    kind = f"{name[0].upper()}{name[1:]}Input!"
    document = f"""mutation($input: {kind}) {{ {name}(input: $input) {{
        {selection} userErrors {{ code field message }} }} }}"""
    response = await analyst.post(document, variables={"input": fields})
    assert "errors" not in response, response
    return dict(response["data"][name])


async def save(analyst: Analyst, name: str, query: Any, **fields: Any) -> dict[str, Any]:
    key = {"idempotencyKey": name}
    payload = await mutate(
        analyst, "savedQueryCreate", SAVED, name=name, query=query, **key | fields
    )
    assert payload["userErrors"] == []
    return dict(payload["savedQuery"])


async def names(analyst: Analyst, arguments: str = "") -> list[str]:
    response = await analyst.post(f"{{ savedQueries{arguments} {{ nodes {{ name }} }} }}")
    return [each["name"] for each in response["data"]["savedQueries"]["nodes"]]


async def run(analyst: Analyst, saved: dict[str, Any]) -> dict[str, Any]:
    document = TABLE.replace("$query: AnalyticsQueryInput!", "$id: ID!").replace(
        "analytics(query: $query)", "savedQueryAnswer(savedQueryId: $id)"
    )
    return await analyst.post(document, variables={"id": saved["id"]})


async def test_p6_3_queries_are_saved_shared_run_changed_and_deleted(nadia: Analyst) -> None:
    await support(await create_market())
    last = {"last": {"number": 1, "period": "MONTH"}, "by": ["MONTH"]}
    query = {"tickets": {**last, "measures": [{"function": "COUNT"}]}}
    saved = await save(nadia, "Tickets du mois", query)
    assert await save(nadia, "Tickets du mois", query) == saved
    assert saved["owner"] == {"name": "Nadia"}
    assert saved["problems"] == []
    taken = {"name": "Tickets du mois", "query": TICKETS, "idempotencyKey": "other"}
    payload = await mutate(nadia, "savedQueryCreate", SAVED, **taken)
    assert [(each["code"], each["field"]) for each in payload["userErrors"]] == [
        ("NAME_TAKEN", ["input", "name"])
    ]

    # The period is that of the day on which the query runs.
    response = await run(nadia, saved)
    assert response["extensions"]["cost"]["requested"] > 10_000
    assert rows_of(response["data"]["savedQueryAnswer"]) == [("2026-10-01", 10)]
    december = datetime(2026, 12, 2, tzinfo=UTC)
    async with analyst_client(name="Basile", now=december) as basile:
        assert await names(basile) == []
        assert (await run(basile, saved))["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        changes = {"savedQueryId": saved["id"], "isShared": True, "name": "Mois"}
        assert (await mutate(nadia, "savedQueryUpdate", SAVED, **changes))["savedQuery"]["isShared"]
        assert await names(basile, "(filter: {isOwn: false, isShared: {eq: true}})") == ["Mois"]
        assert await names(basile, "(filter: {isOwn: true})") == []
        answer = (await run(basile, saved))["data"]["savedQueryAnswer"]
        assert rows_of(answer) == [("2026-11-01", 12)]
        # Only its owner changes it, and everybody when the owner has left.
        document = """mutation($i: SavedQueryUpdateInput!) { savedQueryUpdate(input: $i) {
            userErrors { code } } }"""
        variables = {"i": {"savedQueryId": saved["id"], "name": "x"}}
        response = await basile.post(document, variables=variables)
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        owner = await (await SavedQuery.get(name="Mois")).owner
        await owner.filter(pk=owner.pk).update(staff=None)
        response = await basile.post(document, variables=variables)
        assert response["data"]["savedQueryUpdate"]["userErrors"] == []
        gone = {"savedQueryId": saved["id"]}
        assert (await mutate(basile, "savedQueryDelete", "deleted", **gone))["deleted"]
        repeated = await mutate(basile, "savedQueryDelete", "deleted", **gone)
        assert [each["code"] for each in repeated["userErrors"]] == ["NOT_FOUND"]
    async with analyst_client(Staff.AGENT, "Alice") as alice:
        response = await alice.post("{ savedQueries { nodes { name } } }")
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_p6_3_a_query_is_checked_when_it_is_saved_and_after_an_upgrade(
    nadia: Analyst,
) -> None:
    wrong = {"tickets": {"measures": [{"function": "SUM", "of": "COMPANY"}], "first": 0}}
    refused = await nadia.post(TABLE, variables={"query": wrong})
    expected = [["input", *each["field"]] for each in refused["errors"][0]["extensions"]["errors"]]
    payload = await mutate(
        nadia, "savedQueryCreate", SAVED, name=" ", query=wrong, idempotencyKey="k"
    )
    fields = [each["field"] for each in payload["userErrors"]]
    assert fields == [["input", "name"], *expected]
    days = {"since": "2023-12-01", "until": "2026-11-01", "measures": [{"function": "COUNT"}]}
    costly = {"tickets": {**days, "by": ["DAY", "CHANNEL", "CATEGORY", "TEAM"]}}
    payload = await mutate(
        nadia, "savedQueryCreate", SAVED, name="x", query=costly, idempotencyKey="k"
    )
    assert [each["code"] for each in payload["userErrors"]] == ["QUERY_TOO_LARGE"]

    saved = await save(nadia, "Canaux", TICKETS)
    row = await SavedQuery.get(name="Canaux")
    fact = {"fact": "letters"}
    for change, codes, path in (
        ({"dimensions": ["POSTAGE"]}, ["QUERY_OUTDATED", "VALUE_INVALID"], "by"),
        ({"accepted": {"POSTAGE": ["x"]}}, ["QUERY_OUTDATED", "VALUE_INVALID"], "where"),
        ({"accepted": {"CHANNEL": ["FAX"]}}, ["QUERY_OUTDATED", "VALUE_INVALID"], "in"),
        ({"limits": {"POSTAGE": {}}}, ["QUERY_OUTDATED", "VALUE_INVALID"], "where"),
        (fact, ["QUERY_OUTDATED"], "query"),
        ({"measures": [{"function": "MODE"}]}, ["QUERY_OUTDATED"], "query"),
    ):
        await SavedQuery.filter(pk=row.pk).update(query={**row.query, **change})
        document = f"{{ savedQueries {{ nodes {{ {SAVED[13:-1]} }} }} }}"
        response = await nadia.post(document)
        (node,) = response["data"]["savedQueries"]["nodes"]
        assert [each["code"] for each in node["problems"]] == codes, change
        assert node["problems"][-1]["field"][-1] == path
        (error,) = (await run(nadia, saved))["errors"]
        assert error["extensions"]["code"] == "QUERY_OUTDATED"


async def test_p6_3_a_saved_query_is_read_as_it_was_written(nadia: Analyst) -> None:
    query = {
        "tickets": {
            "since": "2026-09-01",
            "until": "2026-12-01",
            "by": ["DAY", "CHANNEL"],
            "measures": [
                {
                    "function": "MEDIAN",
                    "of": "FIRST_RESPONSE",
                    "having": {"gte": 1.5, "lt": 90.0},
                    "order": "DESC",
                    "runningTotal": True,
                },
                {"function": "COUNT", "runningTotal": False},
            ],
            "where": {
                "accountAge": {"in": ["UNDER_1_YEAR"]},
                "team": {"in": ["Technique"]},
                "firstResponseRange": {"lt": 300.0},
            },
            "compare": "PREVIOUS_YEAR",
            "fillGaps": True,
            "first": 7,
        }
    }
    assert orjson.loads((await save(nadia, "Tout", query))["query"]) == query
    scores = {
        "ratings": {
            "last": {"number": 2, "period": "WEEK"},
            "by": [],
            "measures": [{"function": "MEAN", "of": "SCORE", "runningTotal": False}],
            "where": {"score": {"in": [4, 5]}},
            "fillGaps": False,
            "first": 100,
        }
    }
    assert orjson.loads((await save(nadia, "Notes", scores))["query"]) == scores


async def file(analyst: Analyst, query: Any) -> httpx.Response:
    document = "query($q: AnalyticsQueryInput!) { analytics(query: $q) { parquetUrl } }"
    response = await analyst.post(document, variables={"q": query})
    url = response["data"]["analytics"]["parquetUrl"]
    return await analyst.http.get(httpx.URL(url).raw_path.decode())


async def test_p6_3_an_answer_is_a_parquet_file_with_types(nadia: Analyst, tmp_path: Path) -> None:
    market = await create_market()
    await sell(market)
    await support(market)
    autumn = {"since": "2026-09-01", "until": "2026-12-01"}
    revenue = {
        **autumn,
        "by": ["MONTH", "OFFER"],
        "measures": [
            {"function": "SUM", "of": "NET", "runningTotal": True},
            {"function": "MEAN", "of": "NET"},
        ],
        "compare": "PREVIOUS_PERIOD",
        "first": 1,
    }
    response = await file(nadia, {"revenue": revenue})
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    assert "camcha-revenue-2026-11-24.parquet" in response.headers["content-disposition"]
    types, rows = _read(response.content, tmp_path)
    assert types == {
        "MONTH": "DATE",
        "OFFER": "VARCHAR",
        "SUM_NET_cents": "BIGINT",
        "SUM_NET_currency": "VARCHAR",
        "SUM_NET_hidden": "BOOLEAN",
        "SUM_NET_previous_cents": "BIGINT",
        "SUM_NET_change": "DOUBLE",
        "SUM_NET_running_total_cents": "BIGINT",
        "MEAN_NET_cents": "BIGINT",
        "MEAN_NET_currency": "VARCHAR",
        "MEAN_NET_hidden": "BOOLEAN",
        "MEAN_NET_previous_cents": "BIGINT",
        "MEAN_NET_change": "DOUBLE",
    }
    assert len(rows) == 4  # all of them, whatever `first` is
    assert [str(rows[0]["MONTH"]), rows[0]["SUM_NET_cents"]] == ["2026-09-01", 720_000]
    hours = {"by": ["HOUR", "HOUR_OF_DAY", "TEAM"], "measures": [{"function": "COUNT"}]}
    where = {"channel": {"in": ["EMAIL", "CHAT"]}, "firstResponseRange": {"lt": 300}}
    types, rows = _read(
        (await file(nadia, {"tickets": {**autumn, **hours, "where": where}})).content, tmp_path
    )
    assert types["HOUR"] == "TIMESTAMP WITH TIME ZONE"
    assert types["HOUR_OF_DAY"] == "UTINYINT"
    assert rows[0]["HOUR"] == datetime(2026, 11, 2, 8, tzinfo=UTC)
    assert (rows[0]["COUNT"], rows[0]["COUNT_hidden"]) == (None, True)
    none = {**hours, "since": "2025-01-01", "until": "2025-01-02"}
    assert _read((await file(nadia, {"tickets": none})).content, tmp_path)[1] == []


def _read(content: bytes, folder: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The types of the columns of a file, and its rows."""
    assert BytesIO(content).read(4) == b"PAR1"
    path = folder / "answer.parquet"
    path.write_bytes(content)
    with duckdb.connect(":memory:") as database:
        described = database.execute(f"DESCRIBE FROM '{path}'").fetchall()
        types = {name: kind for name, kind, *_ in described}
        rows = database.execute(f"FROM '{path}'").fetchall()
    return types, [dict(zip(types, row, strict=True)) for row in rows]


def test_everything_that_can_be_queried_has_a_name() -> None:
    for name, fact in fact_tables("sqlite").items():
        assert name in FACTS
        for locale in Locale:
            for period in fact.periods:
                assert dimension_label(period, locale)
            for dimension, declared in fact.dimensions.items():
                assert dimension_label(dimension, locale)
                assert declared.kind is None or {*ENUMS[declared.kind]} == {*declared.kind}
            for value in fact.values:
                for function in (Function.SUM, Function.MEAN, Function.MEDIAN, Function.P90):
                    assert measure_label(Measure(function, value), fact, locale)
            for key in ("COMPANY", *fact.keys):
                assert measure_label(Measure(Function.DISTINCT, key), fact, locale)


async def test_names_are_those_of_the_reader(nadia: Analyst) -> None:
    await sell(await create_market())
    query = {
        "revenue": {
            "since": "2026-09-01",
            "until": "2026-12-01",
            "by": ["MONTH", "SEGMENT"],
            "measures": [{"function": "SUM", "of": "NET"}],
        }
    }
    labels = """dimensionLabels(locale: L) measures { label(locale: L) }
        rows { labels(locale: L) cells { formatted(locale: L) } }"""
    document = f"""query($query: AnalyticsQueryInput!) {{
        fr: analytics(query: $query) {{ {labels.replace("locale: L", "locale: FR")} }}
        en: analytics(query: $query) {{ {labels.replace("locale: L", "locale: EN")} }} }}"""
    data = (await nadia.post(document, variables={"query": query}))["data"]
    assert data["fr"]["dimensionLabels"] == ["Mois", "Segment"]
    assert data["fr"]["measures"] == [{"label": "Montant HT"}]
    assert data["fr"]["rows"][0] == {
        "labels": ["sept. 2026", "TPE"],
        "cells": [{"formatted": "174,00\N{NO-BREAK SPACE}€"}],
    }
    assert data["en"]["measures"] == [{"label": "Amount excluding VAT"}]
    assert data["en"]["rows"][0]["labels"] == ["Sept 2026", "Very small business"]
    assert data["en"]["rows"][0]["cells"] == [{"formatted": "€174.00"}]
