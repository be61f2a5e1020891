"""Teams of agents, and what each agent can take on."""

from datetime import datetime

import strawberry

import models.identity.user
import models.support.team
from auth.rules import agent, operator, supervisor
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Category
from models.support.team import ChatAvailability
from resolvers.support import chats as chat_resolvers
from resolvers.support import teams as team_resolvers
from schema.fields import edge, field, mutation, query
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.support.calendars import Calendar
from schema.user_errors import UserError, errors


@strawberry.type(description="A group of agents to whom tickets are assigned.")
@backed_by(models.support.team.Team)
class Team(Node):
    name: str = field("The name of the team.")
    categories: list[Category] = field(
        "The categories of the tickets that go to the team when they are opened.",
        team_resolvers.categories,
        needs=("categories",),
    )
    calendar: Calendar | None = edge(
        team_resolvers.calendars_of_teams,
        needs=("calendar_id",),
        description=(
            "The calendar that defines the team's hours: SLA targets, live chat and replies at "
            "the next opening follow it. Null for the default calendar, or for that of the SLA "
            "policy."
        ),
    )
    created_at: datetime = field("When the team was created.")
    archived_at: datetime | None = field("When the team was archived. Null until then.")
    members: list[User] = edge(
        team_resolvers.members, description="The agents and supervisors in the team."
    )


@strawberry.type(description="A person who answers customers: an agent or a supervisor.")
@backed_by(models.identity.user.User)
class Agent:
    user: User = edge(team_resolvers.users_of_agents, description="The person.")
    teams: list[Team] = edge(
        team_resolvers.teams_of_agents, description="The teams that the person belongs to."
    )
    skills: list[Category] = edge(
        team_resolvers.skills,
        description="The categories of tickets that the person can answer. Empty for all of them.",
    )
    chat_capacity: int = edge(
        team_resolvers.chat_capacities,
        description="The number of chats that the person can answer at the same time.",
    )
    chat_availability: ChatAvailability = edge(
        chat_resolvers.availabilities,
        description="Whether the person takes new chats. `agentSetChatAvailability` sets it.",
    )
    is_present: bool = edge(
        chat_resolvers.presences,
        description="Whether one of the person's devices is connected by WebSocket.",
    )
    chat_count: int = edge(
        chat_resolvers.counts, description="The number of live chats that the person has."
    )


@strawberry.type(description="The result of a change to a team.")
class TeamPayload:
    team: Team | None = field("The team after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of updating an agent.")
class AgentPayload:
    agent: Agent | None = field("The agent after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type
class TeamQuery:
    teams: Connection[Team] | None = query(
        team_resolvers.teams,
        allow=agent | operator,
        description="The teams of agents, in the order of their creation.",
    )
    agents: Connection[Agent] | None = query(
        team_resolvers.agents,
        allow=agent | operator,
        description="The agents and supervisors, in the order in which they were hired.",
    )


@strawberry.type
class TeamMutation:
    team_create: TeamPayload | None = mutation(
        team_resolvers.create,
        "team",
        allow=supervisor | operator,
        audit=SupportAuditAction.TEAM_CREATE,
        description="Creates a team of agents.",
    )
    team_update: TeamPayload | None = mutation(
        team_resolvers.update,
        "team",
        allow=supervisor | operator,
        audit=SupportAuditAction.TEAM_UPDATE,
        description="Changes the name, the categories or the members of a team.",
    )
    team_set_calendar: TeamPayload | None = mutation(
        team_resolvers.set_calendar,
        "team",
        allow=supervisor | operator,
        audit=SupportAuditAction.TEAM_SET_CALENDAR,
        description=(
            "Sets the calendar that defines a team's hours. The deadlines of its tickets are "
            "updated within seconds; time that has already been counted stays as it is."
        ),
    )
    team_archive: TeamPayload | None = mutation(
        team_resolvers.archive,
        "team",
        allow=supervisor | operator,
        audit=SupportAuditAction.TEAM_ARCHIVE,
        description=(
            "Archives a team: it loses its members and gets no more tickets. Its current tickets "
            "stay assigned to it."
        ),
    )
    agent_update: AgentPayload | None = mutation(
        team_resolvers.update_agent,
        "agent",
        allow=supervisor | operator,
        audit=SupportAuditAction.AGENT_UPDATE,
        description="Changes the skills and the chat capacity of an agent.",
    )
