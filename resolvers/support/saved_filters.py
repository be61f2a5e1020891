"""Agents' saved filters."""

from collections.abc import Sequence
from typing import Any

import strawberry
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.database.reading import read
from models.errors import CommonErrorCode, Refusal
from models.event import Event
from models.identity.user import User
from models.support.classification import Category, Channel, Priority
from models.support.inbox_view import InboxView
from models.support.saved_filter import SavedFilter
from models.support.tag import clean_tags
from models.support.team import Team
from models.support.ticket_status import TicketStatus
from models.text import client_key, line
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.ids import encode, key_of, load_visible
from support import saved_filters

MAX_VALUES = 20


@strawberry.input(description="Conditions on tickets. All given conditions must be met.")
class SavedFilterConditionsInput:
    status: list[TicketStatus] | None = strawberry.field(
        default=None, description="One of these statuses."
    )
    channel: list[Channel] | None = strawberry.field(
        default=None, description="Opened through one of these channels."
    )
    category: list[Category] | None = strawberry.field(
        default=None, description="Of one of these categories."
    )
    priority: list[Priority] | None = strawberry.field(
        default=None, description="With one of these priorities."
    )
    tags: list[str] | None = strawberry.field(
        default=None, description="With one of these tags (at most 20)."
    )
    team_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Of one of the teams with these IDs (at most 20)."
    )
    assignee_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Assigned to one of the agents with these IDs (at most 20)."
    )
    assigned: bool | None = strawberry.field(
        default=None,
        description="True for tickets assigned to the viewer, false for those without an assignee.",
    )
    view: InboxView | None = strawberry.field(
        default=None, description="In this view of the viewer's inbox."
    )


@strawberry.input(description="The filter to save.")
class SavedFilterCreateInput:
    name: str = strawberry.field(description="Its name (at most 60 characters).")
    conditions: SavedFilterConditionsInput = strawberry.field(description="Its conditions.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The changes to a saved filter. Omitted fields keep their values.")
class SavedFilterUpdateInput:
    saved_filter_id: strawberry.ID = strawberry.field(description="The ID of the filter.")
    name: str | None = strawberry.field(
        default=None, description="The new name (at most 60 characters)."
    )
    conditions: SavedFilterConditionsInput | None = strawberry.field(
        default=None, description="The new conditions, which replace all former ones."
    )


@strawberry.input(description="The filter to delete.")
class SavedFilterDeleteInput:
    saved_filter_id: strawberry.ID = strawberry.field(description="The ID of the filter.")


async def create(info: Info, input: SavedFilterCreateInput) -> SavedFilter:
    """Save a filter."""
    context = info.context
    with Checks() as check:
        name = check(line, input.name, "name", saved_filters.NAME_LENGTH)
        conditions = check(_checked, input.conditions)
        key = check(client_key, input.idempotency_key)
    return await saved_filters.create(context.action(), context.user, name, conditions, key)


async def update(info: Info, input: SavedFilterUpdateInput) -> SavedFilter:
    """Change a saved filter."""
    context, values = info.context, dict[str, Any]()
    with Checks() as check:
        saved = await check.wait(_load(info, input.saved_filter_id))
        if input.name is not None:
            values["name"] = check(line, input.name, "name", saved_filters.NAME_LENGTH)
        if input.conditions is not None:
            values["conditions"] = check(_checked, input.conditions)
    return await saved_filters.update(context.action(), saved, values)


async def delete(info: Info, input: SavedFilterDeleteInput) -> SavedFilter:
    """Delete a saved filter."""
    saved = await _load(info, input.saved_filter_id)
    await saved_filters.delete(saved)
    return saved


async def _load(info: Info, saved_filter_id: str) -> SavedFilter:
    return await load_visible(SavedFilter, saved_filter_id, info.context.viewer, "savedFilterId")


def _checked(conditions: SavedFilterConditionsInput) -> dict[str, Any]:
    """The conditions of an input as they are stored."""
    with Checks("conditions") as check:
        return _stored(check, conditions)


def _stored(check: Checks, conditions: SavedFilterConditionsInput) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    for name in ("status", "channel", "category", "priority"):
        if (values := getattr(conditions, name)) is not None:
            stored[name] = sorted({value.value for value in values})
    if conditions.tags is not None:
        stored["tags"] = check(clean_tags, conditions.tags, "tags")
    if conditions.team_ids is not None:
        stored["team_id"] = check(_keys, Team, conditions.team_ids, "teamIds")
    if conditions.assignee_ids is not None:
        stored["assignee_id"] = check(_keys, User, conditions.assignee_ids, "assigneeIds")
    if conditions.assigned is not None:
        stored["assigned"] = conditions.assigned
    if conditions.view is not None:
        stored["view"] = conditions.view.value
    return stored


def _keys(model: type[Model], ids: Sequence[str], field: str) -> list[int]:
    if len(ids) > MAX_VALUES:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", field, limit=MAX_VALUES)
    with Checks(field) as check:
        keys = [check(_key, model, each, str(index)) for index, each in enumerate(ids)]
    return sorted(set(keys))


def _key(model: type[Model], global_id: str, index: str) -> int:
    key = key_of(model, global_id)
    if key is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", index)
    return key


async def of_viewer(info: Info) -> list[SavedFilter]:
    """The viewer's filters, by name."""
    return await _of_viewer(info.context)


async def _of_viewer(context: Context) -> list[SavedFilter]:
    return await SavedFilter.visible_to(context.viewer).order_by("name", "id")


async def of_events(context: Context, parents: Sequence[Event]) -> list[list[SavedFilter]]:
    """The viewer's filters after each event. They are read once for all events."""
    filters = await _of_viewer(context)
    return [filters for _ in parents]


async def ticket_counts(context: Context, parents: Sequence[Any]) -> list[int]:
    """The number of tickets that match each filter. Each filter is counted once."""
    counts: dict[int, int] = {}
    for row in await read(QuerySet(SavedFilter), where_in=("id", {saved.id for saved in parents})):
        counts[row.id] = await row.matching(context.viewer).count()
    return [counts.get(saved.id, 0) for saved in parents]


def conditions(root: SavedFilter) -> SavedFilter:
    """The saved filter itself: its type has a field for each condition."""
    return root


def condition(name: str) -> Any:
    """A resolver of one stored condition, None when it isn't set."""
    return lambda root: root.conditions.get(name)


def ids_condition(name: str, model: type[Model]) -> Any:
    """A resolver of a stored condition on rows, which returns their global IDs."""

    def resolve(root: SavedFilter) -> list[str] | None:
        keys = root.conditions.get(name)
        return None if keys is None else [encode(model.__name__, key) for key in keys]

    return resolve
