"""Inviting people to a company by email, and accepting invitations.

A response never reveals whether the invited address belongs to a user: sending looks only at the
company's own members and invitations. Whoever has the token can read the mailbox, so they may learn
it, and a new user doesn't have to verify the address again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q

from accounts import policies
from accounts.members import acting_membership
from accounts.registration import NAME_LENGTH
from accounts.unconfirmed import take_over
from auth import sessions, throttle
from auth.email_address import deliverable
from auth.passwords import require_length
from auth.services import AuthServices
from auth.tokens import invalid
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

KEPT = timedelta(days=30)

_NOT_PENDING = _("This invitation is no longer pending.")


@dataclass(frozen=True)
class Newcomer:
    """The details that a new user gives when accepting an invitation.

    `accepted` are the keys of the policies that they accept, `read_in` is the language in which
    they read them (by default that of the email).
    """

    name: str
    password: str = field(repr=False)
    accepted: Sequence[int | None] = ()
    read_in: Locale | None = None


@dataclass(frozen=True)
class PendingInvitation:
    """A pending invitation with its account, and the user who already has the invited address, if
    any.
    """

    invitation: Invitation
    known: User | None


@dataclass(frozen=True)
class _Joining:
    name: str
    accepted: Collection[Policy]
    read_in: Locale


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
        email, key = check(deliverable, email), check(client_key, key)
        check(_require_grantable, role)
    await _count(auth, account_id, email)
    arguments = [account_id, email, role.value, locale.value]
    async with action.transaction() as tx:
        inviter = _managing_member(await AccountMembers.locked(tx, account_id), action)
        if known := await earlier_result(
            tx, f"user:{inviter.user_id}", "invitationSend", key, arguments
        ):
            return await _earlier_invitation(tx, known)
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
        await _email(tx, invitation, token)
        await store_result(tx, f"user:{inviter.user_id}", "invitationSend", key, invitation.pk)
        tx.audit(AccountsAuditAction.INVITATION_SEND, invitation, role=role.value)
    return invitation


async def _earlier_invitation(tx: Transaction, key: int) -> Invitation:
    invitation = await Invitation.get_or_none(pk=key, using_db=tx.db)
    if invitation is None:  # forgotten since
        raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "idempotencyKey", message=_NOT_PENDING)
    return invitation


async def _count(auth: AuthServices, account_id: int, email: str) -> None:
    await auth.throttle.attempt(
        throttle.key(throttle.INVITATION, account_id), throttle.key(throttle.EMAIL, email)
    )


def _require_grantable(role: Role) -> None:
    if role is Role.OWNER:
        raise Refusal(AccountsErrorCode.ROLE_RESERVED, "input", "role")


def _managing_member(people: AccountMembers, action: Action) -> Membership:
    membership = acting_membership(people, action)
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


async def _email(tx: Transaction, invitation: Invitation, token: str) -> None:
    inviter = await User.get(pk=invitation.inviter_id, using_db=tx.db)
    account = await Account.get(pk=invitation.account_id, using_db=tx.db)
    await emails.invitation(tx, invitation, inviter, account, token)


async def resend(
    action: Action, auth: AuthServices, invitation: Invitation, key: str
) -> Invitation:
    """Send the email again, valid for another seven days, with a new token that replaces the old
    one. A repeat with the same key sends nothing.

    Raises NOT_ACTIVE when the invitation was accepted or revoked, IDEMPOTENCY_MISMATCH, Throttled
    and Forbidden.
    """
    await _count(auth, invitation.account_id, invitation.email)
    async with action.transaction() as tx:
        inviter = _managing_member(await AccountMembers.locked(tx, invitation.account_id), action)
        invitation = await tx.locked(Invitation, invitation.pk)
        if await earlier_result(
            tx, f"user:{inviter.user_id}", "invitationResend", key, [invitation.pk]
        ):
            return invitation
        if not invitation.open:
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "invitationId", message=_NOT_PENDING)
        token = sessions.random_token("cam_in_")
        await invitation.record_sent(tx, inviter.user_id, sessions.token_hash(token))
        await _email(tx, invitation, token)
        await store_result(tx, f"user:{inviter.user_id}", "invitationResend", key, invitation.pk)
        tx.audit(AccountsAuditAction.INVITATION_RESEND, invitation)
    return invitation


async def revoke(action: Action, invitation: Invitation) -> Invitation:
    """Revoke an invitation: its token stops working. A repeat changes nothing.

    Raises NOT_ACTIVE when it was accepted, and Forbidden for those who can't manage members.
    """
    async with action.transaction() as tx:
        _managing_member(await AccountMembers.locked(tx, invitation.account_id), action)
        invitation = await tx.locked(Invitation, invitation.pk)
        if invitation.accepted_at:
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "invitationId", message=_NOT_PENDING)
        if invitation.open:
            await invitation.revoke(tx)
            tx.audit(AccountsAuditAction.INVITATION_REVOKE, invitation)
    return invitation


async def find_invitation(action: Action, token: str) -> PendingInvitation:
    """The pending invitation that belongs to a token. Raises TOKEN_INVALID like `accept`."""
    invitation = await _find_open(action, token)
    return PendingInvitation(
        invitation,
        await User.filter(email=invitation.email).exclude(email_verified_at=None).first(),
    )


async def _find_known(token: str) -> Invitation:
    invitation = await Invitation.get_or_none(token_hash=sessions.token_hash(token)).select_related(
        "account"
    )
    if invitation is None:
        raise invalid()
    return invitation


async def accept(
    action: Action, auth: AuthServices, token: str, newcomer: Newcomer, peer: str
) -> Membership:
    """Accept an invitation with the token from its email and join the company, as the actor or,
    when no one is signed in, as a new user.

    A repeat by the same user changes nothing. Raises TOKEN_INVALID when the token is unknown,
    expired or used, or the invitation was revoked or sent again; INVITATION_ELSEWHERE when the
    actor has another address; SIGN_IN_REQUIRED when no one is signed in and the address belongs to
    a user; for new users BLANK, TOO_LONG, PASSWORD_WEAK and POLICY_NOT_IN_FORCE; Throttled; and
    Forbidden for the vendor's staff.
    """
    if action.actor:
        return await _add_member(action, await _find_known(token), action.actor)
    return await _accept(action, auth, token, newcomer, peer)


def _require_open(action: Action, invitation: Invitation) -> None:
    if not invitation.open or invitation.expires_at <= action.at:
        raise invalid()


def _require_joinable(action: Action, people: AccountMembers, invitation: Invitation) -> None:
    _require_open(action, invitation)
    if not people.active:
        raise invalid()


async def _add_member(action: Action, invitation: Invitation, user: User) -> Membership:
    if user.staff:
        raise Forbidden
    if user.email != invitation.email:
        raise Refusal(AccountsErrorCode.INVITATION_ELSEWHERE, "input", "token")
    async with action.transaction() as tx:
        people = await AccountMembers.locked(tx, invitation.account_id)
        invitation = await _lock_as_sent(tx, invitation)
        membership = people.membership(user.pk)
        if membership and invitation.accepted_by_id == user.pk:
            return membership
        _require_joinable(action, people, invitation)
        return await _join(tx, people, invitation, user)


async def _lock_as_sent(tx: Transaction, invitation: Invitation) -> Invitation:
    """The invitation in its current state, if its most recent email is the one with this token."""
    latest = next(iter(await tx.locked_where(Invitation.filter(pk=invitation.pk))), None)
    if latest is None or latest.token_hash != invitation.token_hash:
        raise invalid()
    return latest


async def _join(
    tx: Transaction, people: AccountMembers, invitation: Invitation, user: User
) -> Membership:
    if (await tx.locked(User, user.pk)).staff:  # hired a moment ago, or not yet at work
        raise Forbidden
    await invitation.record_accepted(tx, user.pk)
    tx.audit(AccountsAuditAction.INVITATION_ACCEPT, invitation, by=user, role=invitation.role.value)
    tx.streams[sessions.user_key(user.pk)] = None
    return people.membership(user.pk) or await Membership.create(
        using_db=tx.db,
        user_id=user.pk,
        account_id=invitation.account_id,
        role=invitation.role,
        created_at=tx.action.at,
    )


async def _accept(
    action: Action, auth: AuthServices, token: str, newcomer: Newcomer, peer: str
) -> Membership:
    network = throttle.network_of(peer)
    with Checks() as check:
        invitation = await check.wait(_find_open(action, token))
        if invitation:
            await _require_new(invitation)  # else nothing more is needed of them than to sign in
        name = (
            check(line, newcomer.name, "name", NAME_LENGTH) if invitation or newcomer.name else ""
        )
        if invitation:
            own_words = [
                word for word in (invitation.email, name, invitation.account.legal_name) if word
            ]
            await check.wait(auth.require_strong(newcomer.password, *own_words, subject=network))
        elif newcomer.password:
            check(require_length, newcomer.password)
        current = await check.wait(
            policies.in_force(action, newcomer.accepted, "acceptedPolicyIds")
        )
    joining = _Joining(name, current, newcomer.read_in or invitation.locale)
    await auth.throttle.attempt(throttle.key(throttle.SIGN_UP, network))
    password_hash = await auth.passwords.hash(newcomer.password)
    try:
        return await _join_as_new_user(action, invitation, joining, password_hash)
    except IntegrityError:
        # Someone signed up with the address after it was checked: now their user is found.
        return await _join_as_new_user(action, invitation, joining, password_hash)


async def _find_open(action: Action, token: str) -> Invitation:
    invitation = await _find_known(token)
    _require_open(action, invitation)
    return invitation


async def _require_new(invitation: Invitation) -> None:
    if await User.filter(email=invitation.email).exclude(email_verified_at=None).exists():
        raise Refusal(AccountsErrorCode.SIGN_IN_REQUIRED, "input", "token")


async def _join_as_new_user(
    action: Action, invitation: Invitation, joining: _Joining, password_hash: str
) -> Membership:
    async with action.transaction() as tx:
        people = await AccountMembers.locked(tx, invitation.account_id)
        invitation = await _lock_as_sent(tx, invitation)
        _require_joinable(action, people, invitation)
        user = await _create_user(tx, invitation, joining.name, password_hash)
        channel = AcceptanceChannel.INVITATION
        await policies.record(
            tx, user, joining.accepted, joining.read_in, channel, invitation.account_id
        )
        return await _join(tx, people, invitation, user)


async def _create_user(
    tx: Transaction, invitation: Invitation, name: str, password_hash: str
) -> User:
    """Create a user with the invited address, which counts as verified because the email reached
    it.

    A user who signed up with the address but never verified it is replaced.
    """
    facts = {
        "name": name,
        "locale": invitation.locale,
        "password_hash": password_hash,
        "email_verified_at": tx.action.at,
    }
    if user := await take_over(tx, invitation.email):
        await user.update_from_dict(facts).save(using_db=tx.db, update_fields=list(facts))
        return user
    known = await User.get_or_none(email=invitation.email, using_db=tx.db)
    if known and known.email_verified_at:
        raise Refusal(AccountsErrorCode.SIGN_IN_REQUIRED, "input", "token")
    if known and known.staff:  # hired, and not yet at work
        raise Forbidden
    return await User.create(
        using_db=tx.db, email=invitation.email, created_at=tx.action.at, **facts
    )


async def delete_ended(at: datetime) -> int:
    """Delete invitations that ended more than a month ago, because they contain addresses of people
    who may not be customers. Returns how many were deleted.
    """
    before = at - KEPT
    over = Q(accepted_at__lt=before) | Q(revoked_at__lt=before) | Q(expires_at__lt=before)
    return await Invitation.filter(over).delete()
