"""Generated operations: hypothesis-graphql chooses fields and arguments, and `Rewriter` makes use
of the whole language.

It adds aliases, fields that are selected twice and merged, fragments with and without type
conditions, `@skip` and `@include`, `__typename`, and replaces literals by variables: with defaults,
absent, null. A rewritten document may be invalid. Then others are tried, and at last the original
is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    print_ast,
    value_from_ast_untyped,
)
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes

from engine import Engine, Params, RequestError

ATTEMPTS = 4
NULL_PROBABILITY = 0.15  # of nullable conditions
Scalars = Mapping[str, st.SearchStrategy[Any]]
STRINGS = ("", "text", "7", 'é "\\\n', "null", "RED", "$v")
SCALARS: Scalars = {
    "Int": st.sampled_from([0, 1, 2, -3, 7, 2**31 - 1]).map(nodes.Int),
    "Float": st.sampled_from([0.5, -1e10, 3.0]).map(nodes.Float) | st.just(nodes.Int(4)),
    "String": st.sampled_from(STRINGS).map(nodes.String),
    "ID": st.sampled_from(["", "an id", "7"]).map(nodes.String) | st.just(nodes.Int(7)),
    "Odd": st.sampled_from([1, 15]).map(nodes.Int)
    | st.just(nodes.List([nodes.Int(1), nodes.Null])),
    "Sugar": st.sampled_from([1, 2, 5]).map(nodes.Int) | st.just(nodes.List([nodes.String("x")])),
    "Anything": st.sampled_from(
        [nodes.Int(1), nodes.String("x"), nodes.List([nodes.Float(1.5)]), nodes.Object([])]
    ),
}


class GeneratedOperation(NamedTuple):
    """A valid operation with its variables."""

    document: str
    variables: dict[str, Any]

    def with_negated_booleans(self) -> GeneratedOperation:
        """The same with negated Boolean variables: directives get other values, so the cached plan
        must not be used.
        """
        variables = {
            name: not value if isinstance(value, bool) else value
            for name, value in self.variables.items()
        }
        return GeneratedOperation(self.document, variables)


def operations(
    schema: GraphQLSchema, engine: Engine, scalars: Scalars = SCALARS, **options: Any
) -> st.SearchStrategy[GeneratedOperation]:
    """Valid operations over a schema. `fields` limits the root fields."""
    documents = from_schema(
        schema, custom_scalars=dict(scalars), print_ast=_keep_document, **options
    )
    seeds = st.sampled_from(range(1_000))
    return st.builds(
        lambda document, seed: rewrite(schema, engine, document, seed), documents, seeds
    )


def _keep_document(document: DocumentNode) -> DocumentNode:
    return document


def rewrite(
    schema: GraphQLSchema, engine: Engine, document: DocumentNode, seed: int
) -> GeneratedOperation:
    """The document as rewritten with this seed."""
    original = print_ast(document)
    for number in range(ATTEMPTS):
        operation = Rewriter(schema, Random(f"{seed} {number} {original}")).operation(document)
        try:
            engine.prepare(Params(operation.document, variables=operation.variables))
        except (RequestError, GraphQLError):
            continue
        return operation
    return GeneratedOperation(original, {})


class Rewriter:
    """Rewrites one document."""

    def __init__(self, schema: GraphQLSchema, random: Random) -> None:
        self.schema, self.random = schema, random
        self.rate = random.choice((0.0, 0.3, 0.6, 1.0))
        self.definitions: list[str] = []
        self.variables: dict[str, Any] = {}
        self.fragments: list[str] = []
        self.fragments_by_type: dict[str, list[str]] = {}
        self.count = 0

    def operation(self, document: DocumentNode) -> GeneratedOperation:
        [operation] = document.definitions
        assert isinstance(operation, OperationDefinitionNode)
        root = self.schema.get_root_type(operation.operation)
        assert root
        body = self.selection_set(operation.selection_set.selections, root)
        type_ = operation.operation.value
        name = f" O{self.count}" if self.definitions or type_ != "query" or self.decide(0.3) else ""
        variables = f"({', '.join(self.definitions)})" if self.definitions else ""
        start = f"{type_}{name}{variables} " if name else ""
        definitions = [f"{start}{body}", *self.fragments]
        self.random.shuffle(definitions)
        return GeneratedOperation("\n".join(definitions), self.variables)

    def decide(self, probability: float) -> bool:
        """True with this probability, in proportion to how much is rewritten at all."""
        return self.random.random() < probability * self.rate

    def new_name(self, letter: str) -> str:
        """A name that is not used in the document."""
        self.count += 1
        return f"{letter}{self.count}"

    # Selections

    def selection_set(self, selections: Sequence[Any], parent: Any) -> str:
        texts = [text for node in selections for text in self.selection(node, parent)]
        while self.decide(0.35):
            texts.extend(self.random_field(parent, 3))
        if self.decide(0.4):
            texts.insert(
                self.random.randrange(len(texts) + 1),
                self.random.choice(("__typename", f"{self.new_name('t')}: __typename")),
            )
        for _ in range(2):
            if self.decide(0.4):
                texts = self.with_fragment(texts, parent)
        if self.fragments_by_type.get(parent.name) and self.decide(0.2):
            texts.append(f"...{self.random.choice(self.fragments_by_type[parent.name])}")
        return "{ " + self.random.choice((" ", "\n")).join(texts) + " }"

    def random_field(self, parent: Any, depth: int) -> list[str]:
        """A randomly selected field, with fields below it."""
        fields = [
            (name, get_named_type(field.type))
            for name, field in getattr(parent, "fields", {}).items()
            if not any(is_required_argument(argument) for argument in field.args.values())
        ]
        if not fields or not depth:
            return ["__typename"]
        name, type_ = self.random.choice(fields)
        if is_leaf_type(type_):
            return [name]
        descendants = type_
        if not isinstance(type_, GraphQLObjectType):
            descendants = self.random.choice(self.schema.get_possible_types(type_))
        inner = " ".join(
            text
            for _ in range(self.random.randint(1, 3))
            for text in self.random_field(descendants, depth - 1)
        )
        return [
            f"{self.new_name('m')}: {name} "
            f"{{ {inner if descendants is type_ else f'... on {descendants.name} {{ {inner} }}'} }}"
        ]

    def selection(self, node: Any, parent: Any) -> list[str]:
        if isinstance(node, InlineFragmentNode):
            assert node.type_condition
            type_ = self.schema.type_map[node.type_condition.name.value]
            inner = self.selection_set(node.selection_set.selections, type_)
            return [f"... on {type_.name}{self.directives()} {inner}"]
        assert isinstance(node, FieldNode)
        return self.field(node, parent)

    def field(self, node: FieldNode, parent: Any) -> list[str]:
        definition = parent.fields[node.name.value]
        alias = f"{node.alias.value}: " if node.alias else ""
        if self.decide(0.25):
            alias = f"{self.alias(parent)}: "
        start = f"{alias}{node.name.value}{self.arguments(node.arguments, definition)}"
        if node.selection_set is None:
            return [f"{start}{self.directives()}"] * (2 if self.decide(0.1) else 1)
        nodes, descendants = node.selection_set.selections, get_named_type(definition.type)
        texts = [f"{start}{self.directives()} {self.selection_set(nodes, descendants)}"]
        while self.decide(0.25):
            subset = self.random.sample(nodes, self.random.randint(1, len(nodes)))
            texts.append(f"{start}{self.directives()} {self.selection_set(subset, descendants)}")
        return texts

    def alias(self, parent: Any) -> str:
        """An alias, which is rarely the name of another field."""
        return self.random.choice(list(parent.fields)) if self.decide(0.1) else self.new_name("a")

    def directives(self) -> str:
        return "".join(
            f" @{name}(if: {self.condition()})" for name in ("skip", "include") if self.decide(0.12)
        )

    def condition(self) -> str:
        type_ = self.random.choice(("Boolean!", "Boolean! = true", "Boolean = false"))
        value = self.random.choice((True, False))
        if self.random.random() < 0.4:
            return str(value).lower()
        name = self.variable(
            type_, Undefined if "=" in type_ and self.random.random() < 0.5 else value
        )
        if type_ == "Boolean = false" and self.random.random() < NULL_PROBABILITY:
            self.variables[name[1:]] = None
        return name

    def with_fragment(self, texts: list[str], parent: Any) -> list[str]:
        """Move some adjacent selections into a fragment."""
        start = self.random.randrange(len(texts))
        end = self.random.randint(start + 1, len(texts))
        selected = " ".join(texts[start:end])
        condition = self.condition_type(texts[start:end], parent)
        if self.random.random() < 0.5:
            omits_type = condition == parent.name and self.random.random() < 0.5
            fragment = (
                f"...{'' if omits_type else f' on {condition}'}{self.directives()} {{ {selected} }}"
            )
        else:
            name = self.new_name("F")
            self.fragments.append(f"fragment {name} on {condition} {{ {selected} }}")
            self.fragments_by_type.setdefault(condition, []).append(name)
            fragment = f"...{name}{self.directives()}"
        duplicates = [fragment] if self.decide(0.2) else []
        return [*texts[:start], fragment, *duplicates, *texts[end:]]

    def condition_type(self, selected: list[str], parent: Any) -> str:
        """A type that the fragment's type condition may name."""
        if not isinstance(parent, GraphQLInterfaceType | GraphQLObjectType):
            return str(parent.name)
        names = {name for text in selected for name in re.findall(r"^(?:\w+: )?(\w+)", text)}
        if any(text.startswith("...") for text in selected):
            return str(parent.name)
        interfaces = [
            type_.name for type_ in parent.interfaces if names <= {*type_.fields, "__typename"}
        ]
        implementations = (
            [type_.name for type_ in self.schema.get_possible_types(parent)]
            if isinstance(parent, GraphQLInterfaceType)
            else []
        )
        return str(self.random.choice([parent.name, *interfaces, *implementations]))

    # Arguments

    def arguments(self, argument_nodes: Sequence[ArgumentNode] | None, definition: Any) -> str:
        texts = []
        for node in argument_nodes or ():
            argument = definition.args[node.name.value]
            optional = not isinstance(argument.type, GraphQLNonNull) or _defaults(argument)
            if optional and self.decide(0.3):
                continue
            texts.append(
                f"{node.name.value}: {self.value(node.value, argument.type, _defaults(argument))}"
            )
        return f"({', '.join(texts)})" if texts else ""

    def value(self, node: Any, type_: Any, defaults: bool) -> str:
        """A literal, or a variable instead of it or of a part of it."""
        if self.decide(0.35):
            return self.replace_by_variable(node, type_, defaults)
        inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(node, ListValueNode) and isinstance(inner, GraphQLList):
            if len(node.values) == 1 and self.decide(0.5):
                # A single value is coerced to a list.
                return self.value(node.values[0], inner.of_type, False)
            return f"[{', '.join(self.value(item, inner.of_type, False) for item in node.values)}]"
        if isinstance(node, ObjectValueNode) and isinstance(inner, GraphQLInputObjectType):
            return "{" + ", ".join(self.input_field(field, inner) for field in node.fields) + "}"
        return print_ast(node)

    def input_field(self, field: Any, type_: GraphQLInputObjectType) -> str:
        definition = type_.fields[field.name.value]
        return (
            f"{field.name.value}: {self.value(field.value, definition.type, _defaults(definition))}"
        )

    def replace_by_variable(self, node: Any, type_: Any, defaults: bool) -> str:
        nullable = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        value, choice = value_from_ast_untyped(node), self.random.randrange(8)
        if isinstance(node, NullValueNode):
            return self.variable(str(type_), self.random.choice((None, Undefined)))
        if choice == 0:  # the default applies
            return self.variable(f"{nullable} = {print_ast(node)}", Undefined)
        if choice == 1:
            return self.variable(f"{nullable}! = {print_ast(node)}", value)
        if choice == 2 and (defaults or nullable is type_):
            return self.variable(str(nullable), self.random.choice((None, Undefined, value)))
        if choice == 3 and (defaults or nullable is type_):
            return self.variable(f"{nullable} = {print_ast(node)}", None)
        return self.variable(f"{nullable}!" if choice < 6 else str(type_), value)

    def variable(self, type_: str, value: Any) -> str:
        name = self.new_name("v")
        self.definitions.append(f"${name}: {type_}")
        if value is not Undefined:
            self.variables[name] = value
        return f"${name}"


def _defaults(definition: Any) -> bool:
    """Whether an argument or an input field has a default."""
    return (
        getattr(definition, "default", None) is not None
        or definition.default_value is not Undefined
    )
