"""The vendor's people, and somebody's sessions, as an operator looks after them."""

from collections.abc import Sequence
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from auth import factor_reset, staff
from mail import emails
from models.account import Membership
from models.action import Transaction
from models.search import customers as search_customers
from models.user import User
from resolvers.context import Context, Info
from resolvers.ids import encode, key_of
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page
from resolvers.people_inputs import (
    StaffChangeRoleInput,
    StaffDismissInput,
    StaffHireInput,
    UserEndSessionsInput,
    UserResetSecondFactorInput,
)
from resolvers.rows import ByParent
from resolvers.text import client_key

FIRST_HIRED = Order("id")
LAST_CAME = Order("id", descending=True)


def members(info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None) -> OnePage:
    """The vendor's people, the one hired first at first."""
    found: QuerySet[User] = User.filter(staff__isnull=False)
    return page(found, FIRST_HIRED, Window(first, after, last, before), info.context.viewer)


def customers(
    info: Info,
    search: Annotated[
        str,
        strawberry.argument(
            description="Up to five words that must all occur, whatever their case and accents: parts of a name, an address, a"
            " company's name or its SIREN."
        ),
    ],
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> OnePage:  # fmt: skip
    """The customers that a search finds, who came last at first."""
    return page(search_customers(search), LAST_CAME, Window(first, after, last, before), info.context.viewer)


def places(context: Context, parents: Sequence[User]) -> ByParent:
    """Where each person belongs, the company they joined first at first."""
    return ByParent(parents, QuerySet(Membership), "user_id", "id")


async def hire(info: Info, input: StaffHireInput) -> User:
    """Have an email sent to a new member of staff."""
    context, base_url = info.context, info.context.services.base_url

    async def letter(tx: Transaction, user: User, token: str) -> None:
        await emails.staff_welcome(tx, user, f"{base_url}/reset?token={token}", token)

    return await staff.hire(
        context.action(), context.services.auth, context.session, letter, email=input.email, name=input.name, role=input.role,
        locale=input.locale or context.viewer.locale, key=client_key(input.idempotency_key, "idempotencyKey"),
    )  # fmt: skip


async def change_role(info: Info, input: StaffChangeRoleInput) -> User:
    """Give a member of staff another role."""
    return await staff.change_role(info.context.action(), info.context.session, key_of(User, input.user_id), input.role)


async def dismiss(info: Info, input: StaffDismissInput) -> bool:
    """End somebody's work for the vendor."""
    context = info.context
    await staff.dismiss(context.action(), context.services.auth, context.session, key_of(User, input.user_id))
    return True


async def end_sessions(info: Info, input: UserEndSessionsInput) -> int:
    """End every session of somebody."""
    context, base_url = info.context, info.context.services.base_url
    return await staff.end_sessions(
        context.action(), context.session, lambda tx, user: emails.sessions_ended(tx, user, base_url),
        key_of(User, input.user_id) or 0,
    )  # fmt: skip


async def reset_second_factor(info: Info, input: UserResetSecondFactorInput) -> bool:
    """Turn somebody's second factor off."""
    context, base_url = info.context, info.context.services.base_url
    await factor_reset.of_anybody(
        context.action(), context.session, lambda tx, user: emails.second_factor_reset(tx, user, True, base_url),
        key_of(User, input.user_id),
    )  # fmt: skip
    return True


def user_id(root: User) -> str:
    """The person's global id."""
    return encode("User", root.pk)
