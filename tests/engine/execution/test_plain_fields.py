"""Plain fields are read by generated code. All others get the same response by columns, and no
resolver is called twice.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import orjson
import pytest
import strawberry
from graphql import GraphQLEnumType, GraphQLEnumValue

from engine import Engine, Params, encode_json
from engine.execution.leaves import LeafType
from tests.engine.differential.core_engine import CoreEngine


@strawberry.enum
class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@strawberry.type
class Inner:
    number: int
    deep: "Inner | None" = None

    @classmethod
    def create(cls, number: int, deep: "Inner | None" = None) -> "Inner":
        return cls(number=number, deep=deep)


@strawberry.type
class PlainRow:
    text: str | None = strawberry.field(default=None)
    number: int = 1
    ratio: float = 0.5
    size: Size | None = Size.SMALL
    day: date | None = None
    moment: datetime | None = None
    inner: Inner = field(default_factory=lambda: Inner.create(7))
    nested: Inner | None = None

    @strawberry.field
    def resolved(self) -> int:
        return CALLS.update(["resolved"]) or 5


CALLS: Counter[str] = Counter()
ROWS: list[Any] = []


class Row:
    """Returned instead of a PlainRow. Counts the reads of attributes, which may have any value."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(vars(PlainRow()) | values)

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__"):
            CALLS[name] += 1
        value = object.__getattribute__(self, name)
        if isinstance(value, type) and issubclass(value, Exception):
            raise value("broken")
        return value() if callable(value) else value


def rows() -> list[PlainRow]:
    return ROWS


@strawberry.input
class Part:
    name: str
    sizes: list[Size] | None = None


@strawberry.input
class Order:
    parts: list[Part]
    note: str | None
    count: int = 3
    tags: list[str] | None = strawberry.field(default_factory=lambda: ["new"])


def create_part(name: str, sizes: list[Size] | None = None) -> Part:
    return Part(name=name, sizes=sizes)


def create_order(
    parts: list[Part], note: str | None, count: int = 3, tags: list[str] | None = None
) -> Order:
    return Order(parts=parts, note=note, count=count, tags=tags or ["new"])


@strawberry.type
class Query:
    rows: list[PlainRow] = strawberry.field(resolver=rows)

    @strawberry.field
    def describe(self, order: Order | None = None) -> str:
        return repr(order)


SCHEMA = strawberry.Schema(Query)
ALL_FIELDS_QUERY = (
    "{ rows { text number ratio size day moment inner { number } nested { number deep { number } "
    "} resolved __typename } }"
)


@pytest.fixture(autouse=True)
def reset() -> None:
    CALLS.clear()
    ROWS.clear()


async def compare(query: str = ALL_FIELDS_QUERY, **variables: Any) -> tuple[Any, list[Any]]:
    """The data and errors of a plan, which are the same as graphql-core's.

    The calls of the plan's second execution are counted, because the first one builds rows by
    columns only.
    """
    by_plan, by_core = (
        engine_class(SCHEMA._schema, format_error=lambda error, _: dict(error.formatted))
        for engine_class in (Engine, CoreEngine)
    )
    responses, calls = [], []
    for engine in (by_plan, by_plan, by_core):
        CALLS.clear()
        response = await engine.execute(engine.prepare(Params(query, variables=variables)), {})
        responses.append(
            orjson.loads(
                encode_json({"data": response["data"], "errors": response.get("errors", [])})
            )
        )
        calls.append(Counter(CALLS))
    CALLS.clear()
    CALLS.update(calls[1])
    assert responses[0] == responses[1] == responses[2]
    return responses[0]["data"], responses[0]["errors"]


async def test_plain_fields_are_read_once() -> None:
    ROWS.extend(
        [
            Row(
                text="a",
                nested=Inner.create(1, Inner.create(2)),
                day=date(2026, 1, 31),
                moment=datetime(2026, 1, 31, tzinfo=UTC),
            )
        ]
        * 3
    )
    data, errors = await compare()
    assert not errors
    assert data["rows"][2] == {
        "text": "a",
        "number": 1,
        "ratio": 0.5,
        "size": "SMALL",
        "day": "2026-01-31",
        "moment": "2026-01-31T00:00:00+00:00",
        "inner": {"number": 7},
        "nested": {"number": 1, "deep": {"number": 2}},
        "resolved": 5,
        "__typename": "PlainRow",
    }
    assert {name: CALLS[name] for name in ("text", "number", "inner", "nested")} == dict.fromkeys(
        ("text", "number", "inner", "nested"), 3
    )


async def return_later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


