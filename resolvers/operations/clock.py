"""Moving the clock of a demonstration."""

from datetime import datetime

from models.clock import SystemClock
from models.errors import CommonErrorCode, Refusal
from models.operations.clock_offset import advance_clock
from models.translations import _
from resolvers.context import Info
from resolvers.operations.inputs import ClockAdvanceInput

_MAX_SECONDS = 366 * 86_400


async def advance(info: Info, input: ClockAdvanceInput) -> datetime:
    """Move the clock of a demonstration forward. Raises NOT_ACTIVE on any other server, and
    VALUE_INVALID.
    """
    clock = info.context.services.clock
    if not info.context.services.demonstration or not isinstance(clock, SystemClock):
        raise Refusal(
            CommonErrorCode.NOT_ACTIVE,
            "input",
            message=_("Only a demonstration’s clock can be moved."),
        )
    if not 0 < input.seconds <= _MAX_SECONDS:
        message = _("The clock can only be moved forward, by at most %(days)s days at a time.")
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "seconds",
            message=message,
            days=_MAX_SECONDS // 86_400,
        )
    clock.offset = await advance_clock(info.context.action(), input.seconds)
    return clock.now()
