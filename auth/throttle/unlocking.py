"""Unlocking sign-in by email: the owner of an address can sign in at once, no matter how many
others guess its password.

Waits are counted per address and network, and for the second factor per user (auth.throttle). So
someone on the customer's own network, or someone who knows the password, could keep the customer
waiting. Attempts with a token from an unlock email count separately: some are free, then the waits
grow, across all unlock emails of a user. The token replaces no factor. It is worthless without
access to the mailbox, and doesn't allow additional guesses of the second factor to someone who has
access.
"""

from datetime import timedelta

from auth import throttle
from auth.email_address import clean_email
from auth.services import AuthServices
from auth.sessions import random_token, token_hash
from auth.tokens import invalid_token
from mail import emails
from models.action import Action, Transaction
from models.checks import Checks
from models.idempotency import anonymous_owner, earlier_result, store_result
from models.identity.access_links import SignInUnlock
from models.identity.audit_actions import IdentityAuditAction
from models.identity.user import User
from models.text import optional_key

LIFETIME = timedelta(minutes=30)


async def request(
    action: Action, auth: AuthServices, *, email: str, peer: str, key: str | None = None
) -> None:
    """Send an email with a token that is valid for 30 minutes and one sign-in. `peer` is the
    requester's network address.

    An unknown address gets the same response after the same time. Raises EMAIL_INVALID and
    Throttled.
    """
    with Checks() as check:
        email, key = check(clean_email, email), check(optional_key, key)
    network = throttle.key(throttle.RESET, throttle.client_network(peer))
    owner = anonymous_owner(throttle.client_network(peer), email)
    await auth.throttle.attempt(network, throttle.key(throttle.EMAIL, email, "unlock"))
    async with auth.constant_time(), action.transaction() as tx:
        if await earlier_result(tx, owner, "sessionRequestUnlock", key, []) is not None:
            return
        user = next(iter(await tx.lock_rows(User.filter(email=email))), None)
        if user:
            await emails.send_sign_in_unlock(tx, user, await _create_token(tx, user))
        # Not in a company's part of the log, where its owner could learn which addresses are known.
        tx.audit(IdentityAuditAction.SESSION_REQUEST_UNLOCK, user, None)
        await store_result(tx, owner, "sessionRequestUnlock", key)


async def _create_token(tx: Transaction, user: User) -> str:
    token, at = random_token("cam_ul_"), tx.action.at
    await SignInUnlock.filter(user_id=user.pk, expires_at__lte=at).using_db(tx.db).delete()
    await SignInUnlock.create(
        using_db=tx.db, user=user, token_hash=token_hash(token), expires_at=at + LIFETIME
    )
    return token


async def require_valid(action: Action, token: str) -> None:
    """Raise TOKEN_INVALID unless the token exists, is unused and has not expired."""
    if not await SignInUnlock.filter(
        token_hash=token_hash(token), expires_at__gt=action.at
    ).exists():
        raise invalid_token()
