"""Authentication: signing in with a password, a second factor or a passkey, and the company to sign
in to.
"""

from dataclasses import dataclass, field

from auth import throttle
from auth.email_address import EMAIL_LENGTH
from auth.factors import passkeys
from auth.factors.proof import require_second_factor
from auth.memberships import audit_account_ids
from auth.services import AuthServices
from auth.sessions import token_hash, user_key
from models.accounts.account import Account, AccountStatus, Membership
from models.accounts.errors import AccountsErrorCode
from models.action import Action
from models.database.writing import find_one
from models.errors import CommonErrorCode, Refusal
from models.identity.access_links import SignInUnlock
from models.identity.audit_actions import IdentityAuditAction
from models.identity.email_address import normalized_email
from models.identity.errors import IdentityErrorCode
from models.identity.user import User
from models.text import can_be_stored


@dataclass(frozen=True)
class _Credentials:
    password: str = field(repr=False)
    code: str | None = field(repr=False)
    passkey: str | None = field(repr=False)


async def authenticate(
    action: Action,
    auth: AuthServices,
    *,
    email: str,
    password: str,
    code: str | None,
    peer: str,
    passkey: str | None = None,
    unlock: str | None = None,
) -> User:
    """Authenticate a user by password and, if they have one, second factor. `peer` is the client's
    network address.

    `code` is a one-time code or a recovery code, `passkey` the response of a passkey instead of the
    code, `unlock` the token of an unlock email (auth/throttle/unlocking.py). Raises
    CREDENTIALS_INVALID for an unknown address and for a wrong password; only after the right
    password EMAIL_UNVERIFIED, SECOND_FACTOR_REQUIRED, SECOND_FACTOR_INVALID and PASSKEY_INVALID;
    and Throttled. All failures take the same time.
    """
    async with auth.constant_time_failures():
        unlock_key = await _unlock_key(action, email, unlock) if unlock else None
        keys = (
            (unlock_key,)
            if unlock_key
            else (throttle.email_and_network_key(email, peer), *throttle.broad_keys(email, peer))
        )
        auth.sign_in_queue.require_capacity()
        await auth.throttle.attempt(*keys)
        async with auth.sign_in_queue.slot():  # throttled attempts never take a slot
            user = await _find_user(normalized_email(email))
            try:
                user = await _verify_credentials(
                    action, auth, user, keys, _Credentials(password, code, passkey), unlock_key
                )
            except Refusal as refusal:
                await _record_failure(action, user, refusal)
                raise
    if unlock_key:
        await auth.throttle.clear(unlock_key)
        await SignInUnlock.filter(user_id=user.pk).delete()
    return user


async def _unlock_key(action: Action, email: str, token: str) -> throttle.Key | None:
    """The key under which attempts with this token and all other unlock tokens of the user are
    counted, so that requesting another email gains nothing. None when the token doesn't belong to
    the user, which is treated like no token.
    """
    unlocks = SignInUnlock.filter(token_hash=token_hash(token), expires_at__gt=action.at)
    unlock = await unlocks.select_related("user").first()
    return (
        throttle.key(throttle.UNLOCK, unlock.user_id)
        if unlock and unlock.user.email == normalized_email(email)
        else None
    )


async def _record_failure(action: Action, user: User | None, refusal: Refusal) -> None:
    """Record a failed sign-in in the audit log of each of the user's companies, because any of them
    may have been the target.

    For an unknown address as many statements are executed as for a known one, so that the time
    reveals nothing.
    """
    async with action.transaction() as tx:
        for account_id in await audit_account_ids(tx, user):
            tx.audit(
                IdentityAuditAction.SESSION_SIGN_IN_FAILED,
                user,
                account_id,
                reason=refusal.code.value,
            )


async def _verify_credentials(
    action: Action,
    auth: AuthServices,
    user: User | None,
    keys: tuple[throttle.Key, ...],
    credentials: _Credentials,
    unlock_key: throttle.Key | None,
) -> User:
    user = await _verify_password(
        action, auth, user, () if unlock_key else keys, credentials.password
    )
    if user.email_verified_at is None:
        raise Refusal(IdentityErrorCode.EMAIL_UNVERIFIED, "input", "email")
    if user.second_factor:
        await require_second_factor(
            action,
            auth,
            user,
            credentials.code,
            credentials.passkey,
            already_counted=unlock_key is not None,
        )
    return user


async def authenticate_by_passkey(
    action: Action, auth: AuthServices, *, passkey: str, peer: str
) -> User:
    """Authenticate a user by a passkey's response, which replaces both factors. `peer` is the
    client's network address.

    Raises PASSKEY_INVALID, EMAIL_UNVERIFIED and Throttled.
    """
    throttle_key = throttle.key(throttle.PASSKEY, throttle.client_network(peer))
    await auth.throttle.attempt(throttle_key)
    user = None
    try:
        user = await passkeys.verify_response(action, auth.relying_party, passkey)
        if user.email_verified_at is None:
            raise Refusal(IdentityErrorCode.EMAIL_UNVERIFIED)
    except Refusal as refusal:
        await _record_failure(action, user, refusal)
        raise
    await auth.throttle.undo_attempt(throttle_key)
    return user


async def _verify_password(
    action: Action,
    auth: AuthServices,
    user: User | None,
    keys: tuple[throttle.Key, ...],
    password: str,
) -> User:
    is_match = await auth.passwords.matches(user.password_hash if user else None, password)
    if user is None or not is_match:
        raise Refusal(IdentityErrorCode.CREDENTIALS_INVALID, "input", "password")
    await auth.throttle.clear(*keys[:1])  # the pair
    await auth.throttle.undo_attempt(*keys[1:])
    await _rehash(action, auth, user, password)
    return user


async def _find_user(email: str) -> User | None:
    if not can_be_stored(email, EMAIL_LENGTH):
        return None
    return await find_one(User, email=email)


async def _rehash(action: Action, auth: AuthServices, user: User, password: str) -> None:
    if auth.passwords.needs_rehash(user.password_hash):
        # Only in place of the hash just verified: a password changed meanwhile must not come back.
        password_hash = await auth.passwords.hash(password)
        if await User.filter(pk=user.pk, password_hash=user.password_hash).update(
            password_hash=password_hash
        ):
            user.password_hash = password_hash
        action.bus.announce([user_key(user.pk)])


async def sign_in_company(user: User, account_id: int | None = None) -> Account | None:
    """The company to sign in to: the chosen one, or the first active one that the user joined. None
    for staff.

    Raises NOT_FOUND when the user isn't a member of the chosen company, ACCOUNT_INACTIVE when it
    isn't active.
    """
    memberships = Membership.filter(user_id=user.pk).order_by("id").select_related("account")
    if account_id is None:
        memberships = memberships.filter(account__status=AccountStatus.ACTIVE)
        return next((membership.account for membership in await memberships.limit(1)), None)
    membership = await memberships.filter(account_id=account_id).first()
    if membership is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "accountId")
    if membership.account.status is not AccountStatus.ACTIVE:
        raise Refusal(AccountsErrorCode.ACCOUNT_INACTIVE, "input", "accountId")
    return membership.account
