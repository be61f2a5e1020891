"""The vendor's people as an operator sees them."""

from datetime import datetime

import strawberry

from models.user import Staff
from resolvers import staff
from schema.fields import said


@strawberry.type(description="One of the vendor's people, as an operator sees them.")
class StaffMember:
    user_id: strawberry.ID = said("What `staffChangeRole`, `staffDismiss` and `userEndSessions` take.", staff.user_id)
    name: str = said("How colleagues and customers know them.")
    email: str = said("Where they read mail, and what they sign in with.")
    role: Staff = said("What they do for the vendor.", lambda root: root.staff)
    second_factor: bool = said("Whether they have set up a second factor: without one they have no role yet.")
    created_at: datetime = said("When their row was made.")
