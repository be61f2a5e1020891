"""The demonstration's clock."""

from datetime import datetime

import strawberry

from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="The result of moving the clock of the demonstration.")
class ClockAdvancePayload:
    now: datetime | None = field("The time of the clock after the move.")
    user_errors: list[UserError] = errors()
