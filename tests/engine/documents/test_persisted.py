"""Documents that are referenced by an id: by Apollo's protocol, by `documentId`, and trusted
documents from manifests.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from graphql import GraphQLSchema

from engine import Engine, Limits, ManifestError, Params, RequestError, load_manifest
from engine.documents.persisted import document_id
from engine.documents.store import MAX_BYTES, MAX_DOCUMENTS, DocumentStore

URL = "/graphql"
TEXT = "query Persisted($n: String) { hello(name: $n) }"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def apollo_extensions(hex_digits: Any, version: Any = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": hex_digits}}


def code(response: httpx.Response) -> Any:
    return response.json()["errors"][0]["extensions"]["code"]


async def test_apollo_persisted_queries_are_supported(client: httpx.AsyncClient) -> None:
    by_id = {"extensions": apollo_extensions(digest(TEXT)), "variables": {"n": "Zoé"}}
    first = await client.post(URL, json=by_id)
    assert first.json() == {
        "errors": [
            {
                "message": "PersistedQueryNotFound",
                "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
            }
        ]
    }
    assert first.status_code == 200
    response = await client.post(
        URL, json=by_id, headers={"accept": "application/graphql-response+json"}
    )
    assert response.status_code == 400
    for body in ({**by_id, "query": TEXT}, by_id, by_id):
        assert (await client.post(URL, json=body)).json()["data"] == {"hello": "Hello Zoé"}


async def test_a_get_by_hash_is_not_cached_by_proxies(client: httpx.AsyncClient) -> None:
    extensions = orjson.dumps(apollo_extensions(digest(TEXT))).decode()
    await client.get(URL, params={"query": TEXT, "extensions": extensions})
    answer = await client.get(URL, params={"extensions": extensions, "variables": '{"n": "you"}'})
    assert answer.json()["data"] == {"hello": "Hello you"}
    assert answer.headers["cache-control"] == "no-store"


async def test_a_document_id_references_a_previously_sent_text(client: httpx.AsyncClient) -> None:
    unknown = await client.post(URL, json={"documentId": f"sha256:{digest(TEXT)}"})
    assert code(unknown) == "PERSISTED_QUERY_NOT_FOUND"
    await client.post(URL, json={"query": TEXT})
    assert (await client.post(URL, json={"documentId": f"sha256:{digest(TEXT)}"})).json()[
        "data"
    ] == {"hello": "Hello you"}
    page = {"accept": "text/html,*/*;q=0.8"}
    response = await client.get(URL, params={"documentId": f"sha256:{digest(TEXT)}"}, headers=page)
    assert response.json()["data"] == {"hello": "Hello you"}


async def test_a_mutation_by_hash_is_not_executed_by_get(client: httpx.AsyncClient) -> None:
    text = 'mutation { add(name: "x") { id } }'
    await client.post(URL, json={"query": text})
    assert (await client.get(URL, params={"documentId": document_id(text)})).status_code == 405


async def test_hashes_are_case_insensitive(client: httpx.AsyncClient) -> None:
    await client.post(
        URL, json={"query": TEXT, "extensions": apollo_extensions(digest(TEXT).upper())}
    )
    for by_id in (
        {"extensions": apollo_extensions(digest(TEXT).upper())},
        {"documentId": f"SHA256:{digest(TEXT).upper()}"},
    ):
        assert "data" in (await client.post(URL, json=by_id)).json()


@pytest.mark.parametrize(
    ("by_id", "message"),
    [
        (
            {"query": TEXT, "extensions": apollo_extensions("0" * 64)},
            "provided sha does not match query",
        ),
        ({"query": TEXT, "documentId": "sha256:" + "0" * 64}, "provided sha does not match query"),
        ({"query": TEXT, "documentId": "trusted"}, "provided sha does not match query"),
        (
            {"documentId": "trusted", "extensions": apollo_extensions(digest(TEXT))},
            "names two documents",
        ),
        ({"extensions": apollo_extensions(digest(TEXT), version=2)}, "version"),
        ({"extensions": apollo_extensions(digest(TEXT), version=None)}, "version"),
        ({"extensions": apollo_extensions("nonsense")}, "64 hexadecimal digits"),
        ({"extensions": apollo_extensions(None)}, "64 hexadecimal digits"),
        ({"extensions": apollo_extensions(["x"] * 9)}, "64 hexadecimal digits"),
        ({"extensions": {"persistedQuery": "x"}}, "version"),
        ({"extensions": {"persistedQuery": None}}, "version"),
        ({"documentId": 7}, "'documentId' must be a string"),
    ],
)
async def test_an_invalid_id_is_rejected(
    client: httpx.AsyncClient, by_id: dict[str, Any], message: str
) -> None:
    answer = await client.post(URL, json=by_id)
    assert code(answer) == "BAD_USER_INPUT"
    assert message in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "text", ["{ nothing }", "{ hello ", "{ " + "hello " * 6_000 + "}", "{ " + "me {" * 50]
)
async def test_an_invalid_document_is_not_cached(client: httpx.AsyncClient, text: str) -> None:
    invalid = await client.post(
        URL, json={"query": text, "extensions": apollo_extensions(digest(text))}
    )
    assert code(invalid) in {"BAD_USER_INPUT", "QUERY_TOO_COSTLY"}
    assert (
        code(await client.post(URL, json={"extensions": apollo_extensions(digest(text))}))
        == "PERSISTED_QUERY_NOT_FOUND"
    )


async def test_a_document_is_never_cached_under_another_hash(client: httpx.AsyncClient) -> None:
    other = '{ hello(name: "other") }'
    await client.post(URL, json={"query": other, "extensions": apollo_extensions(digest(TEXT))})
    assert (
        code(await client.post(URL, json={"extensions": apollo_extensions(digest(TEXT))}))
        == "PERSISTED_QUERY_NOT_FOUND"
    )
    await client.post(URL, json={"query": TEXT, "extensions": apollo_extensions(digest(TEXT))})
    await client.post(URL, json={"query": other, "extensions": apollo_extensions(digest(TEXT))})
    answer = await client.post(
        URL, json={"extensions": apollo_extensions(digest(TEXT)), "variables": {"n": "you"}}
    )
    assert answer.json()["data"] == {"hello": "Hello you"}


def test_thousands_of_documents_do_not_evict_used_ones_from_a_bounded_cache(
    schema: GraphQLSchema,
) -> None:
    store = DocumentStore(schema, Limits(), trusted_documents={"trusted": "{ me { id } }"})
    store.read(TEXT)
    used_document = store.read(TEXT)
    for number in range(2_000):
        text = f'{{ flood{number}: hello(name: "{"x" * (number % 50)}") }}'
        for _ in range(1 + number % 10 // 9):  # a tenth of them twice
            store.read(text)
        if number % 200 == 0:
            store.find(Params(None, document_id=used_document.id))
    caches = [store._once, store._repeated]
    for cache in caches:
        assert len(cache._documents) == len(cache._texts) <= MAX_DOCUMENTS
        assert sum(document.size for document in cache._documents.values()) <= MAX_BYTES
        assert cache._free_bytes >= 0
    assert (
        sum(document.size for cache in caches for document in cache._documents.values())
        <= MAX_BYTES * 5 // 4
    )
    assert store.find(Params(None, document_id=used_document.id)) is used_document
    assert store.find(Params(None, document_id="trusted"))


TRUSTED_DOCUMENTS = {"trusted": "{ hello }", digest(TEXT): TEXT}


@pytest.fixture
def trusting_engine(schema: GraphQLSchema) -> Engine:
    return Engine(schema, trusted_documents=TRUSTED_DOCUMENTS)


@pytest.mark.parametrize(
    "params",
    [
        Params("{ hello }"),
        Params(TEXT),
        Params(None, document_id="trusted"),
        Params(None, document_id=document_id("{ hello }")),
        Params(None, document_id=digest(TEXT)),
        Params(None, extensions=apollo_extensions(digest(TEXT))),
        Params(TEXT, extensions=apollo_extensions(digest(TEXT))),
        Params("{ hello }", document_id="trusted"),
    ],
)
def test_a_trusted_document_may_be_referenced_or_sent(
    trusting_engine: Engine, params: Params
) -> None:
    for trusted_only in (True, False):
        assert trusting_engine.prepare(params, trusted_only=trusted_only).kind == "query"


@pytest.mark.parametrize(
    "params",
    [
        Params("{ hello } "),
        Params("{ me { id } }"),
        Params("{ broken "),
        Params("{ me { id } }", extensions=apollo_extensions(digest("{ me { id } }"))),
        Params(None, extensions=apollo_extensions(digest("{ me { id } }"))),
        Params(None, document_id="unknown"),
    ],
)
def test_other_documents_are_rejected_if_only_trusted_ones_are_accepted(
    trusting_engine: Engine, params: Params
) -> None:
    # Another caller may send it, so it is cached.
    assert trusting_engine.prepare(Params("{ me { id } }"))
    with pytest.raises(RequestError) as caught:
        trusting_engine.prepare(params, trusted_only=True)
    assert caught.value.errors[0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"


def test_an_id_must_match_the_text(trusting_engine: Engine) -> None:
    with pytest.raises(RequestError, match="does not match"):
        trusting_engine.prepare(Params(TEXT, document_id="trusted"), trusted_only=True)


def test_all_invalid_trusted_documents_are_reported(schema: GraphQLSchema) -> None:
    invalid = {
        "a": "{ nothing }",
        "b": "{ hello ",
        "c": "{ " + "me { " * 20 + "id" + " }" * 21,
        "d": "{ hello }",
        "e": "#" * 40_000,
    }
    with pytest.raises(ManifestError) as caught:
        Engine(schema, trusted_documents=invalid)
    assert [problem[:2] for problem in caught.value.problems] == ["a:", "b:", "c:", "e:"]


def write_manifest(folder: Path, content: Any) -> Path:
    path = folder / "manifest.json"
    path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    return path


def test_manifests_of_apollo_and_relay_are_read(tmp_path: Path) -> None:
    operation = {"id": digest(TEXT), "name": "Persisted", "type": "query", "body": TEXT}
    apollo_manifest = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [operation],
    }
    assert load_manifest(write_manifest(tmp_path, apollo_manifest)) == {digest(TEXT): TEXT}
    relay_manifest = {"0123456789abcdef0123456789abcdef": TEXT}
    assert load_manifest(write_manifest(tmp_path, relay_manifest)) == relay_manifest
    with_prefixes = {f"sha256:{digest(TEXT)}": TEXT, digest(TEXT).upper(): TEXT}
    assert load_manifest(write_manifest(tmp_path, with_prefixes)) == with_prefixes


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "unexpected end of data"),
        (b"\xff", "UTF-8"),
        ([TEXT], "a manifest must be a JSON object"),
        ({}, "the manifest contains no documents"),
        ({"0" * 64: TEXT}, "is not the SHA-256 of its text, which is " + digest(TEXT)),
        ({"sha256:0": TEXT}, "is not the SHA-256"),
        ({"a": None}, "a: an id and a text are required"),
        ({"": TEXT}, "an id and a text are required"),
        (
            {"format": "apollo-persisted-query-manifest", "version": 2, "operations": []},
            "version 1",
        ),
        (
            {"format": "apollo-persisted-query-manifest", "version": 1, "operations": ["x"]},
            "an id and a text are required",
        ),
        (
            {
                "format": "apollo-persisted-query-manifest",
                "version": 1,
                "operations": [{"id": "a", "body": TEXT}, {"id": "a", "body": "{ hello }"}],
            },
            "a: is the id of two documents",
        ),
    ],
)
def test_a_problem_of_a_manifest_is_reported(tmp_path: Path, content: Any, problem: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_manifest(write_manifest(tmp_path, content))
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


def test_a_missing_manifest_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        load_manifest(tmp_path / "missing.json")
