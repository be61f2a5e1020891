"""Operations are rejected, executed and subscribed to; errors are masked."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLSchema

from engine import Engine, Limits, Params, RequestError
from tests.engine.subscriptions import subscribe

if TYPE_CHECKING:
    from tests.engine.conftest import Execute, Shop


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(None), "'query' is missing"),
        (Params(""), "'query' is missing"),
        (Params("{ hello"), "Expected Name, found <EOF>"),
        (Params("type A { b: Int }"), "not executable"),
        (Params("fragment F on Query { hello }"), "never used"),
        (Params("{ nothing }"), "Cannot query field 'nothing'"),
        (Params("query A { hello } query B { hello }"), "operationName must select"),
        (Params("query A { hello }", operation_name="B"), "no operation named 'B'"),
        (Params("query ($n: Int!) { rows(count: $n) { id } }"), "non-null type 'Int!'"),
        (
            Params("query ($n: Int!) { rows(count: $n) { id } }", variables={"n": "x"}),
            "non-integer value",
        ),
        (Params("{ number(value: " + "9" * 6_000 + ") }"), "more than 400 digits"),
        (Params("{ number(value: " + "9" * 400 + ") }"), "non 32-bit signed integer"),
        (Params("query ($n: Int) { number(value: $n) }", variables={"n": 1e300}), "32-bit"),
    ],
)
def test_a_request_error_states_the_reason(engine: Engine, params: Params, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        engine.prepare(params)
    assert {error["extensions"]["code"] for error in caught.value.errors} == {"BAD_USER_INPUT"}


async def test_a_long_string_of_digits_is_not_a_number(execute: Execute) -> None:
    assert (await execute('{ hello(name: "' + "9" * 6_000 + '") }'))["data"] == {
        "hello": "Hello " + "9" * 6_000
    }


def test_a_request_error_has_locations(engine: Engine) -> None:
    with pytest.raises(RequestError) as caught:
        engine.prepare(Params("{\n  nothing }"))
    assert caught.value.errors[0]["locations"] == [{"line": 2, "column": 3}]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "x",
        3,
        [{"query": "{ hello }"}],
        {"query": 1},
        {"variables": []},
        {"operationName": 1},
        {"extensions": "x"},
    ],
)
def test_parameters_of_wrong_types_are_rejected(payload: Any) -> None:
    with pytest.raises(RequestError) as caught:
        Params.from_json(payload)
    assert caught.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_parameters_may_be_null() -> None:
    payload = {"query": "{ hello }", "operationName": "", "variables": None, "extensions": None}
    assert Params.from_json(payload) == Params("{ hello }", None, {}, {})


def test_an_operation_is_selected_by_name(engine: Engine) -> None:
    document = 'query A { hello } mutation B { add(name: "x") { id } } subscription C { plain }'
    operations = [engine.prepare(Params(document, operation_name=name)) for name in "ABC"]
    assert [(o.name, o.kind) for o in operations] == [
        ("A", "query"),
        ("B", "mutation"),
        ("C", "subscription"),
    ]


async def test_a_response_has_data_and_the_cost(execute: Execute) -> None:
    assert await execute("query ($n: String!) { hello(name: $n) }", n="Ada") == {
        "data": {"hello": "Hello Ada"},
        "extensions": {"cost": {"requested": 0, "limit": 10_000}},
    }


async def test_rows_that_define_await_are_not_awaited(execute: Execute) -> None:
    assert (await execute("{ rows { id } }"))["data"] == {"rows": [{"id": 0}, {"id": 1}, {"id": 2}]}


async def test_an_unexpected_error_is_masked_and_logged_once(
    execute: Execute, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        result = await execute("{ boom hello }")
    error_id = result["errors"][0]["extensions"]["errorId"]
    assert result["data"] == {"boom": None, "hello": "Hello you"}
    assert result["errors"] == [
        {
            "message": "Internal error",
            "locations": [{"line": 1, "column": 3}],
            "path": ["boom"],
            "extensions": {"code": "INTERNAL", "errorId": error_id},
        }
    ]
    assert len(caplog.records) == 1
    assert error_id in caplog.text
    assert "the secret" in caplog.text


async def test_a_graphql_error_is_not_masked(execute: Execute) -> None:
    error = (await execute("{ refuse }"))["errors"][0]
    assert (error["message"], error["path"], error["extensions"]) == (
        "Not today.",
        ["refuse"],
        {"code": "CLOSED"},
    )


async def test_an_application_formats_errors_with_the_context(
    schema: GraphQLSchema, shop: Shop
) -> None:
    engine = Engine(
        schema,
        format_error=lambda error, context: {"message": error.message, "same": context is shop},
    )
    result = await engine.execute(engine.prepare(Params("{ boom }")), shop)
    assert result["errors"] == [{"message": "the secret", "same": True}]


async def test_a_slow_query_is_cancelled_with_an_error(schema: GraphQLSchema, shop: Shop) -> None:
    engine = Engine(schema, limits=Limits(timeout=0.05))
    result = await engine.execute(engine.prepare(Params("{ slow }")), shop)
    assert result["data"] is None
    assert result["errors"][0]["extensions"] == {"code": "TIMEOUT"}
    assert shop.log == ["cancelled"]


async def test_a_query_is_cancelled_with_its_caller(engine: Engine, shop: Shop) -> None:
    caller = asyncio.create_task(engine.execute(engine.prepare(Params("{ slow }")), shop))
    await shop.started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert shop.log == ["cancelled"]


async def test_a_mutation_finishes_after_its_caller_is_cancelled(
    engine: Engine, shop: Shop
) -> None:
    caller = asyncio.create_task(
        engine.execute(engine.prepare(Params("mutation { slowAdd }")), shop)
    )
    await shop.started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert shop.log == []
    shop.may_continue.set()
    await engine.drain()
    assert shop.log == ["done"]


async def test_a_mutation_has_no_timeout(schema: GraphQLSchema, shop: Shop) -> None:
    engine = Engine(schema, limits=Limits(timeout=0.01))
    asyncio.get_running_loop().call_later(0.1, shop.may_continue.set)
    result = await engine.execute(engine.prepare(Params("mutation { slowAdd }")), shop)
    assert result["data"] == {"slowAdd": "done"}


async def test_a_subscription_is_not_executed_like_a_query(engine: Engine, shop: Shop) -> None:
    with pytest.raises(RequestError):
        await engine.execute(engine.prepare(Params("subscription { count(to: 1) }")), shop)


async def test_each_event_has_a_context_of_its_own(engine: Engine, shop: Shop) -> None:
    contexts: list[Shop] = []

    def new_context() -> Shop:
        contexts.append(type(shop)())
        return contexts[-1]

    operation = engine.prepare(Params("subscription { number: count(to: 3) }"))
    results = [result["data"] async for result in subscribe(engine, operation, new_context)]
    assert results == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert [context.log for context in contexts] == [
        ["closed"],
        ["event 0"],
        ["event 1"],
        ["event 2"],
    ]


async def test_a_source_stream_may_be_an_iterator_without_aclose(
    engine: Engine, shop: Shop
) -> None:
    operation = engine.prepare(Params("subscription { plain }"))
    assert [
        result["data"]["plain"] async for result in subscribe(engine, operation, lambda: shop)
    ] == [0, 1, 2]


async def test_a_subscription_that_cannot_start_is_rejected(engine: Engine, shop: Shop) -> None:
    operation = engine.prepare(Params("subscription { refused }"))
    with pytest.raises(RequestError, match="Not today") as caught:
        await anext(subscribe(engine, operation, lambda: shop))
    assert caught.value.errors[0]["extensions"]["code"] == "CLOSED"


async def test_a_source_stream_that_raises_ends_with_its_error(engine: Engine, shop: Shop) -> None:
    operation = engine.prepare(Params("subscription { broken }"))
    first, last = [result async for result in subscribe(engine, operation, lambda: shop)]
    assert first["data"] == {"broken": 1}
    assert last["data"] is None
    assert last["errors"][0]["extensions"]["code"] == "INTERNAL"


async def test_an_error_in_creating_a_context_ends_the_stream(engine: Engine, shop: Shop) -> None:
    contexts = iter([shop])
    operation = engine.prepare(Params("subscription { count(to: 9) }"))
    results = [
        result
        async for result in subscribe(
            engine, operation, lambda: next(contexts, None) or _raise_permission_error()
        )
    ]
    assert [result["errors"][0]["message"] for result in results] == ["Internal error"]
    assert shop.log == ["closed"]


def _raise_permission_error() -> Shop:
    raise PermissionError("signed out")


async def test_closing_a_subscription_closes_its_source_stream(engine: Engine, shop: Shop) -> None:
    operation = engine.prepare(Params("subscription { count(to: 1000) }"))
    stream = subscribe(engine, operation, lambda: shop)
    await anext(stream)
    await stream.aclose()
    assert shop.log == ["event 0", "closed"]
