"""Users: customers and staff are rows of one table, so they are one type with one global ID."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.identity.user
from models.identity.user import Staff
from resolvers.identity import users as user_resolvers
from resolvers.support import phone_numbers as phone_number_resolvers
from schema.fields import edge, field, viewer_field
from schema.nodes import Node, backed_by

if TYPE_CHECKING:
    from schema.accounts.members import Membership
    from schema.support.phone_numbers import PhoneNumber


@strawberry.type(
    description="A person who can sign in: a member of one or more companies, or one of the "
    "vendor's staff."
)
@backed_by(models.identity.user.User)
class User(Node):
    name: str = viewer_field(
        user_resolvers.names,
        needs=("name", "email"),
        description="The person's display name. The author of what automations write has one in "
        "the viewer's language.",
    )
    email: str | None = viewer_field(
        user_resolvers.emails,
        needs=("email", "staff"),
        description="The address the person signs in with. For staff, null unless the viewer is an "
        "agent, an operator or the person themselves.",
    )
    from_staff: bool = field(
        "Whether the person is a member of the vendor's staff.",
        lambda root: root.staff is not None,
        needs=("staff",),
    )
    staff: Staff | None = viewer_field(
        user_resolvers.staff_roles,
        needs=("staff",),
        description="The person's role on the vendor's staff. Null for customers, and unless the "
        "viewer is an operator or the person themselves.",
    )
    second_factor: bool | None = viewer_field(
        user_resolvers.second_factors,
        needs=("second_factor_at",),
        description="Whether signing in requires a second factor. Staff have no permissions until "
        "it does. Null unless the viewer is an agent, an operator or the person themselves.",
    )
    created_at: datetime | None = viewer_field(
        user_resolvers.creation_times,
        needs=("created_at",),
        description="When the person signed up. Null unless the viewer is an agent, an operator or "
        "the person themselves.",
    )
    email_verified_at: datetime | None = viewer_field(
        user_resolvers.verification_times,
        needs=("email_verified_at",),
        description="When the person verified their email address. Null until they have, and "
        "unless the viewer is an agent, an operator or the person themselves.",
    )
    email_bounced_at: datetime | None = edge(
        user_resolvers.bounce_times,
        needs=("email",),
        description="When a mail server last reported that it can't deliver emails to the "
        "person's current address. Null when none has, and unless the viewer is an agent or an "
        "operator.",
    )
    memberships: list[Annotated["Membership", strawberry.lazy("schema.accounts.members")]] = edge(
        user_resolvers.memberships,
        description="The person's memberships of companies, earliest first: all of them for agents "
        "and operators, those of the current company for its members.",
    )
    phone_numbers: list[
        Annotated["PhoneNumber", strawberry.lazy("schema.support.phone_numbers")]
    ] = edge(
        phone_number_resolvers.of_users,
        description="The person's phone numbers, by which support recognizes their calls. Empty "
        "unless the viewer is an agent or the person themselves.",
    )
