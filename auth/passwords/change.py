"""Setting a new password: with a token from an email when it was forgotten, or with the current
password.

In both cases its strength is checked as at sign-up, sessions end, and links in earlier emails stop
working. The user is notified by email, which may be the first sign that someone else did it (OWASP
ASVS 5, 6.3.7). A reset replaces the password only: the second factor is required as usual and stays
on (6.4.3).
"""

from datetime import timedelta

from auth import sessions, throttle
from auth.authentication import sign_in_company
from auth.email_address import clean_email
from auth.factors.proof import require_code, require_password, require_second_factor
from auth.passwords import require_length
from auth.services import AuthServices
from auth.sessions import random_token, token_hash
from auth.tokens import invalid_token
from mail import emails
from models.action import Action, Transaction
from models.checks import Checks
from models.idempotency import anonymous_owner, earlier_result, store_result
from models.identity.access_links import PasswordReset, invalidate_links
from models.identity.audit_actions import IdentityAuditAction
from models.identity.session import Session
from models.identity.user import User
from models.text import optional_key

RESET_LIFETIME = timedelta(minutes=30)


async def request_reset(
    action: Action, auth: AuthServices, *, email: str, peer: str, key: str | None = None
) -> None:
    """Send an email with a token that is valid for 30 minutes and one use. `peer` is the
    requester's network address.

    An unknown address gets the same response after the same time. Another request leaves earlier
    emails valid, because anyone could otherwise keep the owner from using one. Raises EMAIL_INVALID
    and Throttled.
    """
    with Checks() as check:
        email, key = check(clean_email, email), check(optional_key, key)
    network = throttle.key(throttle.RESET, throttle.client_network(peer))
    owner = anonymous_owner(throttle.client_network(peer), email)
    await auth.throttle.attempt(network, throttle.key(throttle.EMAIL, email, "reset"))
    async with auth.constant_time(), action.transaction() as tx:
        if await earlier_result(tx, owner, "passwordRequestReset", key, []) is not None:
            return
        user = next(iter(await tx.lock_rows(User.filter(email=email))), None)
        if user:
            await emails.send_password_reset(tx, user, await _create_token(tx, user))
        # Not in a company's part of the log, where someone could learn which addresses are known.
        tx.audit(IdentityAuditAction.PASSWORD_REQUEST_RESET, user, None)
        await store_result(tx, owner, "passwordRequestReset", key)


async def _create_token(tx: Transaction, user: User) -> str:
    token, at = random_token("cam_pr_"), tx.action.at
    await PasswordReset.filter(user_id=user.pk, expires_at__lte=at).using_db(tx.db).delete()
    await PasswordReset.create(
        using_db=tx.db, user=user, token_hash=token_hash(token), expires_at=at + RESET_LIFETIME
    )
    return token


async def user_for_token(action: Action, token: str) -> User:
    """The user whom a reset email was sent to. Raises TOKEN_INVALID when the token is used, expired
    or unknown.
    """
    reset = await PasswordReset.get_or_none(
        token_hash=token_hash(token), expires_at__gt=action.at
    ).select_related("user")
    if reset is None:
        raise invalid_token()
    return reset.user


async def reset(
    action: Action, auth: AuthServices, *, token: str, password: str, code: str | None
) -> None:
    """Set a new password with a token from an email. All sessions of the user end.

    The address counts as verified because the email was read. Raises TOKEN_INVALID, PASSWORD_WEAK,
    with a second factor SECOND_FACTOR_REQUIRED and SECOND_FACTOR_INVALID, and Throttled.
    """
    with Checks() as check:
        user = await check.wait(user_for_token(action, token))
        await check.wait(_require_strong(auth, user, password, "password"))
        if user and user.second_factor:
            check(require_code, code)
    if user.second_factor:
        await require_second_factor(action, auth, user, code)
    password_hash = await auth.passwords.hash(password)
    async with action.transaction() as tx:
        await sessions.require_unchanged(tx, user)
        if not await PasswordReset.filter(token_hash=token_hash(token)).using_db(tx.db).delete():
            raise invalid_token()
        await _set_password(tx, user, password_hash, user.email_verified_at or action.at)
        ended_sessions = await sessions.end_all(tx, user)
        tx.audit(
            IdentityAuditAction.PASSWORD_RESET,
            user,
            None,
            actor=user,
            sessions_ended=ended_sessions,
        )
        await emails.send_password_changed(tx, user)


async def change(
    action: Action, auth: AuthServices, session: Session, *, current_password: str, password: str
) -> None:
    """Replace the current password with a new one. The user's other sessions end.

    Raises CREDENTIALS_INVALID, PASSWORD_WEAK and Throttled.
    """
    user = await User.get(pk=session.user_id)
    with Checks() as check:
        await check.wait(require_password(action, auth, user, current_password, "currentPassword"))
        await check.wait(_require_strong(auth, user, password, "newPassword"))
    password_hash = await auth.passwords.hash(password)
    async with action.transaction() as tx:
        await sessions.require_unchanged(tx, user)
        await sessions.lock_user(tx, session)
        await _set_password(tx, user, password_hash, user.email_verified_at)
        ended_sessions = await sessions.end_all(tx, user, excluded_session_id=session.pk)
        tx.audit(IdentityAuditAction.PASSWORD_CHANGE, user, sessions_ended=ended_sessions)
        await emails.send_password_changed(tx, user)


async def _require_strong(auth: AuthServices, user: User | None, password: str, field: str) -> None:
    if user is None:
        require_length(password, field)
        return
    company = await sign_in_company(user)
    personal_words = [user.email, user.name, *([company.legal_name] if company else [])]
    await auth.require_strong(password, *personal_words, subject=user.pk, field=field)


async def _set_password(
    tx: Transaction, user: User, password_hash: str, verified_at: object
) -> None:
    changes = {"password_hash": password_hash, "email_verified_at": verified_at}
    await User.filter(pk=user.pk).using_db(tx.db).update(**changes)
    await invalidate_links(user, tx.db)
    tx.streams[sessions.user_key(user.pk)] = None
