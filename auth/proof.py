"""Proving who one is: by the password and, where there is one, the second factor. Guesses are counted, then judged."""

from auth import passkeys, throttle, totp
from auth.guard import Guard
from models.act import Act
from models.audit import AuditAction
from models.errors import ErrorCode, Refusal
from models.user import User


async def require_password(act: Act, guard: Guard, user: User, password: str, field: str = "password") -> None:
    """Ask somebody signed in for their password again. Raises CREDENTIALS_INVALID; Throttled."""
    counted = throttle.key(throttle.STEP_UP, user.pk, act.origin.session_id)
    await guard.throttle.attempt(counted)
    if not await guard.passwords.matches(user.password_hash, password):
        await note_failure(act, user, ErrorCode.CREDENTIALS_INVALID)
        raise Refusal(ErrorCode.CREDENTIALS_INVALID, "input", field)
    await guard.throttle.clear(counted)


async def note_failure(act: Act, user: User, reason: ErrorCode) -> None:
    """Tell the auditor that somebody signed in could not prove again who they are."""
    async with act.transaction() as tx:
        tx.audit(AuditAction.SESSION_STEP_UP_FAILED, user, reason=reason.value)


async def require_second_factor(
    act: Act, guard: Guard, user: User, code: str | None, passkey: str | None = None, *, counted: bool = False
) -> None:
    """Ask for a one-time or a recovery code, which is used up, or for a passkey's answer.

    Raises SECOND_FACTOR_REQUIRED, SECOND_FACTOR_INVALID, PASSKEY_INVALID; Throttled.

    Ask only who has proved something else before: the wait after too many guesses is the person's own, of one session where
    they are signed in, unless the attempt was `counted` before.
    """
    if not code and not passkey:
        raise Refusal(ErrorCode.SECOND_FACTOR_REQUIRED, "input", "code")
    keys = () if counted else (throttle.key(throttle.SECOND_FACTOR, user.pk, act.origin.session_id),)
    await guard.throttle.attempt(*keys)
    if passkey:
        await require_passkey(act, guard, user, passkey)
    elif not await totp.accept(user, code or "", act.at, guard.vault):
        raise Refusal(ErrorCode.SECOND_FACTOR_INVALID, "input", "code")
    await guard.throttle.clear(*keys)


async def require_passkey(act: Act, guard: Guard, user: User, passkey: str) -> None:
    """Ask for the answer of one of the person's own passkeys. Raises PASSKEY_INVALID."""
    if (await passkeys.owner(act, guard.party, passkey)).pk != user.pk:
        raise passkeys.invalid()
