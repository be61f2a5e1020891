"""Phone numbers of people and companies."""

from collections.abc import Sequence

import strawberry

from models.accounts.account import Account
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.support.phone_number import PhoneNumber, display_number, parse_phone_number
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.rows import RowByForeignKey, RowsByParent
from support.phone_numbers import (
    NumberOwner,
    add_number,
    remove_number,
    require_right_to_change,
)


@strawberry.input(
    description="A phone number of a person or of a company. Without an ID of either, it is the "
    "viewer's own."
)
class PhoneNumberAddInput:
    number: str = strawberry.field(
        description="The number as people write it. One without a country code is French."
    )
    user_id: strawberry.ID | None = strawberry.field(
        default=None, description="The ID of the person. For agents, anybody."
    )
    account_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of the company, for its owners, its administrators and agents.",
    )


@strawberry.input(description="The phone number to remove.")
class PhoneNumberRemoveInput:
    phone_number_id: strawberry.ID = strawberry.field(description="The ID of the number.")


async def add(info: Info, input: PhoneNumberAddInput) -> PhoneNumber:
    """Add a number."""
    context = info.context
    with Checks() as check:
        number = check(parse_phone_number, input.number, "number")
        owner = await check.wait(_owner(context, input))
    require_right_to_change(context.viewer, owner)
    return await add_number(context.action(), owner, number)


async def _owner(context: Context, input: PhoneNumberAddInput) -> NumberOwner:
    viewer = context.viewer
    if input.user_id is not None and input.account_id is not None:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "accountId")
    if input.account_id is not None:
        account = await load_visible(Account, input.account_id, viewer, "accountId")
        return NumberOwner(account=account)
    if input.user_id is not None:
        return NumberOwner(user=await load_visible(User, input.user_id, viewer, "userId"))
    return NumberOwner(user=context.user)


async def remove(info: Info, input: PhoneNumberRemoveInput) -> bool:
    """Remove a number."""
    viewer = info.context.viewer
    row = await load_visible(PhoneNumber, input.phone_number_id, viewer, "phoneNumberId")
    account = await Account.get(pk=row.account_id) if row.account_id else None
    user = await User.get(pk=row.user_id) if row.user_id else None
    require_right_to_change(viewer, NumberOwner(user, account))
    await remove_number(info.context.action(), row)
    return True


def formatted(root: PhoneNumber) -> str:
    """The number as people write it."""
    return display_number(root.number)


def of_users(context: Context, parents: Sequence[User]) -> RowsByParent:
    """The numbers of each person that the viewer may see, in the order in which they were added."""
    return RowsByParent(parents, PhoneNumber.visible_to(context.viewer), "user_id", "id")


def of_accounts(context: Context, parents: Sequence[Account]) -> RowsByParent:
    """The numbers of each company that the viewer may see."""
    return RowsByParent(parents, PhoneNumber.visible_to(context.viewer), "account_id", "id")


def users(context: Context, parents: Sequence[PhoneNumber]) -> RowByForeignKey:
    """The person of each number."""
    return RowByForeignKey(parents, "user_id", User.visible_to(context.viewer))


def accounts(context: Context, parents: Sequence[PhoneNumber]) -> RowByForeignKey:
    """The company of each number."""
    return RowByForeignKey(parents, "account_id", Account.visible_to(context.viewer))
