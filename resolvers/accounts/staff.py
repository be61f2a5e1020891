"""The vendor's staff."""

from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from accounts import staff
from models.identity.user import User
from resolvers.accounts.filters import UserOrder
from resolvers.accounts.inputs import StaffChangeRoleInput, StaffDismissInput, StaffHireInput
from resolvers.context import Info
from resolvers.filters import order_or_default
from resolvers.ids import key_of
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

OLDEST_FIRST = Order("id")


def members(
    info: Info,
    order_by: Annotated[
        UserOrder | None,
        strawberry.argument(description="The order of the list. Defaults to the order of hiring."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The vendor's staff."""
    rows: QuerySet[User] = User.filter(staff__isnull=False)
    return page(
        rows,
        order_or_default(order_by, OLDEST_FIRST),
        PageRequest(first, after, last, before),
        info.context.viewer,
    )


async def hire(info: Info, input: StaffHireInput) -> User:
    """Hire a staff member by email."""
    context = info.context
    return await staff.hire(
        context.action(),
        context.services.auth,
        context.session,
        email=input.email,
        name=input.name,
        role=input.role,
        locale=input.locale or context.viewer.locale,
        key=input.idempotency_key,
    )


async def change_role(info: Info, input: StaffChangeRoleInput) -> User:
    """Change the role of a staff member."""
    return await staff.change_role(
        info.context.action(), info.context.session, key_of(User, input.user_id), input.role
    )


async def dismiss(info: Info, input: StaffDismissInput) -> bool:
    """Dismiss a staff member."""
    context = info.context
    await staff.dismiss(
        context.action(), context.services.auth, context.session, key_of(User, input.user_id)
    )
    return True
