"""Becoming a customer and proving who one is: the stories of identity, each in its own transaction."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from email_validator import EmailNotValidError, validate_email
from tortoise.exceptions import IntegrityError

from auth import passkeys, policies, throttle
from auth.proof import require_second_factor
from auth.services import AuthServices
from auth.sessions import hashed, person
from auth.tokens import Purpose, invalid
from models.access import SignInUnlock
from models.account import Account, AccountStatus, Membership, Role, siren
from models.action import Action, Transaction
from models.audit import AuditAction
from models.errors import ErrorCode, Refusal
from models.locale import Locale
from models.policy import AcceptanceChannel, Policy
from models.text import line
from models.user import User, address
from models.writing import one

EMAIL_LENGTH = 254
NAME_LENGTH = 100
LEGAL_NAME_LENGTH = 200


@dataclass(frozen=True)
class SignUp:
    """What a sign-up made, or (`existing`) who already has the address: the email tells, the answer never does."""

    user: User | None = None
    account: Account | None = None
    existing: User | None = None


SignUpLetter = Callable[[Transaction, SignUp], Awaitable[None]]


@dataclass(frozen=True)
class _Form:
    email: str
    name: str
    legal_name: str
    siren: str
    locale: Locale
    accepted: Collection[Policy]


async def sign_up(
    action: Action, auth: AuthServices, letter: SignUpLetter, *,
    email: str, password: str, name: str, legal_name: str, siren: str, locale: Locale, peer: str,
    accepted: Collection[int | None] = (),
) -> SignUp:  # fmt: skip
    """Sign a company up with its first person, its owner; `email` is written in the same transaction.

    `accepted` are the keys of the policies that the person has accepted. A known address is answered like a new one after
    the same work, and keeps its password once somebody has confirmed it; before, the latest sign-up counts. Raises
    EMAIL_INVALID, BLANK, TOO_LONG, SIREN_INVALID, POLICY_NOT_IN_FORCE, PASSWORD_WEAK; Throttled.
    """
    current = await policies.in_force(action, accepted, "acceptedPolicyIds") if accepted else []
    form = _checked(email, name, legal_name, siren, locale, current)
    network = throttle.network_of(peer)
    await auth.require_strong(password, form.email, form.name, form.legal_name, whom=network)
    await auth.throttle.attempt(throttle.key(throttle.SIGN_UP, network), throttle.key(throttle.EMAIL, form.email))
    password_hash = await auth.passwords.hash(password)
    try:
        return await _signed_up(action, letter, form, password_hash)
    except IntegrityError:  # somebody took the address between our look and our write: now it is found
        return await _signed_up(action, letter, form, password_hash)


def _checked(email: str, name: str, legal_name: str, siren_text: str, locale: Locale, accepted: Collection[Policy]) -> _Form:
    return _Form(
        email=deliverable(email), name=line(name, "name", NAME_LENGTH),
        legal_name=line(legal_name, "legalName", LEGAL_NAME_LENGTH), siren=siren(siren_text), locale=locale,
        accepted=accepted,
    )  # fmt: skip


def deliverable(email: str) -> str:
    """An address as it is stored, if mail could reach it. Raises EMAIL_INVALID."""
    if len(email) > 2 * EMAIL_LENGTH:  # judging a million characters would hold everybody up
        raise Refusal(ErrorCode.EMAIL_INVALID, "input", "email")
    try:
        return address(validate_email(email.strip(), check_deliverability=False).normalized)
    except EmailNotValidError:
        raise Refusal(ErrorCode.EMAIL_INVALID, "input", "email") from None


async def _signed_up(action: Action, letter: SignUpLetter, form: _Form, password_hash: str) -> SignUp:
    async with action.transaction() as tx:
        replaced = await _replaced(tx, form, password_hash)
        existing = replaced or await User.get_or_none(email=form.email, using_db=tx.db)
        made = SignUp(existing=existing) if existing else await _owner(tx, form, password_hash)
        await letter(tx, made)
        _note_sign_up(tx, made)
    return made


async def _replaced(tx: Transaction, form: _Form, password_hash: str) -> User | None:
    """Whoever signed up with the address and never confirmed it; now what this sign-up says. None where there is nobody.

    It may have been a stranger. Else the stranger's password would open the account, and the stranger's company be theirs,
    once the reader of the mail signs up and confirms.
    """
    open_ = Membership.filter(user__email=form.email, user__email_verified_at=None, user__staff=None).using_db(tx.db)
    place = await open_.first()
    if place is None:
        return None
    account, user = await tx.locked(Account, place.account_id), await tx.locked(User, place.user_id)
    if user.email_verified_at:  # a moment ago
        return None
    facts = {"name": form.name, "locale": form.locale, "password_hash": password_hash}
    await user.update_from_dict(facts).save(using_db=tx.db, update_fields=list(facts))
    company: dict[str, Any] = {"legal_name": form.legal_name, "siren": form.siren}
    company |= {"registry_verdict": None, "registry_due_at": tx.action.at}  # what the register said was said of another one
    await account.update_from_dict(company).save(using_db=tx.db, update_fields=list(company))
    await policies.disown(tx, user)
    await policies.note(tx, user, form.accepted, form.locale, AcceptanceChannel.SIGN_UP, account.pk)
    return user


def _note_sign_up(tx: Transaction, made: SignUp) -> None:
    if made.account:
        tx.audit(AuditAction.ACCOUNT_SIGN_UP, made.account, by=made.user, known=False)
    else:  # in nobody's part of the log: whoever tries addresses must not read there which are known
        tx.audit(AuditAction.ACCOUNT_SIGN_UP, made.existing, None, known=True)


async def _owner(tx: Transaction, form: _Form, password_hash: str) -> SignUp:
    at, db = tx.action.at, tx.db
    user = await User.create(
        using_db=db, email=form.email, name=form.name, locale=form.locale, password_hash=password_hash, created_at=at
    )
    account = await Account.create(using_db=db, legal_name=form.legal_name, siren=form.siren, created_at=at, registry_due_at=at)
    await Membership.create(using_db=db, user=user, account=account, role=Role.OWNER, created_at=at)
    await policies.note(tx, user, form.accepted, form.locale, AcceptanceChannel.SIGN_UP, account.pk)
    return SignUp(user, account)


def verification_token(auth: AuthServices, user: User, at: datetime) -> str:
    """What the verification email's link carries, good for 24 hours, for this address and this sign-up with it only."""
    return auth.signer.sign(Purpose.VERIFY_EMAIL, at, user=user.pk, email=user.email, of=_sign_up_of(user))


