"""The vendor's staff, managed by operators: hiring, changing roles, dismissing.

No one is given a password. An email leads a new staff member to a page where they choose one, and
until they have set up a second factor they have no role (models/viewer.py). Every action here
requires a recent step-up, and one operator always remains.
"""

import secrets
from datetime import timedelta

from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q

from accounts.registration import NAME_LENGTH
from accounts.unconfirmed import lock_unverified_accounts, take_over_unverified
from auth import sessions
from auth.email_address import clean_email
from auth.factors.enrolment import turn_off
from auth.reauthentication import require_step_up
from auth.services import AuthServices
from auth.sessions import random_token, token_hash
from mail import emails
from models.accounts.account import Membership
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.errors import AccountsErrorCode
from models.accounts.intervention import InterventionReason
from models.action import Action, Transaction
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal, Unauthenticated
from models.idempotency import earlier_result, store_result
from models.identity.access_links import PasswordReset, invalidate_links
from models.identity.audit_actions import IdentityAuditAction
from models.identity.errors import IdentityErrorCode
from models.identity.session import Session
from models.identity.user import Staff, User, person_search_text
from models.locale import Locale
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.text import client_key, line, optional_key
from models.translations import _

# How long the link in the email is valid. OWASP ASVS 5 (6.4.1): an initial secret is single-use
# and short-lived.
LIFETIME = timedelta(hours=72)


async def hire(
    action: Action,
    auth: AuthServices,
    session: Session,
    *,
    email: str,
    name: str,
    role: Staff,
    locale: Locale,
    key: str,
) -> User:
    """Hire a staff member, or hire a former one again. The token in the email sets their password;
    it is valid for three days and one use.

    A repeat by the same operator with the same `key` sends no second email. Raises
    STEP_UP_REQUIRED, EMAIL_INVALID, BLANK, TOO_LONG, IDEMPOTENCY_MISMATCH, EMAIL_TAKEN for the
    address of another user, and for a repeat NOT_ACTIVE when they were dismissed meanwhile.
    """
    await require_step_up(action, session)
    with Checks() as check:
        email, name = check(clean_email, email), check(line, name, "name", NAME_LENGTH)
        key = check(client_key, key)
    unusable_hash = await auth.passwords.hash(secrets.token_urlsafe())
    try:
        async with action.transaction() as tx:
            await lock_unverified_accounts(tx, email)
            operator = await sessions.lock_user(tx, session, other_email=email)
            owner = f"user:{operator.pk}"
            if earlier_id := await earlier_result(
                tx, owner, "staffHire", key, [email, name, role.value, locale.value]
            ):
                return await _require_staff(tx, earlier_id)
            user = await _find_or_create_user(tx, email, unusable_hash)
            token = await _create_staff(
                tx, user, is_emailed=True, name=name, staff=role, locale=locale
            )
            await emails.send_staff_welcome(tx, user, token)
            await store_result(tx, owner, "staffHire", key, user.pk)
    except IntegrityError:  # somebody took the address between the check and the insertion
        raise Refusal(IdentityErrorCode.EMAIL_TAKEN, "input", "email") from None
    return user


async def appoint(action: Action, auth: AuthServices, *, email: str, name: str, role: Staff) -> str:
    """Create a staff member without an operator: the first one, from the command line. Returns the
    token with which they set their password, valid for three days and one use.

    Raises EMAIL_INVALID, BLANK, TOO_LONG and EMAIL_TAKEN.
    """
    with Checks() as check:
        email, name = check(clean_email, email), check(line, name, "name", NAME_LENGTH)
    unusable_hash = await auth.passwords.hash(secrets.token_urlsafe())
    try:
        async with action.transaction() as tx:
            return await _create_staff(
                tx,
                await _find_or_create_user(tx, email, unusable_hash),
                is_emailed=False,
                name=name,
                staff=role,
            )
    except IntegrityError:
        raise Refusal(IdentityErrorCode.EMAIL_TAKEN, "input", "email") from None


async def _create_staff(
    tx: Transaction, user: User, *, is_emailed: bool, name: str, staff: Staff, **values: Locale
) -> str:
    changes = {
        "name": name,
        "search_text": person_search_text(name, user.email),
        "staff": staff,
        **values,
    }
    await User.filter(pk=user.pk).using_db(tx.db).update(**changes)
    await user.refresh_from_db(using_db=tx.db)
    token, expires_at = random_token("cam_pr_"), tx.action.at + LIFETIME
    await PasswordReset.create(
        using_db=tx.db, user=user, token_hash=token_hash(token), expires_at=expires_at
    )
    tx.streams[sessions.user_key(user.pk)] = None
    tx.audit(AccountsAuditAction.STAFF_HIRE, user, role=staff.value, emailed=is_emailed)
    return token


async def _require_staff(tx: Transaction, key: int) -> User:
    user = await User.get(pk=key, using_db=tx.db)
    if user.staff is None:
        message = _("This person no longer works for CAMCHA.")
        raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "idempotencyKey", message=message)
    return user


async def _find_or_create_user(tx: Transaction, email: str, password_hash: str) -> User:
    await take_over_unverified(tx, email)  # whoever signed up with it and never confirmed it
    user = next(iter(await tx.lock_rows(User.filter(email=email))), None)
    if user is None:
        return await User.create(
            using_db=tx.db,
            email=email,
            name=email,
            password_hash=password_hash,
            created_at=tx.action.at,
        )
    if user.staff or await Membership.filter(user_id=user.pk).using_db(tx.db).exists():
        raise Refusal(IdentityErrorCode.EMAIL_TAKEN, "input", "email")
    await _revoke_access(tx, user, password_hash)
    await sessions.end_all(tx, user)  # one of before would have the role at once
    return user


