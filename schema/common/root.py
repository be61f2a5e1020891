"""Root fields that find any object."""

import strawberry

from auth.rules import anyone
from resolvers import nodes as node_resolvers
from schema.fields import query
from schema.nodes import Node


@strawberry.type
class CommonQuery:
    node: Node | None = query(
        node_resolvers.node,
        allow=anyone,
        description="The object with the given ID. Null when it doesn't exist or the viewer can't "
        "see it.",
    )
    nodes: list[Node | None] | None = query(
        node_resolvers.nodes,
        allow=anyone,
        description="The objects with the given IDs, in the same order. Null for each that doesn't "
        "exist or that the viewer can't see.",
    )
