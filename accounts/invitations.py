"""Inviting people to a company by email, and accepting invitations.

A response never reveals whether the invited address belongs to a user: sending looks only at the
company's own members and invitations. Whoever has the token can read the mailbox, so they may learn
it, and a new user doesn't have to verify the address again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tortoise.exceptions import IntegrityError

from accounts import policies
from accounts.members import actor_membership
from accounts.registration import NAME_LENGTH
from accounts.unconfirmed import lock_unverified_accounts, take_over_unverified
from auth import sessions, throttle
from auth.email_address import clean_email
from auth.passwords import require_length
from auth.services import AuthServices
from auth.tokens import invalid_token
from mail import emails
from models.accounts.account import Account, AccountMembers, Membership, Role
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.errors import AccountsErrorCode
from models.accounts.invitation import LIFETIME, Invitation
from models.action import Action, Transaction
from models.checks import Checks
from models.content.policy import AcceptanceChannel, Policy
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.locale import Locale
from models.text import client_key, line
from models.translations import _

_NOT_PENDING = _("This invitation is no longer pending.")


@dataclass(frozen=True)
class NewUserDetails:
    """The details that a new user gives when accepting an invitation.

    `accepted_policies` are the keys of the policies that they accept, `locale` is the language in
    which they read them (by default that of the email).
    """

    name: str
    password: str = field(repr=False)
    accepted_policies: Sequence[int | None] = ()
    locale: Locale | None = None


@dataclass(frozen=True)
class PendingInvitation:
    """A pending invitation with its account, and the user who already has the invited address, if
    any.
    """

    invitation: Invitation
    existing_user: User | None


@dataclass(frozen=True)
class _NewMember:
    name: str
    accepted_policies: Collection[Policy]
    locale: Locale


async def send(
    action: Action,
    auth: AuthServices,
    account_id: int,
    *,
    email: str,
    role: Role,
    locale: Locale,
    key: str,
) -> Invitation:
    """Invite an address by email. A repeat with the same key returns the first invitation.

    Raises EMAIL_INVALID, ROLE_RESERVED, ALREADY_MEMBER, ALREADY_INVITED, IDEMPOTENCY_MISMATCH,
    Throttled, and Forbidden for those who can't manage members.
    """
    with Checks() as check:
        email, key = check(clean_email, email), check(client_key, key)
        check(_require_grantable, role)
    await _count_attempt(auth, account_id, email)
    arguments = [account_id, email, role.value, locale.value]
    async with action.transaction() as tx:
        inviter = _manager_membership(await AccountMembers.lock(tx, account_id), action)
        if earlier_id := await earlier_result(
            tx, f"user:{inviter.user_id}", "invitationSend", key, arguments
        ):
            return await _earlier_invitation(tx, earlier_id)
        await _require_not_invited(tx, account_id, email)
        token = sessions.random_token("cam_in_")
        invitation = await Invitation.create(
            using_db=tx.db,
            account_id=account_id,
            email=email,
            role=role,
            locale=locale,
            inviter_id=inviter.user_id,
            token_hash=sessions.token_hash(token),
            created_at=action.at,
            sent_at=action.at,
            expires_at=action.at + LIFETIME,
        )
        await _send_email(tx, invitation, token)
        await store_result(tx, f"user:{inviter.user_id}", "invitationSend", key, invitation.pk)
        tx.audit(AccountsAuditAction.INVITATION_SEND, invitation, role=role.value)
    return invitation


async def _earlier_invitation(tx: Transaction, key: int) -> Invitation:
    invitation = await Invitation.get_or_none(pk=key, using_db=tx.db)
    if invitation is None:  # forgotten since
        raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "idempotencyKey", message=_NOT_PENDING)
    return invitation


async def _count_attempt(auth: AuthServices, account_id: int, email: str) -> None:
    await auth.throttle.attempt(
        throttle.key(throttle.INVITATION, account_id), throttle.key(throttle.EMAIL, email)
    )


def _require_grantable(role: Role) -> None:
    if role is Role.OWNER:
        raise Refusal(AccountsErrorCode.ROLE_RESERVED, "input", "role")


def _manager_membership(members: AccountMembers, action: Action) -> Membership:
    membership = actor_membership(members, action)
    if not membership.role.manages_members:
        raise Forbidden
    return membership


async def _require_not_invited(tx: Transaction, account_id: int, email: str) -> None:
    if await Membership.filter(account_id=account_id, user__email=email).using_db(tx.db).exists():
        raise Refusal(AccountsErrorCode.ALREADY_MEMBER, "input", "email")
    if (
        await Invitation.pending(Invitation.filter(account_id=account_id, email=email))
        .using_db(tx.db)
        .exists()
    ):
        raise Refusal(AccountsErrorCode.ALREADY_INVITED, "input", "email")


async def _send_email(tx: Transaction, invitation: Invitation, token: str) -> None:
    inviter = await User.get(pk=invitation.inviter_id, using_db=tx.db)
    account = await Account.get(pk=invitation.account_id, using_db=tx.db)
    await emails.send_invitation(tx, invitation, inviter, account, token)


async def resend(
    action: Action, auth: AuthServices, invitation: Invitation, key: str
) -> Invitation:
    """Send the email again, valid for another seven days, with a new token that replaces the old
    one. A repeat with the same key sends nothing.

    Raises NOT_ACTIVE when the invitation was accepted or revoked, IDEMPOTENCY_MISMATCH, Throttled
    and Forbidden.
    """
    await _count_attempt(auth, invitation.account_id, invitation.email)
    async with action.transaction() as tx:
        inviter = _manager_membership(await AccountMembers.lock(tx, invitation.account_id), action)
        invitation = await tx.lock(Invitation, invitation.pk)
        if await earlier_result(
            tx, f"user:{inviter.user_id}", "invitationResend", key, [invitation.pk]
        ):
            return invitation
        if not invitation.is_pending:
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "invitationId", message=_NOT_PENDING)
        token = sessions.random_token("cam_in_")
        await invitation.record_sent(tx, inviter.user_id, sessions.token_hash(token))
        await _send_email(tx, invitation, token)
        await store_result(tx, f"user:{inviter.user_id}", "invitationResend", key, invitation.pk)
        tx.audit(AccountsAuditAction.INVITATION_RESEND, invitation)
    return invitation


async def revoke(action: Action, invitation: Invitation) -> Invitation:
    """Revoke an invitation: its token stops working. A repeat changes nothing.

    Raises NOT_ACTIVE when it was accepted, and Forbidden for those who can't manage members.
    """
    async with action.transaction() as tx:
        _manager_membership(await AccountMembers.lock(tx, invitation.account_id), action)
        invitation = await tx.lock(Invitation, invitation.pk)
        if invitation.accepted_at:
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "invitationId", message=_NOT_PENDING)
        if invitation.is_pending:
            await invitation.revoke(tx)
            tx.audit(AccountsAuditAction.INVITATION_REVOKE, invitation)
    return invitation


async def find_invitation(action: Action, token: str) -> PendingInvitation:
    """The pending invitation that belongs to a token. Raises TOKEN_INVALID like `accept`."""
    invitation = await _find_pending(action, token)
    return PendingInvitation(
        invitation,
        await User.filter(email=invitation.email).exclude(email_verified_at=None).first(),
    )


async def _find_by_token(token: str) -> Invitation:
    invitation = await Invitation.get_or_none(token_hash=sessions.token_hash(token)).select_related(
        "account", "inviter"
    )
    if invitation is None:
        raise invalid_token()
    return invitation


async def accept(
    action: Action, auth: AuthServices, token: str, new_user: NewUserDetails, client_address: str
) -> Membership:
    """Accept an invitation with the token from its email and join the company, as the actor or,
    when no one is signed in, as a new user.

    A repeat by the same user changes nothing. Raises TOKEN_INVALID when the token is unknown,
    expired or used, or the invitation was revoked or sent again; INVITATION_EMAIL_MISMATCH when the
    actor has another address; SIGN_IN_REQUIRED when no one is signed in and the address belongs to
    a user; for new users BLANK, TOO_LONG, PASSWORD_WEAK and POLICY_NOT_IN_FORCE; Throttled; and
    Forbidden for the vendor's staff.
    """
    if action.actor:
        return await _add_member(action, await _find_by_token(token), action.actor)
    return await _accept_as_new_user(action, auth, token, new_user, client_address)


def _require_pending(action: Action, invitation: Invitation) -> None:
    if not invitation.is_pending or invitation.expires_at <= action.at:
        raise invalid_token()


def _require_joinable(action: Action, members: AccountMembers, invitation: Invitation) -> None:
    _require_pending(action, invitation)
    if not members.is_active:
        raise invalid_token()


async def _add_member(action: Action, invitation: Invitation, user: User) -> Membership:
    if user.staff:
        raise Forbidden
    if user.email != invitation.email:
        raise Refusal(AccountsErrorCode.INVITATION_EMAIL_MISMATCH, "input", "token")
    async with action.transaction() as tx:
        members = await AccountMembers.lock(tx, invitation.account_id)
        invitation = await _lock_with_token(tx, invitation)
        membership = members.membership(user.pk)
        if membership and invitation.accepted_by_id == user.pk:
            return membership
        _require_joinable(action, members, invitation)
        return await _create_membership(tx, members, invitation, user)


async def _lock_with_token(tx: Transaction, invitation: Invitation) -> Invitation:
    """The invitation in its current state, if its most recent email is the one with this token."""
    current = next(iter(await tx.lock_rows(Invitation.filter(pk=invitation.pk))), None)
    if current is None or current.token_hash != invitation.token_hash:
        raise invalid_token()
    return current


async def _create_membership(
    tx: Transaction, members: AccountMembers, invitation: Invitation, user: User
) -> Membership:
    if (await tx.lock(User, user.pk)).staff:  # hired a moment ago, or not yet at work
        raise Forbidden
    await invitation.record_accepted(tx, user.pk)
    tx.audit(
        AccountsAuditAction.INVITATION_ACCEPT,
        invitation,
        actor=user,
        role=invitation.role.value,
    )
    tx.streams[sessions.user_key(user.pk)] = None
    return members.membership(user.pk) or await Membership.create(
        using_db=tx.db,
        user_id=user.pk,
        account_id=invitation.account_id,
        role=invitation.role,
        created_at=tx.action.at,
    )


async def _accept_as_new_user(
    action: Action, auth: AuthServices, token: str, new_user: NewUserDetails, client_address: str
) -> Membership:
    network = throttle.client_network(client_address)
    with Checks() as check:
        invitation = await check.wait(_find_pending(action, token))
        if invitation:
            await _require_new(invitation)  # else nothing more is needed of them than to sign in
        name = (
            check(line, new_user.name, "name", NAME_LENGTH) if invitation or new_user.name else ""
        )
        if invitation:
            personal_words = [
                word for word in (invitation.email, name, invitation.account.legal_name) if word
            ]
            await check.wait(
                auth.require_strong(new_user.password, *personal_words, subject=network)
            )
        elif new_user.password:
            check(require_length, new_user.password)
        accepted_policies = await check.wait(
            policies.require_in_force(action, new_user.accepted_policies, "acceptedPolicyIds")
        )
    new_member = _NewMember(name, accepted_policies, new_user.locale or invitation.locale)
    await auth.throttle.attempt(throttle.key(throttle.SIGN_UP, network))
    password_hash = await auth.passwords.hash(new_user.password)
    try:
        return await _join_as_new_user(action, invitation, new_member, password_hash)
    except IntegrityError:
        # Someone signed up with the address after it was checked: now their user is found.
        return await _join_as_new_user(action, invitation, new_member, password_hash)


async def _find_pending(action: Action, token: str) -> Invitation:
    invitation = await _find_by_token(token)
    _require_pending(action, invitation)
    return invitation


async def _require_new(invitation: Invitation) -> None:
    if await User.filter(email=invitation.email).exclude(email_verified_at=None).exists():
        raise Refusal(AccountsErrorCode.SIGN_IN_REQUIRED, "input", "token")


async def _join_as_new_user(
    action: Action, invitation: Invitation, new_member: _NewMember, password_hash: str
) -> Membership:
    async with action.transaction() as tx:
        await lock_unverified_accounts(tx, invitation.email, invitation.account_id)
        members = await AccountMembers.lock(tx, invitation.account_id)
        invitation = await _lock_with_token(tx, invitation)
        _require_joinable(action, members, invitation)
        user = await _create_user(tx, invitation, new_member.name, password_hash)
        channel = AcceptanceChannel.INVITATION
        await policies.record_acceptances(
            tx,
            user,
            new_member.accepted_policies,
            new_member.locale,
            channel,
            invitation.account_id,
        )
        return await _create_membership(tx, members, invitation, user)


async def _create_user(
    tx: Transaction, invitation: Invitation, name: str, password_hash: str
) -> User:
    """Create a user with the invited address, which counts as verified because the email reached
    it.

    A user who signed up with the address but never verified it is replaced.
    """
    values = {
        "name": name,
        "locale": invitation.locale,
        "password_hash": password_hash,
        "email_verified_at": tx.action.at,
    }
    if user := await take_over_unverified(tx, invitation.email):
        await user.update_from_dict(values).save(using_db=tx.db, update_fields=list(values))
        return user
    existing = await User.get_or_none(email=invitation.email, using_db=tx.db)
    if existing and existing.email_verified_at:
        raise Refusal(AccountsErrorCode.SIGN_IN_REQUIRED, "input", "token")
    if existing and existing.staff:  # hired, and not yet at work
        raise Forbidden
    return await User.create(
        using_db=tx.db, email=invitation.email, created_at=tx.action.at, **values
    )
