"""Generated queries over the whole schema get the same response from plans as from graphql-core,
for each kind of viewer.

See tests/engine/differential/test_generated.py for longer runs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_graphql import nodes

from models.billing.invoice import Invoice
from models.billing.purchase import Purchase
from models.viewer import Viewer
from resolvers.billing.invoices import NEWEST_FIRST as NEWEST_INVOICE
from resolvers.billing.purchases import NEWEST_FIRST as NEWEST_PURCHASE
from resolvers.context import Context, Services
from resolvers.ids import encode
from resolvers.paging import cursor
from schema.errors import format_error as format_response_error
from schema.fields import batch_of
from schema.root import schema
from tests.engine.differential.comparison import Comparison, format_with_cause
from tests.engine.differential.example_counts import examples
from tests.engine.differential.generated_operations import GeneratedOperation, operations
from tests.schema.conftest import Dataset
from tests.schema.loaders import resolve_by_loaders

GRAPH = schema._schema
VIEWERS = 6
pytestmark = pytest.mark.usefixtures("collect_garbage")


def format_error(error: GraphQLError, context: Context) -> dict[str, Any]:
    """The error as clients see it, without its random id and with the class of its cause."""
    formatted = format_response_error(error, context)
    formatted.get("extensions", {}).pop("errorId", None)
    return {**formatted, "cause": format_with_cause(error, context)["cause"]}


@pytest.fixture
def comparison(monkeypatch: pytest.MonkeyPatch) -> Comparison:
    resolve_by_loaders(GRAPH, batch_of, monkeypatch)
    return Comparison(GRAPH, batch_of, format_error)


@pytest.fixture
def viewers(dataset: Dataset) -> list[Viewer]:
    return [
        dataset.paul.owner,
        dataset.marie.member,
        dataset.alice,
        dataset.alice_without_factor,
        dataset.nadia,
        Viewer(),
    ]


def scalars(dataset: Dataset) -> dict[str, st.SearchStrategy[Any]]:
    """Ids, slugs and cursors, some of which exist."""
    ids = [
        *dataset.paul.ids,
        *dataset.marie.ids,
        encode("Offer", 1),
        encode("Price", 1),
        encode("User", 99),
        "",
        "no id",
    ]
    cursors = [
        cursor(dataset.paul.row(Invoice), NEWEST_INVOICE),
        cursor(dataset.marie.row(Purchase), NEWEST_PURCHASE),
        "no cursor",
        "",
    ]
    return {
        "ID": st.sampled_from(ids).map(nodes.String),
        "String": st.sampled_from(["essentiel", "PAULMARK", *cursors]).map(nodes.String),
        "Int": st.sampled_from([1, 2, 3, 10, 0, -1, 2**31 - 1]).map(nodes.Int),
        "Date": st.sampled_from(["2026-11-01", "2026-12-31"]).map(nodes.String),
        "DateTime": st.just(nodes.String("2026-11-23T09:00:00Z")),
        "BigInt": st.sampled_from([0, 2**40]).map(nodes.Int),
    }


@pytest.fixture
def operation_strategy(
    dataset: Dataset, comparison: Comparison
) -> st.SearchStrategy[GeneratedOperation]:
    assert GRAPH.query_type
    return operations(
        GRAPH,
        comparison.engine,
        scalars(dataset),
        fields=list(GRAPH.query_type.fields),
        allow_null=True,
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it compares executors only
@examples(0.15, VIEWERS)
@given(data=st.data())
async def test_generated_queries_match_graphql_core_on_the_whole_schema(
    data: st.DataObject,
    operation_strategy: st.SearchStrategy[GeneratedOperation],
    comparison: Comparison,
    services: Services,
    viewers: list[Viewer],
) -> None:
    operation = data.draw(operation_strategy)
    for number, viewer in enumerate(viewers):
        arguments = operation.with_negated_booleans() if number % 2 else operation
        await comparison.check(*arguments, partial(Context, viewer, services))
