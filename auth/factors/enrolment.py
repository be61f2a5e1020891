"""Adding, removing and renaming a user's authenticators.

An app is set up with a secret and takes effect once its first code confirms it. A passkey is
confirmed by its own response (auth/factors/passkeys.py). The first authenticator turns the second
factor on and comes with recovery codes; removing the last one turns it off. Once it is on, each
change requires a recent step-up (`auth/reauthentication.py`). Each change is notified by email.
"""

from dataclasses import dataclass, field

from tortoise.exceptions import IntegrityError
from tortoise.queryset import QuerySet

from auth import sessions, throttle
from auth.factors import passkeys, totp
from auth.factors.proof import require_password
from auth.reauthentication import has_step_up, require_step_up
from auth.services import AuthServices
from mail import emails
from mail.emails import SecondFactorChange
from models.action import Action, Transaction
from models.audit_action import AuditAction
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.identity.access_links import invalidate_links
from models.identity.audit_actions import IdentityAuditAction
from models.identity.authenticator import (
    MAX_PER_USER,
    Authenticator,
    AuthenticatorKind,
    WebauthnChallenge,
)
from models.identity.errors import IdentityErrorCode
from models.identity.session import Session
from models.identity.user import RecoveryCode, User
from models.text import line
from models.translations import _

NAME_LENGTH = 60


@dataclass(frozen=True)
class Enrolment:
    """An authenticator in effect. The first one comes with recovery codes, which are shown only
    once.
    """

    authenticator: Authenticator
    recovery_codes: list[str] | None = field(repr=False, default=None)


def authenticator_name(text: str | None, default: str) -> str:
    """The name of an authenticator as stored. Raises BLANK and TOO_LONG."""
    return default if text is None else line(text, "name", NAME_LENGTH)


async def begin_totp(
    action: Action, auth: AuthServices, session: Session, password: str, name: str | None = None
) -> str:
    """Create the secret for another app, which takes effect once confirmed. Requires the password.

    Raises CREDENTIALS_INVALID, BLANK, TOO_LONG, TOO_MANY, STEP_UP_REQUIRED when the second factor
    is already on, and Throttled.
    """
    user = await User.get(pk=session.user_id)
    with Checks() as check:
        await check.wait(require_password(action, auth, user, password))
        name = check(authenticator_name, name, totp.DEFAULT_NAME)
    if user.second_factor:
        await require_step_up(action, session)
    secret = totp.new_secret()
    async with action.transaction() as tx:
        user = await sessions.lock_user(tx, session)
        await require_capacity(tx, user)
        await _pending_app(user).using_db(tx.db).delete()
        await Authenticator.create(
            using_db=tx.db,
            user=user,
            kind=AuthenticatorKind.TOTP,
            name=name,
            created_at=action.at,
            secret=auth.secret_box.encrypt(secret),
        )
        tx.audit(IdentityAuditAction.TOTP_SET_UP, user)
    return secret


async def pending_secret(auth: AuthServices, user: User) -> str:
    """The secret of the app that the user is setting up. Raises SECOND_FACTOR_INVALID when there is
    none.
    """
    app = await _pending_app(user).first()
    if app is None:
        raise Refusal(IdentityErrorCode.SECOND_FACTOR_INVALID)
    return auth.secret_box.decrypt(str(app.secret))


def _pending_app(user: User) -> QuerySet[Authenticator]:
    return Authenticator.filter(user_id=user.pk, confirmed_at=None)


async def require_capacity(tx: Transaction, user: User) -> None:
    """Raise TOO_MANY when the user has the maximum number of authenticators."""
    if (
        await Authenticator.filter(user_id=user.pk, confirmed_at__isnull=False)
        .using_db(tx.db)
        .count()
        >= MAX_PER_USER
    ):
        message = _("You can have at most %(limit)s authenticators. Remove one first.")
        raise Refusal(CommonErrorCode.TOO_MANY, message=message, limit=MAX_PER_USER)


