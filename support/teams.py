"""Managing teams, and what agents can take on: by supervisors and operators."""

from collections.abc import Sequence

from tortoise.exceptions import IntegrityError

from models.action import Action, Transaction
from models.checks import Checks, require_keys
from models.errors import CommonErrorCode, Refusal
from models.event import INBOX, EventKind
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.user import Staff, User
from models.numbers import optional_number
from models.support.audit_actions import SupportAuditAction
from models.support.calendar import Calendar
from models.support.classification import Category
from models.support.errors import SupportErrorCode
from models.support.team import AgentProfile, Team, TeamMember
from models.text import client_key, line

NAME_LENGTH = 60
MAX_CHAT_CAPACITY = 20
ANSWERING_ROLES = [role for role in Staff if role.answers_customers]


async def create_team(
    action: Action,
    name: str,
    categories: Sequence[Category],
    member_ids: Sequence[int | None],
    key: str,
) -> Team:
    """Create a team. The same idempotency key returns the same team.

    Raises BLANK, TOO_LONG, NOT_FOUND for a member who doesn't answer customers, NAME_TAKEN,
    CATEGORY_TAKEN and IDEMPOTENCY_MISMATCH.
    """
    with Checks() as check:
        name = check(line, name, "name", NAME_LENGTH)
        members = await check.wait(require_agents(member_ids, "memberIds"))
        key = check(client_key, key)
    owner, values = owner_of(action), [category.value for category in categories]
    try:
        async with action.transaction() as tx:
            arguments = [name, values, members]
            if earlier_id := await earlier_result(tx, owner, "teamCreate", key, arguments):
                return await Team.get(pk=earlier_id, using_db=tx.db)
            await _require_free_categories(tx, values, team_id=None)
            team = await Team.create(
                using_db=tx.db, name=name, categories=values, created_at=action.at
            )
            await _set_members(tx, team, members)
            await _record(tx, team, SupportAuditAction.TEAM_CREATE)
            await store_result(tx, owner, "teamCreate", key, team.pk)
    except IntegrityError:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "name") from None
    return team


async def update_team(
    action: Action,
    team_id: int | None,
    name: str | None,
    categories: Sequence[Category] | None,
    member_ids: Sequence[int | None] | None,
) -> Team:
    """Change the name, the categories or the members of a team. None keeps a value. Raises what
    `create_team` raises, and NOT_FOUND for an archived team.
    """
    with Checks() as check:
        await check.wait(_require_team(team_id))
        new_name = None if name is None else check(line, name, "name", NAME_LENGTH)
        members = (
            None
            if member_ids is None
            else await check.wait(require_agents(member_ids, "memberIds"))
        )
    try:
        async with action.transaction() as tx:
            team = await tx.lock(Team, team_id or 0)
            if new_name is not None:
                team.name = new_name
            if categories is not None:
                team.categories = [category.value for category in categories]
                await _require_free_categories(tx, team.categories, team.pk)
            await team.save(using_db=tx.db, update_fields=["name", "categories"])
            if members is not None:
                await _set_members(tx, team, members)
            await _record(tx, team, SupportAuditAction.TEAM_UPDATE)
    except IntegrityError:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "name") from None
    return team


async def set_team_calendar(action: Action, team_id: int | None, calendar: Calendar | None) -> Team:
    """Let a team answer during the hours of a calendar, None for the default one. A job then
    applies it to the SLA clocks of its tickets, as of now. A repeat changes nothing. Raises
    NOT_FOUND.
    """
    await _require_team(team_id)
    async with action.transaction() as tx:
        team = await tx.lock(Team, team_id or 0)
        calendar_id = calendar.pk if calendar else None
        if team.calendar_id != calendar_id:
            former_id, team.calendar_id = team.calendar_id, calendar_id
            team.calendar_changed_at = action.at
            await team.save(using_db=tx.db, update_fields=["calendar_id", "calendar_changed_at"])
            tx.audit(
                SupportAuditAction.TEAM_SET_CALENDAR, team, before=former_id, calendar=calendar_id
            )
    return team


