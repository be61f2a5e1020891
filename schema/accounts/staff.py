"""The vendor's staff."""

from datetime import datetime

import strawberry

from models.identity.user import Staff
from resolvers.accounts import staff as staff_resolvers
from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="A member of the vendor's staff, as seen by operators.")
class StaffMember:
    user_id: strawberry.ID = field(
        "The ID of the user, accepted by `staffChangeRole`, `staffDismiss` and `userEndSessions`.", staff_resolvers.user_id
    )
    name: str = field("The name as colleagues and customers see it.")
    email: str = field("The email address that the user signs in with.")
    role: Staff = field("The role of the staff member.", lambda root: root.staff)
    second_factor: bool = field("Whether the staff member has set up a second factor. Without one, the role has no effect.")
    created_at: datetime = field("When the user was created.")


@strawberry.type(description="The result of a change to a staff member.")
class StaffPayload:
    member: StaffMember | None = field("The staff member after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of dismissing a staff member.")
class StaffDismissPayload:
    dismissed: bool | None = field("True when the person is no longer on the staff. All of their sessions have ended.")
    user_errors: list[UserError] = errors()
