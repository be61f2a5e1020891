"""Documents that are named instead of sent: by Apollo's protocol, by `documentId`, and from manifests of trusted ones."""

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


def apollo(hex_digits: Any, version: Any = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": hex_digits}}


def code(response: httpx.Response) -> Any:
    return response.json()["errors"][0]["extensions"]["code"]


async def test_apollos_flow(client: httpx.AsyncClient) -> None:
    named = {"extensions": apollo(digest(TEXT)), "variables": {"n": "Zoé"}}
    first = await client.post(URL, json=named)
    assert first.json() == {
        "errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]
    }
    assert first.status_code == 200
    strict = await client.post(URL, json=named, headers={"accept": "application/graphql-response+json"})
    assert strict.status_code == 400
    for body in ({**named, "query": TEXT}, named, named):
        assert (await client.post(URL, json=body)).json()["data"] == {"hello": "Hello Zoé"}


async def test_a_get_by_hash_is_not_stored_on_the_way(client: httpx.AsyncClient) -> None:
    extensions = orjson.dumps(apollo(digest(TEXT))).decode()
    await client.get(URL, params={"query": TEXT, "extensions": extensions})
    answer = await client.get(URL, params={"extensions": extensions, "variables": '{"n": "you"}'})
    assert answer.json()["data"] == {"hello": "Hello you"}
    assert answer.headers["cache-control"] == "no-store"


async def test_a_document_id_names_what_was_sent_before(client: httpx.AsyncClient) -> None:
    unknown = await client.post(URL, json={"documentId": f"sha256:{digest(TEXT)}"})
    assert code(unknown) == "PERSISTED_QUERY_NOT_FOUND"
    await client.post(URL, json={"query": TEXT})
    assert (await client.post(URL, json={"documentId": f"sha256:{digest(TEXT)}"})).json()["data"] == {"hello": "Hello you"}
    page = {"accept": "text/html,*/*;q=0.8"}
    typed = await client.get(URL, params={"documentId": f"sha256:{digest(TEXT)}"}, headers=page)
    assert typed.json()["data"] == {"hello": "Hello you"}


async def test_a_mutation_by_its_hash_is_still_no_get(client: httpx.AsyncClient) -> None:
    text = 'mutation { add(name: "x") { id } }'
    await client.post(URL, json={"query": text})
    assert (await client.get(URL, params={"documentId": document_id(text)})).status_code == 405


async def test_a_hash_in_upper_case_is_the_same_hash(client: httpx.AsyncClient) -> None:
    await client.post(URL, json={"query": TEXT, "extensions": apollo(digest(TEXT).upper())})
    for named in ({"extensions": apollo(digest(TEXT).upper())}, {"documentId": f"SHA256:{digest(TEXT).upper()}"}):
        assert "data" in (await client.post(URL, json=named)).json()


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"query": TEXT, "extensions": apollo("0" * 64)}, "provided sha does not match query"),
        ({"query": TEXT, "documentId": "sha256:" + "0" * 64}, "provided sha does not match query"),
        ({"query": TEXT, "documentId": "mine"}, "provided sha does not match query"),
        ({"documentId": "mine", "extensions": apollo(digest(TEXT))}, "names two documents"),
        ({"extensions": apollo(digest(TEXT), version=2)}, "version"),
        ({"extensions": apollo(digest(TEXT), version=None)}, "version"),
        ({"extensions": apollo("nonsense")}, "64 hexadecimal digits"),
        ({"extensions": apollo(None)}, "64 hexadecimal digits"),
        ({"extensions": apollo(["x"] * 9)}, "64 hexadecimal digits"),
        ({"extensions": {"persistedQuery": "x"}}, "version"),
        ({"extensions": {"persistedQuery": None}}, "version"),
        ({"documentId": 7}, "'documentId' must be a string"),
    ],
)
async def test_a_name_that_makes_no_sense_is_refused(client: httpx.AsyncClient, named: dict[str, Any], message: str) -> None:
    answer = await client.post(URL, json=named)
    assert code(answer) == "BAD_USER_INPUT"
    assert message in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("text", ["{ nothing }", "{ hello ", "{ " + "hello " * 6_000 + "}", "{ " + "me {" * 50])
async def test_a_refused_document_is_not_stored(client: httpx.AsyncClient, text: str) -> None:
    refused = await client.post(URL, json={"query": text, "extensions": apollo(digest(text))})
    assert code(refused) in {"BAD_USER_INPUT", "QUERY_TOO_COSTLY"}
    assert code(await client.post(URL, json={"extensions": apollo(digest(text))})) == "PERSISTED_QUERY_NOT_FOUND"


async def test_nothing_can_be_stored_under_anothers_hash(client: httpx.AsyncClient) -> None:
    poison = '{ hello(name: "poison") }'
    await client.post(URL, json={"query": poison, "extensions": apollo(digest(TEXT))})
    assert code(await client.post(URL, json={"extensions": apollo(digest(TEXT))})) == "PERSISTED_QUERY_NOT_FOUND"
    await client.post(URL, json={"query": TEXT, "extensions": apollo(digest(TEXT))})
    await client.post(URL, json={"query": poison, "extensions": apollo(digest(TEXT))})
    answer = await client.post(URL, json={"extensions": apollo(digest(TEXT)), "variables": {"n": "you"}})
    assert answer.json()["data"] == {"hello": "Hello you"}


