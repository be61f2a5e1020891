"""Plans: what can be computed once for all executions of an operation. planner.py builds them,
plan_cache.py keeps them.

A plan is a tree. A `SelectionPlan` is the selection set on one object type: its fields in response
order. A `FieldPlan` is one response key in it: the merged field nodes and how to resolve them.
Below an object, an interface or a union, it has one `SelectionPlan` for each runtime type that has
occurred so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails

from engine.execution.arguments import argument_coercion
from engine.execution.columns import Column, PendingColumn
from engine.execution.deferred import SelectedField, Selection
from engine.execution.leaves import LeafType, NotPlain, raise_not_plain
from engine.execution.value_flags import FLAGS_BY_CLASS, MAX_CLASSES, column_flags

Row = dict[str, Any]  # the response for one object
# Takes the objects, and a column for each leaf field that is not plain.
BuildRows = Callable[..., list[Row]]
# Takes the ExecutionContext and the Level (resolution.py).
Resolve = Callable[..., Column | PendingColumn]
# nested objects that are read together with the object around them; limits how far plans look ahead
PLAIN_DEPTH = 2


class ExecutionPlan:
    """An operation, ready to be executed with all variables that give its directives the same
    values.

    `core` is graphql-core's executor of the operation, used for what is the same in all executions.
    `select` returns the `SelectionPlan` below a field for an object type. `size` is the number of
    fields planned so far.
    """

    root: SelectionPlan

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        core: Executor[Any],
        select: Callable[[FieldPlan, GraphQLObjectType, int], SelectionPlan],
    ) -> None:
        self.schema, self.operation, self.core, self.select = schema, operation, core, select
        self.size = 0


class SelectionPlan:
    """The selection set on one object type. `resolved_fields` are the fields that are not plain
    (codegen.py).
    """

    def __init__(
        self,
        object_type: GraphQLObjectType,
        fields: Sequence[FieldPlan],
        compile_rows: Callable[[Sequence[FieldPlan]], BuildRows],
    ) -> None:
        self.object_type, self.fields = object_type, fields
        self.resolved_fields = [field for field in fields if not field.is_plain]
        self._compile_rows = compile_rows
        self.build_rows: BuildRows = self._defer_compilation

    def _defer_compilation(self, *_: Any) -> list[Row]:
        """Many documents are sent only once, so the function is compiled when it is needed a second
        time.
        """
        self.build_rows = self._compile_and_build
        raise NotPlain

    def _compile_and_build(self, *columns: Any) -> list[Row]:
        self.build_rows = self._compile_rows(self.fields)
        return self.build_rows(*columns)


class FieldPlan:
    """One response key of a `SelectionPlan`. The planner sets `resolve`, `attribute` and
    `is_plain`.
    """

    resolve: Resolve
    # The attribute of the object that is the field's value, if nothing else is done.
    attribute: str | None
    is_plain: bool  # whether generated code reads it (codegen.py)

    def __init__(
        self,
        plan: ExecutionPlan,
        parent: GraphQLObjectType,
        position: int,
        key: str,
        definition: Any,
        details: list[FieldDetails],
    ) -> None:
        self.parent = parent
        self.position = position
        self.key = key
        self.definition = definition
        self.details = details
        self.nodes: list[FieldNode] = [each.node for each in details]
        self.name = self.nodes[0].name.value
        self.nullable, self.type = _unwrap(definition.type)
        self.list_depth = len(self.nullable) - 1  # lists in lists
        self.is_abstract = is_abstract_type(self.type)
        self.leaf = LeafType(self.type, self.nullable[-1]) if is_leaf_type(self.type) else None
        self.arguments = argument_coercion(definition, self.nodes[0])
        self.known_classes = set[
            type
        ]()  # classes whose instances are objects of the field's one type
        self._plan, self._selections = plan, dict[str, SelectionPlan]()

    def select(
        self, object_type: GraphQLObjectType, plain_depth: int = PLAIN_DEPTH
    ) -> SelectionPlan:
        """What is selected below the field of an object of this type. Raises GraphQLError when a
        directive's `if` is null.

        Plain fields are looked for in `plain_depth` levels of nested objects.
        """
        if object_type.name not in self._selections:
            self._selections[object_type.name] = self._plan.select(self, object_type, plain_depth)
        return self._selections[object_type.name]

    @property
    def inner_fields(self) -> Sequence[FieldPlan]:
        """The fields selected of the field's one object type."""
        return self.select(self.type).fields

    def are_objects(self, sources: Sequence[Any]) -> bool:
        """Whether the classes show that all these are objects of the field's one type: no nulls,
        errors or awaitables.
        """
        if self.known_classes.issuperset(map(type, sources)):
            return True
        if column_flags(sources):
            return False
        try:
            for source in sources:
                if type(source) not in self.known_classes:
                    self.add_class(source)
        except Exception:  # the slower way will report it
            return False
        return True

    def add_class(self, source: Any, *attribute: Any) -> None:
        """Add the class of an object of the field's one type. Raises `NotPlain`, or what the type's
        predicate raises, when the object is not of that type, or when its class doesn't decide
        it.
        """
        type_ = self.type
        is_object = is_decided_by_class(type_) and (
            type_.is_type_of is None or type_.is_type_of(source, None)
        )
        if FLAGS_BY_CLASS[type(source)] or not is_object:
            raise_not_plain(source, *attribute)
        if len(self.known_classes) > MAX_CLASSES:
            self.known_classes.clear()
        self.known_classes.add(type(source))

    @cached_property
    def selection(self) -> Selection | None:
        """What is selected below, for `Deferred` values; None for leaves."""
        return None if self.leaf else Selection(self._selected_fields)

    def _selected_fields(self) -> dict[str, list[SelectedField]]:
        types = self._plan.schema.get_possible_types(self.type) if self.is_abstract else [self.type]
        fields_by_name: dict[str, list[SelectedField]] = {}
        for type_ in types:
            # A directive's `if` is null: reported when an object of this type occurs.
            with suppress(GraphQLError):
                for field in self.select(type_).fields:
                    fields_by_name.setdefault(field.name, []).append(
                        SelectedField(field.definition, field.selection)
                    )
        return fields_by_name


def is_decided_by_class(type_: Any) -> bool:
    """Whether the class of an object alone decides whether it is of this type."""
    return type_.is_type_of is None or getattr(type_.is_type_of, "by_class", False)


def _unwrap(type_: GraphQLOutputType) -> tuple[tuple[bool, ...], Any]:
    """Whether null is allowed for the value itself, for its items, for their items, ...; and the
    named type.
    """
    nullable = not isinstance(type_, GraphQLNonNull)
    inner: Any = type_ if nullable else type_.of_type  # type: ignore[union-attr] # a non-null type has one
    if not isinstance(inner, GraphQLList):
        return (nullable,), inner
    item_nullable, named_type = _unwrap(inner.of_type)
    return (nullable, *item_nullable), named_type
