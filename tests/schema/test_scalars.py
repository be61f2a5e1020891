"""Scalars: one type for every `sequence` and `after`, a specification for each, and errors without
the values.
"""

from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLNamedType, GraphQLScalarType, get_named_type, is_specified_scalar_type

from engine import Engine, Params, RequestError
from schema.root import schema

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

GRAPH = schema._schema
SEQUENCES = {"sequence", "lastSequence", "accountSequence", "inboxSequence"}
EVENTS_QUERY = "subscription($after: BigInt) { inboxEvents(after: $after) { sequence } }"


def test_every_sequence_and_every_cursor_of_events_is_a_big_int() -> None:
    result: dict[str, GraphQLNamedType] = {}
    for kind in GRAPH.type_map.values():
        for name, field in getattr(kind, "fields", {}).items():
            if name in SEQUENCES:
                result[f"{kind.name}.{name}"] = get_named_type(field.type)
    assert GRAPH.subscription_type
    for name, field in GRAPH.subscription_type.fields.items():
        result |= {
            f"{name}({key}:)": get_named_type(each.type)
            for key, each in field.args.items()
            if key == "after"
        }
    assert len(result) > 8
    assert {each.name for each in result.values()} == {"BigInt"}


def test_every_custom_scalar_has_a_specification() -> None:
    custom_scalars = [
        each
        for each in GRAPH.type_map.values()
        if isinstance(each, GraphQLScalarType) and not is_specified_scalar_type(each)
    ]
    assert {each.name for each in custom_scalars} == {"BigInt", "Date", "DateTime"}
    assert [
        each.name
        for each in custom_scalars
        if not (each.specified_by_url or "").startswith("https://")
    ] == []


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, True, 1.5, "31415", [1]])
def test_a_big_int_out_of_range_is_refused_without_its_value(engine: Engine, value: Any) -> None:
    with pytest.raises(RequestError) as refusal:
        engine.prepare(Params(query=EVENTS_QUERY, variables={"after": value}))
    (error,) = refusal.value.errors
    assert "$after" in error["message"]
    assert "64 bits" in error["message"]
    assert "31415" not in str(error)


@pytest.mark.parametrize(
    "value",
    [
        "2031-02-03",
        "2031-02-03T17:00:00",
        "2031-13-24T17:00:00Z",
        "20310203T170000Z",
        "31415",
        31415,
    ],
)
def test_a_time_that_is_not_rfc_3339_is_refused_without_its_value(
    engine: Engine, value: Any
) -> None:
    query = "query($at: DateTime) { auditEntries(filter: {at: {gte: $at}}) { totalCount } }"
    with pytest.raises(RequestError) as refusal:
        engine.prepare(Params(query=query, variables={"at": value}))
    (error,) = refusal.value.errors
    assert "RFC 3339" in error["message"]
    assert str(value) not in str(error)


@pytest.mark.parametrize(
    "value",
    [
        "9999-12-31T23:59:59Z",
        "3000-01-01T00:00:00Z",
        "1899-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
    ],
)
def test_a_time_that_is_too_far_to_be_computed_with_is_refused(engine: Engine, value: str) -> None:
    """A webinar in the year 9999 used to turn every list of webinars into an internal error."""
    queries = [
        "query($at: DateTime) { auditEntries(filter: {at: {gte: $at}}) { totalCount } }",
        f'{{ auditEntries(filter: {{at: {{gte: "{value}"}}}}) {{ totalCount }} }}',
    ]
    for query in queries:
        with pytest.raises(RequestError) as refusal:
            engine.prepare(Params(query=query, variables={"at": value}))
        (error,) = refusal.value.errors
        assert "from 1900 to 2999" in error["message"]
        assert value not in str(error)


async def test_a_time_with_an_offset_is_accepted(execute: "Execute", dataset: "Dataset") -> None:
    query = "query($at: DateTime) { auditEntries(filter: {at: {gte: $at}}) { totalCount } }"
    for at, all_of_them in (("2026-01-01T00:00:00.5+01:00", True), ("2100-01-01T00:00:00Z", False)):
        response = await execute(dataset.marie.owner, query, at=at)
        assert (response["data"]["auditEntries"]["totalCount"] > 0) is all_of_them
