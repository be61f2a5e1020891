"""The response to arbitrary bytes is never a 5xx, always JSON, and each error has a code."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.http.headers import APPLICATION_JSON, GRAPHQL_RESPONSE_JSON

shared_client = settings(
    # The endpoint keeps nothing between requests.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,  # a busy machine may be slow
    max_examples=60,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=15
)
names = st.sampled_from(
    [
        "hello",
        "me",
        "items",
        "rows",
        "id",
        "boom",
        "x",
        "__typename",
        "nodes",
        "...F",
        "... on Item",
    ]
)
punctuation = st.sampled_from("{}():$@![]=|&#")
words = st.sampled_from(
    ["...", "1", "-0", "1.5e9", '"x"', '"""y"""', "query", "mutation", "fragment", "on", "F"]
)
documents = st.lists(names | punctuation | words, max_size=40).map(" ".join) | texts
requests = st.fixed_dictionaries(
    {"query": documents | values},
    optional={"variables": values, "operationName": values, "extensions": values},
)


def is_well_formed(response: httpx.Response) -> bool:
    body: dict[str, Any] = response.json()
    errors_have_codes = all(error["extensions"]["code"] for error in body.get("errors", []))
    return (
        response.status_code < 500
        and errors_have_codes
        and ("data" in body or bool(body["errors"]))
    )


@shared_client
@given(
    body=st.binary() | values.map(orjson.dumps) | requests.map(orjson.dumps),
    accept=st.sampled_from([APPLICATION_JSON, GRAPHQL_RESPONSE_JSON]),
)
async def test_any_body_gets_a_valid_response(
    client: httpx.AsyncClient, body: bytes, accept: str
) -> None:
    response = await client.post(
        "/graphql", content=body, headers={"content-type": APPLICATION_JSON, "accept": accept}
    )
    assert is_well_formed(response)
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"


@shared_client
@given(
    params=st.dictionaries(
        st.sampled_from(["query", "variables", "operationName", "extensions", "x"]), documents
    )
)
async def test_any_query_string_gets_a_valid_response(
    client: httpx.AsyncClient, params: dict[str, str]
) -> None:
    assert is_well_formed(await client.get("/graphql", params=params))


@shared_client
@given(
    content_type=st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    accept=st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    encoding=st.sampled_from(["", "gzip", "br", "identity", "x"]),
)
async def test_any_headers_get_a_valid_response(
    client: httpx.AsyncClient, content_type: str, accept: str, encoding: str
) -> None:
    headers = {"content-type": content_type, "accept": accept, "content-encoding": encoding}
    assert is_well_formed(
        await client.post("/graphql", content=b'{"query": "{ hello }"}', headers=headers)
    )
