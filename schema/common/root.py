"""Root fields that find any object."""

import strawberry

from auth.rules import anyone
from resolvers import nodes as node_resolvers
from schema.fields import query
from schema.nodes import Node


@strawberry.type
class CommonQuery:
    node: Node | None = query(
        node_resolvers.node, allow=anyone, description="Any object by its id, null when it is not yours to see."
    )
    nodes: list[Node | None] = query(node_resolvers.nodes, allow=anyone, description="Objects by their ids, in the ids' order.")