@pytest.mark.parametrize(
    ("values", "expected", "error_count"),
    [
        (
            {"text": None, "size": None, "nested": None},
            {"text": None, "size": None, "nested": None},
            0,
        ),
        ({"text": 12}, {"text": "12"}, 0),
        ({"number": True}, {"number": 1}, 0),
        ({"number": "12"}, {"number": 12}, 0),
        ({"number": 2**31}, None, 1),
        ({"number": None}, None, 1),
        ({"ratio": 2}, {"ratio": 2.0}, 0),
        ({"ratio": float("inf")}, None, 1),
        ({"size": "LARGE"}, {"size": None}, 1),
        ({"size": Size.LARGE}, {"size": "LARGE"}, 0),
        ({"text": ValueError}, {"text": None}, 1),
        ({"text": lambda: return_later("x")}, {"text": "x"}, 0),
        ({"inner": lambda: return_later(Inner.create(3))}, {"inner": {"number": 3}}, 0),
        ({"inner": None}, None, 1),
        ({"inner": Inner.create(2**40)}, None, 1),
        ({"nested": Inner.create(2**40)}, {"nested": None}, 1),
        (
            {"nested": Inner.create(1, Inner.create(2**40))},
            {"nested": {"number": 1, "deep": None}},
            1,
        ),
        ({"nested": lambda: return_later(None)}, {"nested": None}, 0),
        ({"day": "today"}, {"day": None}, 1),
        ({"day": lambda: return_later(date(2026, 2, 28))}, {"day": "2026-02-28"}, 0),
        ({"moment": datetime(2026, 1, 1)}, {"moment": "2026-01-01T00:00:00"}, 0),  # noqa: DTZ001 - naive on purpose
        (
            {"moment": datetime(2026, 1, 1, tzinfo=timezone(timedelta(minutes=9, seconds=21)))},
            {"moment": "2026-01-01T00:00:00+00:09:21"},
            0,
        ),
    ],
)
async def test_other_values_are_completed_as_usual(
    values: dict[str, Any], expected: Any, error_count: int
) -> None:
    ROWS.extend([Row(), Row(**values), Row()])
    data, errors = await compare()
    assert len(errors) == error_count
    assert expected is None or expected.items() <= data["rows"][1].items()
    assert expected is not None or data is None
    assert CALLS["resolved"] == 3  # resolvers are called once, whatever the other fields are


async def test_input_objects_are_converted_as_by_strawberry() -> None:
    query = (
        "query ($order: Order) { describe(order: $order) none: describe null: describe(order: "
        "null) }"
    )
    order = {
        "parts": [{"name": "a", "sizes": ["LARGE", "SMALL"]}, {"name": "b", "sizes": None}],
        "note": "n",
        "count": 5,
    }
    data, errors = await compare(query, order=order)
    assert not errors
    assert data["describe"] == repr(
        create_order(
            [create_part("a", [Size.LARGE, Size.SMALL]), create_part("b", None)], "n", 5, ["new"]
        )
    )
    assert data["none"] == data["null"] == "None"
    data, _ = await compare('{ describe(order: {parts: {name: "a"}}) }')
    assert data["describe"] == repr(create_order([create_part("a")], None))


async def test_a_coroutine_in_an_attribute_is_awaited_once() -> None:
    query = "{ rows { text inner { number } } }"
    engine = Engine(SCHEMA._schema)
    for _ in range(3):
        ROWS[:] = [Row(), Row()]
        vars(ROWS[0]).update(text=return_later("x"), inner=return_later(Inner.create(9)))
        response = await engine.execute(engine.prepare(Params(query)), {})
        assert response["data"]["rows"] == [
            {"text": "x", "inner": {"number": 9}},
            {"text": None, "inner": {"number": 7}},
        ]


@strawberry.type
class SlowItem:
    number: int

    @strawberry.field
    async def later(self) -> str:
        await asyncio.sleep(0.01)
        if self.number == 2:
            raise ValueError("broken")
        return f"{self.number}"


LIVE_ROWS: list[SlowItem] = []


@strawberry.type
class LiveQuery:
    @strawberry.field
    def slow(self) -> list[SlowItem]:
        return LIVE_ROWS


@pytest.mark.parametrize(
    "modify_list",
    [LIVE_ROWS.clear, lambda: LIVE_ROWS.pop(0), lambda: LIVE_ROWS.insert(0, SlowItem(number=9))],
)
async def test_a_list_that_is_modified_during_execution_is_completed_as_it_was(
    modify_list: Callable[[], Any],
) -> None:
    engine = Engine(strawberry.Schema(LiveQuery)._schema)
    for _ in range(3):
        LIVE_ROWS[:] = [SlowItem(number=number) for number in (1, 3, 4)]
        execution = asyncio.ensure_future(
            engine.execute(engine.prepare(Params("{ slow { number later } }")), {})
        )
        await asyncio.sleep(0.003)
        modify_list()
        assert (await execution)["data"]["slow"] == [
            {"number": number, "later": f"{number}"} for number in (1, 3, 4)
        ]
        LIVE_ROWS[:] = [SlowItem(number=number) for number in (1, 2)]
        execution = asyncio.ensure_future(
            engine.execute(engine.prepare(Params("{ slow { number later } }")), {})
        )
        await asyncio.sleep(0.003)
        modify_list()
        assert [error["path"] for error in (await execution)["errors"]] == [["slow", 1, "later"]]


def test_unhashable_enum_members_are_coerced_one_by_one() -> None:
    @dataclass
    class UnhashableMixin:
        number: int

    class UnhashableEnum(UnhashableMixin, Enum):
        ONE = 1

    enum_type = GraphQLEnumType("Odd", {"ONE": GraphQLEnumValue("one")})
    enum_type.coerce_output_value = lambda member: member.name  # type: ignore[method-assign, assignment] # as Strawberry's do
    assert LeafType(enum_type, nullable=True).coerce([UnhashableEnum.ONE, None]) == ["ONE", None]
