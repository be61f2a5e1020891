"""Depth, aliases and root fields of a document, in time linear to its size.

Walking a fragment again at each of its spreads takes exponential time on `fragment A{...B ...B} fragment B{...C ...C}`.
So each definition is walked once, by itself, down to the fragments it spreads; then fragments are summed up in the order
in which they depend on each other. Counts saturate: thirty doublings already say 'too many'. Nothing here recurses, so a
long chain of fragments can't exhaust the stack either.

Runs before validation, whose rules may be slower than linear. The document may therefore still be wrong: an unknown
fragment counts nothing, and neither does the spread that closes a cycle. Validation names both.
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

from engine.documents.limits import QUERY_TOO_COSTLY, Limits, Rejected, refuse

SATURATED = 10**12  # past any limit, and still a number that every JSON reader holds exactly

Definition = OperationDefinitionNode | FragmentDefinitionNode


@dataclass
class Shape:
    """What one definition holds: by itself, or with its fragments expanded."""

    depth: int = 0
    aliases: int = 0
    root_fields: int = 0
    nesting: int = 0  # selection sets in each other, inline fragments included
    introspects: bool = False
    spreads: list[tuple[str, int]] = field(default_factory=list)  # fragment, and how many fields it lies under


def measure(document: DocumentNode) -> Shape:
    """The largest counts among the document's definitions."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    own = {name: _walk(fragment) for name, fragment in fragments.items()}
    expanded: dict[str, Shape] = {}
    for name in order({name: [spread for spread, _ in shape.spreads] for name, shape in own.items()}):
        expanded[name] = _expand(own[name], expanded)
    operations = [_expand(_walk(d), expanded) for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    roots = max((operation.root_fields for operation in operations), default=0)
    return replace(_largest([*operations, *expanded.values()]), root_fields=roots)


def check(shape: Shape, limits: Limits) -> None:
    """Raises `Rejected` (QUERY_TOO_COSTLY, with the number and its limit) when a shape is past a limit."""
    for name in ("depth", "nesting", "aliases", "root_fields"):
        found, limit = getattr(shape, name), getattr(limits, name)
        if found > limit:
            raise too_costly(name, found, limit)


def too_costly(name: str, found: int, limit: int) -> Rejected:
    noun = name.replace("_", " ")
    key = "rootFields" if name == "root_fields" else name
    return refuse(f"The operation's {noun} is {found}; the limit is {limit}.", QUERY_TOO_COSTLY, **{key: found}, limit=limit)


def order(spreads: Mapping[str, list[str]]) -> list[str]:
    """Fragment names, each after those it spreads. The spread that closes a cycle is left out of account."""
    done: dict[str, None] = {}
    for root in spreads:
        path = [(root, iter(spreads[root]))] if root not in done else []
        on_path = {root}
        while path:
            name, rest = path[-1]
            ahead = next((s for s in rest if s in spreads and s not in done and s not in on_path), None)
            if ahead is None:
                path.pop()
                on_path.discard(name)
                done[name] = None
            else:
                path.append((ahead, iter(spreads[ahead])))
                on_path.add(ahead)
    return list(done)


def spreads_of(fragment: FragmentDefinitionNode) -> list[str]:
    """The names of the fragments that a fragment spreads."""
    return [name for name, _ in _walk(fragment).spreads]


def _walk(definition: Definition) -> Shape:
    shape = Shape()
    pending: list[tuple[SelectionSetNode, int, int]] = [(definition.selection_set, 0, 1)]
    while pending:
        selections, above, nesting = pending.pop()
        shape.nesting = max(shape.nesting, nesting)
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                _count(shape, selection, above)
            if isinstance(selection, FragmentSpreadNode):
                shape.spreads.append((selection.name.value, above))
            elif isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set:
                pending.append((selection.selection_set, above + isinstance(selection, FieldNode), nesting + 1))
    return shape


def _count(shape: Shape, node: FieldNode, above: int) -> None:
    shape.depth = max(shape.depth, above + 1)
    shape.aliases += node.alias is not None
    shape.root_fields += above == 0
    shape.introspects |= node.name.value in {"__schema", "__type"}


def _expand(own: Shape, expanded: Mapping[str, Shape]) -> Shape:
    total = replace(own)
    for name, above in own.spreads:
        if inner := expanded.get(name):
            total.depth = max(total.depth, above + inner.depth)
            total.nesting = max(total.nesting, inner.nesting)
            total.aliases = min(SATURATED, total.aliases + inner.aliases)
            total.root_fields = min(SATURATED, total.root_fields + (inner.root_fields if above == 0 else 0))
            total.introspects |= inner.introspects
    return total


def _largest(shapes: list[Shape]) -> Shape:
    return Shape(
        depth=max((s.depth for s in shapes), default=0),
        aliases=max((s.aliases for s in shapes), default=0),
        nesting=max((s.nesting for s in shapes), default=0),
        introspects=any(s.introspects for s in shapes),
    )
