"""Saving conditions on tickets as an agent's own view."""

from collections.abc import Mapping
from typing import Any

from tortoise.exceptions import IntegrityError

from models.action import Action
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.user import User
from models.support.errors import SupportErrorCode
from models.support.saved_filter import SavedFilter

NAME_LENGTH = 60
MAX_FILTERS = 30  # each is counted with every event of the inbox


async def create(
    action: Action, user: User, name: str, conditions: Mapping[str, Any], key: str
) -> SavedFilter:
    """Save conditions under a name. A repeat of the key returns the same filter.

    Raises NAME_TAKEN, TOO_MANY and IDEMPOTENCY_MISMATCH.
    """
    owner, operation = owner_of(action), "savedFilterCreate"
    try:
        async with action.transaction() as tx:
            await tx.lock(User, user.pk)
            arguments = [name, dict(conditions)]
            if earlier_id := await earlier_result(tx, owner, operation, key, arguments):
                return await SavedFilter.get(pk=earlier_id, using_db=tx.db)
            if await SavedFilter.filter(user_id=user.pk).using_db(tx.db).count() >= MAX_FILTERS:
                raise Refusal(CommonErrorCode.TOO_MANY, "input", "name", limit=MAX_FILTERS)
            saved = await SavedFilter.create(
                using_db=tx.db,
                user=user,
                name=name,
                conditions=dict(conditions),
                updated_at=action.at,
            )
            await store_result(tx, owner, operation, key, saved.pk)
    except IntegrityError:
        raise _name_taken() from None
    return saved


def _name_taken() -> Refusal:
    return Refusal(SupportErrorCode.NAME_TAKEN, "input", "name")


async def delete(saved: SavedFilter) -> None:
    """Delete a saved filter. A repeat changes nothing."""
    await SavedFilter.filter(pk=saved.pk).delete()


async def update(action: Action, saved: SavedFilter, values: Mapping[str, Any]) -> SavedFilter:
    """Change the name or the conditions. A repeat changes nothing. Raises NAME_TAKEN."""
    saved.update_from_dict({**values, "updated_at": action.at})
    try:
        await saved.save(update_fields=[*values, "updated_at"])
    except IntegrityError:
        raise _name_taken() from None
    return saved