async def archive_team(action: Action, team_id: int | None) -> Team:
    """Archive a team: it gets no more tickets, and keeps those that it has. A repeat changes
    nothing. Raises NOT_FOUND.
    """
    if not await Team.filter(pk=team_id or 0).exists():
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "teamId")
    async with action.transaction() as tx:
        team = await tx.lock(Team, team_id or 0)
        if team.archived_at is None:
            team.archived_at, team.categories = action.at, []
            await team.save(using_db=tx.db, update_fields=["archived_at", "categories"])
            await TeamMember.filter(team_id=team.pk).using_db(tx.db).delete()
            await _record(tx, team, SupportAuditAction.TEAM_ARCHIVE)
    return team


async def update_agent(
    action: Action,
    user_id: int | None,
    skills: Sequence[Category] | None,
    chat_capacity: int | None,
) -> User:
    """Change what an agent can take on. None keeps a value. Raises NOT_FOUND for someone who
    doesn't answer customers, and VALUE_INVALID for a capacity out of range.
    """
    with Checks() as check:
        await check.wait(require_agent(user_id))
        check(optional_number, chat_capacity, 0, MAX_CHAT_CAPACITY, "input", "chatCapacity")
    async with action.transaction() as tx:
        user = await tx.lock(User, user_id or 0)
        profile, _created = await AgentProfile.get_or_create(user_id=user.pk, using_db=tx.db)
        if skills is not None:
            profile.skills = [category.value for category in skills]
        if chat_capacity is not None:
            profile.chat_capacity = chat_capacity
        await profile.save(using_db=tx.db, update_fields=["skills", "chat_capacity"])
        tx.audit(SupportAuditAction.AGENT_UPDATE, user, chat_capacity=profile.chat_capacity)
    return user


async def require_agent(user_id: int | None, field: str = "userId") -> None:
    """Raise NOT_FOUND unless this is a person who answers customers."""
    agents = User.filter(pk=user_id or 0, staff__in=ANSWERING_ROLES)
    if not await agents.exists():
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", field)


async def _require_team(team_id: int | None) -> None:
    if not await Team.filter(pk=team_id or 0, archived_at=None).exists():
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "teamId")


async def require_agents(user_ids: Sequence[int | None], field: str) -> list[int]:
    """The keys of people who answer customers. Raises NOT_FOUND at the index of each other
    person.
    """
    agents = User.filter(pk__in=[key or 0 for key in user_ids] or [0], staff__in=ANSWERING_ROLES)
    known_ids = {user.pk for user in await agents}
    keys = [key if key in known_ids else None for key in user_ids]
    return list(dict.fromkeys(require_keys(keys, field)))


async def _require_free_categories(
    tx: Transaction, categories: Sequence[str], team_id: int | None
) -> None:
    teams = await tx.lock_rows(Team.filter(archived_at=None))
    for team in teams:
        if team.pk != team_id and set(team.categories) & set(categories):
            raise Refusal(SupportErrorCode.CATEGORY_TAKEN, "input", "categories", team=team.name)


async def _set_members(tx: Transaction, team: Team, member_ids: Sequence[int]) -> None:
    memberships = TeamMember.filter(team_id=team.pk).using_db(tx.db)
    known_ids = {int(str(key)) for key in await memberships.values_list("user_id", flat=True)}
    await memberships.exclude(user_id__in=list(member_ids) or [0]).delete()
    for user_id in member_ids:
        if user_id not in known_ids:
            await TeamMember.create(using_db=tx.db, team_id=team.pk, user_id=user_id)


async def _record(tx: Transaction, team: Team, audit_action: SupportAuditAction) -> None:
    """Record a change of a team, which changes its members' views."""
    tx.audit(audit_action, team)
    await tx.append(INBOX, EventKind.TEAM_CHANGED)
