"""GraphQL over HTTP: methods, media types, statuses, and malformed requests of every kind."""

from __future__ import annotations

import asyncio
import gc
import gzip
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from engine import Engine
from engine.http import GraphQLEndpoint, HTTPRequest
from engine.http.endpoint import WATCH_AFTER, _CancelOnDisconnect
from engine.http.headers import (
    APPLICATION_JSON,
    GRAPHQL_RESPONSE_JSON,
    accepts_event_stream,
    prefers_event_stream,
    response_media_type,
)

if TYPE_CHECKING:
    from tests.engine.conftest import Shop

URL = "/graphql"
HELLO = {"query": "{ hello }"}


def code(response: httpx.Response) -> Any:
    return response.json()["errors"][0]["extensions"]["code"]


async def post(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    return await client.post(
        URL, content=body, headers={"content-type": APPLICATION_JSON, **headers}
    )


async def test_a_query_by_post(client: httpx.AsyncClient) -> None:
    response = await client.post(URL, json={**HELLO, "operationName": None, "variables": None})
    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "Hello you"}
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_query_by_get(client: httpx.AsyncClient) -> None:
    params = {
        "query": "query A($n: String) { hello(name: $n) } query B { me { id } }",
        "operationName": "A",
    }
    response = await client.get(
        URL, params={**params, "variables": '{"n": "Zoé"}', "extensions": "{}"}
    )
    assert response.json()["data"] == {"hello": "Hello Zoé"}


@pytest.mark.parametrize(
    "operation", ['mutation { add(name: "x") { id } }', "subscription { count(to: 1) }"]
)
async def test_get_executes_queries_only(client: httpx.AsyncClient, operation: str) -> None:
    response = await client.get(URL, params={"query": operation})
    assert (response.status_code, response.headers["allow"], code(response)) == (
        405,
        "POST",
        "BAD_USER_INPUT",
    )


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_rejected(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, URL, params=HELLO)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, APPLICATION_JSON),
        ("", APPLICATION_JSON),
        ("*/*", APPLICATION_JSON),
        ("application/*", APPLICATION_JSON),
        (GRAPHQL_RESPONSE_JSON, GRAPHQL_RESPONSE_JSON),
        (f"{GRAPHQL_RESPONSE_JSON}; charset=utf-8", GRAPHQL_RESPONSE_JSON),
        (GRAPHQL_RESPONSE_JSON.upper(), GRAPHQL_RESPONSE_JSON),
        (f"{GRAPHQL_RESPONSE_JSON}, {APPLICATION_JSON}", GRAPHQL_RESPONSE_JSON),
        (f"{APPLICATION_JSON}, {GRAPHQL_RESPONSE_JSON}", GRAPHQL_RESPONSE_JSON),
        (f"{GRAPHQL_RESPONSE_JSON};q=0.5, {APPLICATION_JSON};q=0.9", APPLICATION_JSON),
        (f"{GRAPHQL_RESPONSE_JSON}; q=0.9, {APPLICATION_JSON}; q=0.5", GRAPHQL_RESPONSE_JSON),
        (f"{APPLICATION_JSON};q=0, */*", GRAPHQL_RESPONSE_JSON),
        (f"{GRAPHQL_RESPONSE_JSON};q=0, */*;q=0.1", APPLICATION_JSON),
        ("text/html, */*;q=0.8", APPLICATION_JSON),
        ("text/html", None),
        (f"{APPLICATION_JSON};q=0", None),
        (f"{APPLICATION_JSON};q=nonsense", None),
        (f"{APPLICATION_JSON};q=nan", None),
        (f"{APPLICATION_JSON};q=-1", None),
        (f"{APPLICATION_JSON};q=", None),
        (f"{APPLICATION_JSON};Q=0", None),
        (f"{APPLICATION_JSON} ; charset=utf-8 ; Q=0.000", None),
        (f"{GRAPHQL_RESPONSE_JSON};Q=0.5;level=1, {APPLICATION_JSON};Q=0.9", APPLICATION_JSON),
        (f"{GRAPHQL_RESPONSE_JSON};q=1., {APPLICATION_JSON};q=0.9", GRAPHQL_RESPONSE_JSON),
        (f'{APPLICATION_JSON};a=",{GRAPHQL_RESPONSE_JSON};q=1"', APPLICATION_JSON),
        (f'{APPLICATION_JSON};a="\\",;q=0";q=0.5, text/*', APPLICATION_JSON),
        (f'{APPLICATION_JSON};a=";q=0', APPLICATION_JSON),
        (f"{APPLICATION_JSON};a=1;q=0.9, {APPLICATION_JSON};a=2;q=0", APPLICATION_JSON),
        (", ,;q=1,;", None),
        (f",{APPLICATION_JSON},", APPLICATION_JSON),
    ],
)
def test_the_client_gets_the_media_type_it_prefers(
    accept: str | None, expected: str | None
) -> None:
    assert response_media_type(accept) == expected


