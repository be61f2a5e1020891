"""Counts the messages and tickets that a viewer has not read."""

from collections.abc import Sequence

from models.database.sql import fetch_records
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer

_UNREAD = """
    m.from_staff = ? AND m.deleted_at IS NULL AND m.sequence > COALESCE(p.read_sequence, 0)
    AND m.at >= COALESCE(
        (SELECT created_at FROM membership WHERE user_id = ? AND account_id = ?), m.at)
"""
_OPEN = ", ".join(f"'{each}'" for each in TicketStatus if each is not TicketStatus.CLOSED)
_POSITION = "LEFT JOIN ticket_position p ON p.ticket_id = {ticket} AND p.user_id = ?"


async def unread_counts(viewer: Viewer, ticket_ids: Sequence[int]) -> dict[int, int]:
    """The number of messages from the other side that the viewer has not read in each of these
    tickets. Tickets without any are left out, and so are messages from before a member joined the
    company.
    """
    if viewer.user is None or not ticket_ids:
        return {}
    places = ", ".join("?" * len(ticket_ids))
    records = await fetch_records(
        f"SELECT m.ticket_id, COUNT(*) FROM message m {_POSITION.format(ticket='m.ticket_id')} "  # noqa: S608 - places
        f"WHERE m.ticket_id IN ({places}) AND {_UNREAD} GROUP BY m.ticket_id",
        viewer.user.pk,
        *ticket_ids,
        *_unread_params(viewer),
    )
    return {record[0]: record[1] for record in records}


async def unread_ticket_count(viewer: Viewer) -> int:
    """The number of tickets with messages that the viewer has not read: of the company's tickets
    for members, of the open tickets assigned to them for agents.
    """
    if viewer.user is None:
        return 0
    condition, key = (
        (f"t.assignee_id = ? AND t.status IN ({_OPEN})", viewer.user.pk)
        if viewer.is_agent
        else ("t.account_id = ?", viewer.account.pk if viewer.account else 0)
    )
    records = await fetch_records(
        f"SELECT COUNT(*) FROM ticket t {_POSITION.format(ticket='t.id')} WHERE {condition} "  # noqa: S608 - constants
        f"AND EXISTS (SELECT 1 FROM message m WHERE m.ticket_id = t.id AND {_UNREAD})",
        viewer.user.pk,
        key,
        *_unread_params(viewer),
    )
    return int(records[0][0])


def _unread_params(viewer: Viewer) -> tuple[bool, int | None, int | None]:
    account_id = viewer.account.pk if viewer.account and not viewer.is_agent else 0
    return not viewer.is_agent, viewer.user_id, account_id
