"""The actions of macros and automations."""

from typing import Any

import strawberry

from models.checks import Checks
from models.identity.user import User
from models.support.classification import Category, Priority
from models.support.team import Team
from models.support.ticket_actions import TicketActions
from models.support.ticket_status import TicketStatus
from resolvers.ids import encode, key_of
from support.assignment import require_team
from support.canned_replies import VARIABLES
from support.teams import require_agent
from support.ticket_actions import check_actions

_VARIABLES = ", ".join(f"`{{{name}}}`" for name in VARIABLES)
_TEXT = f"at most 8,000 characters. Variables: {_VARIABLES}. Others are refused"


@strawberry.input(
    description=(
        "Actions on a ticket, at least one. Omitted actions aren't taken. They are applied "
        "together: all of them or none."
    )
)
class TicketActionsInput:
    reply_fr: str | None = strawberry.field(
        default=None, description=f"A message to customers whose language is French: {_TEXT}."
    )
    reply_en: str | None = strawberry.field(
        default=None,
        description=f"A message to customers whose language is English: {_TEXT}. A message in one "
        "language is sent to all customers.",
    )
    note: str | None = strawberry.field(default=None, description=f"An internal note: {_TEXT}.")
    category: Category | None = strawberry.field(
        default=None,
        description=(
            "The new category. A ticket without an assignee goes to the team of the category, as "
            "with `ticketChangeCategory`. Not SECURITY."
        ),
    )
    priority: Priority | None = strawberry.field(default=None, description="The new priority.")
    add_tags: list[str] = strawberry.field(
        default_factory=list, description="Tags to add, at most 20."
    )
    remove_tags: list[str] = strawberry.field(
        default_factory=list, description="Tags to remove, at most 20."
    )
    team_id: strawberry.ID | None = strawberry.field(
        default=None, description="The ID of the team that gets the ticket."
    )
    assignee_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of the agent who gets the ticket. With only a team, any of its members "
        "can claim the ticket.",
    )
    assign_to_viewer: bool = strawberry.field(
        default=False,
        description=(
            "Whether the ticket is assigned to the agent who applies the macro. Not for "
            "automations."
        ),
    )
    status: TicketStatus | None = strawberry.field(
        default=None, description="The new status. Not NEW."
    )
    snooze_minutes: int | None = strawberry.field(
        default=None,
        description="For how many minutes the ticket is snoozed, at most 527,040, which is 366 "
        "days.",
    )


async def check_input(
    input: TicketActionsInput, *, is_automation: bool = False, field: str = "actions"
) -> TicketActions:
    """The actions of an input. Raises all of its errors at once."""
    with Checks(field) as check:
        team_id = None if input.team_id is None else key_of(Team, input.team_id) or 0
        if team_id is not None:
            await check.wait(require_team(team_id))
        assignee_id = None if input.assignee_id is None else key_of(User, input.assignee_id) or 0
        if assignee_id is not None:
            await check.wait(require_agent(assignee_id, "assigneeId"))
        actions = TicketActions(
            reply_fr=input.reply_fr,
            reply_en=input.reply_en,
            note=input.note,
            category=input.category,
            priority=input.priority,
            add_tags=tuple(input.add_tags),
            remove_tags=tuple(input.remove_tags),
            team_id=team_id,
            assignee_id=assignee_id,
            assigns_actor=input.assign_to_viewer,
            status=input.status,
            snooze_minutes=input.snooze_minutes,
        )
        return check_actions(check, actions, is_automation=is_automation)


def of_row(root: Any) -> TicketActions:
    """The actions of a macro, or of a version of an automation."""
    actions: TicketActions = root.ticket_actions
    return actions


def tags(name: str) -> Any:
    """A resolver of a list of tags."""
    return lambda root: list(getattr(root, name))


def team_id(root: TicketActions) -> str | None:
    """The global ID of the team."""
    return encode("Team", root.team_id) if root.team_id else None


def assignee_id(root: TicketActions) -> str | None:
    """The global ID of the agent."""
    return encode("User", root.assignee_id) if root.assignee_id else None
