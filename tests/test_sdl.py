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

SCHEMA_PATH = Path(__file__).parents[1] / "schema.graphql"


def test_the_stored_schema_is_current() -> None:
    """`python -m cli export-schema` writes it."""
    assert SCHEMA_PATH.read_text(encoding="utf-8").strip() == schema.as_str().strip()


def test_the_stored_schema_is_valid_graphql() -> None:
    assert build_schema(SCHEMA_PATH.read_text(encoding="utf-8")).query_type


def test_every_description_says_more_than_its_name() -> None:
    """P6.1: types, fields, arguments, input fields and enum values."""
    for name, description in _descriptions().items():
        assert len((description or "").split()) >= 2, name


def test_enum_values_are_upper_case() -> None:
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


def _descriptions() -> dict[str, str | None]:
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
                    f"{kind.name}.{name}({argument_name})": argument.description
                    for argument_name, argument in field.args.items()
                }
        elif isinstance(kind, GraphQLInputObjectType):
            result |= {
                f"{kind.name}.{name}": input_field.description
                for name, input_field in kind.fields.items()
            }
    return result
