"""Plans: what is worked out of a valid operation once, and kept (plans.py).

A plan is a tree. A `Shape` is the selection set of one object type, its fields in response order, and makes their rows. A
`Field` is one response key of a shape: the merged field nodes, the way to resolve them, and, below an object, an interface
or a union, one shape for each runtime type that was met. Only @skip and @include change what is selected, so a plan holds
for all executions whose variables give these directives the same answers (`switches`).

The fields are collected by graphql-core itself, so fragments, aliases, merging and the directives are its own.
engine/execution/executor.py executes a plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    get_argument_values,
    is_abstract_type,
    is_leaf_type,
    print_ast,
    visit,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues, coerce_argument

from engine.execution.codegen import DEEPEST, Rows, reader
from engine.execution.deferred import BatchOf, Selected, Selection
from engine.execution.leaves import Leaf, Unplain, unplain
from engine.execution.resolution import Resolve, attribute, resolution, unchanging
from engine.execution.value_flags import MOST_CLASSES, TRAITS, traits

Row = dict[str, Any]


class Plan:
    """An operation, ready to be executed for any variables that give its directives the same answers.

    `variables` are these answers, and nothing else of the caller's: a plan outlives the request. `core` is graphql-core's
    executor of the operation, for what it defines and no execution changes.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: VariableValues,
        batch_of: BatchOf,
        core: Executor[Any],
    ) -> None:
        self.size = 0  # fields, of all shapes so far
        self.schema, self.operation, self.fragments, self.batch_of = schema, operation, fragments, batch_of
        self.variables, self.core = variables, core
        root = schema.get_root_type(operation.operation)
        assert root is not None, "validation knows the root type"  # noqa: S101
        self.root = Shape(self, root, collect_fields(schema, fragments, self.variables, root, operation).grouped_field_set)


class Shape:
    """What is selected of one object type. `called` are the fields that are not plain (engine/execution/codegen.py)."""

    def __init__(
        self, plan: Plan, kind: GraphQLObjectType, grouped: Mapping[str, list[FieldDetails]], depth: int = DEEPEST
    ) -> None:
        found = [(key, plan.schema.get_field(kind, details[0].node.name.value), details) for key, details in grouped.items()]
        self.kind = kind
        self.fields = [
            Field(plan, kind, position, key, definition, details, depth)
            for position, (key, definition, details) in enumerate(found)
            if definition is not None
        ]
        plan.size += len(self.fields)
        self.called = [field for field in self.fields if not field.plain]
        self.rows: Rows = self._not_yet

    def _not_yet(self, *_: Any) -> list[Row]:
        """Many a document comes once: a function is written for rows that are made again."""
        self.rows = self._written
        raise Unplain

    def _written(self, *given: Any) -> list[Row]:
        self.rows = reader(self.fields)
        return self.rows(*given)


class Given(NamedTuple):
    """Arguments: those that are the same for each execution, and (argument, variable, whether null is allowed)."""

    constants: dict[str, Any]
    variables: list[tuple[str, str, bool]]


