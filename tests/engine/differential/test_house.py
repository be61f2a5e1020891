"""Generated queries over the house's whole schema answer the same by plans as by graphql-core, whoever asks.

See test_generated.py for longer runs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_graphql import nodes

from models.invoice import Invoice
from models.purchase import Purchase
from models.viewer import Viewer
from resolvers.context import Context, Services
from resolvers.ids import encode
from resolvers.paging import cursor
from resolvers.purchases import NEWEST, NEWEST_INVOICE
from schema.errors import present
from schema.fields import batch_of
from schema.root import schema
from tests.engine.differential.answers import Both, shown
from tests.engine.differential.operations import Case, operations
from tests.engine.differential.runs import cases
from tests.schema.conftest import House

GRAPH = schema._schema
VIEWERS = 6


def presented(error: GraphQLError, context: Context) -> dict[str, Any]:
    """As the house tells it, and what caused it; but for the random id."""
    told = present(error, context)
    told.get("extensions", {}).pop("errorId", None)
    return {**told, "cause": shown(error, context)["cause"]}


@pytest.fixture
def both() -> Both:
    return Both(GRAPH, batch_of, presented)


@pytest.fixture
def viewers(house: House) -> list[Viewer]:
    return [house.paul.owner, house.marie.member, house.alice, house.alice_without_factor, house.nadia, Viewer()]


def scalars(house: House) -> dict[str, st.SearchStrategy[Any]]:
    """Ids, slugs and cursors that exist, and others."""
    ids = [*house.paul.ids, *house.marie.ids, encode("Offer", 1), encode("Price", 1), encode("User", 99), "", "no id"]
    places = [cursor(house.paul.row(Invoice), NEWEST_INVOICE), cursor(house.marie.row(Purchase), NEWEST), "no cursor", ""]
    return {
        "ID": st.sampled_from(ids).map(nodes.String),
        "String": st.sampled_from(["essentiel", "PAULMARK", *places]).map(nodes.String),
        "Int": st.sampled_from([1, 2, 3, 10, 0, -1, 2**31 - 1]).map(nodes.Int),
        "Date": st.sampled_from(["2026-11-01", "2026-12-31"]).map(nodes.String),
        "DateTime": st.just(nodes.String("2026-11-23T09:00:00Z")),
        "BigInt": st.sampled_from([0, 2**40]).map(nodes.Int),
    }


@pytest.fixture
def strategy(house: House, both: Both) -> st.SearchStrategy[Case]:
    assert GRAPH.query_type
    return operations(GRAPH, both.compiled, scalars(house), fields=list(GRAPH.query_type.fields), allow_null=True)


@cases(0.25, VIEWERS)
@given(data=st.data())
async def test_over_the_house(
    data: st.DataObject, strategy: st.SearchStrategy[Case], both: Both, services: Services, viewers: list[Viewer]
) -> None:
    case = data.draw(strategy)
    for number, viewer in enumerate(viewers):
        await both.agree(*(case.flipped() if number % 2 else case), partial(Context, viewer, services))
    assert not both.compiled.fallbacks