def test_thousands_of_documents_leave_a_bounded_library_and_the_ones_in_use(schema: GraphQLSchema) -> None:
    library = DocumentStore(schema, Limits(), trusted_documents={"mine": "{ me { id } }"})
    library.read(TEXT)
    kept = library.read(TEXT)
    for number in range(5_000):
        text = f'{{ flood{number}: hello(name: "{"x" * (number % 50)}") }}'
        for _ in range(1 + number % 10 // 9):  # a tenth of them twice: those move up
            library.read(text)
        if number % 200 == 0:
            library.find(Params(None, document_id=kept.id))  # in use
    shelves = [library._once, library._repeated]
    for shelf in shelves:
        assert len(shelf._documents) == len(shelf._texts) <= MAX_DOCUMENTS
        assert sum(document.size for document in shelf._documents.values()) <= MAX_BYTES
        assert shelf._free_bytes >= 0
    assert sum(document.size for shelf in shelves for document in shelf._documents.values()) <= MAX_BYTES * 5 // 4
    assert library.find(Params(None, document_id=kept.id)) is kept
    assert library.find(Params(None, document_id="mine"))


MINE = {"mine": "{ hello }", digest(TEXT): TEXT}


@pytest.fixture
def trusting(schema: GraphQLSchema) -> Engine:
    return Engine(schema, trusted_documents=MINE)


@pytest.mark.parametrize(
    "params",
    [
        Params("{ hello }"),
        Params(TEXT),
        Params(None, document_id="mine"),
        Params(None, document_id=document_id("{ hello }")),
        Params(None, document_id=digest(TEXT)),
        Params(None, extensions=apollo(digest(TEXT))),
        Params(TEXT, extensions=apollo(digest(TEXT))),
        Params("{ hello }", document_id="mine"),
    ],
)
def test_a_trusted_document_may_be_named_or_sent(trusting: Engine, params: Params) -> None:
    for only in (True, False):
        assert trusting.prepare(params, trusted_only=only).kind == "query"


@pytest.mark.parametrize(
    "params",
    [
        Params("{ hello } "),
        Params("{ me { id } }"),
        Params("{ broken "),
        Params("{ me { id } }", extensions=apollo(digest("{ me { id } }"))),
        Params(None, extensions=apollo(digest("{ me { id } }"))),
        Params(None, document_id="yours"),
    ],
)
def test_nothing_else_is_taken_where_only_trusted_ones_are(trusting: Engine, params: Params) -> None:
    assert trusting.prepare(Params("{ me { id } }"))  # somebody else may, and so it is kept
    with pytest.raises(RequestError) as caught:
        trusting.prepare(params, trusted_only=True)
    assert caught.value.errors[0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"


def test_a_name_stands_for_its_document_only(trusting: Engine) -> None:
    with pytest.raises(RequestError, match="does not match"):
        trusting.prepare(Params(TEXT, document_id="mine"), trusted_only=True)


def test_untrustworthy_documents_are_all_named(schema: GraphQLSchema) -> None:
    bad = {
        "a": "{ nothing }",
        "b": "{ hello ",
        "c": "{ " + "me { " * 20 + "id" + " }" * 21,
        "d": "{ hello }",
        "e": "#" * 40_000,
    }
    with pytest.raises(ManifestError) as caught:
        Engine(schema, trusted_documents=bad)
    assert [fault[:2] for fault in caught.value.problems] == ["a:", "b:", "c:", "e:"]


def written(folder: Path, content: Any) -> Path:
    path = folder / "manifest.json"
    path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    return path


def test_manifests_of_the_common_tools_are_read(tmp_path: Path) -> None:
    operation = {"id": digest(TEXT), "name": "Persisted", "type": "query", "body": TEXT}
    made_by_apollo = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [operation]}
    assert load_manifest(written(tmp_path, made_by_apollo)) == {digest(TEXT): TEXT}
    made_by_relay = {"0123456789abcdef0123456789abcdef": TEXT}
    assert load_manifest(written(tmp_path, made_by_relay)) == made_by_relay
    by_prefix = {f"sha256:{digest(TEXT)}": TEXT, digest(TEXT).upper(): TEXT}
    assert load_manifest(written(tmp_path, by_prefix)) == by_prefix


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"{", "unexpected end of data"),
        (b"\xff", "UTF-8"),
        ([TEXT], "a manifest must be a JSON object"),
        ({}, "the manifest contains no documents"),
        ({"0" * 64: TEXT}, "is not the SHA-256 of its text, which is " + digest(TEXT)),
        ({"sha256:0": TEXT}, "is not the SHA-256"),
        ({"a": None}, "a: an id and a text are required"),
        ({"": TEXT}, "an id and a text are required"),
        ({"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}, "version 1"),
        ({"format": "apollo-persisted-query-manifest", "version": 1, "operations": ["x"]}, "an id and a text are required"),
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
def test_a_manifests_fault_is_named(tmp_path: Path, content: Any, fault: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_manifest(written(tmp_path, content))
    assert len(caught.value.problems) == 1
    assert fault in caught.value.problems[0]


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        load_manifest(tmp_path / "nowhere.json")
