"""Teams, and what agents can take on."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.identity.user import User
from models.support.calendar import Calendar
from models.support.classification import Category
from models.support.team import DEFAULT_CHAT_CAPACITY, AgentProfile, Team, TeamMember
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
from resolvers.rows import RowByForeignKey
from support import teams as support_teams
from support.teams import ANSWERING_ROLES

OLDEST_FIRST = Order("id")


@strawberry.input(description="The team to create.")
class TeamCreateInput:
    name: str = strawberry.field(description="The name of the team (at most 60 characters).")
    categories: list[Category] = strawberry.field(
        default_factory=list,
        description="The categories of the tickets that go to the team when they are opened. A "
        "category can belong to one team.",
    )
    member_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="The IDs of the agents and supervisors in the team."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The team, and what to change about it.")
class TeamUpdateInput:
    team_id: strawberry.ID = strawberry.field(description="The ID of the team.")
    name: str | None = strawberry.field(
        default=None, description="The new name. Null to keep the current one."
    )
    categories: list[Category] | None = strawberry.field(
        default=None, description="All categories of the team. Null to keep the current ones."
    )
    member_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="The IDs of all members of the team. Null to keep the current ones.",
    )


@strawberry.input(description="The team, and its calendar.")
class TeamSetCalendarInput:
    team_id: strawberry.ID = strawberry.field(description="The ID of the team.")
    calendar_id: strawberry.ID | None = strawberry.field(
        default=None, description="The ID of the calendar. Null for the default calendar."
    )


@strawberry.input(description="The team to archive.")
class TeamArchiveInput:
    team_id: strawberry.ID = strawberry.field(description="The ID of the team.")


@strawberry.input(description="The agent to update.")
class AgentUpdateInput:
    user_id: strawberry.ID = strawberry.field(description="The ID of an agent or a supervisor.")
    skills: list[Category] | None = strawberry.field(
        default=None,
        description=(
            "The categories of tickets that the agent can answer. An empty list means all of "
            "them; null keeps the current ones."
        ),
    )
    chat_capacity: int | None = strawberry.field(
        default=None,
        description=(
            "The number of chats that the agent can answer at the same time, 0 to 20. Null keeps "
            "the current number."
        ),
    )


def teams(
    info: Info,
    include_archived: Annotated[
        bool, strawberry.argument(description="Whether to include archived teams.")
    ] = False,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The teams of agents."""
    rows = Team.visible_to(info.context.viewer)
    rows = rows if include_archived else rows.filter(archived_at=None)
    return page(rows, OLDEST_FIRST, PageRequest(first, after, last, before), info.context.viewer)


def agents(
    info: Info,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The people who answer customers."""
    rows: QuerySet[User] = User.filter(staff__in=ANSWERING_ROLES)
    return page(rows, OLDEST_FIRST, PageRequest(first, after, last, before), info.context.viewer)


async def create(info: Info, input: TeamCreateInput) -> Team:
    """Create a team."""
    member_ids = [key_of(User, user_id) for user_id in input.member_ids]
    return await support_teams.create_team(
        info.context.action(), input.name, input.categories, member_ids, input.idempotency_key
    )


async def update(info: Info, input: TeamUpdateInput) -> Team:
    """Change a team."""
    member_ids = None
    if input.member_ids is not None:
        member_ids = [key_of(User, user_id) for user_id in input.member_ids]
    return await support_teams.update_team(
        info.context.action(),
        key_of(Team, input.team_id),
        input.name,
        input.categories,
        member_ids,
    )


async def archive(info: Info, input: TeamArchiveInput) -> Team:
    """Archive a team."""
    return await support_teams.archive_team(info.context.action(), key_of(Team, input.team_id))


async def update_agent(info: Info, input: AgentUpdateInput) -> User:
    """Change what an agent can take on."""
    return await support_teams.update_agent(
        info.context.action(), key_of(User, input.user_id), input.skills, input.chat_capacity
    )


async def set_calendar(info: Info, input: TeamSetCalendarInput) -> Team:
    """Choose the calendar of a team."""
    context, calendar = info.context, None
    with Checks() as check:
        team = await check.wait(load_visible(Team, input.team_id, context.viewer, "teamId"))
        if input.calendar_id is not None:
            calendar = await check.wait(
                load_visible(Calendar, input.calendar_id, context.viewer, "calendarId")
            )
    return await support_teams.set_team_calendar(context.action(), team.pk, calendar)


def calendars_of_teams(context: Context, parents: Sequence[Team]) -> RowByForeignKey:
    """The calendar of each team, None for the default one."""
    return RowByForeignKey(parents, "calendar_id", Calendar.visible_to(context.viewer))


def viewer_agent(root: Any, info: Info) -> User | None:
    """The viewer as an agent, None unless they are one."""
    viewer = info.context.viewer
    return viewer.user if viewer.is_agent else None


def categories(root: Any) -> list[Category]:
    """The categories of a team."""
    return [Category(value) for value in root.categories]


def users_of_agents(context: Context, parents: Sequence[User]) -> RowByForeignKey:
    """The person of each agent."""
    return RowByForeignKey(parents, "id", QuerySet(User))


async def members(context: Context, parents: Sequence[Team]) -> list[list[User]]:
    """The members of each team, in the order in which they were hired."""
    rows = TeamMember.filter(
        team_id__in=[team.pk for team in parents], user__staff__in=ANSWERING_ROLES
    )
    groups = defaultdict(list)
    for row in await rows.order_by("user_id").select_related("user"):
        groups[row.team_id].append(row.user)
    return [groups[team.pk] for team in parents]


async def teams_of_agents(context: Context, parents: Sequence[User]) -> list[list[Team]]:
    """The teams of each agent."""
    rows = TeamMember.filter(user_id__in=[user.pk for user in parents])
    groups = defaultdict(list)
    for row in await rows.order_by("team_id").select_related("team"):
        groups[row.user_id].append(row.team)
    return [groups[user.pk] for user in parents]


async def skills(context: Context, parents: Sequence[User]) -> list[list[Category]]:
    """The skills of each agent, empty for all categories."""
    profiles = await _profiles(parents)
    return [
        [Category(value) for value in profiles[user.pk].skills] if user.pk in profiles else []
        for user in parents
    ]


async def chat_capacities(context: Context, parents: Sequence[User]) -> list[int]:
    """The number of chats that each agent can answer at the same time."""
    profiles = await _profiles(parents)
    return [
        profiles[user.pk].chat_capacity if user.pk in profiles else DEFAULT_CHAT_CAPACITY
        for user in parents
    ]


async def _profiles(parents: Sequence[User]) -> dict[int, AgentProfile]:
    rows = await AgentProfile.filter(user_id__in=[user.pk for user in parents])
    return {row.user_id: row for row in rows}
