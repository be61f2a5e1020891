"""The fields that an operation selects, as schema coordinates."""

from __future__ import annotations

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)
from graphql.language.ast import Node

from engine.documents.document import Document


def field_coordinates(
    schema: GraphQLSchema, document: Document, definition: OperationDefinitionNode
) -> frozenset[str]:
    """The coordinates (`Type.field`) of all fields that an operation selects, also in fragments,
    and whatever its directives say. A field of an interface counts under the interface's name.

    Computed once for each operation of a document. Each fragment is visited once, so the time is
    linear to the document's size.
    """
    name = definition.name.value if definition.name else None
    if name not in document.field_coordinates:
        document.field_coordinates[name] = _collect(schema, document, definition)
    return document.field_coordinates[name]


def _collect(
    schema: GraphQLSchema, document: Document, definition: OperationDefinitionNode
) -> frozenset[str]:
    info = TypeInfo(schema)
    recorder = _Recorder(info)
    pending: list[Node] = [definition]
    seen: set[str] = set()
    while pending:
        visit(pending.pop(), TypeInfoVisitor(info, recorder))
        for spread in recorder.spreads - seen:
            pending.append(document.fragments[spread])
        seen |= recorder.spreads
    return frozenset(recorder.coordinates)


class _Recorder(Visitor):
    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info
        self.coordinates: set[str] = set()
        self.spreads: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        parent = self._info.get_parent_type()
        assert parent is not None, "the document is valid"  # noqa: S101
        self.coordinates.add(f"{parent.name}.{node.name.value}")

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.spreads.add(node.name.value)
