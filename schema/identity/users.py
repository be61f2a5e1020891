"""Users."""

import strawberry

import models.identity.user
from resolvers.identity import users as user_resolvers
from schema.fields import field, viewer_field
from schema.nodes import Node, backed_by


@strawberry.type(description="A person: a member of a customer's company or of the vendor's staff.")
@backed_by(models.identity.user.User)
class User(Node):
    name: str = field("The user's name as colleagues and agents see it.")
    email: str | None = viewer_field(
        user_resolvers.emails,
        description="The email address. For members of the vendor's staff, visible to agents only.",
        needs=("email", "staff"),
    )
    from_vendor: bool = field(
        "Whether the user is a member of the vendor's staff.", lambda root: root.staff is not None, needs=("staff",)
    )
