"""Customers as the vendor's staff find and help them."""

from typing import Annotated

import strawberry

from accounts import second_factor_reset, staff
from models.identity.customer_search import search_customers
from models.identity.user import Staff, User
from resolvers.accounts.filters import UserOrder
from resolvers.accounts.inputs import (
    UserEndSessionsInput,
    UserResetSecondFactorInput,
)
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

NEWEST_FIRST = Order("id", descending=True)


def customers(
    info: Info,
    search: Annotated[
        str,
        strawberry.argument(
            description="Up to five words, all of which must match part of the user's name, email "
            "address, company name or SIREN, or the number of one of their tickets or invoices. "
            "Case, accents and punctuation are ignored."
        ),
    ],
    order_by: Annotated[
        UserOrder | None,
        strawberry.argument(
            description="The order of the list. Defaults to most recently created first."
        ),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The customers that match a search."""
    viewer, customers = info.context.viewer, search_customers(search)
    if viewer.staff is not Staff.OPERATOR:
        customers = customers.filter(restricted_at=None)
    return page(
        customers,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def end_sessions(info: Info, input: UserEndSessionsInput) -> int:
    """End all sessions of a user."""
    return await staff.end_sessions(
        info.context.action(),
        info.context.session,
        key_of(User, input.user_id) or 0,
        input.reason,
        input.idempotency_key,
    )


async def reset_second_factor(info: Info, input: UserResetSecondFactorInput) -> bool:
    """Reset a user's second factor."""
    await second_factor_reset.reset_user(
        info.context.action(),
        info.context.session,
        key_of(User, input.user_id),
        input.reason,
        input.idempotency_key,
    )
    return True