async def test_a_client_that_accepts_only_graphql_response_json_gets_it(
    client: httpx.AsyncClient,
) -> None:
    for body in (HELLO, {"query": "{"}):
        response = await client.post(URL, json=body, headers={"accept": GRAPHQL_RESPONSE_JSON})
        assert response.headers["content-type"] == f"{GRAPHQL_RESPONSE_JSON}; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "prefers_events", "accepts_events"),
    [
        ("text/event-stream", True, True),
        ("text/event-stream, application/json;q=0.9", True, True),
        ("application/json, text/event-stream", False, True),
        ("text/event-stream;q=0.5, */*;q=0.8", False, True),
        ("text/event-stream;q=0", False, False),
        ("*/*", False, False),
        (None, False, False),
    ],
)
def test_server_sent_events_must_be_accepted_explicitly(
    accept: str | None, prefers_events: bool, accepts_events: bool
) -> None:
    assert prefers_event_stream(accept) is prefers_events
    assert accepts_event_stream(accept) is accepts_events


async def test_a_client_that_accepts_neither_gets_406(client: httpx.AsyncClient) -> None:
    response = await client.post(URL, json=HELLO, headers={"accept": "text/csv"})
    assert (response.status_code, code(response)) == (406, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{"},
        {"query": "{ nothing }"},
        {"query": "query ($n: Int!) { rows(count: $n) { id } }", "variables": {"n": "x"}},
        {"query": "query A { hello }", "operationName": "B"},
        {"query": "{ items(first: 9999) { edges { node { id } } } }"},
        {"query": "subscription { count(to: 1) }"},
    ],
)
async def test_a_request_error_is_400_or_200_depending_on_the_media_type(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    for accept, status in ((GRAPHQL_RESPONSE_JSON, 400), (APPLICATION_JSON, 200)):
        response = await client.post(URL, json=body, headers={"accept": accept})
        assert response.status_code == status
        assert "data" not in response.json()
        assert code(response) in {"BAD_USER_INPUT", "QUERY_TOO_COSTLY"}


async def test_a_partial_response_is_200_in_both_media_types(client: httpx.AsyncClient) -> None:
    for accept in (GRAPHQL_RESPONSE_JSON, APPLICATION_JSON):
        response = await client.post(
            URL, json={"query": "{ boom hello }"}, headers={"accept": accept}
        )
        assert response.status_code == 200
        assert response.json()["data"] == {"boom": None, "hello": "Hello you"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"3",
        b'"{ hello }"',
        b"[]",
        b'[{"query": "{ hello }"}]',
        b"{",
        b"{'query': 1}",
        b'{"query": "{ hello }", "variables": {"x": NaN}}',
        b'{"query": "{ hello }", "variables": {"x": 1e999}}',
        b'{"query": "{ hello }", "variables": {"x": ' + b"9" * 6_000 + b"}}",
        b'{"query": "{ hello }", "variables": {"x": ' + b"[" * 100 + b"]" * 100 + b"}}",
        b'{"query": "{ hello }", "variables": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"query": "{ hello }", "variables": {"x": ' + b'{"a":' * 100_000,
        b'{"query": "{ hello }", "variables": {"x": "\xff"}}',
        b'{"query": "{ hello }", "variables": {"x": "\\ud800"}}',
        '{"query": "{ hello }"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"query": "{ hello }"}',
        b"{}",
        b'{"query": null}',
        b'{"query": 1}',
        b'{"query": ["{ hello }"]}',
        b'{"query": "{ hello }", "variables": "{}"}',
        b'{"query": "{ hello }", "variables": []}',
        b'{"query": "{ hello }", "operationName": {}}',
        b'{"query": "{ hello }", "extensions": 1}',
    ],
)
async def test_a_malformed_body_is_400_in_both_media_types(
    client: httpx.AsyncClient, body: bytes
) -> None:
    for accept in (GRAPHQL_RESPONSE_JSON, APPLICATION_JSON):
        response = await post(client, body, accept=accept)
        assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"


