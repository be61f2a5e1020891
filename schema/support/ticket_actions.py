"""The actions of macros and automations."""

import strawberry

from models.support.classification import Category, Priority
from models.support.ticket_status import TicketStatus
from resolvers.support import ticket_actions as action_resolvers
from schema.fields import field


@strawberry.type(
    description=(
        "Actions on a ticket, applied together. Null or empty for actions that aren't taken."
    )
)
class TicketActions:
    reply_fr: str | None = field(
        "The message to customers whose language is French, with its variables.", cost=5
    )
    reply_en: str | None = field(
        "The message to customers whose language is English, with its variables.", cost=5
    )
    note: str | None = field("The internal note, with its variables.", cost=5)
    category: Category | None = field("The new category.")
    priority: Priority | None = field("The new priority.")
    add_tags: list[str] = field("The tags to add.", action_resolvers.tags("add_tags"))
    remove_tags: list[str] = field("The tags to remove.", action_resolvers.tags("remove_tags"))
    team_id: strawberry.ID | None = field(
        "The ID of the team that gets the ticket.", action_resolvers.team_id
    )
    assignee_id: strawberry.ID | None = field(
        "The ID of the agent who gets the ticket.", action_resolvers.assignee_id
    )
    assign_to_viewer: bool = field(
        "Whether the ticket is assigned to the agent who applies the macro.",
        lambda root: root.assigns_actor,
    )
    status: TicketStatus | None = field("The new status.")
    snooze_minutes: int | None = field("For how many minutes the ticket is snoozed.")
