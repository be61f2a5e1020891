"""Changing a user's email address: the new address has to confirm, the current one is notified, and
nothing changes before.

Passwords are reset by email, so a change of address requires a recent step-up
(`auth/reauthentication.py`). Users without a second factor have to confirm from the current address
as well, because a stolen password would otherwise be enough to take over the account for good. The
same holds for those who turned it on less than a week ago: whoever has the password could do that
too, and the owner needs time to read the email about it. An address that already belongs to a user
gets the same response, and its owner an email, so that the response doesn't reveal who is a
customer.
"""

from datetime import timedelta

from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q

from auth import sessions, throttle
from auth.email_address import clean_email
from auth.memberships import audit_account_ids
from auth.reauthentication import require_step_up
from auth.services import AuthServices
from auth.sessions import random_token, token_hash
from auth.tokens import invalid_token
from mail import emails
from models.action import Action, Transaction
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, store_result
from models.identity.access_links import EmailChange, invalidate_links
from models.identity.audit_actions import IdentityAuditAction
from models.identity.session import Session
from models.identity.user import User, person_search_text
from models.text import optional_key
from models.translations import _

LIFETIME = timedelta(hours=24)
MIN_SECOND_FACTOR_AGE = timedelta(days=7)


async def request(
    action: Action, auth: AuthServices, session: Session, *, email: str, key: str | None = None
) -> None:
    """Request a change of address, which replaces the user's earlier request. Both addresses get an
    email.

    Raises STEP_UP_REQUIRED, EMAIL_INVALID, VALUE_INVALID for the current address,
    IDEMPOTENCY_MISMATCH and Throttled.
    """
    await require_step_up(action, session)
    with Checks() as check:
        email, key = check(clean_email, email), check(optional_key, key)
    await auth.throttle.attempt(
        throttle.key(throttle.EMAIL_CHANGE, session.user_id), throttle.key(throttle.EMAIL, email)
    )
    async with auth.constant_time(), action.transaction() as tx:
        user = await sessions.lock_user(tx, session)
        if (
            await earlier_result(tx, f"user:{user.pk}", "emailRequestChange", key, [email])
            is not None
        ):
            return
        if email == user.email:
            raise Refusal(
                CommonErrorCode.VALUE_INVALID,
                "input",
                "email",
                message=_("This is already your email address."),
            )
        new_token = random_token("cam_ec_")
        old_token = None if _has_established_second_factor(user, tx) else random_token("cam_ec_")
        await EmailChange.filter(user_id=user.pk).using_db(tx.db).delete()
        await EmailChange.create(
            using_db=tx.db,
            user=user,
            email=email,
            session_id=session.pk,
            expires_at=action.at + LIFETIME,
            new_token_hash=token_hash(new_token),
            old_token_hash=token_hash(old_token) if old_token else None,
        )
        tx.audit(IdentityAuditAction.EMAIL_REQUEST_CHANGE, user, old_confirms=old_token is not None)
        if owner := await User.get_or_none(email=email, using_db=tx.db):
            await emails.send_email_change_taken(tx, owner)
        else:
            await emails.send_email_change(tx, user, email, new_token)
        await emails.send_email_change_requested(tx, user, email, old_token)
        await store_result(tx, f"user:{user.pk}", "emailRequestChange", key)


def _has_established_second_factor(user: User, tx: Transaction) -> bool:
    return (
        user.second_factor_at is not None
        and user.second_factor_at <= tx.action.at - MIN_SECOND_FACTOR_AGE
    )


async def confirm(action: Action, token: str) -> bool:
    """Confirm a change from the new or the current address, each once with its token. Returns
    whether the change is complete.

    When it is, the user signs in with the new address, all sessions except the one that requested
    it end, and the previous address is notified. Raises TOKEN_INVALID, also when another user has
    taken the address meanwhile.
    """
    change = await change_for_token(action, token)
    try:
        async with action.transaction() as tx:
            user = await tx.lock(User, change.user_id)
            change = await _confirm(tx, token_hash(token))
            ended_sessions = (
                await _change_address(tx, user, change) if change.fully_confirmed else 0
            )
            for account_id in await audit_account_ids(tx, user):
                details = {"moved": change.fully_confirmed, "sessions_ended": ended_sessions}
                tx.audit(
                    IdentityAuditAction.EMAIL_CONFIRM_CHANGE,
                    user,
                    account_id,
                    actor=user,
                    **details,
                )
    except IntegrityError:
        raise invalid_token() from None
    return change.fully_confirmed


async def change_for_token(action: Action, token: str) -> EmailChange:
    """The requested change that a token confirms. Raises TOKEN_INVALID."""
    pending_changes = EmailChange.filter(expires_at__gt=action.at)
    token_matches = Q(new_token_hash=token_hash(token), new_confirmed_at=None) | Q(
        old_token_hash=token_hash(token), old_confirmed_at=None
    )
    change = await pending_changes.get_or_none(token_matches)
    if change is None:
        raise invalid_token()
    return change


async def _confirm(tx: Transaction, token_hash: str) -> EmailChange:
    for side in ("new", "old"):
        pending_confirmation = EmailChange.filter(
            **{f"{side}_token_hash": token_hash, f"{side}_confirmed_at": None}
        ).using_db(tx.db)
        if await pending_confirmation.update(**{f"{side}_confirmed_at": tx.action.at}):
            return await EmailChange.get(**{f"{side}_token_hash": token_hash}, using_db=tx.db)
    raise invalid_token()


async def _change_address(tx: Transaction, user: User, change: EmailChange) -> int:
    await (
        User.filter(pk=user.pk)
        .using_db(tx.db)
        .update(
            email=change.email,
            search_text=person_search_text(user.name, change.email),
            email_verified_at=tx.action.at,
        )
    )
    await invalidate_links(user, tx.db)
    ended_sessions = await sessions.end_all(tx, user, excluded_session_id=change.session_id)
    tx.streams[sessions.user_key(user.pk)] = None
    await emails.send_email_changed(tx, user, change.email)
    return ended_sessions
