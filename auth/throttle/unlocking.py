"""An email past the waits: whoever reads mail at an address signs in at once, however many others guess at it.

Waits are counted by address and network, and for the second factor by person (auth.throttle). So somebody on the customer's
own network, or who knows their password, could keep them waiting. Attempts with an email's token count apart instead: some are
free, then waits grow for whoever reads that person's mail, through however many emails. It stands for no factor, and is
worth nothing to whoever can't read the mail; to whoever can, and knows the password, it gives no more guesses at the code.
"""

from datetime import timedelta

from auth import throttle
from auth.email_address import deliverable
from auth.services import AuthServices
from auth.sessions import hashed, random_token
from auth.tokens import invalid
from mail import emails
from models.action import Action, Transaction
from models.identity.access_links import SignInUnlock
from models.identity.audit_actions import IdentityAuditAction
from models.identity.user import User

LIFETIME = timedelta(minutes=30)


async def request(action: Action, auth: AuthServices, *, email: str, peer: str) -> None:
    """Write the person of an address an email with a token, good for 30 minutes and one sign-in. `peer` is who asks.

    Nobody's address is answered the same, after the same time. Raises EMAIL_INVALID; Throttled.
    """
    email = deliverable(email)
    network = throttle.key(throttle.RESET, throttle.network_of(peer))
    await auth.throttle.attempt(network, throttle.key(throttle.EMAIL, email, "unlock"))
    async with auth.even(), action.transaction() as tx:
        user = await User.filter(email=email).using_db(tx.db).select_for_update().first()
        if user:
            await emails.sign_in_unlock(tx, user, await _granted(tx, user))
        # In nobody's part of the log: whoever tries addresses must not read there which are known.
        tx.audit(IdentityAuditAction.SESSION_REQUEST_UNLOCK, user, None)


async def _granted(tx: Transaction, user: User) -> str:
    token, at = random_token("cam_ul_"), tx.action.at
    await SignInUnlock.filter(user_id=user.pk, expires_at__lte=at).using_db(tx.db).delete()
    await SignInUnlock.create(using_db=tx.db, user=user, token_hash=hashed(token), expires_at=at + LIFETIME)
    return token


async def require_good(action: Action, token: str) -> None:
    """Raises TOKEN_INVALID for a token that is used, too old or nobody's."""
    if not await SignInUnlock.filter(token_hash=hashed(token), expires_at__gt=action.at).exists():
        raise invalid()
