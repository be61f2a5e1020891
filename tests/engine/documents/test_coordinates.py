"""The fields that an operation selects, and refusing an operation because of them."""

from typing import Any

import pytest
from graphql import GraphQLSchema

from engine import Engine, Operation, Params, RequestError, field_coordinates, request_error


def coordinates(engine: Engine, query: str, name: str | None = None) -> set[str]:
    operation = engine.prepare(Params(query, operation_name=name), cost_limit=10**15)
    return set(field_coordinates(engine.schema, operation.document, operation.definition))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ hello __typename }", {"Query.hello", "Query.__typename"}),
        ("{ a: me { b: id } me { tags } }", {"Query.me", "Item.id", "Item.tags"}),
        ("{ hello @skip(if: true) }", {"Query.hello"}),
        (
            "{ ... { ...A } } fragment A on Query { ...B hello } fragment B on Query { me { id } }",
            {"Query.hello", "Query.me", "Item.id"},
        ),
        ("{ ...A ...A } fragment A on Query { hello }", {"Query.hello"}),
        (
            "{ search { __typename ... on Item { id } } }",
            {"Query.search", "Thing.__typename", "Item.id"},
        ),
    ],
)
def test_every_selected_field_has_its_coordinate(
    engine: Engine, query: str, expected: set[str]
) -> None:
    assert coordinates(engine, query) == expected


def test_each_operation_of_a_document_has_its_own(engine: Engine) -> None:
    query = "query A { hello } query B { me { id } }"
    assert coordinates(engine, query, "A") == {"Query.hello"}
    assert coordinates(engine, query, "B") == {"Query.me", "Item.id"}


class Refusing:
    """Refuses operations that select `Query.me`, at once or a moment later, and remembers what it
    was told.
    """

    def __init__(self, schema: GraphQLSchema, *, at_once: bool) -> None:
        self.engine = Engine(schema, authorize=self, observers=[self])
        self.at_once, self.refusals = at_once, list[RequestError]()

    def __call__(self, operation: Operation, context: Any) -> Any:
        selected = field_coordinates(self.engine.schema, operation.document, operation.definition)
        error = request_error("No.", "FORBIDDEN") if "Query.me" in selected else None
        if error and self.at_once:
            raise error
        return self._raise(error)

    async def _raise(self, error: RequestError | None) -> None:
        if error:
            raise error

    def refused(self, error: RequestError) -> None:
        self.refusals.append(error)

    def executed(self, *_: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("extensions", [{}, {"dryRun": True}])
async def test_a_refused_operation_is_not_executed_or_priced(
    engine: Engine, at_once: bool, extensions: dict[str, Any]
) -> None:
    refusing = Refusing(engine.schema, at_once=at_once)
    allowed = refusing.engine.prepare(Params("{ hello }", extensions=extensions))
    assert "errors" not in await refusing.engine.execute(allowed, None)
    refused = refusing.engine.prepare(Params("{ me { id } }", extensions=extensions))
    with pytest.raises(RequestError):
        await refusing.engine.execute(refused, None)
    assert len(refusing.refusals) == 1