async def test_many_brackets_without_deep_nesting_are_accepted(client: httpx.AsyncClient) -> None:
    body = {**HELLO, "variables": {"x": [[] for _ in range(1_000)]}}
    assert (await client.post(URL, json=body)).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"query=",
        b"variables=%7B%7D",
        b"query=%7Bhello%7D&query=%7Bhello%7D",
        b"query=%7Bhello%7D&variables=3",
        b"query=%7Bhello%7D&variables=",
        b"query=%7Bhello%7D&variables=%7B",
        b"query=%7Bhello%7D&extensions=%5B%5D",
        b"query=%FF",
        b"query=%7Bhello%7D" + b"&a=1" * 50,
        b"query=%7Bhello%7D&variables=" + b"[" * 100 + b"]" * 100,
    ],
)
async def test_a_malformed_query_string_is_400_in_both_media_types(
    client: httpx.AsyncClient, query: bytes
) -> None:
    url = httpx.URL("http://shop/graphql").copy_with(query=query)
    for accept in (GRAPHQL_RESPONSE_JSON, APPLICATION_JSON):
        response = await client.get(url, headers={"accept": accept})
        assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "text/plain; application/json",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "",
    ],
)
async def test_other_content_types_are_415(client: httpx.AsyncClient, content_type: str) -> None:
    """Some of them are what a page of another site could post without a CORS preflight."""
    response = await post(client, orjson.dumps(HELLO), **{"content-type": content_type})
    assert (response.status_code, code(response)) == (415, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"']
)
async def test_utf8_may_be_declared(client: httpx.AsyncClient, content_type: str) -> None:
    assert (
        await post(client, orjson.dumps(HELLO), **{"content-type": content_type})
    ).status_code == 200


async def test_a_compressed_body_is_415(client: httpx.AsyncClient) -> None:
    response = await post(
        client, gzip.compress(orjson.dumps(HELLO)), **{"content-encoding": "gzip"}
    )
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")


async def test_a_body_that_is_too_large_is_413(client: httpx.AsyncClient) -> None:
    response = await post(client, orjson.dumps({**HELLO, "variables": {"x": "y" * 1_048_576}}))
    assert (response.status_code, code(response)) == (413, "BAD_USER_INPUT")


async def test_an_endless_body_without_a_length_is_413_early(client: httpx.AsyncClient) -> None:
    chunks_sent = 0

    async def endless_body() -> AsyncIterator[bytes]:
        nonlocal chunks_sent
        while chunks_sent < 100:
            chunks_sent += 1
            yield b" " * 65_536

    response = await client.post(
        URL, content=endless_body(), headers={"content-type": APPLICATION_JSON}
    )
    assert response.status_code == 413
    assert chunks_sent < 20


