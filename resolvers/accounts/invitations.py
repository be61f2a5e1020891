"""Invitations to join a company."""

from collections.abc import Sequence

from tortoise.queryset import QuerySet

from accounts import invitations
from accounts.invitations import NewUserDetails
from models.accounts.account import Account
from models.accounts.invitation import Invitation
from models.checks import Checks
from models.identity.user import User
from models.text import client_key
from resolvers.accounts.inputs import (
    InvitationAcceptInput,
    InvitationResendInput,
    InvitationRevokeInput,
    InvitationSendInput,
)
from resolvers.accounts.members import Company
from resolvers.content.policies import policy_keys
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.rows import RowByForeignKey, RowsByParent


async def send_invitation(info: Info, input: InvitationSendInput) -> Invitation:
    """Invite a person by email."""
    context = info.context
    return await invitations.send(
        context.action(),
        context.services.auth,
        context.account.pk,
        email=input.email,
        role=input.role,
        locale=input.locale or context.viewer.locale,
        key=input.idempotency_key,
    )


async def resend_invitation(info: Info, input: InvitationResendInput) -> Invitation:
    """Send an invitation email again."""
    context = info.context
    with Checks() as check:
        invitation = await check.wait(
            load_visible(Invitation, input.invitation_id, context.viewer, "invitationId")
        )
        key = check(client_key, input.idempotency_key)
    return await invitations.resend(context.action(), context.services.auth, invitation, key)


async def revoke_invitation(info: Info, input: InvitationRevokeInput) -> Invitation:
    """Revoke an invitation."""
    invitation = await load_visible(
        Invitation, input.invitation_id, info.context.viewer, "invitationId"
    )
    return await invitations.revoke(info.context.action(), invitation)


async def accept_invitation(info: Info, input: InvitationAcceptInput) -> "Company":
    """Accept an invitation."""
    context, accepted_policies = info.context, policy_keys(input.accepted_policy_ids)
    new_user = NewUserDetails(
        input.name or "", input.password or "", accepted_policies, context.viewer.locale
    )
    membership = await invitations.accept(
        context.action(), context.services.auth, input.token, new_user, context.client_address
    )
    return Company.from_membership(
        membership, await Account.get(pk=membership.account_id), context.viewer
    )


def open_invitations(context: Context, parents: Sequence[Account]) -> RowsByParent:
    """The pending invitations of each company that the viewer may see, oldest first."""
    return RowsByParent(
        parents, Invitation.pending(Invitation.visible_to(context.viewer)), "account_id", "id"
    )


def inviters(context: Context, parents: Sequence[Invitation]) -> RowByForeignKey:
    """The user who sent the most recent email of each invitation."""
    return RowByForeignKey(parents, "inviter_id", QuerySet(User))
