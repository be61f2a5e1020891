"""Subscriptions share responses if everything that a response depends on is equal."""

from typing import Any

import pytest
import strawberry

from engine import Engine, Params, sharing_key


@strawberry.type
class Event:
    number: int

    @strawberry.field
    def word(
        self, longer: bool | None = None, size: int = 1, weights: list[float] | None = None
    ) -> str:
        return "word"


@strawberry.type
class Query:
    hello: str = "world"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def event(self, after: int | None = None) -> Event:
        raise NotImplementedError  # nothing is executed


ENGINE = Engine(strawberry.Schema(Query, subscription=Subscription)._schema)
WORD_QUERY = (
    "subscription($longer: Boolean, $weights: [Float!]) { event { number word(longer: $longer, "
    "weights: $weights) } }"
)
AFTER_QUERY = "subscription($after: Int) { event(after: $after) { number } }"
SKIP_QUERY = "subscription($skip: Boolean = false) { event { number @skip(if: $skip) word } }"
FRAGMENT_QUERY = (
    "subscription($after: Int, $size: Int!) { event(after: $after) { ...F } } fragment F on Event "
    "{ word(size: $size) }"
)


@pytest.mark.parametrize(
    ("query", "variables", "other_variables", "is_same"),
    [
        (AFTER_QUERY, {"after": 1}, {"after": 2}, True),
        (AFTER_QUERY, {"after": 1}, {}, True),
        (WORD_QUERY, {"longer": True}, {"longer": True}, True),
        (WORD_QUERY, {"longer": True}, {"longer": False}, False),
        (WORD_QUERY, {"longer": None}, {}, False),
        (WORD_QUERY, {"weights": [1, 2]}, {"weights": [1.0, 2.0]}, True),
        (WORD_QUERY, {"weights": [1, 2]}, {"weights": [2, 1]}, False),
        (SKIP_QUERY, {"skip": False}, {}, True),
        (SKIP_QUERY, {"skip": True}, {}, False),
        (FRAGMENT_QUERY, {"after": 1, "size": 2}, {"after": 3, "size": 2}, True),
        (FRAGMENT_QUERY, {"after": 1, "size": 2}, {"after": 1, "size": 3}, False),
    ],
)
def test_variables_prevent_sharing_only_if_the_response_depends_on_them(
    query: str, variables: dict[str, Any], other_variables: dict[str, Any], is_same: bool
) -> None:
    key, other_key = (
        sharing_key(ENGINE.prepare(Params(query=query, variables=each)))
        for each in (variables, other_variables)
    )
    assert key is not None
    assert (key == other_key) is is_same


def test_documents_limits_and_operation_names_prevent_sharing() -> None:
    two_operations = "subscription A { event { number } } subscription B { event { number } }"
    keys = {
        sharing_key(
            ENGINE.prepare(Params(query="subscription { event { number } }"), cost_limit=10)
        ),
        sharing_key(
            ENGINE.prepare(Params(query="subscription { event { number } }"), cost_limit=20)
        ),
        sharing_key(
            ENGINE.prepare(Params(query="subscription { event { number word } }"), cost_limit=10)
        ),
        sharing_key(
            ENGINE.prepare(Params(query=two_operations, operation_name="A"), cost_limit=10)
        ),
        sharing_key(
            ENGINE.prepare(Params(query=two_operations, operation_name="B"), cost_limit=10)
        ),
    }
    assert len(keys) == 5
