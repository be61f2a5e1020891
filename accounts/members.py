"""The members of a company and their roles.

Every change reads the members under the lock of the company's row, so that the second of two
concurrent changes sees the first: the last two owners can't both be demoted. What someone may do
follows from their membership at that time, not from what was known when the request started.

Members who lose the right to invite lose their pending invitations as well, because a removed
member could otherwise return with one of them.

A change of owners requires a recent step-up (auth/reauthentication.py), and all owners are notified
by email, because a stolen session could otherwise give the company away unnoticed.
"""

from auth import sessions
from auth.reauthentication import has_step_up
from mail import emails
from models.accounts.account import Account, AccountMembers, Membership, Role
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.errors import AccountsErrorCode
from models.accounts.invitation import Invitation
from models.action import Action, Transaction
from models.audit import Detail
from models.audit_action import AuditAction
from models.checks import Checks
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.identity.errors import IdentityErrorCode
from models.identity.session import Session
from models.identity.user import User
from models.operations.email import Email


async def _lock_members(tx: Transaction, account_id: int, *user_ids: int | None) -> AccountMembers:
    """The account and its members, locked together with the invitations that these users have sent
    and that may have to be revoked.
    """
    members = await AccountMembers.lock(tx, account_id)
    sent = Invitation.filter(account_id=account_id, inviter_id__in=[key or 0 for key in user_ids])
    await tx.lock_rows(Invitation.pending(sent))
    return members


async def change_role(
    action: Action, session: Session, account_id: int, user_id: int | None, role: Role
) -> Membership:
    """Change a member's role. A repeat changes nothing. Owners are notified when one is added or
    removed.

    Raises NOT_FOUND, ROLE_RESERVED, LAST_OWNER, STEP_UP_REQUIRED when an owner is added or removed,
    and Forbidden for those who can't manage members.
    """
    has_stepped_up = await has_step_up(action, session)
    async with action.transaction() as tx:
        members = await _lock_members(tx, account_id, user_id)
        with Checks() as check:
            membership = check(_require_manageable, members, action, user_id)
            if not actor_membership(members, action).role.may_grant(role):
                check.refuse(Refusal(AccountsErrorCode.ROLE_RESERVED, "input", "role"))
        if membership.role is not role:
            _require_other_owner(members, membership)
            if Role.OWNER in (membership.role, role):
                former_owner = membership if membership.role is Role.OWNER else None
                await _check_ownership_change(
                    tx,
                    session,
                    has_stepped_up,
                    members,
                    new_owner=None if former_owner else membership,
                    former_owner=former_owner,
                )
            await _audit(
                tx,
                AccountsAuditAction.MEMBER_CHANGE_ROLE,
                membership,
                before=membership.role.value,
                role=role.value,
            )
            await _set_role(tx, membership, role)
            await sessions.announce_role_changes(tx, account_id, membership.user_id)
    return membership


async def remove(action: Action, session: Session, account_id: int, user_id: int | None) -> None:
    """Remove a member from the company. Their sessions for it end, together with their websockets.

    Raises NOT_FOUND, ROLE_RESERVED, LAST_OWNER, STEP_UP_REQUIRED for an owner, and Forbidden for
    those who can't manage members.
    """
    has_stepped_up = await has_step_up(action, session)
    async with action.transaction() as tx:
        members = await _lock_members(tx, account_id, user_id)
        membership = _require_manageable(members, action, user_id)
        _require_other_owner(members, membership)
        if membership.role is Role.OWNER:
            await _check_ownership_change(
                tx, session, has_stepped_up, members, former_owner=membership
            )
        await _remove_member(tx, membership, AccountsAuditAction.MEMBER_REMOVE)


async def leave(action: Action, session: Session, account_id: int) -> None:
    """Leave the company, with any role.

    Raises LAST_OWNER, STEP_UP_REQUIRED for an owner, and Forbidden for those who aren't members.
    """
    has_stepped_up = await has_step_up(action, session)
    async with action.transaction() as tx:
        members = await _lock_members(tx, account_id, session.user_id)
        membership = actor_membership(members, action)
        _require_other_owner(members, membership)
        if membership.role is Role.OWNER:
            await _check_ownership_change(
                tx, session, has_stepped_up, members, former_owner=membership
            )
        await _remove_member(tx, membership, AccountsAuditAction.ACCOUNT_LEAVE)


