"""The vendor's staff."""

import strawberry

from schema.fields import field
from schema.identity.users import User
from schema.user_errors import UserError, errors


@strawberry.type(description="The result of a change to the vendor's staff.")
class StaffPayload:
    user: User | None = field("The staff member after the change. Null when the mutation failed.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of dismissing a staff member.")
class StaffDismissPayload:
    dismissed: bool | None = field(
        "True when the person is no longer on the staff. All of their sessions have ended."
    )
    user_errors: list[UserError] = errors()
