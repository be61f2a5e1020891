"""Users."""

import strawberry

import models.identity.user
from resolvers.identity import users as user_resolvers
from schema.fields import field, viewer_field
from schema.nodes import Node, backed_by


@strawberry.type(description="A person: of a customer's company, or of the vendor.")
@backed_by(models.identity.user.User)
class User(Node):
    name: str = field("How colleagues and agents know them.")
    email: str | None = viewer_field(
        user_resolvers.emails, description="The address; of the vendor's people, only agents see it.", needs=("email", "staff")
    )
    from_vendor: bool = field("Whether they work for the vendor.", lambda root: root.staff is not None, needs=("staff",))
