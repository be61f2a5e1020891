"""Authentication: who signs in, by password, second factor or passkey, and for which company."""

from dataclasses import dataclass, field

from auth import throttle
from auth.email_address import EMAIL_LENGTH
from auth.factors import passkeys
from auth.factors.proof import require_second_factor
from auth.memberships import concerned
from auth.services import AuthServices
from auth.sessions import hashed, person
from models.accounts.account import Account, AccountStatus, Membership
from models.accounts.errors import AccountsErrorCode
from models.action import Action
from models.database.writing import one
from models.errors import CommonErrorCode, Refusal
from models.identity.access_links import SignInUnlock
from models.identity.audit_actions import IdentityAuditAction
from models.identity.errors import IdentityErrorCode
from models.identity.user import User, address


@dataclass(frozen=True)
class _Proof:
    password: str = field(repr=False)
    code: str | None = field(repr=False)
    passkey: str | None = field(repr=False)


async def authenticate(
    action: Action, auth: AuthServices, *, email: str, password: str, code: str | None, peer: str,
    passkey: str | None = None, unlock: str | None = None,
) -> User:  # fmt: skip
    """The person whose password, and second factor if they have one, these are. `peer` is the caller's network address.

    `code` is a one-time or a recovery code, `passkey` a passkey's answer in its place, `unlock` the token of an email past the
    waits (auth/throttle/unlocking.py). Raises CREDENTIALS_INVALID for an unknown address and a wrong password alike; only after
    the right password EMAIL_UNVERIFIED, SECOND_FACTOR_REQUIRED, SECOND_FACTOR_INVALID and PASSKEY_INVALID; Throttled. What
    fails takes the same time, whatever is behind it.
    """
    async with auth.even_failures():
        unlocked = await _unlocked(action, email, unlock) if unlock else None
        keys = (unlocked,) if unlocked else (throttle.pair(email, peer), *throttle.broad(email, peer))
        auth.sign_in_queue.require_capacity()
        await auth.throttle.attempt(*keys)
        async with auth.sign_in_queue.slot():  # throttled attempts never take a slot
            user = await _known(address(email))
            try:
                user = await _proved(action, auth, user, keys, _Proof(password, code, passkey), unlocked)
            except Refusal as refusal:
                await _note_failure(action, user, refusal)
                raise
    if unlocked:
        await auth.throttle.clear(unlocked)
        await SignInUnlock.filter(user_id=user.pk).delete()
    return user


async def _unlocked(action: Action, email: str, token: str) -> throttle.Key | None:
    """What attempts with this token count under, and with any other email's to its person: whoever guesses gains nothing by
    asking for the next email. None for a token that is not this person's, which is as if there were none."""
    known = SignInUnlock.filter(token_hash=hashed(token), expires_at__gt=action.at)
    found = await known.select_related("user").first()
    return throttle.key(throttle.UNLOCKED, found.user_id) if found and found.user.email == address(email) else None


async def _note_failure(action: Action, user: User | None, refusal: Refusal) -> None:
    """Tell the auditor of each of the person's companies: it could have been any that somebody wanted to get into.

    An unknown address is told with as many statements as a known one of however many, so that time tells nothing.
    """
    async with action.transaction() as tx:
        for account_id in await concerned(tx, user):
            tx.audit(IdentityAuditAction.SESSION_SIGN_IN_FAILED, user, account_id, reason=refusal.code.value)


async def _proved(
    action: Action,
    auth: AuthServices,
    user: User | None,
    keys: tuple[throttle.Key, ...],
    proof: _Proof,
    unlocked: throttle.Key | None,
) -> User:
    user = await _by_password(action, auth, user, () if unlocked else keys, proof.password)
    if user.email_verified_at is None:
        raise Refusal(IdentityErrorCode.EMAIL_UNVERIFIED, "input", "email")
    if user.second_factor:
        await require_second_factor(action, auth, user, proof.code, proof.passkey, counted=unlocked is not None)
    return user


async def authenticate_by_passkey(action: Action, auth: AuthServices, *, passkey: str, peer: str) -> User:
    """The person whose passkey's answer this is: it stands for both factors. `peer` is the caller's network address.

    Raises PASSKEY_INVALID, EMAIL_UNVERIFIED; Throttled.
    """
    counted = throttle.key(throttle.PASSKEY, throttle.network_of(peer))
    await auth.throttle.attempt(counted)
    user = None
    try:
        user = await passkeys.owner(action, auth.party, passkey)
        if user.email_verified_at is None:
            raise Refusal(IdentityErrorCode.EMAIL_UNVERIFIED)
    except Refusal as refusal:
        await _note_failure(action, user, refusal)
        raise
    await auth.throttle.take_back(counted)
    return user


async def _by_password(
    action: Action, auth: AuthServices, user: User | None, keys: tuple[throttle.Key, ...], password: str
) -> User:
    right = await auth.passwords.matches(user.password_hash if user else None, password)
    if user is None or not right:
        raise Refusal(IdentityErrorCode.CREDENTIALS_INVALID, "input", "password")
    await auth.throttle.clear(*keys[:1])  # the pair
    await auth.throttle.take_back(*keys[1:])
    await _rehash(action, auth, user, password)
    return user


async def _known(email: str) -> User | None:
    # Neither database is asked for what it could not hold: PostgreSQL refuses a NUL, Tortoise a text that is too long.
    return await one(User, email=email) if email.isprintable() and len(email) <= EMAIL_LENGTH else None


async def _rehash(action: Action, auth: AuthServices, user: User, password: str) -> None:
    if auth.passwords.needs_rehash(user.password_hash):
        # Only in place of the hash just verified: a password changed meanwhile must not come back.
        password_hash = await auth.passwords.hash(password)
        if await User.filter(pk=user.pk, password_hash=user.password_hash).update(password_hash=password_hash):
            user.password_hash = password_hash
        action.bus.announce([person(user.pk)])


async def company_of(user: User, chosen: int | None = None) -> Account | None:
    """The company a person signs in for: the chosen one, or of those in use the one they joined first. None for staff.

    Raises NOT_FOUND for a choice that is none of theirs, ACCOUNT_INACTIVE for one that is not in use.
    """
    theirs = Membership.filter(user_id=user.pk).order_by("id").select_related("account")
    if chosen is None:
        theirs = theirs.filter(account__status=AccountStatus.ACTIVE)
        return next((membership.account for membership in await theirs.limit(1)), None)
    membership = await theirs.filter(account_id=chosen).first()
    if membership is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "accountId")
    if membership.account.status is not AccountStatus.ACTIVE:
        raise Refusal(AccountsErrorCode.ACCOUNT_INACTIVE, "input", "accountId")
    return membership.account
