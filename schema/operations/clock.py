"""The demonstration's clock."""

from datetime import datetime

import strawberry

from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="The demonstration's time.")
class ClockAdvancePayload:
    now: datetime | None = field("What the clock says after the move.")
    user_errors: list[UserError] = errors()
