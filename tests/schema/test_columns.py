"""Each field declares the columns it needs: selected alone, it returns the same value as when the
whole row is read.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    is_composite_type,
    is_required_argument,
)
from strawberry.types.field import StrawberryField

from engine import Engine, Limits, Params
from models.content.policy import Policy
from models.viewer import Viewer
from resolvers.context import Context, Services
from resolvers.ids import decode, encode
from schema.errors import format_error
from schema.fields import batch_of, cost_of
from schema.nodes import NODE_TYPES
from schema.root import schema
from tests.engine.differential.core_engine import CoreEngine
from tests.schema.conftest import decode_answer
from tests.schema.loaders import resolve_by_loaders
from tests.schema.test_statements import statements

if TYPE_CHECKING:
    from models.billing.offer import Price
    from tests.schema.conftest import Dataset

GRAPHQL_SCHEMA = schema._schema
DEPTH = 3 if "CAMCHA_CASES" in os.environ else 2  # `bin/check --long` sets it
ROOTS_PER_DOCUMENT = 25
LIMITS = Limits(
    document_bytes=10**6, tokens=10**5, depth=20, aliases=100, root_fields=100, overlap_budget=10**6
)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> tuple[Engine, Engine]:
    """An engine that reads the selected columns, and one that reads whole rows."""
    resolve_by_loaders(GRAPHQL_SCHEMA, batch_of, monkeypatch)
    options: dict[str, Any] = {
        "format_error": format_error,
        "cost_of": cost_of,
        "batch_of": batch_of,
        "limits": LIMITS,
    }
    return Engine(GRAPHQL_SCHEMA, **options), CoreEngine(GRAPHQL_SCHEMA, **options)


def node_types() -> list[GraphQLObjectType]:
    node = GRAPHQL_SCHEMA.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    return list(GRAPHQL_SCHEMA.get_possible_types(node))


def leaf_paths(
    kind: GraphQLObjectType, depth: int, ancestors: tuple[GraphQLObjectType, ...] = ()
) -> Iterator[str]:
    """Every path to one leaf below a type, without cycles."""
    for name, field in kind.fields.items():
        child_type = get_named_type(field.type)
        if any(is_required_argument(argument) for argument in field.args.values()):
            continue
        if not is_composite_type(child_type):
            yield name
        elif (
            isinstance(child_type, GraphQLObjectType) and depth > 1 and child_type not in ancestors
        ):
            yield from (
                f"{name} {{ {inner} }}"
                for inner in leaf_paths(child_type, depth - 1, (*ancestors, kind))
            )


def documents(ids: list[str]) -> Iterator[str]:
    """Documents that each select a single leaf; some share a document with other roots."""
    keys = {
        kind.name: [each for each in ids if (decode(each) or ("", 0))[0] == kind.name]
        for kind in node_types()
    }
    roots = [
        f"nodes(ids: {orjson.dumps(keys[kind.name]).decode()}) "
        f"{{ ... on {kind.name} {{ {leaf} }} }}"
        for kind in node_types()
        for leaf in leaf_paths(kind, DEPTH)
    ]
    for start in range(0, len(roots), ROOTS_PER_DOCUMENT):
        yield (
            "{ "
            + " ".join(
                f"r{place}: {root}"
                for place, root in enumerate(roots[start : start + ROOTS_PER_DOCUMENT])
            )
            + " }"
        )


async def execute(engine: Engine, services: Services, viewer: Viewer, query: str) -> dict[str, Any]:
    return decode_answer(
        await engine.execute(
            engine.prepare(Params(query=query), cost_limit=10**9), Context(viewer, services)
        )
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it compares columns only
async def test_every_field_resolves_from_its_declared_columns(
    engines: tuple[Engine, Engine], services: Services, dataset: "Dataset", price: "Price"
) -> None:
    ids = [
        *dataset.paul.ids,
        encode("Account", dataset.marie.account.pk),
        encode("Price", price.pk),
        encode("Offer", price.offer_id),
        encode("Policy", (await Policy.get()).pk),
    ]
    for query in documents(ids):
        for viewer in (dataset.paul.owner, dataset.alice):
            response, whole_response = [
                await execute(engine, services, viewer, query) for engine in engines
            ]
            assert "errors" not in whole_response
            assert response == whole_response


def declared_fields() -> Iterator[tuple[str, Any, StrawberryField]]:
    """The fields of every type that is backed by rows."""
    for kind in node_types():
        for name, field in kind.fields.items():
            definition = field.extensions["strawberry-definition"]
            yield f"{kind.name}.{name}", kind.is_type_of, definition


def test_no_field_needs_the_whole_row() -> None:
    """A field without a declaration reads all columns, which is correct but slow. So every field of
    a row must declare its own.
    """
    undeclared_fields = [
        path
        for path, _, field in declared_fields()
        if "needs" not in field.metadata and (field.base_resolver or not _is_column(path, field))
    ]
    assert undeclared_fields == []


def _is_column(path: str, field: StrawberryField) -> bool:
    models = {each.__name__: each.backing_model for each in NODE_TYPES}
    return field.python_name in models[path.partition(".")[0]]._meta.fields_db_projection


@pytest.mark.parametrize(
    ("selection", "columns"),
    [
        ("nodes { number }", {"id", "created_at"}),
        ("nodes { subject status }", {"id", "subject", "status"}),
        ("nodes { ...on Node { id } }", {"id"}),
        ("a: nodes { subject } b: nodes { channel }", {"id", "subject", "channel"}),
        (
            "edges { node { subject } } nodes { channel }",
            {"id", "subject", "channel", "updated_at"},
        ),
        ("edges { cursor }", {"id", "updated_at"}),
        ("pageInfo { endCursor }", {"id", "updated_at"}),
        ("nodes { subject @include(if: false) channel @skip(if: false) }", {"id", "channel"}),
    ],
)
async def test_a_page_reads_only_the_selected_columns(
    engines: tuple[Engine, Engine],
    services: Services,
    dataset: "Dataset",
    caplog: pytest.LogCaptureFixture,
    selection: str,
    columns: set[str],
) -> None:
    with caplog.at_level("DEBUG", "tortoise.db_client"):
        response = await execute(
            engines[0], services, dataset.alice, f"{{ tickets {{ {selection} }} }}"
        )
        executed_statements = statements(caplog)
    assert "errors" not in response
    assert len(executed_statements) == 1
    assert {
        each.strip('" ').split('"')[0]
        for each in executed_statements[0].partition("FROM")[0].removeprefix("SELECT").split(",")
    } == columns


async def test_a_total_alone_reads_no_rows(
    engines: tuple[Engine, Engine],
    services: Services,
    dataset: "Dataset",
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("DEBUG", "tortoise.db_client"):
        response = await execute(engines[0], services, dataset.alice, "{ tickets { totalCount } }")
        executed_statements = statements(caplog)
    assert response["data"] == {"tickets": {"totalCount": 2}}
    assert len(executed_statements) == 1
    assert "COUNT(" in executed_statements[0]


@pytest.mark.parametrize(
    "page_arguments", ["first: 101", "first: -1", "first: 1, last: 1", 'after: "nonsense"']
)
async def test_invalid_pagination_is_refused_even_without_selected_rows(
    engines: tuple[Engine, Engine], services: Services, dataset: "Dataset", page_arguments: str
) -> None:
    key = dataset.paul.id(type(dataset.paul.account))
    for engine in engines:
        response = await execute(
            engine, services, dataset.alice, f"{{ tickets({page_arguments}) {{ totalCount }} }}"
        )
        child_type = await execute(
            engine,
            services,
            dataset.alice,
            (
                f'{{ node(id: "{key}") {{ ... on Account {{ tickets({page_arguments}) {{ '
                f"totalCount }} }} }} }}"
            ),
        )
        for refused in (response, child_type):
            assert [error["extensions"]["code"] for error in refused["errors"]] == [
                "BAD_USER_INPUT"
            ]
