"""Drafts of answers and notes."""

from collections.abc import AsyncGenerator
from datetime import datetime

import strawberry

import models.support.draft
from auth.rules import agent
from resolvers.support import drafts as draft_resolvers
from schema.fields import Unaudited, edge, field, mutation, subscription, viewer_field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

_PRIVATE = Unaudited("Nobody but the viewer reads a draft before it is sent.")


@strawberry.type(description="What the viewer is writing in a ticket, on any of their devices.")
@backed_by(models.support.draft.Draft)
class Draft(Node):
    body: str = field("The text. Card numbers are masked.", cost=5)
    is_note: bool = field("Whether it is a draft of an internal note rather than of an answer.")
    version: int = field("The number of times it was saved. Pass it to `draftSave`.")
    updated_at: datetime = field("When it was last saved.")


@strawberry.type(description="Somebody else who is writing in a ticket. Their text isn't shown.")
class Writer:
    user: User = edge(draft_resolvers.writers, description="The person.")
    is_note: bool = field("Whether it is a draft of an internal note rather than of an answer.")
    is_writing: bool = viewer_field(
        draft_resolvers.are_writing,
        needs=("updated_at",),
        description="Whether they are writing now: their draft was saved in the last 15 seconds. "
        "Otherwise they have only left a draft.",
    )
    updated_at: datetime = field("When their draft was last saved.")


@strawberry.type(description="Who else is writing in a ticket, or has left a draft in it.")
class TicketWriters:
    writers: list[Writer] = field("The other agents, the earliest draft first.")


@strawberry.type(description="The result of saving a draft.")
class DraftPayload:
    draft: Draft | None = field("The stored draft.")
    user_errors: list[UserError] = errors()


@strawberry.type
class DraftMutation:
    draft_save: DraftPayload | None = mutation(
        draft_resolvers.save,
        "draft",
        allow=agent,
        audit=_PRIVATE,
        cost=1,
        description="Saves what the viewer is writing in a ticket. Posting an answer discards it.",
    )


@strawberry.type
class DraftSubscription:
    ticket_writers: AsyncGenerator[TicketWriters, None] = subscription(
        draft_resolvers.watch,
        allow=agent,
        description=(
            "Which other agents are writing in a ticket, or have left a draft in it: at once, and "
            "again whenever that changes. It is derived from `draftSave`, which clients call "
            "every few seconds while the viewer writes, and expires by itself. Each result is the "
            "whole state, so a client that reconnects has missed nothing."
        ),
    )
