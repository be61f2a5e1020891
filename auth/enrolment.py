"""Setting up the second factor: a seed is shown, a first code proves that it arrived, recovery codes are handed out.

Moving to another authenticator goes the same way: the new seed waits beside the one in force until its first code comes. Once
there is a second factor, every change of it wants fresh proof (`auth/freshness.py`). A letter tells of each change.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum

from auth import sessions, throttle, totp
from auth.freshness import is_fresh, require_fresh
from auth.guard import Guard
from auth.proof import require_password
from models.access import void_links
from models.act import Act, Transaction
from models.audit import AuditAction
from models.errors import ErrorCode, Forbidden, Refusal
from models.session import Session
from models.user import RecoveryCode, User


class Change(StrEnum):
    """What happened to a second factor, as the letter about it (`Notice`) says."""

    ON = "ON"
    MOVED = "MOVED"
    OFF = "OFF"
    CODES = "CODES"


Notice = Callable[[Transaction, User, Change], Awaitable[object]]


async def begin_totp(act: Act, guard: Guard, session: Session, password: str) -> str:
    """A new seed for the person's authenticator, in force only once confirmed. The password is asked for again.

    Raises CREDENTIALS_INVALID, STEP_UP_REQUIRED when there is an authenticator already; Throttled.
    """
    user = await User.get(pk=session.user_id)
    await require_password(act, guard, user, password)
    if user.second_factor:
        await require_fresh(act, session)
    secret = totp.new_secret()
    async with act.transaction() as tx:
        await User.filter(pk=user.pk).using_db(tx.db).update(totp_next=guard.vault.seal(secret))
        tx.audit(AuditAction.TOTP_SET_UP, user)
    return secret


async def confirm_totp(act: Act, guard: Guard, session: Session, notice: Notice, code: str) -> list[str]:
    """Put the second factor in force by its first code; this session counts as made with it, the person's others end.

    Returns the recovery codes, for the only time; an earlier authenticator and its recovery codes work no more. Raises
    SECOND_FACTOR_INVALID, STEP_UP_REQUIRED when there is an authenticator already; Throttled.
    """
    counted = throttle.key(throttle.SECOND_FACTOR, session.user_id)
    await guard.throttle.attempt(counted)
    fresh = await is_fresh(act, session)
    async with act.transaction() as tx:
        user = await sessions.holder(tx, session)
        if user.second_factor and not fresh:
            raise Refusal(ErrorCode.STEP_UP_REQUIRED)
        codes = await _in_force(tx, user, _first_step(act, guard, user, code))
        await Session.filter(pk=session.pk).using_db(tx.db).update(second_factor=True)
        ended = await sessions.end_all(tx, user, but=session.pk)
        tx.audit(AuditAction.TOTP_CONFIRM, user, sessions_ended=ended, moved=user.second_factor)
        tx.touched[sessions.person(user.pk)] = None
        await notice(tx, user, Change.MOVED if user.second_factor else Change.ON)
    await guard.throttle.clear(counted)
    return codes


def _first_step(act: Act, guard: Guard, user: User, code: str) -> int:
    step = totp.matching_step(guard.vault.open(user.totp_next), code, act.at, after=0) if user.totp_next else None
    if step is None:
        raise Refusal(ErrorCode.SECOND_FACTOR_INVALID, "input", "code")
    return step


async def _in_force(tx: Transaction, user: User, step: int) -> list[str]:
    await (
        User.filter(pk=user.pk)
        .using_db(tx.db)
        .update(totp_secret=user.totp_next, totp_next=None, totp_last_step=step, totp_confirmed_at=tx.act.at)
    )
    return await totp.new_recovery_codes(user, tx.db)


async def renew_recovery_codes(act: Act, session: Session, notice: Notice) -> list[str]:
    """Ten new recovery codes, shown this once, in place of all older ones. Raises STEP_UP_REQUIRED, NOT_ACTIVE."""
    await require_fresh(act, session)
    async with act.transaction() as tx:
        user = await sessions.holder(tx, session)
        if not user.second_factor:
            raise Refusal(ErrorCode.NOT_ACTIVE)
        await notice(tx, user, Change.CODES)
        tx.audit(AuditAction.RECOVERY_CODES_RENEW, user)
        return await totp.new_recovery_codes(user, tx.db)


async def remove_totp(act: Act, session: Session, notice: Notice) -> None:
    """Turn the second factor off: sign-in asks for the password alone from now on. The person's other sessions end, their
    recovery codes and what their letters' links could change are void.

    Raises STEP_UP_REQUIRED, NOT_ACTIVE; Forbidden for the vendor's people, who can't work without one.
    """
    await require_fresh(act, session)
    async with act.transaction() as tx:
        user = await sessions.holder(tx, session)
        if user.staff:
            raise Forbidden
        if not user.second_factor:
            raise Refusal(ErrorCode.NOT_ACTIVE)
        await _removed(tx, user)
        ended = await sessions.end_all(tx, user, but=session.pk)
        tx.audit(AuditAction.TOTP_REMOVE, user, sessions_ended=ended)
        tx.touched[sessions.person(user.pk)] = None
        await notice(tx, user, Change.OFF)


async def _removed(tx: Transaction, user: User) -> None:
    await User.filter(pk=user.pk).using_db(tx.db).update(totp_secret=None, totp_next=None, totp_confirmed_at=None)
    await RecoveryCode.filter(user_id=user.pk).using_db(tx.db).delete()
    await Session.filter(user_id=user.pk).using_db(tx.db).update(second_factor=False)
    await void_links(user, tx.db)
