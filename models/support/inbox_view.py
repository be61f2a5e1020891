"""The views of the agents' inbox."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from models.identity.user import Staff
from models.support.note import Mention
from models.support.sla_clock import ClockState, SlaClock
from models.support.team import TeamMember
from models.support.ticket import Ticket
from models.support.ticket_status import UNFINISHED_STATUSES

if TYPE_CHECKING:
    from models.viewer import Viewer


class InboxView(StrEnum):
    """A part of the inbox, as each agent has it."""

    MINE = "MINE"
    MY_TEAMS = "MY_TEAMS"
    UNASSIGNED = "UNASSIGNED"
    BREACHING = "BREACHING"
    MENTIONED = "MENTIONED"
    SNOOZED = "SNOOZED"


def is_in_view(view: InboxView, viewer: "Viewer", team_ids: Sequence[int] | None = None) -> Q:
    """The condition that a ticket is in a view of this agent. Snoozed tickets are in SNOOZED alone,
    until they are due or their customer writes. With the keys of the agent's teams, the database
    knows how few tickets they have.
    """
    if view is InboxView.MENTIONED:
        mentions = Mention.filter(user_id=viewer.user_id, seen_at=None)
        return Q(id__in=Subquery(mentions.values("ticket_id")))
    return _is_concerned(view, viewer, team_ids) & Q(
        status__in=list(UNFINISHED_STATUSES), snoozed_until__isnull=view is not InboxView.SNOOZED
    )


def _is_concerned(view: InboxView, viewer: "Viewer", team_ids: Sequence[int] | None) -> Q:
    teams = TeamMember.filter(user_id=viewer.user_id).values("team_id")
    in_my_teams = Q(team_id__in=Subquery(teams) if team_ids is None else team_ids or [0])
    mine, unassigned = Q(assignee_id=viewer.user_id), Q(assignee_id__isnull=True)
    if view is InboxView.BREACHING:
        everything = viewer.staff is Staff.SUPERVISOR
        return is_breaching() if everything else is_breaching() & (mine | in_my_teams | unassigned)
    return {
        InboxView.MINE: mine,
        InboxView.MY_TEAMS: in_my_teams,
        InboxView.UNASSIGNED: unassigned,
        InboxView.SNOOZED: mine | in_my_teams | unassigned,
    }[view]


def is_breaching() -> Q:
    """The condition that a target of a ticket was missed or soon will be, and its clock still
    runs.
    """
    clocks = SlaClock.filter(
        Q(warned_at__not_isnull=True) | Q(breached_at__not_isnull=True), state=ClockState.RUNNING
    )
    return Q(id__in=Subquery(clocks.values("ticket_id")))


async def own_team_ids(viewer: "Viewer") -> list[int]:
    """The keys of the agent's teams."""
    return [member.team_id for member in await TeamMember.filter(user_id=viewer.user_id)]


async def count_views(viewer: "Viewer") -> dict[InboxView, int]:
    """The number of tickets in each view of this agent."""
    tickets: QuerySet[Ticket] = QuerySet(Ticket)
    team_ids = await own_team_ids(viewer)
    return {
        view: await tickets.filter(is_in_view(view, viewer, team_ids)).count() for view in InboxView
    }
