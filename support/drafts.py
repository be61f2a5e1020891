"""Saving drafts, from several devices at once: each save names the version that it changes."""

from models.action import Action
from models.database.sql import execute
from models.database.writing import find_one
from models.errors import Refusal
from models.event import writers_stream
from models.identity.user import User
from models.support.draft import Draft
from models.support.errors import SupportErrorCode
from models.support.ticket import Ticket

_INSERT = """INSERT INTO draft (ticket_id, user_id, body, is_note, updated_at, version)
VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (ticket_id, user_id) DO NOTHING RETURNING id"""
_UPDATE = """UPDATE draft SET body = ?, is_note = ?, updated_at = ?, version = version + 1
WHERE ticket_id = ? AND user_id = ? AND version = ? RETURNING id"""


async def save_draft(
    action: Action, ticket: Ticket, user: User, text: str, is_note: bool, version: int
) -> Draft:
    """Save what a person is writing in a ticket, as `message_text` returns it. `version` is that of
    the draft they change, 0 for a new one. A repeat changes nothing.

    Raises DRAFT_CHANGED when another device has saved or discarded it meanwhile.
    """
    key = (ticket.pk, user.pk)
    async with action.transaction() as tx:
        if version == 0:
            rows = await execute(_INSERT, *key, text, is_note, action.at, db=tx.db)
        else:
            rows = await execute(_UPDATE, text, is_note, action.at, *key, version, db=tx.db)
        if rows:
            tx.advance(writers_stream(ticket.pk))
    draft = await find_one(Draft, ticket_id=ticket.pk, user_id=user.pk)
    if draft and (rows or _is_repeat(draft, text, is_note, version)):
        return draft
    raise Refusal(SupportErrorCode.DRAFT_CHANGED, "input", "version")


def _is_repeat(draft: Draft, text: str, is_note: bool, version: int) -> bool:
    return (draft.body, draft.is_note, draft.version) == (text, is_note, version + 1)


async def discard_draft(action: Action, ticket: Ticket, user: User) -> None:
    """Discard what a person was writing in a ticket. A repeat changes nothing."""
    async with action.transaction() as tx:
        if await Draft.filter(ticket_id=ticket.pk, user_id=user.pk).using_db(tx.db).delete():
            tx.advance(writers_stream(ticket.pk))
