"""The agents who answer chats now: they are present and available, and have the right to reply."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import orjson
from tortoise.backends.base.client import BaseDBAsyncClient

from models.database.sql import fetch_records
from models.identity.user import Staff
from models.support.classification import Category
from models.support.live_chat import ChatState
from models.support.team import ChatAvailability, team_hours


@dataclass(frozen=True)
class ChatAgent:
    """An agent who is present and available. `skills` are the categories that they can answer,
    empty for all of them.
    """

    user_id: int
    skills: frozenset[str]
    team_ids: frozenset[int]
    capacity: int
    chat_count: int

    @property
    def free_slots(self) -> int:
        """The number of chats that the agent can take besides those that they have."""
        return max(0, self.capacity - self.chat_count)

    def has_skill(self, category: str) -> bool:
        """Whether the agent can answer chats of a category."""
        return not self.skills or category in self.skills

    def serves(self, team_id: int | None) -> bool:
        """Whether the agent gets chats from the queue of a team, or from that of all agents."""
        return team_id is None or team_id in self.team_ids


async def available_agents(
    at: datetime, db: BaseDBAsyncClient | None = None, *, user_id: int | None = None
) -> list[ChatAgent]:
    """The agents who are present and available, or only this one if they are. The one who has
    waited longest for a chat comes first.
    """
    condition, params = ("", []) if user_id is None else ("AND p.user_id = ?", [user_id])
    records = await fetch_records(_AGENTS.format(condition=condition), at, *params, db=db)
    teams = await _teams([record[0] for record in records], db)
    return [
        ChatAgent(
            user_id=record[0],
            skills=frozenset(orjson.loads(record[1])),
            team_ids=frozenset(teams[record[0]]),
            capacity=record[2],
            chat_count=record[3],
        )
        for record in records
    ]


@dataclass(frozen=True)
class FreeSlots:
    """How many chats the agents with these skills can take besides those that they have, from the
    queue of a team or, without one, from that of all agents.
    """

    team_id: int | None
    skills: frozenset[str]
    count: int


async def free_slots(at: datetime) -> list[FreeSlots]:
    """The free slots of all agents who are present and available, added up in the database,
    because most runs of the router find nobody among many agents.
    """
    return [
        FreeSlots(record[0], frozenset(orjson.loads(record[1])), int(record[2]))
        for record in await fetch_records(_FREE_SLOTS, at)
    ]


async def _teams(user_ids: Iterable[int], db: BaseDBAsyncClient | None) -> dict[int, list[int]]:
    known_ids, teams = set(user_ids), defaultdict[int, list[int]](list)
    if known_ids:
        for user_id, team_id in await fetch_records(
            "SELECT user_id, team_id FROM team_member", db=db
        ):
            if user_id in known_ids:
                teams[user_id].append(team_id)
    return teams


_ROLES = ", ".join(f"'{role}'" for role in Staff if role.answers_customers)
_AVAILABLE = f"""
    FROM agent_profile p JOIN "user" u ON u.id = p.user_id
    LEFT JOIN (
        SELECT agent_id, COUNT(*) AS chats FROM live_chat WHERE state = '{ChatState.ACTIVE}'
        GROUP BY agent_id
    ) c ON c.agent_id = p.user_id
    WHERE p.chat_availability = '{ChatAvailability.AVAILABLE}' AND u.staff IN ({_ROLES})
    AND EXISTS (
        SELECT 1 FROM agent_presence a WHERE a.user_id = p.user_id AND a.expires_at > ?
    )"""  # noqa: S608 - constants
_AGENTS = f"""
    SELECT p.user_id, CAST(p.skills AS TEXT), p.chat_capacity, COALESCE(c.chats, 0) {_AVAILABLE}
    {{condition}} ORDER BY p.last_chat_at NULLS FIRST, p.user_id"""
_FREE_SLOTS = f"""
    WITH free AS (
        SELECT p.user_id, CAST(p.skills AS TEXT) AS skills,
            p.chat_capacity - COALESCE(c.chats, 0) AS slots {_AVAILABLE}
        AND p.chat_capacity > COALESCE(c.chats, 0)
    )
    SELECT CAST(NULL AS BIGINT), skills, SUM(slots) FROM free GROUP BY skills
    UNION ALL
    SELECT m.team_id, f.skills, SUM(f.slots) FROM free f
    JOIN team_member m ON m.user_id = f.user_id GROUP BY m.team_id, f.skills"""  # noqa: S608 - constants


async def is_answered_live(
    category: Category, team_id: int | None, at: datetime, db: BaseDBAsyncClient | None = None
) -> bool:
    """Whether a chat that is opened now is answered: during the hours of its team, while an agent
    with the skill is present and available. They may be busy.
    """
    if not (await team_hours(team_id, db)).is_open(at):
        return False
    agents = await available_agents(at, db)
    return any(agent.serves(team_id) and agent.has_skill(category) for agent in agents)
