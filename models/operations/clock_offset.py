"""The offset of a demonstration's clock. It is stored, so that dates don't go back after a
restart.
"""

from datetime import timedelta

from tortoise import fields
from tortoise.models import Model

from models.action import Action
from models.database.sql import execute
from models.operations.audit_actions import OperationsAuditAction


class ClockOffset(Model):
    """The seconds by which the demonstration's clock is ahead, in a single row."""

    id = fields.IntField(primary_key=True)
    seconds = fields.BigIntField()

    class Meta:
        table = "clock_offset"


async def clock_offset() -> timedelta:
    """Return how far the clock is ahead."""
    row = await ClockOffset.get_or_none(pk=1)
    return timedelta(seconds=row.seconds if row else 0)


async def advance_clock(action: Action, seconds: int) -> timedelta:
    """Advance the clock and return how far it is ahead now."""
    async with action.transaction() as tx:
        await execute(
            "INSERT INTO clock_offset (id, seconds) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET "
            "seconds = clock_offset.seconds + excluded.seconds",
            seconds,
            db=tx.db,
        )
        tx.audit(OperationsAuditAction.CLOCK_ADVANCE, seconds=seconds)
    return await clock_offset()