async def confirm_totp(
    action: Action, auth: AuthServices, session: Session, code: str
) -> Enrolment:
    """Confirm the most recently set up app with its first code.

    Raises SECOND_FACTOR_INVALID, TOO_MANY, STEP_UP_REQUIRED when the second factor is already on,
    and Throttled.
    """
    throttle_key = throttle.key(throttle.SECOND_FACTOR, session.user_id, session.pk)
    await auth.throttle.attempt(throttle_key)
    has_stepped_up = await has_step_up(action, session)
    async with action.transaction() as tx:
        user = await sessions.lock_user(tx, session)
        if user.second_factor and not has_stepped_up:
            raise Refusal(IdentityErrorCode.STEP_UP_REQUIRED)
        app = await _confirm(tx, auth, user, code)
        enrolment = await apply_enrolment(tx, session, user, app, IdentityAuditAction.TOTP_CONFIRM)
    await auth.throttle.clear(throttle_key)
    return enrolment


async def _confirm(tx: Transaction, auth: AuthServices, user: User, code: str) -> Authenticator:
    app = await _pending_app(user).using_db(tx.db).first()
    step = (
        totp.matching_step(
            auth.secret_box.decrypt(str(app.secret)), code, tx.action.at, last_step=0
        )
        if app
        else None
    )
    if app is None or step is None:
        raise Refusal(IdentityErrorCode.SECOND_FACTOR_INVALID, "input", "code")
    await require_capacity(tx, user)
    await (
        Authenticator.filter(pk=app.pk)
        .using_db(tx.db)
        .update(confirmed_at=tx.action.at, last_step=step)
    )
    return await Authenticator.get(pk=app.pk, using_db=tx.db)


async def apply_enrolment(
    tx: Transaction,
    session: Session,
    user: User,
    authenticator: Authenticator,
    audit_action: AuditAction,
) -> Enrolment:
    """Apply the consequences of a new authenticator: this session counts as signed in with it, and
    the user's other sessions end.
    """
    codes = None if user.second_factor else await totp.new_recovery_codes(user, tx.db)
    changes = {
        "second_factor_at": user.second_factor_at or tx.action.at,
        "authenticators_changed_at": tx.action.at,
    }
    await User.filter(pk=user.pk).using_db(tx.db).update(**changes)
    await Session.filter(pk=session.pk).using_db(tx.db).update(second_factor=True)
    ended_sessions = await sessions.end_all(tx, user, excluded_session_id=session.pk)
    tx.audit(audit_action, user, sessions_ended=ended_sessions, first=codes is not None)
    tx.streams[sessions.user_key(user.pk)] = None
    await emails.send_second_factor_changed(
        tx, user, SecondFactorChange.TURNED_ON if codes else SecondFactorChange.ADDED
    )
    return Enrolment(authenticator, codes)


async def begin_passkey(action: Action, auth: AuthServices, session: Session) -> str:
    """The options for creating a passkey, as JSON. Raises STEP_UP_REQUIRED and TOO_MANY."""
    await require_step_up(action, session)
    async with action.transaction() as tx:
        user = await sessions.lock_user(tx, session)
        await require_capacity(tx, user)
    return await passkeys.registration_options(action, auth.relying_party, user)


async def confirm_passkey(
    action: Action, auth: AuthServices, session: Session, *, credential: str, name: str | None
) -> Enrolment:
    """Register a passkey that the user's device created with such options. It takes effect at once.

    Raises PASSKEY_INVALID, BLANK, TOO_LONG, TOO_MANY and STEP_UP_REQUIRED.
    """
    await require_step_up(action, session)
    with Checks() as check:
        check(passkeys.require_readable, credential)
        name = check(authenticator_name, name, passkeys.DEFAULT_NAME)
    new_passkey = await passkeys.verify_registration(
        action, auth.relying_party, await User.get(pk=session.user_id), credential
    )
    try:
        async with action.transaction() as tx:
            user = await sessions.lock_user(tx, session)
            await require_capacity(tx, user)
            passkey = await Authenticator.create(
                using_db=tx.db,
                user=user,
                kind=AuthenticatorKind.PASSKEY,
                name=name,
                created_at=action.at,
                confirmed_at=action.at,
                **vars(new_passkey),
            )
            return await apply_enrolment(
                tx, session, user, passkey, IdentityAuditAction.PASSKEY_REGISTER
            )
    except IntegrityError:  # the identifier is already registered
        raise passkeys.invalid_passkey() from None


