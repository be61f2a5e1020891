"""Users as edges of other rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tortoise.queryset import QuerySet

from models.accounts.account import Membership
from models.identity.user import AUTOMATION_EMAIL, Staff, User
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.context import Context
from resolvers.rows import RowByForeignKey, RowsByParent


def users_of(context: Context, parents: Sequence[Membership]) -> RowByForeignKey:
    """The user of each membership."""
    return RowByForeignKey(parents, "user_id", QuerySet(User))


def memberships(context: Context, parents: Sequence[User]) -> RowsByParent:
    """The memberships of each user that the viewer may see, earliest first."""
    return RowsByParent(parents, Membership.visible_to(context.viewer), "user_id", "id")


def names(context: Context, parents: Sequence[Any]) -> list[str]:
    """The name of each user as the viewer sees it. Only that of the author of what automations
    write depends on the viewer, so events of people stay shared between viewers of all languages.
    """
    return [
        User.name_in(row, context.viewer.locale) if row.email == AUTOMATION_EMAIL else row.name
        for row in parents
    ]


def emails(context: Context, parents: Sequence[Any]) -> list[str | None]:
    """The email address of each user; of staff, only agents, operators and the person themselves
    see it.
    """
    viewer = context.viewer
    can_see_everyone, viewer_id = _can_see_everyone(viewer), viewer.user_id
    return [
        row.email if can_see_everyone or row.staff is None or row.id == viewer_id else None
        for row in parents
    ]


def staff_roles(context: Context, parents: Sequence[Any]) -> list[Staff | None]:
    """The staff role of each user, for operators and the person themselves."""
    is_operator, viewer_id = context.viewer.staff is Staff.OPERATOR, context.viewer.user_id
    return [row.staff if is_operator or row.id == viewer_id else None for row in parents]


def second_factors(context: Context, parents: Sequence[Any]) -> list[bool | None]:
    """Whether signing in requires a second factor of each user, for agents, operators and the
    person themselves.
    """
    can_see_everyone, viewer_id = _can_see_everyone(context.viewer), context.viewer.user_id
    return [
        row.second_factor_at is not None if can_see_everyone or row.id == viewer_id else None
        for row in parents
    ]


def creation_times(context: Context, parents: Sequence[Any]) -> list[datetime | None]:
    """When each user signed up, for agents, operators and the person themselves."""
    can_see_everyone, viewer_id = _can_see_everyone(context.viewer), context.viewer.user_id
    return [row.created_at if can_see_everyone or row.id == viewer_id else None for row in parents]


def verification_times(context: Context, parents: Sequence[Any]) -> list[datetime | None]:
    """When each user verified their address, for agents, operators and the person themselves."""
    can_see_everyone, viewer_id = _can_see_everyone(context.viewer), context.viewer.user_id
    return [
        row.email_verified_at if can_see_everyone or row.id == viewer_id else None
        for row in parents
    ]


async def bounce_times(context: Context, parents: Sequence[User]) -> list[datetime | None]:
    """When emails to each person's current address last bounced, for agents and operators."""
    times: dict[tuple[int | None, str], datetime | None] = {}
    if _can_see_everyone(context.viewer):
        user_ids = list({user.pk for user in parents})
        bounced = Email.filter(user_id__in=user_ids, bounced_at__not_isnull=True)
        columns = ("user_id", "recipient", "bounced_at")
        for email in await bounced.order_by("bounced_at").only(*columns):
            times[email.user_id, email.recipient] = email.bounced_at
    return [times.get((user.pk, user.email)) for user in parents]


def _can_see_everyone(viewer: Viewer) -> bool:
    return viewer.is_agent or viewer.staff is Staff.OPERATOR
