"""The examples in the engine's README work as described."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

import engine
from engine import Params, RequestError

README = Path(engine.__file__).with_name("README.md")
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
)


def import_code(code: str, folder: Path) -> dict[str, Any]:
    """The names in a module with this code."""
    path = folder / "books.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("books", path)
    assert spec
    assert spec.loader
    sys.modules["books"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that all code blocks define, put together in one file."""
    return import_code("\n\n".join(BLOCKS), tmp_path_factory.mktemp("readme"))


async def test_the_first_example_is_a_complete_application(tmp_path: Path) -> None:
    app = import_code(BLOCKS[0], tmp_path)["app"]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://books"
    ) as client:
        response = await client.post(
            "/graphql", json={"query": "{ viewer books(first: 1) { title year } }"}
        )
        assert response.json() == {
            "data": {"viewer": "anonymous", "books": [{"title": "Emma", "year": 1815}]},
            "extensions": {"cost": {"requested": 1, "limit": 10_000}},
        }
        expired_response = await client.post(
            "/graphql", json={"query": "{ viewer }"}, headers={"authorization": "expired"}
        )
        assert (expired_response.status_code, expired_response.headers["www-authenticate"]) == (
            401,
            "Bearer",
        )
        body = {"query": "{ books { title } }", "extensions": {"dryRun": True}}
        assert (await client.post("/graphql", json=body)).json() == {
            "data": None,
            "extensions": {"cost": {"requested": 10, "limit": 10_000}},
        }


async def execute(engine: engine.Engine, query: str) -> Any:
    response = await engine.execute(engine.prepare(Params(query)), {})
    assert "errors" not in response
    return response["data"]


def test_the_limits_can_be_configured(example: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        example["strict_engine"].prepare(Params("{ books(first: 2001) { title } }"))
    assert caught.value.errors[0]["extensions"] == {
        "code": "QUERY_TOO_COSTLY",
        "cost": 2_001,
        "limit": 2_000,
    }


def test_a_cost_function_can_be_defined(example: dict[str, Any]) -> None:
    assert example["costly_engine"].prepare(Params("{ total }")).cost == 100


async def test_a_batch_is_called_once_for_a_level(example: dict[str, Any]) -> None:
    data = await execute(example["batch_engine"], "{ books { title reviews(first: 1) } }")
    assert data["books"] == [
        {"title": "Emma", "reviews": ["Witty."]},
        {"title": "Middlemarch", "reviews": ["Long."]},
    ]
    assert example["CALLS"] == [2]


async def test_a_deferred_value_gets_the_selection(example: dict[str, Any]) -> None:
    assert await execute(example["deferred_engine"], "{ favourite { title } }") == {
        "favourite": {"title": "read ['title']"}
    }


def test_trusted_documents_can_be_registered(example: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(orjson.dumps({"first-book": "{ books(first: 1) { title } }"}))
    trusting_engine = example["trusting_engine"](path)
    assert (
        trusting_engine.prepare(Params(None, document_id="first-book"), trusted_only=True).cost == 1
    )
    with pytest.raises(RequestError) as caught:
        trusting_engine.prepare(Params("{ viewer }"), trusted_only=True)
    assert caught.value.errors[0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"


async def test_operations_can_be_executed_without_http(example: dict[str, Any]) -> None:
    response = orjson.loads(
        await example["execute"]("query ($n: Int!) { books(first: $n) { year } viewer }", {"n": 1})
    )
    assert response["data"] == {"books": [{"year": 1815}], "viewer": "admin"}
    rejected_response = orjson.loads(await example["execute"]("{ nothing }", {}))
    assert rejected_response["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_every_exported_name_can_be_imported() -> None:
    import engine.http

    for package in (engine, engine.http):
        assert all(hasattr(package, name) for name in package.__all__)