async def test_a_browser_gets_the_page(client: httpx.AsyncClient) -> None:
    html = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert "GraphiQL" in (await client.get(URL, headers=html)).text
    assert (await client.get(URL, params=HELLO, headers=html)).json()["data"] == {
        "hello": "Hello you"
    }
    assert (await client.post(URL, json=HELLO, headers=html)).json()["data"] == {
        "hello": "Hello you"
    }


async def test_the_context_may_raise_an_http_error(client: httpx.AsyncClient) -> None:
    response = await client.post(URL, json=HELLO, headers={"authorization": "expired"})
    assert (response.status_code, code(response)) == (401, "UNAUTHENTICATED")


async def test_an_unexpected_error_is_masked(client: httpx.AsyncClient) -> None:
    response = await client.post(URL, json=HELLO, headers={"authorization": "broken"})
    error = response.json()["errors"][0]
    assert (response.status_code, error["message"], error["extensions"]["code"]) == (
        500,
        "Internal error",
        "INTERNAL",
    )
    assert len(error["extensions"]["errorId"]) == 16
    assert "secret" not in response.text


async def test_a_server_that_stops_cancels_its_queries(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    request = asyncio.create_task(client.post(URL, json={"query": "{ slow }"}))
    await shop.started.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert shop.log == ["cancelled"]


async def test_a_long_operation_leaves_no_reference_cycle(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    """A cycle of watcher, task and request would be left to the garbage collector, which pauses for
    80 ms after a burst.
    """
    gc.collect()
    gc.disable()
    try:
        request = asyncio.create_task(client.post(URL, json={"query": "{ slow }"}))
        await asyncio.sleep(WATCH_AFTER * 1.5)
        shop.may_continue.set()
        assert (await request).json()["data"] == {"slow": "done"}
        await asyncio.sleep(0)
        assert [each for each in gc.get_objects() if type(each) is _CancelOnDisconnect] == []
    finally:
        gc.enable()


async def test_integers_beyond_64_bits_are_encoded(client: httpx.AsyncClient) -> None:
    assert (await client.post(URL, json={"query": "{ huge }"})).json()["data"] == {"huge": 2**80}


async def test_a_dry_run_over_http(client: httpx.AsyncClient) -> None:
    body = {"query": "{ boom me { id } }", "extensions": {"dryRun": True}}
    response = await client.post(URL, json=body, headers={"accept": GRAPHQL_RESPONSE_JSON})
    assert (response.status_code, response.json()) == (
        200,
        {"data": None, "extensions": {"cost": {"requested": 1, "limit": 10_000}}},
    )


@pytest.mark.parametrize(("name", "fits_limit"), [("x" * 100, True), ("x" * 2_000, False)])
async def test_a_response_has_a_maximum_size(
    engine: Engine, shop: Shop, name: str, fits_limit: bool
) -> None:
    async def context(request: HTTPRequest) -> Shop:
        return shop

    endpoint = GraphQLEndpoint(engine, context, max_response_bytes=lambda context: 1_000)
    asgi = Starlette(routes=[Route("/graphql", endpoint)])
    transport = httpx.ASGITransport(asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        query = {"query": "query ($n: String) { hello(name: $n) }", "variables": {"n": name}}
        response = await client.post(URL, json=query)
        mutation = f'mutation {{ {name}: add(name: "x") {{ id }} }}'
        added_response = await client.post(URL, json={"query": mutation})
    assert response.status_code == added_response.status_code == 200
    if fits_limit:
        assert response.json()["data"] == {"hello": f"Hello {name}"}
        assert added_response.json()["data"]
        return
    for each in (response, added_response):
        (error,) = each.json()["errors"]
        assert error["extensions"]["code"] == "RESPONSE_TOO_LARGE"
        assert error["extensions"]["size"] > error["extensions"]["limit"] == 1_000
        assert each.json()["data"] is None
        assert each.json()["extensions"]["cost"]
        assert len(each.content) < 1_000
    assert "was executed" in added_response.json()["errors"][0]["message"]
