"""Internal notes and mentions. They appear in the stream of the agents' inbox and in that of each
mentioned agent, but not in the ticket's own stream, which its customers follow.
"""

from collections.abc import Sequence

from models.action import Action
from models.event import INBOX, EventKind, agent_stream
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.support.note import Mention, Note
from models.support.ticket import Ticket


async def add_note(
    action: Action, author: User, ticket: Ticket, text: str, mentioned_ids: Sequence[int], key: str
) -> Note:
    """Add a note, as `message_text` returns it, to a ticket in any status. The same idempotency key
    returns the same note. Raises IDEMPOTENCY_MISMATCH.
    """
    owner, arguments = f"user:{author.pk}", [ticket.pk, text, *mentioned_ids]
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "noteAdd", key, arguments):
            return await Note.get(pk=earlier_id, using_db=tx.db)
        note = await Note.create(
            using_db=tx.db, ticket_id=ticket.pk, author_id=author.pk, body=text, at=action.at
        )
        for user_id in mentioned_ids:
            await Mention.create(
                using_db=tx.db, note_id=note.pk, ticket_id=ticket.pk, user_id=user_id
            )
        await store_result(tx, owner, "noteAdd", key, note.pk)
        mentioned_streams = map(agent_stream, sorted({*mentioned_ids} - {author.pk}))
        for stream in (*mentioned_streams, INBOX):
            await tx.append(stream, EventKind.NOTE_ADDED, ticket_id=ticket.pk)
    return note


async def see_mentions(action: Action, ticket: Ticket, user: User) -> None:
    """Record that an agent has seen where they are mentioned in a ticket."""
    mentions = Mention.filter(ticket_id=ticket.pk, user_id=user.pk, seen_at=None)
    if not await mentions.exists():
        return
    async with action.transaction() as tx:
        if await mentions.using_db(tx.db).update(seen_at=action.at):
            await tx.append(INBOX, EventKind.TICKET_UPDATED, ticket_id=ticket.pk)
