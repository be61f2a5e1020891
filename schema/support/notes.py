"""Internal notes."""

from datetime import datetime

import strawberry

import models.support.note
from auth.rules import agent
from resolvers.support import notes as note_resolvers
from schema.fields import Unaudited, edge, field, mutation
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(
    description="An internal note of a ticket, which agents write for each other. Customers never "
    "see it, and it doesn't count as a reply."
)
@backed_by(models.support.note.Note)
class Note(Node):
    body: str = field("The text of the note. Card numbers are masked.", cost=5)
    at: datetime = field("When the note was added.")
    author: User = edge(
        note_resolvers.authors, needs=("author_id",), description="The author of the note."
    )
    mentioned_users: list[User] = edge(
        note_resolvers.mentioned_users,
        description="The agents and supervisors who are mentioned in the note.",
    )


@strawberry.type(description="The result of adding a note.")
class NotePayload:
    note: Note | None = field("The stored note.")
    user_errors: list[UserError] = errors()


@strawberry.type
class NoteMutation:
    note_add: NotePayload | None = mutation(
        note_resolvers.add,
        "note",
        allow=agent,
        audit=Unaudited("A note tells by itself who wrote it, and when."),
        description=(
            "Adds an internal note to a ticket. Agents who are mentioned find the ticket in the "
            "view MENTIONED until they mark it as read (`ticketMarkRead`)."
        ),
    )
