"""Verifying a user's password and second factor. Attempts are counted before they are verified."""

from auth import throttle
from auth.factors import passkeys, totp
from auth.services import AuthServices
from models.action import Action
from models.errors import ErrorCode, Refusal
from models.identity.audit_actions import IdentityAuditAction
from models.identity.errors import IdentityErrorCode
from models.identity.user import User


async def require_password(
    action: Action, auth: AuthServices, user: User, password: str, field: str = "password"
) -> None:
    """Require the password of a signed-in user. Raises CREDENTIALS_INVALID and Throttled."""
    throttle_key = throttle.key(throttle.STEP_UP, user.pk, action.origin.session_id)
    await auth.throttle.attempt(throttle_key)
    if not await auth.passwords.matches(user.password_hash, password):
        await record_failure(action, user, IdentityErrorCode.CREDENTIALS_INVALID)
        raise Refusal(IdentityErrorCode.CREDENTIALS_INVALID, "input", field)
    await auth.throttle.clear(throttle_key)


async def record_failure(action: Action, user: User, reason: ErrorCode) -> None:
    """Record in the audit log that a signed-in user failed to confirm their identity."""
    async with action.transaction() as tx:
        tx.audit(IdentityAuditAction.SESSION_STEP_UP_FAILED, user, reason=reason.value)


def require_code(code: str | None) -> None:
    """Raise SECOND_FACTOR_REQUIRED when neither a code nor a replacement for one is given."""
    if not code:
        raise Refusal(IdentityErrorCode.SECOND_FACTOR_REQUIRED, "input", "code")


async def require_second_factor(
    action: Action,
    auth: AuthServices,
    user: User,
    code: str | None,
    passkey: str | None = None,
    *,
    already_counted: bool = False,
) -> None:
    """Require a one-time code or a recovery code, which is used up, or the response of a passkey.

    Raises SECOND_FACTOR_REQUIRED, SECOND_FACTOR_INVALID, PASSKEY_INVALID and Throttled.

    Call this only after another factor was verified: failed attempts make the user wait, or one
    session of a signed-in user, unless the attempt was `already_counted`.
    """
    require_code(code or passkey)
    keys = (
        ()
        if already_counted
        else (throttle.key(throttle.SECOND_FACTOR, user.pk, action.origin.session_id),)
    )
    await auth.throttle.attempt(*keys)
    if passkey:
        await require_passkey(action, auth, user, passkey)
    elif not await totp.use_code(user, code or "", action.at, auth.secret_box):
        raise Refusal(IdentityErrorCode.SECOND_FACTOR_INVALID, "input", "code")
    await auth.throttle.clear(*keys)


async def require_passkey(action: Action, auth: AuthServices, user: User, passkey: str) -> None:
    """Require the response of one of the user's own passkeys. Raises PASSKEY_INVALID."""
    if (await passkeys.verify_response(action, auth.relying_party, passkey)).pk != user.pk:
        raise passkeys.invalid_passkey()
