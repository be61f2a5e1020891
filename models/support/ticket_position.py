"""The positions up to which each person has read, received or been emailed each ticket.

A position is a sequence of the ticket's stream, and never moves back. Messages of the other side
after `read_sequence` are unread: those of staff for customers, those of customers for staff.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from models.database.sql import execute
from models.identity.user import User

if TYPE_CHECKING:
    from models.support.ticket import Ticket

_BATCH_SIZE = 200


class TicketPosition(Model):
    """One person's positions in one ticket. `read_sequence` is moved by `ticketMarkRead` and by
    their own messages, `delivered_sequence` by their subscriptions, `emailed_sequence` by the
    emails that contain messages of the ticket. `transferred_at` is when an agent lost the ticket
    to somebody else: they get no more of its events, until they are assigned it again.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name=False
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False, db_index=True
    )
    read_sequence: int = fields.BigIntField(default=0, db_default=0)
    delivered_sequence: int = fields.BigIntField(default=0, db_default=0)
    emailed_sequence: int = fields.BigIntField(default=0, db_default=0)
    transferred_at: datetime | None = fields.DatetimeField(null=True)

    ticket_id: int
    user_id: int

    class Meta:
        table = "ticket_position"
        unique_together = (("ticket", "user"),)

    @property
    def reached_sequence(self) -> int:
        """The position up to which the person has read, received or been emailed the messages."""
        return max(self.read_sequence, self.delivered_sequence, self.emailed_sequence)


async def mark_read(
    ticket_id: int, user_id: int, sequence: int, db: BaseDBAsyncClient | None = None
) -> None:
    """Move a person's read position forward to this sequence."""
    await _advance("read_sequence", [(ticket_id, user_id, sequence)], db)


async def mark_emailed(ticket_id: int, user_id: int, sequence: int, db: BaseDBAsyncClient) -> None:
    """Move the position up to which a person was sent emails forward to this sequence."""
    await _advance("emailed_sequence", [(ticket_id, user_id, sequence)], db)


async def mark_delivered(positions: Sequence[tuple[int, int, int]]) -> None:
    """Move positions of delivery forward, each given as ticket, user and sequence."""
    ordered_positions = sorted(positions)  # so that two processes never deadlock
    for start in range(0, len(ordered_positions), _BATCH_SIZE):
        batch = ordered_positions[start : start + _BATCH_SIZE]
        await _advance("delivered_sequence", batch)


async def mark_transferred(
    ticket_id: int, user_id: int, at: datetime, db: BaseDBAsyncClient
) -> None:
    """Record that an agent lost a ticket to somebody else."""
    await execute(
        "INSERT INTO ticket_position (ticket_id, user_id, transferred_at) VALUES (?, ?, ?) "
        "ON CONFLICT (ticket_id, user_id) DO UPDATE SET transferred_at = excluded.transferred_at",
        ticket_id,
        user_id,
        at,
        db=db,
    )


async def mark_assigned(ticket_id: int, user_id: int, db: BaseDBAsyncClient) -> None:
    """Record that an agent has a ticket, which they may have lost before."""
    position = TicketPosition.filter(ticket_id=ticket_id, user_id=user_id)
    await position.exclude(transferred_at=None).using_db(db).update(transferred_at=None)


async def _advance(
    column: str,
    positions: Sequence[tuple[int, int, int]],
    db: BaseDBAsyncClient | None = None,
) -> None:
    rows = ", ".join(["(?, ?, ?)"] * len(positions))
    await execute(
        f"INSERT INTO ticket_position (ticket_id, user_id, {column}) VALUES {rows} "  # noqa: S608 - our own names
        f"ON CONFLICT (ticket_id, user_id) DO UPDATE SET {column} = excluded.{column} "
        f"WHERE ticket_position.{column} < excluded.{column}",
        *(value for position in positions for value in position),
        db=db,
    )
