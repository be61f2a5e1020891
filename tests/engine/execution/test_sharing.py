"""Which subscriptions are the same to an event: by what its result depends on."""

import pytest
import strawberry

from engine import Engine, Params, sharing_key


@strawberry.type
class Told:
    number: int

    @strawberry.field
    def word(self, longer: bool | None = None, size: int = 1, weights: list[float] | None = None) -> str:
        return "word"


@strawberry.type
class Query:
    hello: str = "world"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def told(self, after: int | None = None) -> Told:
        raise NotImplementedError  # documents are only looked at


ENGINE = Engine(strawberry.Schema(Query, subscription=Subscription)._schema)
WORD = "subscription($longer: Boolean, $weights: [Float!]) { told { number word(longer: $longer, weights: $weights) } }"
AFTER = "subscription($after: Int) { told(after: $after) { number } }"
SKIPPED = "subscription($skip: Boolean = false) { told { number @skip(if: $skip) word } }"
SPREAD = "subscription($after: Int, $size: Int!) { told(after: $after) { ...F } } fragment F on Told { word(size: $size) }"


@pytest.mark.parametrize(
    ("query", "one", "other", "same"),
    [
        (AFTER, {"after": 1}, {"after": 2}, True),
        (AFTER, {"after": 1}, {}, True),
        (WORD, {"longer": True}, {"longer": True}, True),
        (WORD, {"longer": True}, {"longer": False}, False),
        (WORD, {"longer": None}, {}, False),
        (WORD, {"weights": [1, 2]}, {"weights": [1.0, 2.0]}, True),
        (WORD, {"weights": [1, 2]}, {"weights": [2, 1]}, False),
        (SKIPPED, {"skip": False}, {}, True),
        (SKIPPED, {"skip": True}, {}, False),
        (SPREAD, {"after": 1, "size": 2}, {"after": 3, "size": 2}, True),
        (SPREAD, {"after": 1, "size": 2}, {"after": 1, "size": 3}, False),
    ],
)
def test_variables_count_where_a_result_depends_on_them(query: str, one: dict, other: dict, same: bool) -> None:  # type: ignore[type-arg]
    first, second = (sharing_key(ENGINE.prepare(Params(query=query, variables=each))) for each in (one, other))
    assert first is not None
    assert (first == second) is same


def test_texts_limits_and_names_count() -> None:
    both = "subscription A { told { number } } subscription B { told { number } }"
    kinds = {
        sharing_key(ENGINE.prepare(Params(query="subscription { told { number } }"), cost_limit=10)),
        sharing_key(ENGINE.prepare(Params(query="subscription { told { number } }"), cost_limit=20)),
        sharing_key(ENGINE.prepare(Params(query="subscription { told { number word } }"), cost_limit=10)),
        sharing_key(ENGINE.prepare(Params(query=both, operation_name="A"), cost_limit=10)),
        sharing_key(ENGINE.prepare(Params(query=both, operation_name="B"), cost_limit=10)),
    }
    assert len(kinds) == 5
