"""A company's people: inviting, accepting, roles, leaving, and the companies one may act for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise.queryset import QuerySet

from auth import factor_reset, invitations, members, sessions
from auth.invitations import Newcomer
from mail import emails
from models.account import Account, AccountStatus, Membership, Role
from models.action import Transaction
from models.errors import ErrorCode, Refusal
from models.invitation import Invitation
from models.user import User
from models.viewer import Viewer
from resolvers.context import Context, Info
from resolvers.ids import encode, key_of, visible
from resolvers.inputs import (
    AccountTransferOwnershipInput,
    InvitationAcceptInput,
    InvitationResendInput,
    InvitationRevokeInput,
    InvitationSendInput,
    MemberChangeRoleInput,
    MemberRemoveInput,
    SessionSwitchAccountInput,
)
from resolvers.people_inputs import MemberResetSecondFactorInput
from resolvers.policies import policy_keys
from resolvers.rows import ByKey, ByParent
from resolvers.text import client_key


async def send_invitation(info: Info, input: InvitationSendInput) -> Invitation:
    """Invite an address."""
    context = info.context
    return await invitations.send(
        context.action(), context.services.auth, _letter(context), context.account.pk, email=input.email, role=input.role,
        locale=input.locale or context.viewer.locale, key=client_key(input.idempotency_key, "idempotencyKey"),
    )  # fmt: skip


async def resend_invitation(info: Info, input: InvitationResendInput) -> Invitation:
    """Send an invitation's email again."""
    context = info.context
    invitation = await visible(Invitation, input.invitation_id, context.viewer, "invitationId")
    key = client_key(input.idempotency_key, "idempotencyKey")
    return await invitations.resend(context.action(), context.services.auth, _letter(context), invitation, key)


def _letter(context: Context) -> invitations.InvitationLetter:
    account, inviter, base_url = context.account, context.user, context.services.base_url

    async def letter(tx: Transaction, invitation: Invitation, token: str) -> None:
        await emails.invitation(tx, invitation, inviter, account, f"{base_url}/invitation?token={token}", token)

    return letter


async def revoke_invitation(info: Info, input: InvitationRevokeInput) -> Invitation:
    """Take an invitation back."""
    invitation = await visible(Invitation, input.invitation_id, info.context.viewer, "invitationId")
    return await invitations.revoke(info.context.action(), invitation)


async def accept_invitation(info: Info, input: InvitationAcceptInput) -> "Company":
    """Join a company."""
    context, accepted = info.context, policy_keys(input.accepted_policy_ids)
    newcomer = Newcomer(input.name or "", input.password or "", accepted, context.viewer.locale)
    place = await invitations.accept(context.action(), context.services.auth, input.token, newcomer, context.peer)
    return Company.of(place, await Account.get(pk=place.account_id), context.viewer)


async def change_role(info: Info, input: MemberChangeRoleInput) -> Membership:
    """Give a member another role."""
    context = info.context
    return await members.change_role(
        context.action(), context.session, _notice(context), context.account.pk, key_of(User, input.user_id), input.role
    )


def _notice(context: Context) -> members.Notice:
    """The email that tells owners who owns the company."""
    company, base_url = context.account.legal_name, context.services.base_url

    async def letter(tx: Transaction, told: members.Handover) -> None:
        gained, lost = (user.name if user else None for user in (told.gained, told.lost))
        await emails.ownership_changed(tx, told.reader, company, base_url, gained=gained, lost=lost)

    return letter


async def remove(info: Info, input: MemberRemoveInput) -> bool:
    """Take a member out of the company."""
    context = info.context
    await members.remove(context.action(), context.session, _notice(context), context.account.pk, key_of(User, input.user_id))
    return True


async def reset_second_factor(info: Info, input: MemberResetSecondFactorInput) -> Membership:
    """Turn a colleague's second factor off."""
    context, base_url = info.context, info.context.services.base_url
    return await factor_reset.of_colleague(
        context.action(), context.session, lambda tx, user: emails.second_factor_reset(tx, user, False, base_url),
        context.account.pk, key_of(User, input.user_id),
    )  # fmt: skip


async def leave(info: Info) -> bool:
    """Leave the company."""
    context = info.context
    await members.leave(context.action(), context.session, _notice(context), context.account.pk)
    return True


async def transfer_ownership(info: Info, input: AccountTransferOwnershipInput) -> Account:
    """Make somebody else the owner."""
    context, account = info.context, info.context.account
    await members.transfer(context.action(), context.session, _notice(context), account.pk, key_of(User, input.user_id))
    return account


async def switch_account(info: Info, input: SessionSwitchAccountInput) -> sessions.Tokens | sessions.Kept:
    """Act for another company."""
    context = info.context
    action, cookies = context.action(), context.cookies
    if context.by_cookie and cookies is None:  # over a websocket, whose answers can't replace them
        raise Refusal(ErrorCode.COOKIES_UNAVAILABLE)
    tokens = await sessions.switch(context.session, key_of(Account, input.account_id), action)
    return cookies.keep(tokens, action.at) if cookies and context.by_cookie else tokens


def open_invitations(context: Context, parents: Sequence[Account]) -> ByParent:
    """The open invitations of each company, the first one first, as far as the viewer may see them."""
    return ByParent(parents, Invitation.waiting(Invitation.visible_to(context.viewer)), "account_id", "id")


def inviters(context: Context, parents: Sequence[Invitation]) -> ByKey:
    """Who sent the latest email of each invitation."""
    return ByKey(parents, "inviter_id", QuerySet(User))


@dataclass(frozen=True)
class Company:
    """A company that somebody may act for: what they need to choose it, and nothing that is reached only by doing so."""

    account_id: str
    legal_name: str
    trade_name: str | None
    role: Role
    joined_at: datetime
    current: bool
    status: AccountStatus
    erases_at: datetime | None

    @classmethod
    def of(cls, place: Membership, account: Account, viewer: Viewer) -> "Company":
        """The company of this place, as the viewer may choose it."""
        current = viewer.account is not None and viewer.account.pk == account.pk
        key = encode("Account", account.pk)
        return cls(
            key, account.legal_name, account.trade_name, place.role, place.created_at, current, account.status,
            account.erases_at,
        )  # fmt: skip


async def companies(root: Viewer) -> list[Company]:
    """The companies that the viewer may act for, the one joined first at first."""
    found = await Membership.filter(user_id=root.user_id).order_by("id").select_related("account")
    return [Company.of(place, place.account, root) for place in found]
