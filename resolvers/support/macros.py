"""Macros, for agents."""

from collections.abc import Sequence
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks, require_keys
from models.errors import Forbidden
from models.identity.user import User
from models.support.file import File
from models.support.macro import MACRO_NAME_LENGTH, Macro, MacroUse
from models.support.message import Message
from models.support.note import Note
from models.support.team import Team
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActionKind
from models.text import client_key, line
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.ids import key_of, load_visible
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
from resolvers.rows import RowByForeignKey, RowsByParent
from resolvers.support.ticket_actions import TicketActionsInput, check_input
from support import macros as support_macros
from support.assignment import require_team

BY_NAME = Order("name")


@strawberry.input(description="The macro to create.")
class MacroCreateInput:
    name: str = strawberry.field(
        description="Its name (at most 60 characters), unique among the macros of all agents, "
        "of the team, or of the viewer."
    )
    actions: TicketActionsInput = strawberry.field(description="What it does.")
    personal: bool = strawberry.field(
        default=True,
        description=(
            "Whether it is the viewer's own. Only supervisors and operators can create macros for "
            "teams and for all agents."
        ),
    )
    team_id: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "The ID of the team whose members use it. When omitted, a macro that isn't `personal` "
            "is for all agents."
        ),
    )
    file_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description=(
            "The IDs of uploaded files of the viewer to attach to the message, at most 10. Each "
            "message gets copies of them."
        ),
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The macro to update, with its new name and all of its new actions.")
class MacroUpdateInput:
    macro_id: strawberry.ID = strawberry.field(description="The ID of the macro.")
    name: str = strawberry.field(description="Its name (at most 60 characters).")
    actions: TicketActionsInput = strawberry.field(
        description="What it does. Replaces all former actions."
    )
    file_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="The IDs of all of its files (at most 10): those that it keeps, and uploaded "
        "ones of the viewer. When omitted, it keeps the files that it has.",
    )


@strawberry.input(description="The macro to archive.")
class MacroArchiveInput:
    macro_id: strawberry.ID = strawberry.field(description="The ID of the macro.")


@strawberry.input(description="The macro to apply, and the ticket.")
class MacroApplyInput:
    macro_id: strawberry.ID = strawberry.field(description="The ID of the macro.")
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


def macros(
    info: Info,
    include_archived: Annotated[
        bool, strawberry.argument(description="Whether to include archived macros.")
    ] = False,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The macros that the viewer may see."""
    rows = Macro.visible_to(info.context.viewer)
    rows = rows if include_archived else rows.filter(archived_at=None)
    return page(rows, BY_NAME, PageRequest(first, after, last, before), info.context.viewer)


async def create(info: Info, input: MacroCreateInput) -> Macro:
    """Create a macro."""
    context = info.context
    if not support_macros.may_manage(context.user, context.user.pk if input.personal else None):
        raise Forbidden
    team_id = None if input.team_id is None else key_of(Team, input.team_id) or 0
    with Checks() as check:
        name = check(line, input.name, "name", MACRO_NAME_LENGTH)
        actions = await check.wait(check_input(input.actions))
        check(support_macros.require_team_choice, team_id, is_personal=input.personal)
        if team_id is not None and not input.personal:
            await check.wait(require_team(team_id))
        files = check(require_keys, _file_keys(input.file_ids), "fileIds")
        if actions:
            check(support_macros.require_reply, actions, files or ())
        key = check(client_key, input.idempotency_key)
    return await support_macros.create_macro(
        context.action(),
        context.user,
        name,
        actions,
        key,
        is_personal=input.personal,
        team_id=team_id,
        file_ids=files,
    )


def _file_keys(file_ids: Sequence[str]) -> list[int | None]:
    return [key_of(File, file_id) for file_id in file_ids]


async def update(info: Info, input: MacroUpdateInput) -> Macro:
    """Replace the name and the actions of a macro."""
    context = info.context
    with Checks() as check:
        macro = await check.wait(load_visible(Macro, input.macro_id, context.viewer, "macroId"))
        name = check(line, input.name, "name", MACRO_NAME_LENGTH)
        actions = await check.wait(check_input(input.actions))
        files = None
        if input.file_ids is not None:
            files = check(require_keys, _file_keys(input.file_ids), "fileIds")
            if actions:
                check(support_macros.require_reply, actions, files or ())
    return await support_macros.update_macro(
        context.action(), context.user, macro, name, actions, files
    )


async def archive(info: Info, input: MacroArchiveInput) -> Macro:
    """Archive a macro."""
    context = info.context
    macro = await load_visible(Macro, input.macro_id, context.viewer, "macroId")
    return await support_macros.archive_macro(context.action(), context.user, macro)


async def apply(info: Info, input: MacroApplyInput) -> MacroUse:
    """Apply a macro to a ticket."""
    context = info.context
    with Checks() as check:
        macro = await check.wait(load_visible(Macro, input.macro_id, context.viewer, "macroId"))
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        key = check(client_key, input.idempotency_key)
    return await support_macros.apply_macro(
        context.action(), context.services.auth, context.viewer, macro, ticket, key
    )


def owners(context: Context, parents: Sequence[Macro]) -> RowByForeignKey:
    """The agent to whom each macro belongs, None for those of all agents."""
    return RowByForeignKey(parents, "owner_id", QuerySet(User))


def teams(context: Context, parents: Sequence[Macro]) -> RowByForeignKey:
    """The team whose members use each macro."""
    return RowByForeignKey(parents, "team_id", QuerySet(Team))


def files(context: Context, parents: Sequence[Macro]) -> RowsByParent:
    """The files of each macro."""
    return RowsByParent(parents, File.filter(abandoned_at=None), "macro_id", "id")


def viewer_can_change(context: Context, parents: Sequence[Macro]) -> list[bool]:
    """Whether the viewer may change each macro."""
    return [
        macro.archived_at is None and support_macros.may_manage(context.user, macro.owner_id)
        for macro in parents
    ]


def uses(context: Context, parents: Sequence[Ticket]) -> RowsByParent:
    """The uses of macros in each ticket, oldest first."""
    return RowsByParent(parents, MacroUse.visible_to(context.viewer), "ticket_id", "id")


def macros_of(context: Context, parents: Sequence[MacroUse]) -> RowByForeignKey:
    """The macro of each use. Whoever sees the ticket may know its name."""
    return RowByForeignKey(parents, "macro_id", QuerySet(Macro))


def users_of(context: Context, parents: Sequence[MacroUse]) -> RowByForeignKey:
    """The person who applied the macro."""
    return RowByForeignKey(parents, "user_id", QuerySet(User))


def messages_of(context: Context, parents: Sequence[MacroUse]) -> RowByForeignKey:
    """The message that each use posted."""
    return RowByForeignKey(parents, "message_id", QuerySet(Message))


def notes_of(context: Context, parents: Sequence[MacroUse]) -> RowByForeignKey:
    """The note that each use added."""
    return RowByForeignKey(parents, "note_id", QuerySet(Note))


def kinds(root: MacroUse) -> list[TicketActionKind]:
    """The actions that a use took."""
    return [TicketActionKind(kind) for kind in root.kinds]
