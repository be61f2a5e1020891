"""Teams of agents, and what each agent can take on."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import Q, Subquery
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.database.reading import read
from models.identity.user import Staff, User
from models.support.calendar import Calendar, default_calendar, hours_of
from models.support.classification import Category
from models.support.opening_hours import OpeningHours

if TYPE_CHECKING:
    from models.viewer import Viewer

DEFAULT_CHAT_CAPACITY = 3


class ChatAvailability(StrEnum):
    """Whether an agent takes new chats."""

    AVAILABLE = "AVAILABLE"
    AWAY = "AWAY"


class Team(Model):
    """A group of agents to whom tickets are assigned.

    `categories` are those of the tickets that go to the team when they are opened; a category
    belongs to one team at most. An archived team gets no more tickets.

    A team answers during the hours of `calendar`, by default of the default calendar.
    `calendar_changed_at` is set until the SLA clocks of its tickets use the new one.
    """

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=60, unique=True)
    categories: list[str] = fields.JSONField(default=list)
    calendar: fields.ForeignKeyNullableRelation[Calendar] = fields.ForeignKeyField(
        "models.Calendar", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    calendar_changed_at: datetime | None = fields.DatetimeField(null=True)
    created_at: datetime = fields.DatetimeField()
    archived_at: datetime | None = fields.DatetimeField(null=True)

    calendar_id: int | None
    members: fields.ReverseRelation["TeamMember"]

    class Meta:
        table = "team"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Team"]:
        """Teams are visible to agents, supervisors and operators."""
        is_staff = viewer.is_agent or viewer.staff is Staff.OPERATOR
        return QuerySet(cls) if is_staff else cls.filter(id=None)

    @classmethod
    async def for_category(cls, category: Category, db: BaseDBAsyncClient) -> "Team | None":
        """The team that new tickets of this category go to, None when there is none."""
        teams = await cls.filter(archived_at=None).using_db(db).order_by("id")
        return next((team for team in teams if category in team.categories), None)


async def team_calendar(team_id: int | None, db: BaseDBAsyncClient | None = None) -> Calendar:
    """The calendar of a team's tickets, or of tickets without a team."""
    return await own_calendar(team_id, db) or await default_calendar()


async def own_calendar(team_id: int | None, db: BaseDBAsyncClient | None = None) -> Calendar | None:
    """The calendar of a team, None when it has none of its own."""
    if team_id is None:
        return None
    team = await Team.get(pk=team_id, using_db=db)
    return await Calendar.get(pk=team.calendar_id) if team.calendar_id else None


async def team_hours(team_id: int | None, db: BaseDBAsyncClient | None = None) -> OpeningHours:
    """The opening hours for a team's tickets, or for tickets without a team."""
    return await hours_of(await team_calendar(team_id, db))


async def hours_by_team() -> dict[int | None, OpeningHours]:
    """The opening hours of the teams that have a calendar of their own, by team, and under None
    those of all others.
    """
    teams = await read(Team.filter(calendar_id__not_isnull=True))
    keys = {team.calendar_id for team in teams}
    calendars = {row.pk: row for row in await read(Calendar.filter(), where_in=("id", keys))}
    hours = {key: await hours_of(calendar) for key, calendar in calendars.items()}
    own_hours: dict[int | None, OpeningHours] = {team.pk: hours[team.calendar_id] for team in teams}
    return {None: await hours_of(await default_calendar())} | own_hours


class TeamMember(Model):
    """An agent's membership of a team."""

    id = fields.BigIntField(primary_key=True)
    team: fields.ForeignKeyRelation[Team] = fields.ForeignKeyField(
        "models.Team", related_name="members"
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False, db_index=True
    )

    team_id: int
    user_id: int

    class Meta:
        table = "team_member"
        unique_together = (("team", "user"),)


def usable_by(viewer: "Viewer", path: str = "") -> Q:
    """Matches what an agent may use: their own, that of their teams, and that of all agents;
    supervisors also that of other teams. `path` leads to the row with `owner_id` and `team_id`,
    such as `macro__`.
    """

    def matches(column: str, value: Any) -> Q:
        return Q(**{f"{path}{column}": value})

    is_own, is_shared = matches("owner_id", viewer.user_id), matches("owner_id", None)
    if viewer.staff is not Staff.SUPERVISOR:
        own_teams = TeamMember.filter(user_id=viewer.user_id).values("team_id")
        is_shared &= matches("team_id", None) | matches("team_id__in", Subquery(own_teams))
    return is_own | is_shared


class AgentProfile(Model):
    """What an agent can take on: the categories of tickets that they have the skills for (empty for
    all), the number of chats at the same time, and whether they take chats, and since when. An
    agent without a row has the defaults. `last_chat_at` is when they last got a chat by routing.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.OneToOneRelation[User] = fields.OneToOneField("models.User", related_name=False)
    skills: list[str] = fields.JSONField(default=list)
    chat_capacity = fields.IntField(default=DEFAULT_CHAT_CAPACITY)
    chat_availability = fields.CharEnumField(
        ChatAvailability,
        max_length=9,
        default=ChatAvailability.AWAY,
        db_default=ChatAvailability.AWAY,
        description="availability",
    )
    chat_availability_since: datetime | None = fields.DatetimeField(null=True)
    last_chat_at: datetime | None = fields.DatetimeField(null=True)

    user_id: int

    class Meta:
        table = "agent_profile"
