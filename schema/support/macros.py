"""Macros."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.support.macro
from auth.rules import agent, operator
from models.support.audit_actions import SupportAuditAction
from models.support.ticket_actions import TicketActionKind
from resolvers.support import macros as macro_resolvers
from resolvers.support import ticket_actions as action_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.fields import edge, field, mutation, query, viewer_field
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.support.files import File
from schema.support.notes import Note
from schema.support.teams import Team
from schema.support.ticket_actions import TicketActions
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.support.tickets import Message, Ticket


@strawberry.type(
    description="A named set of actions that agents apply to a ticket at once (`macroApply`)."
)
@backed_by(models.support.macro.Macro)
class Macro(Node):
    name: str = field("The name of the macro.")
    actions: TicketActions = field("What it does.", action_resolvers.of_row, needs=("actions",))
    updated_at: datetime = field("When it was last changed.")
    archived_at: datetime | None = field(
        "When it was archived. From then on it can no longer be applied. Null until then."
    )
    owner: User | None = edge(
        macro_resolvers.owners,
        needs=("owner_id",),
        description="The agent to whom it belongs. Null for a macro of a team or of all agents.",
    )
    team: Team | None = edge(
        macro_resolvers.teams,
        needs=("team_id",),
        description=(
            "The team whose members use it. Null for a personal macro and for one that all agents "
            "use."
        ),
    )
    files: list[File] = edge(
        macro_resolvers.files,
        description="The files of which each message gets copies. Empty once it is archived.",
    )
    viewer_can_change: bool = viewer_field(
        macro_resolvers.viewer_can_change,
        needs=("owner_id", "archived_at"),
        description=(
            "Whether the viewer can change and archive it. Agents can change their own macros; "
            "supervisors and operators can also change those of teams and of all agents."
        ),
    )


@strawberry.type(description="The application of a macro to a ticket.")
@backed_by(models.support.macro.MacroUse)
class MacroUse(Node):
    at: datetime = field("When the macro was applied.")
    kinds: list[TicketActionKind] = field(
        "What the macro did, in this order, including actions that changed nothing because the "
        "ticket already was that way.",
        macro_resolvers.kinds,
        needs=("kinds",),
    )
    macro: Macro = edge(
        macro_resolvers.macros_of,
        needs=("macro_id",),
        description="The macro, as it is now.",
    )
    user: User = edge(
        macro_resolvers.users_of, needs=("user_id",), description="The agent who applied it."
    )
    ticket: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] = edge(
        ticket_resolvers.tickets_of, needs=("ticket_id",), description="The ticket."
    )
    message: Annotated["Message", strawberry.lazy("schema.support.tickets")] | None = edge(
        macro_resolvers.messages_of,
        needs=("message_id",),
        description="The message that it posted. Null when it posted none.",
    )
    note: Note | None = edge(
        macro_resolvers.notes_of,
        needs=("note_id",),
        description="The internal note that it added. Null when it added none.",
    )


@strawberry.type(description="The result of a change to a macro.")
class MacroPayload:
    macro: Macro | None = field("The macro after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of applying a macro.")
class MacroApplyPayload:
    macro_use: MacroUse | None = field("What was done. Null when nothing was.")
    user_errors: list[UserError] = errors()


@strawberry.type
class MacroQuery:
    macros: Connection[Macro] | None = query(
        macro_resolvers.macros,
        allow=agent | operator,
        description="The macros of all agents, of the viewer's teams and the viewer's own, in "
        "alphabetical order. Supervisors and operators see those of all teams.",
    )


@strawberry.type
class MacroMutation:
    macro_create: MacroPayload | None = mutation(
        macro_resolvers.create,
        "macro",
        allow=agent | operator,
        audit=SupportAuditAction.MACRO_CREATE,
        description=(
            "Creates a personal macro of the viewer. Supervisors and operators can also create "
            "macros for a team or for all agents."
        ),
    )
    macro_update: MacroPayload | None = mutation(
        macro_resolvers.update,
        "macro",
        allow=agent | operator,
        audit=SupportAuditAction.MACRO_UPDATE,
        description=(
            "Replaces the name and the actions of a macro, and its files if they are given."
        ),
    )
    macro_archive: MacroPayload | None = mutation(
        macro_resolvers.archive,
        "macro",
        allow=agent | operator,
        audit=SupportAuditAction.MACRO_ARCHIVE,
        description="Archives a macro: it can no longer be applied, and its files are deleted. "
        "What it did stays.",
    )
    macro_apply: MacroApplyPayload | None = mutation(
        macro_resolvers.apply,
        "macro_use",
        allow=agent,
        audit=SupportAuditAction.MACRO_APPLY,
        description="Applies a macro to a ticket: all of its actions or, with an error for each "
        "that isn't possible, none. The message and the changes are the viewer's, as if made by "
        "hand. A legal request (`Ticket.deadlineAt` isn't null) and a ticket with an open dispute "
        "aren't solved or closed by macros.",
    )
