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
from auth.reauthentication import is_fresh
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


async def change_role(
    action: Action, session: Session, account_id: int, user_id: int | None, role: Role
) -> Membership:
    """Change a member's role. A repeat changes nothing. Owners are notified when one is added or
    removed.

    Raises NOT_FOUND, ROLE_RESERVED, LAST_OWNER, STEP_UP_REQUIRED when an owner is added or removed,
    and Forbidden for those who can't manage members.
    """
    fresh = await is_fresh(action, session)
    async with action.transaction() as tx:
        people = await AccountMembers.locked(tx, account_id)
        with Checks() as check:
            place = check(_manageable_member, people, action, user_id)
            if not acting_membership(people, action).role.may_grant(role):
                check.refuse(Refusal(AccountsErrorCode.ROLE_RESERVED, "input", "role"))
        if place.role is not role:
            _keep_an_owner(people, place)
            if Role.OWNER in (place.role, role):
                lost = place if place.role is Role.OWNER else None
                await _check_ownership_change(
                    tx, session, fresh, people, gained=None if lost else place, lost=lost
                )
            await _record(
                tx,
                AccountsAuditAction.MEMBER_CHANGE_ROLE,
                place,
                before=place.role.value,
                role=role.value,
            )
            await _set_role(tx, place, role)
    return place


async def remove(action: Action, session: Session, account_id: int, user_id: int | None) -> None:
    """Remove a member from the company. Their sessions for it end, together with their websockets.

    Raises NOT_FOUND, ROLE_RESERVED, LAST_OWNER, STEP_UP_REQUIRED for an owner, and Forbidden for
    those who can't manage members.
    """
    fresh = await is_fresh(action, session)
    async with action.transaction() as tx:
        people = await AccountMembers.locked(tx, account_id)
        place = _manageable_member(people, action, user_id)
        _keep_an_owner(people, place)
        if place.role is Role.OWNER:
            await _check_ownership_change(tx, session, fresh, people, lost=place)
        await _remove_member(tx, place, AccountsAuditAction.MEMBER_REMOVE)


async def leave(action: Action, session: Session, account_id: int) -> None:
    """Leave the company, with any role.

    Raises LAST_OWNER, STEP_UP_REQUIRED for an owner, and Forbidden for those who aren't members.
    """
    fresh = await is_fresh(action, session)
    async with action.transaction() as tx:
        people = await AccountMembers.locked(tx, account_id)
        place = acting_membership(people, action)
        _keep_an_owner(people, place)
        if place.role is Role.OWNER:
            await _check_ownership_change(tx, session, fresh, people, lost=place)
        await _remove_member(tx, place, AccountsAuditAction.ACCOUNT_LEAVE)


async def transfer(
    action: Action, session: Session, account_id: int, user_id: int | None
) -> Membership:
    """Make a member the owner in the actor's place; the actor becomes an administrator.

    Raises NOT_FOUND, STEP_UP_REQUIRED, and Forbidden for those who aren't owners.
    """
    fresh = await is_fresh(action, session)
    async with action.transaction() as tx:
        people = await AccountMembers.locked(tx, account_id)
        mine, other = acting_membership(people, action), people.membership(user_id)
        if mine.role is not Role.OWNER:
            raise Forbidden
        if other is None:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "userId")
        if other != mine:
            await _check_ownership_change(tx, session, fresh, people, gained=other, lost=mine)
            await _record(
                tx, AccountsAuditAction.ACCOUNT_TRANSFER_OWNERSHIP, other, before=other.role.value
            )
            await _set_role(tx, other, Role.OWNER)
            await _set_role(tx, mine, Role.ADMIN)
    return other


def acting_membership(people: AccountMembers, action: Action) -> Membership:
    """The actor's membership. Raises Forbidden when they have none."""
    place = people.membership(action.actor.pk) if action.actor else None
    if place is None or not people.active:
        raise Forbidden
    return place


def _manageable_member(people: AccountMembers, action: Action, user_id: int | None) -> Membership:
    mine, other = acting_membership(people, action), people.membership(user_id)
    if not mine.role.manages_members:
        raise Forbidden
    if other is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "userId")
    if not mine.role.may_grant(other.role):
        raise Refusal(AccountsErrorCode.ROLE_RESERVED, "input", "userId")
    return other


async def _check_ownership_change(
    tx: Transaction,
    session: Session,
    fresh: bool,
    people: AccountMembers,
    gained: Membership | None = None,
    lost: Membership | None = None,
) -> None:
    """Check a change of owners, and notify everyone who is an owner before or after it."""
    if not fresh:
        raise Refusal(IdentityErrorCode.STEP_UP_REQUIRED)
    await sessions.lock_user(tx, session)
    if gained is not None and gained.role is Role.OWNER:
        gained = None  # they own it already
    memberships = [place for place in (gained, lost) if place]
    keys = people.owners | {place.user_id for place in memberships}
    users = {
        user.pk: user for user in await User.filter(pk__in=keys).using_db(tx.db).order_by("id")
    }
    account = await Account.get(pk=memberships[0].account_id, using_db=tx.db)
    for owner in users.values():
        await emails.ownership_changed(
            tx,
            owner,
            account,
            gained=users[gained.user_id] if gained else None,
            lost=users[lost.user_id] if lost else None,
        )


def _keep_an_owner(people: AccountMembers, place: Membership) -> None:
    if people.is_last_owner(place):
        raise Refusal(AccountsErrorCode.LAST_OWNER, "input")


async def _set_role(tx: Transaction, place: Membership, role: Role) -> None:
    place.role = role
    await place.save(using_db=tx.db, update_fields=["role"])
    if not role.manages_members:
        await _revoke_invitations(tx, place)
    await sessions.announce_role_change(tx, place.user_id, place.account_id)


async def _remove_member(tx: Transaction, place: Membership, audit_action: AuditAction) -> None:
    await place.delete(using_db=tx.db)
    await _revoke_invitations(tx, place)
    ended = await sessions.end_for(tx, place.user_id, place.account_id)
    await _record(tx, audit_action, place, role=place.role.value, sessions_ended=ended)


async def _revoke_invitations(tx: Transaction, place: Membership) -> None:
    sent = Invitation.filter(account_id=place.account_id, inviter_id=place.user_id)
    await Invitation.pending(sent).using_db(tx.db).update(revoked_at=tx.action.at)


async def _record(
    tx: Transaction, audit_action: AuditAction, place: Membership, **details: Detail
) -> None:
    """Record in the audit log what was done to a member; their membership may be gone when the log
    is read.
    """
    user = await User.get(pk=place.user_id, using_db=tx.db)
    tx.audit(audit_action, user, place.account_id, None, **details)
