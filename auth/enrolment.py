"""Setting up the second factor: a seed is shown, a first code proves that it arrived, recovery codes are handed out."""

from auth import sessions, throttle, totp
from auth.guard import Guard
from models.act import Act
from models.audit import AuditAction
from models.errors import ErrorCode, Refusal
from models.session import Session
from models.user import User


async def begin_totp(act: Act, guard: Guard, user: User, password: str) -> str:
    """A new seed for the person's authenticator, in force only once confirmed. The password is asked for again.

    Raises CREDENTIALS_INVALID, SECOND_FACTOR_ACTIVE when there is one already; Throttled.
    """
    counted = throttle.key(throttle.STEP_UP, user.pk)
    await guard.throttle.attempt(counted)
    if not await guard.passwords.matches(user.password_hash, password):
        async with act.transaction() as tx:
            tx.audit(AuditAction.SESSION_STEP_UP_FAILED, user)
        raise Refusal(ErrorCode.CREDENTIALS_INVALID, "input", "password")
    await guard.throttle.clear(counted)
    secret = totp.new_secret()
    async with act.transaction() as tx:
        unset = User.filter(pk=user.pk, totp_confirmed_at=None).using_db(tx.db)
        if not await unset.update(totp_secret=guard.vault.seal(secret), totp_last_step=0):
            raise Refusal(ErrorCode.SECOND_FACTOR_ACTIVE, "input")
        tx.audit(AuditAction.TOTP_SET_UP, user)
    return secret


async def confirm_totp(act: Act, guard: Guard, user: User, session: Session, code: str) -> list[str]:
    """Put the second factor in force by its first code; this session counts as made with it, the person's others end.

    Returns the recovery codes, for the only time. Raises SECOND_FACTOR_INVALID, SECOND_FACTOR_ACTIVE; Throttled.
    """
    counted = throttle.key(throttle.SECOND_FACTOR, user.pk)
    await guard.throttle.attempt(counted)
    async with act.transaction() as tx:
        user = await User.select_for_update().using_db(tx.db).get(pk=user.pk)
        user.totp_last_step = _first_step(act, guard, user, code)
        user.totp_confirmed_at = act.at
        await user.save(using_db=tx.db, update_fields=["totp_last_step", "totp_confirmed_at"])
        codes = await totp.new_recovery_codes(user, tx.db)
        await Session.filter(pk=session.pk).using_db(tx.db).update(second_factor=True)
        ended = await sessions.end_all(tx, user, but=session)
        tx.audit(AuditAction.TOTP_CONFIRM, user, sessions_ended=ended)
        tx.touched[sessions.person(user.pk)] = None
    await guard.throttle.clear(counted)
    return codes


def _first_step(act: Act, guard: Guard, user: User, code: str) -> int:
    if user.second_factor:
        raise Refusal(ErrorCode.SECOND_FACTOR_ACTIVE, "input", "code")
    step = totp.matching_step(guard.vault.open(user.totp_secret), code, act.at, after=0) if user.totp_secret else None
    if step is None:
        raise Refusal(ErrorCode.SECOND_FACTOR_INVALID, "input", "code")
    return step
