"""Resetting the second factor of a user who lost their authenticators and their recovery codes:
another person vouches for them.

An owner can do this for members of their company, whom they know; an operator for everyone. No one
can do it for themselves, and it requires a recent step-up. The password stays unchanged: a thief of
the mailbox would still need someone who vouches for them, and a dishonest colleague would still
need the password. See docs/decisions/0012-authenticators.md.
"""

from typing import Any

from accounts.members import actor_membership
from auth import sessions
from auth.factors import enrolment
from auth.memberships import audit_account_ids, company_ids
from auth.reauthentication import require_step_up
from mail import emails
from models.accounts.account import AccountMembers, Membership, Role
from models.accounts.intervention import InterventionReason
from models.action import Action, Transaction
from models.checks import Checks
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.idempotency import earlier_result, store_result
from models.identity.access_links import invalidate_links
from models.identity.audit_actions import IdentityAuditAction
from models.identity.errors import IdentityErrorCode
from models.identity.session import Session
from models.identity.user import User
from models.text import optional_key
from models.translations import _


async def reset_member(
    action: Action, session: Session, account_id: int, user_id: int | None, key: str | None = None
) -> Membership:
    """Turn off the second factor of a member, as an owner of the company. The member is notified by
    email.

    Raises STEP_UP_REQUIRED, NOT_FOUND, NOT_ACTIVE; SECOND_FACTOR_RESERVED for owners, staff and
    members of other companies, which an owner of this one must not open; and Forbidden for those
    who aren't owners.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        members = await AccountMembers.lock(tx, account_id)
        if actor_membership(members, action).role is not Role.OWNER:
            raise Forbidden
        membership = members.membership(user_id)
        user = await sessions.lock_users(tx, session, membership.user_id if membership else None)
        with Checks() as check:
            key = check(optional_key, key)
            if membership is None or user is None:
                check.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", "userId"))
        assert membership is not None and user is not None, "the checks have passed"  # noqa: S101, PT018
        if (
            await earlier_result(
                tx, f"user:{session.user_id}", "memberResetSecondFactor", key, user.pk
            )
            is not None
        ):
            return membership
        if (
            membership.role is Role.OWNER
            or user.staff
            or await company_ids(tx, user) != [account_id]
        ):
            raise _reserved_refusal()
        await _reset(tx, user)
        await store_result(tx, f"user:{session.user_id}", "memberResetSecondFactor", key)
    return membership


async def reset_user(
    action: Action,
    session: Session,
    user_id: int | None,
    reason: InterventionReason,
    key: str | None = None,
) -> None:
    """Turn off a user's second factor, as an operator. The email to the user states the
    reason, and the audit log records it.

    Raises STEP_UP_REQUIRED, NOT_FOUND, NOT_ACTIVE, and SECOND_FACTOR_RESERVED for the operator's
    own.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        user = await sessions.lock_users(tx, session, user_id)
        with Checks() as check:
            key = check(optional_key, key)
            if user is None:
                check.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", "userId"))
        assert user is not None, "the checks have passed"  # noqa: S101
        if (
            await earlier_result(
                tx,
                f"user:{session.user_id}",
                "userResetSecondFactor",
                key,
                [user.pk, reason.value],
            )
            is not None
        ):
            return
        if user.pk == session.user_id:
            raise _reserved_refusal()
        await _reset(tx, user, reason)
        await store_result(tx, f"user:{session.user_id}", "userResetSecondFactor", key)


def _reserved_refusal() -> Refusal:
    return Refusal(IdentityErrorCode.SECOND_FACTOR_RESERVED, "input", "userId")


async def _reset(tx: Transaction, user: User, reason: InterventionReason | None = None) -> None:
    """Turn off the second factor. `reason` is the one that support states, None when an owner of
    the company does it.
    """
    if not user.second_factor:
        raise Refusal(
            CommonErrorCode.NOT_ACTIVE,
            "input",
            "userId",
            message=_("This person has no second factor to reset."),
        )
    await enrolment.turn_off(tx, user)
    await invalidate_links(user, tx.db)
    session_count = await sessions.end_all(tx, user)
    tx.streams[sessions.user_key(user.pk)] = None
    for account_id in await audit_account_ids(tx, user):
        details: dict[str, Any] = {"sessions_ended": session_count}
        if reason:
            details["reason"] = reason.value
        tx.audit(IdentityAuditAction.SECOND_FACTOR_RESET, user, account_id, **details)
    await emails.send_second_factor_reset(tx, user, reason)
