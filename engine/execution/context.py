"""What resolvers need to know about an execution."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLResolveInfo
from graphql.execution.values import VariableValues
from graphql.pyutils import Path

from engine.execution.level import Level
from engine.execution.plan import ExecutionPlan, FieldPlan


class ExecutionContext:
    """One execution of a plan: its variables, the caller's context and the root value."""

    def __init__(
        self, plan: ExecutionPlan, variables: VariableValues, context: Any, root: Any
    ) -> None:
        self.plan, self.schema, self.variables, self.context, self.root = (
            plan,
            plan.schema,
            variables,
            context,
            root,
        )

    def info(self, level: Level, row: int, field: FieldPlan) -> GraphQLResolveInfo[Any]:
        """The info that graphql-core would give to the field's resolver for this row."""
        plan, object_type = self.plan, level.selection.object_type
        return GraphQLResolveInfo(
            field.name,
            field.nodes,
            field.definition.type,
            object_type,
            Path(level.path(row), field.key, object_type.name),
            plan.schema,
            plan.core.fragment_definitions,
            self.root,
            plan.operation,
            self.variables,
            self.context,
            plan.core.is_awaitable,
            None,
            plan.core.async_helpers,
        )
