"""Agents' saved filters, which are their own views of the inbox."""

import strawberry

import models.support.saved_filter
from auth.rules import agent
from models.identity.user import User
from models.support.classification import Category, Channel, Priority
from models.support.inbox_view import InboxView
from models.support.team import Team
from models.support.ticket_status import TicketStatus
from resolvers.support import saved_filters as filter_resolvers
from schema.fields import Unaudited, edge, field, mutation, query
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

_OWN = Unaudited("Nobody but the viewer uses their filters.")
_NEEDS = ("conditions",)


@strawberry.type(
    description=("The conditions of a saved filter. Null for conditions that aren't set.")
)
class SavedFilterConditions:
    status: list[TicketStatus] | None = field(
        "One of these statuses.", filter_resolvers.condition("status"), needs=_NEEDS
    )
    channel: list[Channel] | None = field(
        "Opened through one of these channels.",
        filter_resolvers.condition("channel"),
        needs=_NEEDS,
    )
    category: list[Category] | None = field(
        "Of one of these categories.", filter_resolvers.condition("category"), needs=_NEEDS
    )
    priority: list[Priority] | None = field(
        "With one of these priorities.", filter_resolvers.condition("priority"), needs=_NEEDS
    )
    tags: list[str] | None = field(
        "With one of these tags.", filter_resolvers.condition("tags"), needs=_NEEDS
    )
    team_ids: list[strawberry.ID] | None = field(
        "Of one of the teams with these IDs.",
        filter_resolvers.ids_condition("team_id", Team),
        needs=_NEEDS,
    )
    assignee_ids: list[strawberry.ID] | None = field(
        "Assigned to one of the agents with these IDs.",
        filter_resolvers.ids_condition("assignee_id", User),
        needs=_NEEDS,
    )
    assigned: bool | None = field(
        "True for tickets assigned to the viewer, false for those without an assignee.",
        filter_resolvers.condition("assigned"),
        needs=_NEEDS,
    )
    view: InboxView | None = field(
        "In this view of the viewer's inbox.", filter_resolvers.condition("view"), needs=_NEEDS
    )


@strawberry.type(description="Conditions on tickets that the viewer has saved under a name.")
@backed_by(models.support.saved_filter.SavedFilter)
class SavedFilter(Node):
    name: str = field("The name of the filter.")
    conditions: SavedFilterConditions = field(
        "The conditions that the tickets meet.", filter_resolvers.conditions, needs=_NEEDS
    )
    ticket_count: int = edge(
        filter_resolvers.ticket_counts,
        cost=10,
        description="The number of tickets that meet the conditions. Pass the ID of the filter as "
        "`TicketFilter.savedFilterId` to list them.",
    )


@strawberry.type(description="The result of a change to a saved filter.")
class SavedFilterPayload:
    saved_filter: SavedFilter | None = field("The filter after the change, or the deleted one.")
    user_errors: list[UserError] = errors()


@strawberry.type
class SavedFilterQuery:
    saved_filters: list[SavedFilter] | None = query(
        filter_resolvers.of_viewer,
        allow=agent,
        cost=10,
        description="The viewer's saved filters, in alphabetical order. `InboxEvent.savedFilters` "
        "keeps their counts up to date, as `InboxEvent.inboxViews` does for the views.",
    )


@strawberry.type
class SavedFilterMutation:
    saved_filter_create: SavedFilterPayload | None = mutation(
        filter_resolvers.create,
        "saved_filter",
        allow=agent,
        audit=_OWN,
        description="Saves conditions on tickets as a view of the viewer's own, at most 30.",
    )
    saved_filter_update: SavedFilterPayload | None = mutation(
        filter_resolvers.update,
        "saved_filter",
        allow=agent,
        audit=_OWN,
        description="Changes the name or the conditions of one of the viewer's saved filters.",
    )
    saved_filter_delete: SavedFilterPayload | None = mutation(
        filter_resolvers.delete,
        "saved_filter",
        allow=agent,
        audit=_OWN,
        description="Deletes one of the viewer's saved filters.",
    )
