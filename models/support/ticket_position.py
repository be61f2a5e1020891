"""The positions up to which each person has read, received or been emailed each ticket.

A position is a sequence of the ticket's stream, and never moves back. Messages of the other side
after `read_sequence` are unread: those of staff for customers, those of customers for staff.

A change is announced under the ticket's `positions_stream`, so that the other side sees it at once
(support/positions.py). A person's own message moves their positions too: it is announced by the
event of the message.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from models.action import Action
from models.database.sql import execute, fetch_records
from models.event import positions_stream
from models.identity.user import User

if TYPE_CHECKING:
    from models.support.ticket import Ticket

_BATCH_SIZE = 200


class TicketPosition(Model):
    """One person's positions in one ticket. `read_sequence` is moved by `ticketMarkRead` and by
    their own messages, `delivered_sequence` by their subscriptions, `emailed_sequence` by the
    emails that contain messages of the ticket. `transferred_at` is when an agent lost the ticket to
    somebody else: they get no more of its events, until they are assigned it again. `is_staff` is
    whether they took part as staff, even if they have left the staff since.
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
    is_staff = fields.BooleanField(default=False, db_default=False)

    ticket_id: int
    user_id: int

    class Meta:
        table = "ticket_position"
        unique_together = (("ticket", "user"),)

    @property
    def reached_sequence(self) -> int:
        """The position up to which the person has read, received or been emailed the messages."""
        return max(self.read_sequence, self.delivered_sequence, self.emailed_sequence)


class Position(NamedTuple):
    """The position that one person has reached in one ticket."""

    ticket_id: int
    user_id: int
    is_staff: bool
    sequence: int


async def mark_read(position: Position, db: BaseDBAsyncClient | None = None) -> bool:
    """Move a person's read position forward. Returns whether it moved."""
    return bool(await _advance("read_sequence", [position], db))


async def mark_emailed(ticket_id: int, user_id: int, sequence: int, db: BaseDBAsyncClient) -> None:
    """Move a member's position of emailed messages forward to this sequence."""
    await _advance("emailed_sequence", [Position(ticket_id, user_id, False, sequence)], db)


async def mark_delivered(action: Action, positions: Sequence[Position]) -> None:
    """Move positions of delivery forward, and announce them."""
    # In order, so that two processes never deadlock, and one of each person: the furthest.
    furthest = {each[:2]: each for each in sorted(positions, key=lambda each: each.sequence)}
    ordered_positions = sorted(furthest.values())
    for start in range(0, len(ordered_positions), _BATCH_SIZE):
        batch = ordered_positions[start : start + _BATCH_SIZE]
        async with action.transaction() as tx:
            ticket_ids = await _advance("delivered_sequence", batch, tx.db)
            for ticket_id in ticket_ids:
                tx.advance(positions_stream(ticket_id))


async def mark_transferred(
    ticket_id: int, user_id: int, at: datetime, db: BaseDBAsyncClient
) -> None:
    """Record that an agent lost a ticket to somebody else."""
    await execute(
        "INSERT INTO ticket_position (ticket_id, user_id, is_staff, transferred_at) "
        "VALUES (?, ?, ?, ?) ON CONFLICT (ticket_id, user_id) DO UPDATE SET "
        "transferred_at = excluded.transferred_at",
        ticket_id,
        user_id,
        True,
        at,
        db=db,
    )


async def mark_assigned(ticket_id: int, user_id: int, db: BaseDBAsyncClient) -> None:
    """Record that an agent has a ticket, which they may have lost before."""
    position = TicketPosition.filter(ticket_id=ticket_id, user_id=user_id)
    await position.exclude(transferred_at=None).using_db(db).update(transferred_at=None)


async def _advance(
    column: str, positions: Sequence[Position], db: BaseDBAsyncClient | None
) -> list[int]:
    """The keys of the tickets in which a position moved, each once."""
    rows = ", ".join(["(?, ?, ?, ?)"] * len(positions))
    moved = await execute(
        f"INSERT INTO ticket_position (ticket_id, user_id, is_staff, {column}) VALUES {rows} "  # noqa: S608 - our own names
        f"ON CONFLICT (ticket_id, user_id) DO UPDATE SET {column} = excluded.{column} "
        f"WHERE ticket_position.{column} < excluded.{column} RETURNING ticket_id",
        *(value for position in positions for value in position),
        db=db,
    )
    return sorted({int(row["ticket_id"]) for row in moved})


@dataclass(frozen=True)
class MemberPosition:
    """The positions of one member of the company. `delivered_sequence` includes what they have read
    and what they were sent by email.
    """

    user_id: int
    read_sequence: int
    delivered_sequence: int


@dataclass(frozen=True)
class TicketPositions:
    """How far a ticket was received by its two sides: by any agent, and by each member of the
    company who has received any of it.
    """

    staff_read_sequence: int = 0
    staff_delivered_sequence: int = 0
    members: tuple[MemberPosition, ...] = ()


_POSITIONS = """
SELECT p.ticket_id, p.user_id, p.is_staff, p.read_sequence, p.delivered_sequence, p.emailed_sequence
FROM ticket_position p JOIN ticket t ON t.id = p.ticket_id
WHERE p.ticket_id IN ({places}) AND (p.is_staff OR EXISTS
  (SELECT 1 FROM membership m WHERE m.user_id = p.user_id AND m.account_id = t.account_id))
ORDER BY p.ticket_id, p.user_id
"""


async def positions_of(ticket_ids: Sequence[int]) -> dict[int, TicketPositions]:
    """The positions in each of these tickets. Tickets that nobody has received are left out."""
    if not ticket_ids:
        return {}
    records = await fetch_records(
        _POSITIONS.format(places=", ".join("?" * len(ticket_ids))), *ticket_ids
    )
    found: dict[int, TicketPositions] = {}
    for ticket_id, user_id, is_staff, read, delivered, emailed in records:
        reached = max(read, delivered, emailed)
        if reached:
            before = found.get(ticket_id, TicketPositions())
            found[ticket_id] = _with_position(before, user_id, bool(is_staff), read, reached)
    return found


def _with_position(
    positions: TicketPositions, user_id: int, is_staff: bool, read: int, reached: int
) -> TicketPositions:
    if is_staff:
        return TicketPositions(
            max(read, positions.staff_read_sequence),
            max(reached, positions.staff_delivered_sequence),
            positions.members,
        )
    return replace(positions, members=(*positions.members, MemberPosition(user_id, read, reached)))