async def change_role(action: Action, session: Session, user_id: int | None, role: Staff) -> User:
    """Change the role of a staff member and end their sessions, so that they sign in with the new
    role; websockets keep the role they were opened with. Someone who no longer answers customers
    loses their open tickets by a job.

    Raises STEP_UP_REQUIRED, NOT_FOUND, LAST_OPERATOR and Unauthenticated.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        user = await _lock_staff_member(
            tx, session, user_id, remains_operator=role is Staff.OPERATOR
        )
        if user.staff is not role:
            await User.filter(pk=user.pk).using_db(tx.db).update(staff=role)
            session_count = await sessions.end_all(tx, user)
            tx.streams[sessions.user_key(user.pk)] = None
            tx.audit(
                AccountsAuditAction.STAFF_CHANGE_ROLE,
                user,
                before=user.staff.value,
                role=role.value,
                sessions_ended=session_count,
            )
        return await User.get(pk=user.pk, using_db=tx.db)


async def dismiss(
    action: Action, auth: AuthServices, session: Session, user_id: int | None
) -> None:
    """Dismiss a staff member: all of their access is revoked at once. A job unassigns their open
    tickets.

    Raises STEP_UP_REQUIRED, NOT_FOUND, LAST_OPERATOR and Unauthenticated.
    """
    await require_step_up(action, session)
    unusable_hash = await auth.passwords.hash(secrets.token_urlsafe())
    async with action.transaction() as tx:
        user = await _lock_staff_member(tx, session, user_id, remains_operator=False)
        await User.filter(pk=user.pk).using_db(tx.db).update(staff=None)
        await _revoke_access(tx, user, unusable_hash)
        session_count = await sessions.end_all(tx, user)
        tx.streams[sessions.user_key(user.pk)] = None
        tx.audit(
            AccountsAuditAction.STAFF_DISMISS,
            user,
            before=user.staff.value,
            sessions_ended=session_count,
        )


async def unassign_tickets(action: Action) -> int:
    """Unassign the open tickets of people who no longer answer customers: a job. Returns how many.

    Each ticket has a transaction of its own, so that thousands of them keep nobody waiting, and a
    run that is interrupted is continued by the next one.
    """
    open_statuses = [status for status in TicketStatus if status is not TicketStatus.CLOSED]
    answering_roles = [role for role in Staff if role.answers_customers]
    has_former_agent = Q(assignee__staff=None) | Q(assignee__staff__not_in=answering_roles)
    tickets = Ticket.filter(has_former_agent, status__in=open_statuses).exclude(assignee_id=None)
    # Sorted here: the database would rather look through all tickets in the order of their keys.
    keys = sorted(await tickets.values_list("id", "assignee_id"))
    return sum([await _unassign(action, int(str(key)), int(str(user))) for key, user in keys])


async def _unassign(action: Action, ticket_id: int, user_id: int) -> bool:
    async with action.transaction() as tx:
        # The user first, as in a claim, which may have waited for this.
        user = await tx.lock(User, user_id)
        ticket = await tx.lock(Ticket, ticket_id)
        if ticket.assignee_id != user.pk or (user.staff and user.staff.answers_customers):
            return False
        await ticket.unassign(tx)
    return True


async def _revoke_access(tx: Transaction, user: User, password_hash: str) -> None:
    """Revoke all access of a user: password, links, sessions and second factor."""
    await User.filter(pk=user.pk).using_db(tx.db).update(password_hash=password_hash)
    await turn_off(tx, user)
    await invalidate_links(user, tx.db)


async def end_sessions(
    action: Action,
    session: Session,
    user_id: int,
    reason: InterventionReason,
    key: str | None = None,
) -> int:
    """End all sessions of any user and notify them by email. Returns how many ended (OWASP ASVS 5,
    7.4.5). The audit log records the reason.

    Raises STEP_UP_REQUIRED, NOT_FOUND and IDEMPOTENCY_MISMATCH.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        with Checks() as check:
            user, key = await sessions.lock_users(tx, session, user_id), check(optional_key, key)
            if user is None:
                check.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", "userId"))
        assert user is not None, "the checks have passed"  # noqa: S101
        owner = f"user:{session.user_id}"
        if (
            earlier_count := await earlier_result(
                tx, owner, "userEndSessions", key, [user.pk, reason.value]
            )
        ) is not None:
            return earlier_count
        session_count = await sessions.end_all(tx, user)
        tx.audit(
            IdentityAuditAction.SESSION_END_ALL,
            user,
            sessions_ended=session_count,
            reason=reason.value,
        )
        if session_count:
            await emails.send_sessions_ended(tx, user, reason)
        await store_result(tx, owner, "userEndSessions", key, session_count)
    return session_count


async def _lock_staff_member(
    tx: Transaction, session: Session, user_id: int | None, *, remains_operator: bool
) -> User:
    """A staff member, locked together with all operators, of whom one with a second factor must
    stay.

    Raises Unauthenticated when the actor was dismissed meanwhile.
    """
    rows = await tx.lock_rows(User.filter(Q(staff=Staff.OPERATOR) | Q(pk=user_id or 0)))
    operators = [row for row in rows if row.staff is Staff.OPERATOR]
    if (
        not await sessions.valid_sessions(tx.action.at)
        .filter(pk=session.pk)
        .using_db(tx.db)
        .exists()
    ):
        raise Unauthenticated
    user = next((row for row in rows if row.pk == user_id and row.staff), None)
    if user is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "userId")
    other_operators = [
        operator for operator in operators if operator.second_factor and operator.pk != user.pk
    ]
    if user.staff is Staff.OPERATOR and not remains_operator and not other_operators:
        raise Refusal(AccountsErrorCode.LAST_OPERATOR, "input", "userId")
    return user
