"""Internal notes and mentions."""

from collections import defaultdict
from collections.abc import Sequence

import strawberry
from tortoise.queryset import QuerySet

from engine import Deferred
from models.checks import Checks
from models.identity.user import User
from models.support.note import Mention, Note
from models.support.ticket import Ticket
from models.text import client_key, message_text
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.ids import key_of, load_visible
from resolvers.paging import Order, PageRequest, pages_of
from resolvers.rows import RowByForeignKey
from support import notes as support_notes
from support.teams import require_agents

OLDEST_FIRST = Order("id")


@strawberry.input(description="The note to add to a ticket.")
class NoteAddInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    body: str = strawberry.field(
        description="The note (at most 8,000 characters). Card numbers are masked."
    )
    mentioned_user_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description="The IDs of the agents and supervisors who should read it.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


async def add(info: Info, input: NoteAddInput) -> Note:
    """Add a note to a ticket."""
    context = info.context
    user_ids = [key_of(User, user_id) for user_id in input.mentioned_user_ids]
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        text = check(message_text, input.body)
        mentioned_ids = await check.wait(require_agents(user_ids, "mentionedUserIds"))
        key = check(client_key, input.idempotency_key)
    return await support_notes.add_note(
        context.action(), context.user, ticket, text, mentioned_ids, key
    )


def notes(context: Context, parents: Sequence[Ticket], page_request: PageRequest) -> Deferred:
    """One page of each ticket's notes, empty unless the viewer is an agent."""
    return pages_of(parents, Note, "ticket_id", OLDEST_FIRST, page_request, context.viewer)


def authors(context: Context, parents: Sequence[Note]) -> RowByForeignKey:
    """The author of each note."""
    return RowByForeignKey(parents, "author_id", QuerySet(User))


async def mentioned_users(context: Context, parents: Sequence[Note]) -> list[list[User]]:
    """The people mentioned in each note."""
    rows = Mention.filter(note_id__in=[note.pk for note in parents])
    groups = defaultdict(list)
    for row in await rows.order_by("id").select_related("user"):
        groups[row.note_id].append(row.user)
    return [groups[note.pk] for note in parents]