def _sign_up_of(user: User) -> str:
    return hashed(user.password_hash)[:16]  # another password is another sign-up, and each hash has a salt of its own


async def verify_email(action: Action, auth: AuthServices, token: str) -> User:
    """Note that the person reads mail at their address. A repeat changes nothing. Raises TOKEN_INVALID."""
    facts = auth.signer.read(Purpose.VERIFY_EMAIL, token, action.at)
    async with action.transaction() as tx:
        meant = User.filter(pk=facts["user"], email=facts["email"]).using_db(tx.db)
        user = await meant.select_for_update().first()
        if user is None or (user.email_verified_at is None and facts.get("of") != _sign_up_of(user)):
            raise invalid()
        changed = await meant.filter(email_verified_at=None).update(email_verified_at=action.at)
        user = await meant.get()
        if changed:
            for account_id in await concerned(tx, user):
                tx.audit(AuditAction.EMAIL_VERIFY, user, account_id, by=user)
        tx.touched[person(user.pk)] = None
    return user


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
    waits (auth/unlocking.py). Raises CREDENTIALS_INVALID for an unknown address and a wrong password alike; only after the
    right password EMAIL_UNVERIFIED, SECOND_FACTOR_REQUIRED, SECOND_FACTOR_INVALID and PASSKEY_INVALID; Throttled. What fails
    takes the same time, whatever is behind it.
    """
    async with auth.even_failures():
        unlocked = await _unlocked(action, email, unlock) if unlock else None
        keys = (unlocked,) if unlocked else (throttle.pair(email, peer), *throttle.broad(email, peer))
        auth.sign_in_queue.require_room()
        await auth.throttle.attempt(*keys)
        async with auth.sign_in_queue.passed():  # those that must wait anyway take nobody's place
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
            tx.audit(AuditAction.SESSION_SIGN_IN_FAILED, user, account_id, reason=refusal.code)


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
        raise Refusal(ErrorCode.EMAIL_UNVERIFIED, "input", "email")
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
            raise Refusal(ErrorCode.EMAIL_UNVERIFIED)
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
        raise Refusal(ErrorCode.CREDENTIALS_INVALID, "input", "password")
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
        raise Refusal(ErrorCode.NOT_FOUND, "input", "accountId")
    if membership.account.status is not AccountStatus.ACTIVE:
        raise Refusal(ErrorCode.ACCOUNT_INACTIVE, "input", "accountId")
    return membership.account


async def companies_of(tx: Transaction, user: User | None) -> list[int]:
    """The companies of a person, by their keys, the one they joined first at first; none of nobody, by the same statement."""
    places = Membership.filter(user_id=user.pk if user else 0).using_db(tx.db).order_by("id")
    return [place.account_id for place in await places]


async def concerned(tx: Transaction, user: User | None) -> list[int | None]:
    """In whose parts of the audit log an entry about a person belongs: each of their companies', or nobody's."""
    return [*await companies_of(tx, user)] or [None]
