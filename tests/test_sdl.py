"""schema.graphql in the root folder is the current schema, complete with descriptions."""

from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    is_introspection_type,
    is_non_null_type,
    is_specified_scalar_type,
)

from schema.root import schema

STORED = Path(__file__).parents[1] / "schema.graphql"


def test_the_stored_schema_is_current() -> None:
    """`python -m cli export-schema` writes it."""
    assert STORED.read_text(encoding="utf-8").strip() == schema.as_str().strip()


def test_the_stored_schema_is_valid_graphql() -> None:
    assert build_schema(STORED.read_text(encoding="utf-8")).query_type


def test_every_description_says_more_than_its_name() -> None:
    """P6.1: types, fields, arguments, input fields and enum values."""
    for name, described in _described().items():
        assert len((described or "").split()) >= 2, name


def test_every_enum_value_and_list_field_is_named_by_convention() -> None:
    for kind in schema._schema.type_map.values():
        if isinstance(kind, GraphQLEnumType) and not is_introspection_type(kind):
            assert all(value == value.upper() for value in kind.values), kind.name


def test_every_mutation_takes_one_input_and_returns_user_errors() -> None:
    mutations = schema._schema.mutation_type
    assert mutations is not None
    for name, field in mutations.fields.items():
        assert list(field.args) in ([], ["input"]), name
        assert isinstance(field.type, GraphQLObjectType), name
        assert "userErrors" in field.type.fields, name


def test_a_refused_root_field_does_not_affect_others() -> None:
    """Root fields are nullable, because an error in a non-null one would null the whole response.
    `contact` never fails.
    """
    roots = [schema._schema.query_type, schema._schema.mutation_type]
    fields = {name: field for root in roots if root for name, field in root.fields.items()}
    assert {name for name, field in fields.items() if is_non_null_type(field.type)} == {"contact"}


def _described() -> dict[str, str | None]:
    result: dict[str, str | None] = {}
    for kind in schema._schema.type_map.values():
        if is_introspection_type(kind) or is_specified_scalar_type(kind):
            continue
        result[kind.name] = kind.description
        if isinstance(kind, GraphQLEnumType):
            result |= {
                f"{kind.name}.{name}": value.description for name, value in kind.values.items()
            }
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in kind.fields.items():
                result[f"{kind.name}.{name}"] = field.description
                result |= {
                    f"{kind.name}.{name}({arg})": given.description
                    for arg, given in field.args.items()
                }
        elif isinstance(kind, GraphQLInputObjectType):
            result |= {
                f"{kind.name}.{name}": given.description for name, given in kind.fields.items()
            }
    return result
