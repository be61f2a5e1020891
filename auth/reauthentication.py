"""Step-up: operations that would let the thief of a session keep the account require password and
second factor again, within the last minutes.

OWASP ASVS 5 (7.5.1) requires this before changes of credentials. Signing in doesn't count as a
step-up, because a session stolen a moment later would count as well.
"""

from datetime import datetime, timedelta

from auth import sessions
from auth.factors.proof import record_failure, require_password, require_second_factor
from auth.services import AuthServices
from models.action import Action
from models.errors import Refusal
from models.identity.audit_actions import IdentityAuditAction
from models.identity.errors import IdentityErrorCode
from models.identity.session import Session
from models.identity.user import User

STEP_UP_LIFETIME = timedelta(minutes=5)


async def step_up(
    action: Action,
    auth: AuthServices,
    session: Session,
    *,
    password: str | None = None,
    code: str | None = None,
    passkey: str | None = None,
) -> datetime:
    """Confirm the identity of a session's user by password and, if they have one, second factor, or
    by a passkey, which replaces both. Returns until when the confirmation counts.

    Raises CREDENTIALS_INVALID, SECOND_FACTOR_REQUIRED, SECOND_FACTOR_INVALID, PASSKEY_INVALID and
    Throttled.
    """
    user = await User.get(pk=session.user_id)
    if password is not None or not passkey:  # an empty passkey counts as none
        await require_password(action, auth, user, password or "")
    if user.second_factor or passkey:
        await _require_second_factor(action, auth, user, code, passkey)
    step_up_expires_at = action.at + STEP_UP_LIFETIME
    async with action.transaction() as tx:
        await sessions.require_unchanged(tx, user)
        await sessions.lock_user(tx, session)
        await (
            Session.filter(pk=session.pk)
            .using_db(tx.db)
            .update(step_up_expires_at=step_up_expires_at)
        )
        tx.streams[sessions.user_key(user.pk)] = None
        tx.audit(IdentityAuditAction.SESSION_STEP_UP, session, second_factor=user.second_factor)
    return step_up_expires_at


async def _require_second_factor(
    action: Action, auth: AuthServices, user: User, code: str | None, passkey: str | None
) -> None:
    try:
        await require_second_factor(action, auth, user, code, passkey)
    except Refusal as refusal:
        await record_failure(action, user, refusal.code)
        raise


async def require_step_up(action: Action, session: Session) -> None:
    """Raise STEP_UP_REQUIRED unless the session had a recent step-up. Call this first in sensitive
    operations.
    """
    if not await has_step_up(action, session):
        raise Refusal(IdentityErrorCode.STEP_UP_REQUIRED)


async def has_step_up(action: Action, session: Session) -> bool:
    """Whether the session had a recent step-up. Queries the database, because a viewer's row may be
    a second old.
    """
    return await Session.filter(
        pk=session.pk, ended_at=None, step_up_expires_at__gt=action.at
    ).exists()
