"""The vendor's staff."""

from datetime import datetime

import strawberry

from models.identity.user import Staff
from resolvers.accounts import staff as staff_resolvers
from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="One of the vendor's people, as an operator sees them.")
class StaffMember:
    user_id: strawberry.ID = field(
        "What `staffChangeRole`, `staffDismiss` and `userEndSessions` take.", staff_resolvers.user_id
    )
    name: str = field("How colleagues and customers know them.")
    email: str = field("Where they read mail, and what they sign in with.")
    role: Staff = field("What they do for the vendor.", lambda root: root.staff)
    second_factor: bool = field("Whether they have set up a second factor: without one they have no role yet.")
    created_at: datetime = field("When their row was made.")


@strawberry.type(description="One of the vendor's people after the change.")
class StaffPayload:
    member: StaffMember | None = field("The person as they stand.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether somebody's work for the vendor has ended.")
class StaffDismissPayload:
    dismissed: bool | None = field("True when it has: nothing they signed in with works any more.")
    user_errors: list[UserError] = errors()