class Field:
    """One response key of a shape."""

    def __init__(
        self,
        plan: Plan,
        parent: GraphQLObjectType,
        position: int,
        key: str,
        definition: Any,
        details: list[FieldDetails],
        depth: int,
    ) -> None:
        self.parent, self.position, self.key, self.definition = parent, position, key, definition
        self.nodes: list[FieldNode] = [each.node for each in details]
        self.name = self.nodes[0].name.value
        self.nullable, self.kind = _unwrapped(definition.type)
        self.depth = len(self.nullable) - 1  # lists within lists
        self.abstract = is_abstract_type(self.kind)
        self.leaf = Leaf(self.kind, self.nullable[-1]) if is_leaf_type(self.kind) else None
        self.details = details
        self._plan, self._shapes = plan, dict[str, Shape]()
        self._given = self._simple_arguments()
        batch = plan.batch_of(definition)
        self.resolve: Resolve = resolution(plan.schema, self, batch)
        self.attribute = attribute(plan.schema, self, batch)
        self.right = set[type]()  # classes whose objects are the field's one type
        self.plain = self._is_plain(depth)

    def _is_plain(self, depth: int) -> bool:
        if self.name == "__typename":
            return True
        if self.depth or self.attribute is None:
            return False
        if self.leaf:
            return True
        if self.abstract or not depth or not _by_class(self.kind):
            return False
        with suppress(GraphQLError):  # a directive of a field below is given null: told when an object is met
            return not self.below(self.kind, depth - 1).called
        return False

    @property
    def inner(self) -> list[Field]:
        """What is selected of the field's one object type."""
        return self.below(self.kind).fields

    def admits(self, sources: Sequence[Any]) -> bool:
        """Whether these are objects of the field's one type, all by their classes; no nulls, no errors, nothing to wait for."""
        if self.right.issuperset(map(type, sources)):
            return True
        if traits(sources):
            return False
        try:
            for source in sources:
                if type(source) not in self.right:
                    self.admit(source)
        except Exception:  # told by the longer way
            return False
        return True

    def admit(self, source: Any, *place: Any) -> None:
        """Note the class of an object of the field's one type. Raises, or Unplain, where it is none, or not by its class."""
        kind = self.kind
        if TRAITS[type(source)] or not _by_class(kind) or not (kind.is_type_of is None or kind.is_type_of(source, None)):
            unplain(source, *place)
        if len(self.right) > MOST_CLASSES:
            self.right.clear()
        self.right.add(type(source))

    def below(self, kind: GraphQLObjectType, depth: int = DEEPEST) -> Shape:
        """What is selected of an object of this type below the field. What is plain is looked for `depth` deep."""
        if kind.name not in self._shapes:
            plan = self._plan
            found = collect_subfields(plan.schema, plan.fragments, plan.variables, plan.operation, kind, self.details)
            self._shapes[kind.name] = Shape(plan, kind, found.grouped_field_set, depth)
        return self._shapes[kind.name]

    def arguments(self, variables: VariableValues) -> dict[str, Any]:
        """The coerced arguments, a dict of their own each time. Raises GraphQLError."""
        if self._given is not None:
            found, coerced = dict(self._given.constants), variables.coerced
            for name, variable, nullable in self._given.variables:
                value = coerced.get(variable)
                if value is None and not (nullable and variable in coerced):
                    break  # absent, or null where it may not be
                found[name] = value
            else:
                return found
        return get_argument_values(self.definition, self.nodes[0], variables)

    def _simple_arguments(self) -> Given | None:
        """How to put the arguments together, where each is a constant that nobody can change, or one variable."""
        if not self.definition.args:
            return Given({}, [])
        nodes = {argument.name.value: argument.value for argument in self.nodes[0].arguments or ()}
        by_variable = {name: node for name, node in nodes.items() if isinstance(node, VariableNode)}
        if any(_variables(node) for name, node in nodes.items() if name not in by_variable):
            return None
        known: dict[str, Any] = {}
        variables = []
        try:
            for name, argument in self.definition.args.items():
                if name in by_variable:
                    nullable = not isinstance(argument.type, GraphQLNonNull)
                    variables.append((argument.out_name or name, by_variable[name].name.value, nullable))
                    known[variables[-1][0]] = None  # its place: a resolver may look at the order
                else:
                    coerce_argument(known, self.nodes[0], name, argument, _argument(self.nodes[0], name), None, None)
        except Exception:  # raised again for each execution, where it belongs
            return None
        return Given(known, variables) if unchanging(known) else None

    @cached_property
    def selection(self) -> Selection | None:
        """What is selected below, for Deferred values; None for leaves."""
        return None if self.leaf else Selection(self._selected)

    def _selected(self) -> dict[str, list[Selected]]:
        schema = self._plan.schema
        kinds = schema.get_possible_types(self.kind) if is_abstract_type(self.kind) else [self.kind]
        found: dict[str, list[Selected]] = {}
        for kind in kinds:
            with suppress(GraphQLError):  # a directive is given null: told when an object of the type is met, if one is
                for field in self.below(kind).fields:
                    found.setdefault(field.name, []).append(Selected(field.definition, field.selection))
        return found


def _by_class(kind: Any) -> bool:
    """Whether an object is of this type, or not, by nothing but its class."""
    return kind.is_type_of is None or getattr(kind.is_type_of, "by_class", False)


def _argument(node: FieldNode, name: str) -> ArgumentNode | None:
    return next((each for each in node.arguments or () if each.name.value == name), None)


def _unwrapped(kind: GraphQLOutputType) -> tuple[tuple[bool, ...], Any]:
    """Whether null is allowed: of the value itself, of its items, of their items, ...; and the named type."""
    nullable = not isinstance(kind, GraphQLNonNull)
    inner: Any = kind if nullable else kind.of_type  # type: ignore[union-attr] # a non-null type has one
    if not isinstance(inner, GraphQLList):
        return (nullable,), inner
    below, named = _unwrapped(inner.of_type)
    return (nullable, *below), named


def switches(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDetails]) -> tuple[str, ...]:
    """The names of this operation's Boolean variables that @skip and @include read, anywhere in the document.

    Another operation's fragment may use a variable of the same name: if it isn't Boolean here, this one can't reach it.
    """
    nodes: list[Node] = [operation, *(fragment.definition for fragment in fragments.values())]
    read = {name for node in nodes for name in _switches(node)}
    declared = {each.variable.name.value: each.type for each in operation.variable_definitions or ()}
    return tuple(sorted(name for name in read & declared.keys() if print_ast(declared[name]) in {"Boolean", "Boolean!"}))


def switched(variables: VariableValues, names: tuple[str, ...]) -> VariableValues:
    """The variables of these names only."""
    return VariableValues(
        {name: value for name, value in variables.sources.items() if name in names},
        {name: value for name, value in variables.coerced.items() if name in names},
    )


def _switches(node: Node) -> list[str]:
    found: list[str] = []

    class Directives(Visitor):
        def enter_directive(self, directive: Any, *_: Any) -> None:
            if directive.name.value in {"skip", "include"}:
                found.extend(_variables(directive))

    visit(node, Directives())
    return found


def _variables(node: Node) -> list[str]:
    found: list[str] = []

    class Variables(Visitor):
        def enter_variable(self, variable: VariableNode, *_: Any) -> None:
            found.append(variable.name.value)

    visit(node, Variables())
    return found
