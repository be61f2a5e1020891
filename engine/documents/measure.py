"""Depth, aliases and root fields of a document, measured in time linear to its size.

Visiting a fragment again at each spread takes exponential time on `fragment A{...B ...B} fragment
B{...C ...C}`. So each definition is visited once, without expanding the fragments it spreads; then
the counts of fragments are added up in dependency order. Counts saturate: after thirty doublings
they are past any limit. Nothing here is recursive, so a long chain of fragments can't exhaust the
stack.

This runs before validation, because the work of some validation rules is not linear. The document
may therefore still be invalid: unknown fragments, and spreads that close a cycle, count nothing.
Validation reports both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from engine.documents.limits import Limits
from engine.errors import QUERY_TOO_COSTLY, RequestError, request_error

MAX_COUNT = 10**12  # past any limit, and still a number that every JSON parser reads exactly

Definition = OperationDefinitionNode | FragmentDefinitionNode


@dataclass
class Counts:
    """Counts of one definition, with or without its fragments expanded, or the largest of a
    document.
    """

    depth: int = 0
    aliases: int = 0
    root_fields: int = 0
    nesting: int = 0  # nested selection sets, inline fragments included
    uses_introspection: bool = False
    # Fragment name, and number of fields around the spread.
    spreads: list[tuple[str, int]] = field(default_factory=list)


def measure(document: DocumentNode) -> Counts:
    """The largest counts of any definition in the document."""
    fragments = {
        each.name.value: each
        for each in document.definitions
        if isinstance(each, FragmentDefinitionNode)
    }
    own_counts = {name: _count(fragment) for name, fragment in fragments.items()}
    expanded_counts: dict[str, Counts] = {}
    for name in topological_order(
        {name: [spread for spread, _ in counts.spreads] for name, counts in own_counts.items()}
    ):
        expanded_counts[name] = _expand(own_counts[name], expanded_counts)
    operations = [
        _expand(_count(each), expanded_counts)
        for each in document.definitions
        if isinstance(each, OperationDefinitionNode)
    ]
    root_fields = max((operation.root_fields for operation in operations), default=0)
    return replace(_max_counts([*operations, *expanded_counts.values()]), root_fields=root_fields)


def check_limits(counts: Counts, limits: Limits) -> None:
    """Raises `RequestError` (QUERY_TOO_COSTLY, with the count and its limit) when a count exceeds
    its limit.
    """
    for name in ("depth", "nesting", "aliases", "root_fields"):
        count, limit = getattr(counts, name), getattr(limits, name)
        if count > limit:
            raise _limit_error(name, count, limit)


def _limit_error(name: str, count: int, limit: int) -> RequestError:
    label = name.replace("_", " ")
    key = "rootFields" if name == "root_fields" else name
    message = f"The operation's {label} is {count}; the limit is {limit}."
    return request_error(message, QUERY_TOO_COSTLY, **{key: count}, limit=limit)


def topological_order(spreads: Mapping[str, list[str]]) -> list[str]:
    """Fragment names, each after those that it spreads. A spread that closes a cycle is ignored."""
    order: dict[str, None] = {}
    for root in spreads:
        path = [(root, iter(spreads[root]))] if root not in order else []
        path_names = {root}
        while path:
            name, remaining = path[-1]
            candidates = (
                each
                for each in remaining
                if each in spreads and each not in order and each not in path_names
            )
            next_name = next(candidates, None)
            if next_name is None:
                path.pop()
                path_names.discard(name)
                order[name] = None
            else:
                path.append((next_name, iter(spreads[next_name])))
                path_names.add(next_name)
    return list(order)


def spread_names(fragment: FragmentDefinitionNode) -> list[str]:
    """The names of the fragments that a fragment spreads."""
    return [name for name, _ in _count(fragment).spreads]


def _count(definition: Definition) -> Counts:
    counts = Counts()
    pending: list[tuple[SelectionSetNode, int, int]] = [(definition.selection_set, 0, 1)]
    while pending:
        selection_set, field_depth, nesting = pending.pop()
        counts.nesting = max(counts.nesting, nesting)
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                _count_field(counts, selection, field_depth)
            if isinstance(selection, FragmentSpreadNode):
                counts.spreads.append((selection.name.value, field_depth))
            elif isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set:
                inner_depth = field_depth + isinstance(selection, FieldNode)
                pending.append((selection.selection_set, inner_depth, nesting + 1))
    return counts


def _count_field(counts: Counts, node: FieldNode, field_depth: int) -> None:
    counts.depth = max(counts.depth, field_depth + 1)
    counts.aliases += node.alias is not None
    counts.root_fields += field_depth == 0
    counts.uses_introspection |= node.name.value in {"__schema", "__type"}


def _expand(own_counts: Counts, expanded_counts: Mapping[str, Counts]) -> Counts:
    total = replace(own_counts)
    for name, field_depth in own_counts.spreads:
        if inner := expanded_counts.get(name):
            total.depth = max(total.depth, field_depth + inner.depth)
            total.nesting = max(total.nesting, inner.nesting)
            total.aliases = min(MAX_COUNT, total.aliases + inner.aliases)
            total.root_fields = min(
                MAX_COUNT, total.root_fields + (inner.root_fields if field_depth == 0 else 0)
            )
            total.uses_introspection |= inner.uses_introspection
    return total


def _max_counts(all_counts: list[Counts]) -> Counts:
    return Counts(
        depth=max((counts.depth for counts in all_counts), default=0),
        aliases=max((counts.aliases for counts in all_counts), default=0),
        nesting=max((counts.nesting for counts in all_counts), default=0),
        uses_introspection=any(counts.uses_introspection for counts in all_counts),
    )
