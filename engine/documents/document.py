"""A parsed and validated document, with everything that is computed once for all its executions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import DocumentNode, FragmentDefinitionNode, OperationDefinitionNode
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.get_variable_signature import GraphQLVariableSignature
from graphql.execution.values import VariableValueSource

from engine.documents.value_errors import is_name
from engine.errors import request_error


class VariableDefinition(NamedTuple):
    """A variable that an operation declares."""

    name: str
    signature: GraphQLVariableSignature
    missing_source: VariableValueSource  # what stands for the value when the request has none
    leaf_type: Any  # its scalar or enum type; None for lists and input objects
    nullable: bool


@dataclass
class Document:
    """A valid document within the limits. The dictionaries at the end are caches, filled when first
    needed.
    """

    node: DocumentNode
    text: str
    size: int  # bytes of `text`
    id: str  # the hash of `text`, see persisted.py
    operations: dict[str | None, OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]
    # The fragments in the form that graphql-core's executor takes.
    fragment_details: dict[str, FragmentDetails]
    fragment_order: list[str]  # names, each fragment after those that it spreads
    uses_introspection: bool
    # By operation name.
    variable_definitions: dict[str | None, list[VariableDefinition]] = field(default_factory=dict)
    cost_variables: tuple[str, ...] | None = None  # names of the variables that costs depend on
    # By operation name and values of `cost_variables`.
    costs: dict[tuple[Any, ...], int] = field(default_factory=dict)
    field_coordinates: dict[str | None, frozenset[str]] = field(default_factory=dict)
    # Of @skip and @include.
    directive_variables: dict[str | None, tuple[str, ...]] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to execute. Raises `RequestError` when the name is unknown, or missing
        though there are several.
        """
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            raise request_error(
                "The document contains several operations: operationName must select one."
            )
        if name not in self.operations:
            description = f"named '{name}'" if is_name(name or "") else "of this name"
            raise request_error(f"The document contains no operation {description}.")
        return self.operations[name]
