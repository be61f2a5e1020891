"""Users."""

from collections.abc import Sequence
from typing import Any

import strawberry

import models.identity.user
from resolvers.context import Context
from schema.fields import field, viewer_field
from schema.nodes import Node, backed_by


def _emails(context: Context, parents: Sequence[Any]) -> list[str | None]:
    viewer = context.viewer
    agent, own = viewer.agent, viewer.user_id
    return [root.email if agent or root.staff is None or root.id == own else None for root in parents]


@strawberry.type(description="A person: of a customer's company, or of the vendor.")
@backed_by(models.identity.user.User)
class User(Node):
    name: str = field("How colleagues and agents know them.")
    email: str | None = viewer_field(
        _emails, description="The address; of the vendor's people, only agents see it.", needs=("email", "staff")
    )
    from_vendor: bool = field("Whether they work for the vendor.", lambda root: root.staff is not None, needs=("staff",))