async def transfer(
    action: Action, session: Session, account_id: int, user_id: int | None
) -> Membership:
    """Make a member the owner in the actor's place; the actor becomes an administrator.

    Raises NOT_FOUND, STEP_UP_REQUIRED, and Forbidden for those who aren't owners.
    """
    has_stepped_up = await has_step_up(action, session)
    async with action.transaction() as tx:
        members = await _lock_members(tx, account_id, session.user_id)
        own_membership, member = actor_membership(members, action), members.membership(user_id)
        if own_membership.role is not Role.OWNER:
            raise Forbidden
        if member is None:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "userId")
        if member != own_membership:
            await _check_ownership_change(
                tx, session, has_stepped_up, members, new_owner=member, former_owner=own_membership
            )
            await _audit(
                tx, AccountsAuditAction.ACCOUNT_TRANSFER_OWNERSHIP, member, before=member.role.value
            )
            await _set_role(tx, member, Role.OWNER)
            await _set_role(tx, own_membership, Role.ADMIN)
            await sessions.announce_role_changes(
                tx, account_id, member.user_id, own_membership.user_id
            )
    return member


def actor_membership(members: AccountMembers, action: Action) -> Membership:
    """The actor's membership. Raises Forbidden when they have none."""
    membership = members.membership(action.actor.pk) if action.actor else None
    if membership is None or not members.is_active:
        raise Forbidden
    return membership


async def lock_as_manager(tx: Transaction, account_id: int) -> str:
    """Lock the company. Returns the owner of the actor's idempotency keys. Raises Forbidden for
    those who don't manage it.
    """
    membership = actor_membership(await AccountMembers.lock(tx, account_id), tx.action)
    if not membership.role.manages_members:
        raise Forbidden
    return f"user:{membership.user_id}"


def _require_manageable(members: AccountMembers, action: Action, user_id: int | None) -> Membership:
    own_membership, member = actor_membership(members, action), members.membership(user_id)
    if not own_membership.role.manages_members:
        raise Forbidden
    if member is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "userId")
    if not own_membership.role.may_grant(member.role):
        raise Refusal(AccountsErrorCode.ROLE_RESERVED, "input", "userId")
    return member


async def _check_ownership_change(
    tx: Transaction,
    session: Session,
    has_stepped_up: bool,
    members: AccountMembers,
    new_owner: Membership | None = None,
    former_owner: Membership | None = None,
) -> None:
    """Check a change of owners, and notify everyone who is an owner before or after it."""
    if not has_stepped_up:
        raise Refusal(IdentityErrorCode.STEP_UP_REQUIRED)
    await sessions.lock_user(tx, session)
    if new_owner is not None and new_owner.role is Role.OWNER:
        new_owner = None  # they own it already
    memberships = [membership for membership in (new_owner, former_owner) if membership]
    user_ids = members.owners | {membership.user_id for membership in memberships}
    users = {
        user.pk: user for user in await User.filter(pk__in=user_ids).using_db(tx.db).order_by("id")
    }
    account = await Account.get(pk=memberships[0].account_id, using_db=tx.db)
    for owner in users.values():
        await emails.send_ownership_changed(
            tx,
            owner,
            account,
            new_owner=users[new_owner.user_id] if new_owner else None,
            former_owner=users[former_owner.user_id] if former_owner else None,
        )


def _require_other_owner(members: AccountMembers, membership: Membership) -> None:
    if members.is_last_owner(membership):
        raise Refusal(AccountsErrorCode.LAST_OWNER, "input")


async def _set_role(tx: Transaction, membership: Membership, role: Role) -> None:
    membership.role = role
    await membership.save(using_db=tx.db, update_fields=["role"])
    if not role.manages_members:
        await _revoke_invitations(tx, membership)


async def _remove_member(
    tx: Transaction, membership: Membership, audit_action: AuditAction
) -> None:
    await membership.delete(using_db=tx.db)
    await _revoke_invitations(tx, membership)
    session_count = await sessions.end_for_account(tx, membership.user_id, membership.account_id)
    await Email.delete_waiting_replies(tx, membership.user_id, membership.account_id)
    await _audit(
        tx, audit_action, membership, role=membership.role.value, sessions_ended=session_count
    )


async def _revoke_invitations(tx: Transaction, membership: Membership) -> None:
    invitations = Invitation.filter(account_id=membership.account_id, inviter_id=membership.user_id)
    await Invitation.pending(invitations).using_db(tx.db).update(revoked_at=tx.action.at)


async def _audit(
    tx: Transaction, audit_action: AuditAction, membership: Membership, **details: Detail
) -> None:
    """Record in the audit log what was done to a member; their membership may be gone when the log
    is read.
    """
    user = await User.get(pk=membership.user_id, using_db=tx.db)
    tx.audit(audit_action, user, membership.account_id, None, **details)
