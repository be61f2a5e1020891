"""Members of a company, their roles, and the companies of the viewer."""

from dataclasses import dataclass
from datetime import datetime

from accounts import members, second_factor_reset
from auth import sessions
from models.accounts.account import Account, AccountStatus, Membership, Role
from models.errors import Refusal
from models.identity.errors import IdentityErrorCode
from models.identity.user import User
from models.viewer import Viewer
from resolvers.accounts.inputs import (
    AccountTransferOwnershipInput,
    MemberChangeRoleInput,
    MemberRemoveInput,
    MemberResetSecondFactorInput,
)
from resolvers.context import Info
from resolvers.identity.inputs import SessionSwitchAccountInput
from resolvers.ids import encode, key_of


async def change_role(info: Info, input: MemberChangeRoleInput) -> Membership:
    """Change a member's role."""
    context = info.context
    return await members.change_role(
        context.action(),
        context.session,
        context.account.pk,
        key_of(User, input.user_id),
        input.role,
    )


async def remove(info: Info, input: MemberRemoveInput) -> bool:
    """Remove a member."""
    context = info.context
    await members.remove(
        context.action(), context.session, context.account.pk, key_of(User, input.user_id)
    )
    return True


async def reset_second_factor(info: Info, input: MemberResetSecondFactorInput) -> Membership:
    """Reset a member's second factor."""
    context = info.context
    return await second_factor_reset.reset_member(
        context.action(),
        context.session,
        context.account.pk,
        key_of(User, input.user_id),
        input.idempotency_key,
    )


async def leave(info: Info) -> bool:
    """Leave the company."""
    context = info.context
    await members.leave(context.action(), context.session, context.account.pk)
    return True


async def transfer_ownership(info: Info, input: AccountTransferOwnershipInput) -> Account:
    """Transfer the ownership to another member."""
    context, account = info.context, info.context.account
    await members.transfer(
        context.action(), context.session, account.pk, key_of(User, input.user_id)
    )
    return account


async def switch_account(
    info: Info, input: SessionSwitchAccountInput
) -> sessions.Tokens | sessions.WithheldTokens:
    """Switch to another company."""
    context = info.context
    action, cookies = context.action(), context.cookies
    if (
        context.uses_cookies and cookies is None
    ):  # over a websocket, whose answers can't replace them
        raise Refusal(IdentityErrorCode.COOKIES_UNAVAILABLE)
    tokens = await sessions.switch(context.session, key_of(Account, input.account_id), action)
    return cookies.set_tokens(tokens, action.at) if cookies and context.uses_cookies else tokens


@dataclass(frozen=True)
class Company:
    """A company that the viewer can act for: what is needed to choose it, without anything that
    requires acting for it.
    """

    id: str
    account_id: str
    legal_name: str
    trade_name: str | None
    role: Role
    joined_at: datetime
    current: bool
    status: AccountStatus
    erases_at: datetime | None

    @classmethod
    def from_membership(cls, membership: Membership, account: Account, viewer: Viewer) -> "Company":
        """The company of a membership, with the fields that a viewer needs to choose one."""
        current = viewer.account is not None and viewer.account.pk == account.pk
        return cls(
            encode("ViewerCompany", membership.pk),
            encode("Account", account.pk),
            account.legal_name,
            account.trade_name,
            membership.role,
            membership.created_at,
            current,
            account.status,
            account.erases_at,
        )


async def companies(root: Viewer) -> list[Company]:
    """The companies that the viewer can act for, in the order in which they joined."""
    memberships = (
        await Membership.filter(user_id=root.user_id).order_by("id").select_related("account")
    )
    return [
        Company.from_membership(membership, membership.account, root) for membership in memberships
    ]