async def rename(action: Action, authenticator: Authenticator, name: str) -> Authenticator:
    """Rename one of the user's authenticators. Raises BLANK and TOO_LONG."""
    async with action.transaction() as tx:
        await Authenticator.filter(pk=authenticator.pk).using_db(tx.db).update(name=name)
        tx.audit(IdentityAuditAction.AUTHENTICATOR_RENAME, authenticator)
        return await Authenticator.get(pk=authenticator.pk, using_db=tx.db)


async def remove(action: Action, session: Session, authenticator: Authenticator) -> bool:
    """Remove one of the user's authenticators. Removing the last one turns the second factor off.
    The user's other sessions end, and the links in earlier emails stop working.

    Returns whether the second factor is still on. Raises STEP_UP_REQUIRED, NOT_FOUND when it was
    already removed, and LAST_AUTHENTICATOR for staff, who need a second factor.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        user = await sessions.lock_user(tx, session)
        authenticators = Authenticator.filter(user_id=user.pk, confirmed_at__isnull=False).using_db(
            tx.db
        )
        other_count = await authenticators.exclude(pk=authenticator.pk).count()
        if user.staff and not other_count:
            raise Refusal(IdentityErrorCode.LAST_AUTHENTICATOR, "input", "authenticatorId")
        if not await authenticators.filter(pk=authenticator.pk).delete():
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "authenticatorId")
        await _update_second_factor(tx, user, bool(other_count))
        ended_sessions = await sessions.end_all(tx, user, excluded_session_id=session.pk)
        tx.audit(
            IdentityAuditAction.AUTHENTICATOR_REMOVE,
            authenticator,
            sessions_ended=ended_sessions,
            last=not other_count,
        )
        tx.streams[sessions.user_key(user.pk)] = None
        await emails.send_second_factor_changed(
            tx, user, SecondFactorChange.REMOVED if other_count else SecondFactorChange.TURNED_OFF
        )
    return bool(other_count)


async def _update_second_factor(tx: Transaction, user: User, keeps_second_factor: bool) -> None:
    if keeps_second_factor:
        await User.filter(pk=user.pk).using_db(tx.db).update(authenticators_changed_at=tx.action.at)
    else:
        await turn_off(tx, user)
        await Session.filter(user_id=user.pk).using_db(tx.db).update(second_factor=False)
    await invalidate_links(user, tx.db)


async def turn_off(tx: Transaction, user: User) -> None:
    """Delete a user's second factor: all authenticators, including unconfirmed ones, and recovery
    codes.
    """
    changes = {"second_factor_at": None, "authenticators_changed_at": tx.action.at}
    await User.filter(pk=user.pk).using_db(tx.db).update(**changes)
    await Authenticator.filter(user_id=user.pk).using_db(tx.db).delete()
    await WebauthnChallenge.filter(registers_id=user.pk).using_db(tx.db).delete()
    await RecoveryCode.filter(user_id=user.pk).using_db(tx.db).delete()


async def renew_recovery_codes(action: Action, session: Session) -> list[str]:
    """Replace the recovery codes with ten new ones, which are shown only once. Raises
    STEP_UP_REQUIRED and NOT_ACTIVE.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        user = await sessions.lock_user(tx, session)
        if not user.second_factor:
            raise Refusal(
                CommonErrorCode.NOT_ACTIVE, message=_("Two-factor authentication isn’t turned on.")
            )
        await emails.send_second_factor_changed(tx, user, SecondFactorChange.RECOVERY_CODES_RENEWED)
        tx.audit(IdentityAuditAction.RECOVERY_CODES_RENEW, user)
        return await totp.new_recovery_codes(user, tx.db)
