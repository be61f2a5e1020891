"""Operations to execute: hypothesis-graphql chooses the fields and their arguments, and `Rewriter` writes them down unusually.

It adds aliases, fields that are asked for twice and merged, fragments with and without type conditions, `@skip` and
`@include`, `__typename`, and makes variables of literals: with defaults, absent, null. What it writes needn't be valid: the
next ways are tried, and in the end the plain one.
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

from engine import Engine, Params, Rejected

TRIES = 4
NULLED = 0.15  # of the conditions that may be null
Scalars = Mapping[str, st.SearchStrategy[Any]]
TEXTS = ("", "text", "7", 'é "\\\n', "null", "RED", "$v")
SCALARS: Scalars = {
    "Int": st.sampled_from([0, 1, 2, -3, 7, 2**31 - 1]).map(nodes.Int),
    "Float": st.sampled_from([0.5, -1e10, 3.0]).map(nodes.Float) | st.just(nodes.Int(4)),
    "String": st.sampled_from(TEXTS).map(nodes.String),
    "ID": st.sampled_from(["", "an id", "7"]).map(nodes.String) | st.just(nodes.Int(7)),
    "Odd": st.sampled_from([1, 15]).map(nodes.Int) | st.just(nodes.List([nodes.Int(1), nodes.Null])),
    "Sugar": st.sampled_from([1, 2, 5]).map(nodes.Int) | st.just(nodes.List([nodes.String("x")])),
    "Anything": st.sampled_from([nodes.Int(1), nodes.String("x"), nodes.List([nodes.Float(1.5)]), nodes.Object([])]),
}


class Case(NamedTuple):
    """A valid operation with its variables."""

    document: str
    variables: dict[str, Any]

    def flipped(self) -> Case:
        """The same with other answers for its directives: the plan that was kept must not serve here."""
        flipped = {name: not value if isinstance(value, bool) else value for name, value in self.variables.items()}
        return Case(self.document, flipped)


def operations(schema: GraphQLSchema, engine: Engine, scalars: Scalars = SCALARS, **options: Any) -> st.SearchStrategy[Case]:
    """Valid operations over a schema. `fields` limits the root fields."""
    documents = from_schema(schema, custom_scalars=dict(scalars), print_ast=_itself, **options)
    seeds = st.sampled_from(range(1_000))
    return st.builds(lambda document, seed: written(schema, engine, document, seed), documents, seeds)


def _itself(document: DocumentNode) -> DocumentNode:
    return document


def written(schema: GraphQLSchema, engine: Engine, document: DocumentNode, seed: int) -> Case:
    """The document as this seed writes it."""
    plain = print_ast(document)
    for number in range(TRIES):
        case = Rewriter(schema, Random(f"{seed} {number} {plain}")).operation(document)
        try:
            engine.prepare(Params(case.document, variables=case.variables))
        except (Rejected, GraphQLError):
            continue
        return case
    return Case(plain, {})


class Rewriter:
    """Writes one document."""

    def __init__(self, schema: GraphQLSchema, dice: Random) -> None:
        self.schema, self.dice = schema, dice
        self.strength = dice.choice((0.0, 0.3, 0.6, 1.0))
        self.definitions: list[str] = []
        self.variables: dict[str, Any] = {}
        self.fragments: list[str] = []
        self.pool: dict[str, list[str]] = {}
        self.count = 0

    def operation(self, document: DocumentNode) -> Case:
        [operation] = document.definitions
        assert isinstance(operation, OperationDefinitionNode)
        root = self.schema.get_root_type(operation.operation)
        assert root
        body = self.selection_set(operation.selection_set.selections, root)
        kind = operation.operation.value
        name = f" O{self.count}" if self.definitions or kind != "query" or self.likely(0.3) else ""
        variables = f"({', '.join(self.definitions)})" if self.definitions else ""
        start = f"{kind}{name}{variables} " if name else ""
        definitions = [f"{start}{body}", *self.fragments]
        self.dice.shuffle(definitions)
        return Case("\n".join(definitions), self.variables)

    def likely(self, chance: float) -> bool:
        return self.dice.random() < chance * self.strength

    def fresh(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    # Selections

    def selection_set(self, selections: Sequence[Any], parent: Any) -> str:
        found = [text for node in selections for text in self.selection(node, parent)]
        while self.likely(0.35):
            found.extend(self.more(parent, 3))
        if self.likely(0.4):
            found.insert(
                self.dice.randrange(len(found) + 1), self.dice.choice(("__typename", f"{self.fresh('t')}: __typename"))
            )
        for _ in range(2):
            if self.likely(0.4):
                found = self.grouped(found, parent)
        if self.pool.get(parent.name) and self.likely(0.2):
            found.append(f"...{self.dice.choice(self.pool[parent.name])}")
        return "{ " + self.dice.choice((" ", "\n")).join(found) + " }"

    def more(self, parent: Any, depth: int) -> list[str]:
        """A field that nobody chose, with what is below it."""
        fields = [
            (name, get_named_type(field.type))
            for name, field in getattr(parent, "fields", {}).items()
            if not any(is_required_argument(argument) for argument in field.args.values())
        ]
        if not fields or not depth:
            return ["__typename"]
        name, kind = self.dice.choice(fields)
        if is_leaf_type(kind):
            return [name]
        below = kind
        if not isinstance(kind, GraphQLObjectType):
            below = self.dice.choice(self.schema.get_possible_types(kind))
        inner = " ".join(text for _ in range(self.dice.randint(1, 3)) for text in self.more(below, depth - 1))
        return [f"{self.fresh('m')}: {name} {{ {inner if below is kind else f'... on {below.name} {{ {inner} }}'} }}"]

    def selection(self, node: Any, parent: Any) -> list[str]:
        if isinstance(node, InlineFragmentNode):
            assert node.type_condition
            kind = self.schema.type_map[node.type_condition.name.value]
            inner = self.selection_set(node.selection_set.selections, kind)
            return [f"... on {kind.name}{self.directives()} {inner}"]
        assert isinstance(node, FieldNode)
        return self.field(node, parent)

    def field(self, node: FieldNode, parent: Any) -> list[str]:
        definition = parent.fields[node.name.value]
        alias = f"{node.alias.value}: " if node.alias else ""
        if self.likely(0.25):
            alias = f"{self.other_name(parent)}: "
        start = f"{alias}{node.name.value}{self.arguments(node.arguments, definition)}"
        if node.selection_set is None:
            return [f"{start}{self.directives()}"] * (2 if self.likely(0.1) else 1)
        nodes, below = node.selection_set.selections, get_named_type(definition.type)
        found = [f"{start}{self.directives()} {self.selection_set(nodes, below)}"]
        while self.likely(0.25):
            some = self.dice.sample(nodes, self.dice.randint(1, len(nodes)))
            found.append(f"{start}{self.directives()} {self.selection_set(some, below)}")
        return found

    def other_name(self, parent: Any) -> str:
        """An alias: seldom the name of another field."""
        return self.dice.choice(list(parent.fields)) if self.likely(0.1) else self.fresh("a")

    def directives(self) -> str:
        return "".join(f" @{name}(if: {self.condition()})" for name in ("skip", "include") if self.likely(0.12))

    def condition(self) -> str:
        kind, value = self.dice.choice(("Boolean!", "Boolean! = true", "Boolean = false")), self.dice.choice((True, False))
        if self.dice.random() < 0.4:
            return str(value).lower()
        name = self.variable(kind, Undefined if "=" in kind and self.dice.random() < 0.5 else value)
        if kind == "Boolean = false" and self.dice.random() < NULLED:
            self.variables[name[1:]] = None
        return name

    def grouped(self, found: list[str], parent: Any) -> list[str]:
        """Some neighbours in a fragment."""
        start = self.dice.randrange(len(found))
        end = self.dice.randint(start + 1, len(found))
        chosen = " ".join(found[start:end])
        condition = self.condition_type(found[start:end], parent)
        if self.dice.random() < 0.5:
            bare = condition == parent.name and self.dice.random() < 0.5
            fragment = f"...{'' if bare else f' on {condition}'}{self.directives()} {{ {chosen} }}"
        else:
            name = self.fresh("F")
            self.fragments.append(f"fragment {name} on {condition} {{ {chosen} }}")
            self.pool.setdefault(condition, []).append(name)
            fragment = f"...{name}{self.directives()}"
        again = [fragment] if self.likely(0.2) else []
        return [*found[:start], fragment, *again, *found[end:]]

    def condition_type(self, chosen: list[str], parent: Any) -> str:
        """A type that the fragment may be on."""
        if not isinstance(parent, GraphQLInterfaceType | GraphQLObjectType):
            return str(parent.name)
        names = {name for text in chosen for name in re.findall(r"^(?:\w+: )?(\w+)", text)}
        if any(text.startswith("...") for text in chosen):
            return str(parent.name)
        wider = [kind.name for kind in parent.interfaces if names <= {*kind.fields, "__typename"}]
        narrower = (
            [kind.name for kind in self.schema.get_possible_types(parent)] if isinstance(parent, GraphQLInterfaceType) else []
        )
        return str(self.dice.choice([parent.name, *wider, *narrower]))

    # Arguments

    def arguments(self, given: Sequence[ArgumentNode] | None, definition: Any) -> str:
        found = []
        for node in given or ():
            argument = definition.args[node.name.value]
            optional = not isinstance(argument.type, GraphQLNonNull) or _defaults(argument)
            if optional and self.likely(0.3):
                continue
            found.append(f"{node.name.value}: {self.value(node.value, argument.type, _defaults(argument))}")
        return f"({', '.join(found)})" if found else ""

    def value(self, node: Any, kind: Any, defaults: bool) -> str:
        """A literal, or a variable in its place, or in the place of something in it."""
        if self.likely(0.35):
            return self.as_variable(node, kind, defaults)
        inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        if isinstance(node, ListValueNode) and isinstance(inner, GraphQLList):
            if len(node.values) == 1 and self.likely(0.5):
                return self.value(node.values[0], inner.of_type, False)  # a single value stands for a list of it
            return f"[{', '.join(self.value(item, inner.of_type, False) for item in node.values)}]"
        if isinstance(node, ObjectValueNode) and isinstance(inner, GraphQLInputObjectType):
            return "{" + ", ".join(self.input_field(field, inner) for field in node.fields) + "}"
        return print_ast(node)

    def input_field(self, field: Any, kind: GraphQLInputObjectType) -> str:
        definition = kind.fields[field.name.value]
        return f"{field.name.value}: {self.value(field.value, definition.type, _defaults(definition))}"

    def as_variable(self, node: Any, kind: Any, defaults: bool) -> str:
        nullable = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        value, way = value_from_ast_untyped(node), self.dice.randrange(8)
        if isinstance(node, NullValueNode):
            return self.variable(str(kind), self.dice.choice((None, Undefined)))
        if way == 0:  # the default steps in
            return self.variable(f"{nullable} = {print_ast(node)}", Undefined)
        if way == 1:
            return self.variable(f"{nullable}! = {print_ast(node)}", value)
        if way == 2 and (defaults or nullable is kind):
            return self.variable(str(nullable), self.dice.choice((None, Undefined, value)))
        if way == 3 and (defaults or nullable is kind):
            return self.variable(f"{nullable} = {print_ast(node)}", None)
        return self.variable(f"{nullable}!" if way < 6 else str(kind), value)

    def variable(self, kind: str, value: Any) -> str:
        name = self.fresh("v")
        self.definitions.append(f"${name}: {kind}")
        if value is not Undefined:
            self.variables[name] = value
        return f"${name}"


def _defaults(definition: Any) -> bool:
    """Whether an argument or an input field has a default."""
    return getattr(definition, "default", None) is not None or definition.default_value is not Undefined
