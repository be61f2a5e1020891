"""Canned replies, for agents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import strawberry
from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.identity.user import User
from models.locale import Locale
from models.support.canned_reply import CannedReply
from models.support.team import Team
from models.support.ticket import Ticket
from models.text import client_key, match_word, search_words
from resolvers.arguments import IDEMPOTENCY_KEY, LanguageArgument
from resolvers.context import Context, Info
from resolvers.ids import key_argument, load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.rows import RowByForeignKey
from support import canned_replies as support_replies

BY_SHORTCUT = Order("shortcut")
MAX_SEARCH_LENGTH = 200
_VARIABLES = ", ".join(f"`{{{name}}}`" for name in support_replies.VARIABLES)
_SHORTCUT = (
    "What agents type to find it (at most 40 characters): letters, digits, hyphens and "
    "underscores. Unique among the replies of the same owner or team."
)
_BODY = f"at most 8,000 characters. Variables: {_VARIABLES}. Others are refused."


@strawberry.input(description="A canned reply to create.")
class CannedReplyCreateInput:
    shortcut: str = strawberry.field(description=_SHORTCUT)
    name: str = strawberry.field(description="What it is about (at most 100 characters).")
    body_fr: str | None = strawberry.field(default=None, description=f"The text in French: {_BODY}")
    body_en: str | None = strawberry.field(
        default=None, description=f"The text in English: {_BODY}"
    )
    personal: bool = strawberry.field(default=True, description="Whether only the viewer uses it.")
    team_id: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "The ID of the team that uses it, if it isn't personal. Null for all agents, which "
            "only supervisors can choose."
        ),
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The canned reply to update, with all of its new texts.")
class CannedReplyUpdateInput:
    canned_reply_id: strawberry.ID = strawberry.field(description="The ID of the canned reply.")
    shortcut: str = strawberry.field(description=_SHORTCUT)
    name: str = strawberry.field(description="What it is about (at most 100 characters).")
    body_fr: str | None = strawberry.field(
        default=None, description=f"The text in French, or null for none: {_BODY}"
    )
    body_en: str | None = strawberry.field(
        default=None, description=f"The text in English, or null for none: {_BODY}"
    )


@strawberry.input(description="The canned reply to delete.")
class CannedReplyDeleteInput:
    canned_reply_id: strawberry.ID = strawberry.field(description="The ID of the canned reply.")


@dataclass(frozen=True)
class RenderedReply:
    """The text of a canned reply for one ticket, and its language."""

    body: str
    locale: Locale


def canned_replies(
    info: Info,
    search: Annotated[
        str | None,
        strawberry.argument(
            description="The beginning of a shortcut, or words of its shortcut or name."
        ),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The canned replies that the viewer may use."""
    rows = CannedReply.visible_to(info.context.viewer)
    if search is not None:
        rows = _matching(rows, search[:MAX_SEARCH_LENGTH])
    return page(rows, BY_SHORTCUT, PageRequest(first, after, last, before), info.context.viewer)


def _matching(rows: QuerySet[CannedReply], search: str) -> QuerySet[CannedReply]:
    words = search_words(search)
    if not words:
        return rows
    has_words = Q(*(match_word("search_text", parts) for parts in words))
    shortcut = search.strip().lower().removeprefix("/")
    return rows.filter(Q(shortcut__startswith=shortcut) | has_words)


async def rendered_reply(
    info: Info,
    canned_reply_id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of the canned reply.")
    ],
    ticket_id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of the ticket to answer.")
    ],
    locale: LanguageArgument = None,
) -> RenderedReply | None:
    """The text of a canned reply for a ticket."""
    viewer = info.context.viewer
    reply_key = key_argument(CannedReply, canned_reply_id, "cannedReplyId")
    ticket_key = key_argument(Ticket, ticket_id, "ticketId")
    reply = await CannedReply.visible_to(viewer).get_or_none(pk=reply_key)
    ticket = await Ticket.visible_to(viewer).get_or_none(pk=ticket_key)
    if reply is None or ticket is None:
        return None
    return RenderedReply(
        *await support_replies.render_reply(reply, ticket, info.context.user, locale)
    )


async def create(info: Info, input: CannedReplyCreateInput) -> CannedReply:
    """Create a canned reply."""
    context = info.context
    with Checks() as check:
        texts = support_replies.check_texts(
            check, input.shortcut, input.name, input.body_fr, input.body_en
        )
        team = None
        if input.team_id is not None:
            team = await check.wait(load_visible(Team, input.team_id, context.viewer, "teamId"))
        key = check(client_key, input.idempotency_key)
    return await support_replies.create_reply(
        context.action(),
        context.user,
        texts,
        team=team,
        is_personal=input.personal and team is None,
        key=key,
    )


async def update(info: Info, input: CannedReplyUpdateInput) -> CannedReply:
    """Replace the texts of a canned reply."""
    context = info.context
    with Checks() as check:
        reply = await check.wait(_load(info, input.canned_reply_id))
        texts = support_replies.check_texts(
            check, input.shortcut, input.name, input.body_fr, input.body_en
        )
    return await support_replies.update_reply(context.action(), context.user, reply, texts)


async def delete(info: Info, input: CannedReplyDeleteInput) -> bool:
    """Delete a canned reply."""
    context, reply = info.context, await _load(info, input.canned_reply_id)
    await support_replies.delete_reply(context.action(), context.user, reply)
    return True


async def _load(info: Info, reply_id: str) -> CannedReply:
    return await load_visible(CannedReply, reply_id, info.context.viewer, "cannedReplyId")


def owners(context: Context, parents: Sequence[CannedReply]) -> RowByForeignKey:
    """The person to whom each reply belongs."""
    return RowByForeignKey(parents, "owner_id", QuerySet(User))


def teams(context: Context, parents: Sequence[CannedReply]) -> RowByForeignKey:
    """The team to which each reply belongs."""
    return RowByForeignKey(parents, "team_id", QuerySet(Team))


async def viewer_can_change(context: Context, parents: Sequence[CannedReply]) -> list[bool]:
    """Whether the viewer may change each reply."""
    return await support_replies.can_manage(context.viewer, list(parents))
