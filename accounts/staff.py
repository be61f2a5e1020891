"""The vendor's people, looked after by an operator: they come, change their role, and go.

Nobody is given a password. An email leads the new person to the page where they choose one, and until they have set up a second
factor of their own they have no role (models/viewer.py). Every act here wants fresh proof, and one operator always stays.
"""

import secrets
from datetime import timedelta

from tortoise.exceptions import IntegrityError

from accounts.registration import NAME_LENGTH
from accounts.unconfirmed import taken_over
from auth import sessions
from auth.email_address import deliverable
from auth.factors.enrolment import turned_off
from auth.reauthentication import require_fresh
from auth.services import AuthServices
from auth.sessions import hashed, random_token
from mail import emails
from models.accounts.account import Membership
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.errors import AccountsErrorCode
from models.action import Action, Transaction
from models.errors import CommonErrorCode, Refusal, Unauthenticated
from models.idempotency import earlier, made
from models.identity.access_links import PasswordReset, void_links
from models.identity.audit_actions import IdentityAuditAction
from models.identity.errors import IdentityErrorCode
from models.identity.session import Session
from models.identity.user import Staff, User, sought
from models.locale import Locale
from models.support.ticket import Ticket, TicketStatus
from models.text import line
from models.translations import _

LIFETIME = timedelta(hours=72)  # of the email: OWASP ASVS 5 (6.4.1) wants an initial secret to be single-use and short-lived


async def hire(
    action: Action, auth: AuthServices, session: Session, *, email: str, name: str, role: Staff,
    locale: Locale, key: str,
) -> User:  # fmt: skip
    """A new member of staff, or one who comes back. The email's token sets their password, within three days and once.

    A repeat by the same operator with the same `key` writes no other email. Raises STEP_UP_REQUIRED, EMAIL_INVALID, BLANK,
    TOO_LONG, IDEMPOTENCY_MISMATCH, EMAIL_TAKEN for an address that somebody else signs in with; of a repeat NOT_ACTIVE when
    they were dismissed since.
    """
    await require_fresh(action, session)
    email, name = deliverable(email), line(name, "name", NAME_LENGTH)
    nobodys = await auth.passwords.hash(secrets.token_urlsafe())
    try:
        async with action.transaction() as tx:
            operator = await sessions.holder(tx, session)
            owner = f"user:{operator.pk}"
            if known := await earlier(tx, owner, "staffHire", key, [email, name, role.value, locale.value]):
                return await _still_hired(tx, known)
            user = await _admitted(tx, email, nobodys)
            token = await _appointed(tx, user, emailed=True, name=name, staff=role, locale=locale)
            await emails.staff_welcome(tx, user, token)
            await made(tx, owner, "staffHire", key, user.pk)
    except IntegrityError:  # somebody took the address between our look and our write
        raise Refusal(IdentityErrorCode.EMAIL_TAKEN, "input", "email") from None
    return user


async def appoint(action: Action, auth: AuthServices, *, email: str, name: str, role: Staff) -> str:
    """A member of staff without anybody to hire them: the first one, by the command line. Returns the token that an email would
    bring: by it they set their password, within three days and once.

    Raises EMAIL_INVALID, BLANK, TOO_LONG, EMAIL_TAKEN.
    """
    email, name = deliverable(email), line(name, "name", NAME_LENGTH)
    nobodys = await auth.passwords.hash(secrets.token_urlsafe())
    try:
        async with action.transaction() as tx:
            return await _appointed(tx, await _admitted(tx, email, nobodys), emailed=False, name=name, staff=role)
    except IntegrityError:
        raise Refusal(IdentityErrorCode.EMAIL_TAKEN, "input", "email") from None


async def _appointed(tx: Transaction, user: User, *, emailed: bool, name: str, staff: Staff, **facts: Locale) -> str:
    changes = {"name": name, "searched": sought(name, user.email), "staff": staff, **facts}
    await User.filter(pk=user.pk).using_db(tx.db).update(**changes)
    await user.refresh_from_db(using_db=tx.db)
    token, until = random_token("cam_pr_"), tx.action.at + LIFETIME
    await PasswordReset.create(using_db=tx.db, user=user, token_hash=hashed(token), expires_at=until)
    tx.touched[sessions.person(user.pk)] = None
    tx.audit(AccountsAuditAction.STAFF_HIRE, user, role=staff.value, emailed=emailed)
    return token


async def _still_hired(tx: Transaction, key: int) -> User:
    user = await User.get(pk=key, using_db=tx.db)
    if user.staff is None:
        message = _("This person no longer works for CAMCHA.")
        raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "idempotencyKey", message=message)
    return user


async def _admitted(tx: Transaction, email: str, password_hash: str) -> User:
    await taken_over(tx, email)  # whoever signed up with it and never confirmed it
    known = await User.filter(email=email).using_db(tx.db).select_for_update(no_key=True).first()
    if known is None:
        return await User.create(using_db=tx.db, email=email, name=email, password_hash=password_hash, created_at=tx.action.at)
    if known.staff or await Membership.filter(user_id=known.pk).using_db(tx.db).exists():
        raise Refusal(IdentityErrorCode.EMAIL_TAKEN, "input", "email")
    await _barred(tx, known, password_hash)
    await sessions.end_all(tx, known)  # one of before would have the role at once
    return known


async def change_role(action: Action, session: Session, user_id: int | None, role: Staff) -> User:
    """Give a member of staff another role; their sessions end, and they sign in with it. So do the actor's own who changes
    theirs: a socket goes on with the role it was opened with. Who answers customers no more leaves their open tickets free.

    Raises STEP_UP_REQUIRED, NOT_FOUND, LAST_OPERATOR; Unauthenticated.
    """
    await require_fresh(action, session)
    async with action.transaction() as tx:
        user = await _member(tx, session, user_id, stays_operator=role is Staff.OPERATOR)
        if user.staff is not role:
            await User.filter(pk=user.pk).using_db(tx.db).update(staff=role)
            if not role.answers:
                await _let_go(tx, user)
            ended = await sessions.end_all(tx, user)
            tx.touched[sessions.person(user.pk)] = None
            tx.audit(
                AccountsAuditAction.STAFF_CHANGE_ROLE, user, before=user.staff.value, role=role.value, sessions_ended=ended
            )
        return await User.get(pk=user.pk, using_db=tx.db)


async def dismiss(action: Action, auth: AuthServices, session: Session, user_id: int | None) -> None:
    """End somebody's work for the vendor: nothing they signed in with works any more, and their open tickets are free again.

    Raises STEP_UP_REQUIRED, NOT_FOUND, LAST_OPERATOR; Unauthenticated.
    """
    await require_fresh(action, session)
    nobodys = await auth.passwords.hash(secrets.token_urlsafe())
    async with action.transaction() as tx:
        user = await _member(tx, session, user_id, stays_operator=False)
        await _let_go(tx, user)
        await User.filter(pk=user.pk).using_db(tx.db).update(staff=None)
        await _barred(tx, user, nobodys)
        ended = await sessions.end_all(tx, user)
        tx.touched[sessions.person(user.pk)] = None
        tx.audit(AccountsAuditAction.STAFF_DISMISS, user, before=user.staff.value, sessions_ended=ended)


async def _let_go(tx: Transaction, user: User) -> None:
    """The open tickets of somebody whose row is locked are free again: no other can become theirs meanwhile."""
    theirs = Ticket.filter(assignee_id=user.pk, status__not=TicketStatus.CLOSED).using_db(tx.db)
    for ticket in await theirs.order_by("id"):
        await (await ticket.locked(tx)).unassign(tx)


async def _barred(tx: Transaction, user: User, password_hash: str) -> None:
    """Nothing that this person signed in with works any more."""
    await User.filter(pk=user.pk).using_db(tx.db).update(password_hash=password_hash)
    await turned_off(tx, user)
    await void_links(user, tx.db)


async def end_sessions(action: Action, session: Session, user_id: int) -> int:
    """End every session of somebody, whoever it is, and notify them by email. Returns how many (OWASP ASVS 5, 7.4.5).

    Raises STEP_UP_REQUIRED, NOT_FOUND.
    """
    await require_fresh(action, session)
    async with action.transaction() as tx:
        user = await sessions.holder_and(tx, session, user_id)
        if user is None:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "userId")
        ended = await sessions.end_all(tx, user)
        tx.audit(IdentityAuditAction.SESSION_END_ALL, user, sessions_ended=ended)
        if ended:
            await emails.sessions_ended(tx, user)
    return ended


async def _member(tx: Transaction, session: Session, user_id: int | None, *, stays_operator: bool) -> User:
    """A member of staff, locked with all operators, of whom one must stay who can work: who has a second factor.

    Raises Unauthenticated when whoever acts was dismissed meanwhile.
    """
    operators = await User.filter(staff=Staff.OPERATOR).using_db(tx.db).order_by("id").select_for_update(no_key=True)
    if not await sessions.standing(tx.action.at).filter(pk=session.pk).using_db(tx.db).exists():
        raise Unauthenticated
    user = await User.filter(pk=user_id or 0, staff__isnull=False).using_db(tx.db).select_for_update(no_key=True).first()
    if user is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "userId")
    others = [each for each in operators if each.second_factor and each.pk != user.pk]
    if user.staff is Staff.OPERATOR and not stays_operator and not others:
        raise Refusal(AccountsErrorCode.LAST_OPERATOR, "input", "userId")
    return user
