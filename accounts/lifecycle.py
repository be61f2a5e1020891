"""Deactivation, reactivation and deletion of a company's account: an owner requests it, an agent
carries it out, and for a while it can be undone.

A request opens a ticket of its kind. No customer deletes an account directly, and no agent does
without an owner's ticket. An agent who deactivates an account without a request says why, to the
owners and in the audit log. A company that isn't active has no sessions: they end together with
their websockets, and no new ones start (`sessions.valid_sessions`). Its members can still sign in
without a company, and its owners can then request the reactivation. Accounts due for deletion are
erased by a job (privacy/erasure.py).
"""

import hashlib
from datetime import date, datetime, time, timedelta

from tortoise.queryset import QuerySet

from accounts.details import invalidate_members
from auth import sessions, throttle
from auth.api_keys import announce_keys_of
from auth.reauthentication import require_step_up
from auth.services import AuthServices
from mail import emails
from models.accounts.account import Account, AccountMembers, AccountStatus, Membership, Role
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.errors import AccountsErrorCode
from models.accounts.intervention import InterventionReason
from models.action import Action, Transaction
from models.billing.purchase import Purchase
from models.billing.receivable import Receivable
from models.checks import Checks
from models.clock import PARIS, local_date
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.idempotency import earlier_result, store_result
from models.identity.session import Session
from models.identity.user import User
from models.privacy.erasure import Erasure
from models.support.classification import Category, Channel, TicketKind
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.text import client_key, message_text, optional_key
from models.translations import _
from models.translations import text as translate

REASON_LENGTH = 1_000

SUBJECTS = {
    TicketKind.ACCOUNT_DEACTIVATION: _("Deactivation of the company’s account"),
    TicketKind.ACCOUNT_REACTIVATION: _("Reactivation of the company’s account"),
    TicketKind.ACCOUNT_DELETION: _("Deletion of the company’s account"),
}


async def request(
    action: Action,
    auth: AuthServices,
    session: Session,
    account_id: int | None,
    kind: TicketKind,
    message: str,
    key: str,
) -> Ticket:
    """Request the deactivation, reactivation or deletion of a company's account: opens a ticket,
    one per kind at a time.

    Raises STEP_UP_REQUIRED (except for reactivation), BLANK, TOO_LONG, NOT_FOUND,
    TRANSITION_ILLEGAL, IDEMPOTENCY_MISMATCH, Forbidden for everyone but owners, and Throttled,
    which stores nothing.
    """
    is_reactivation = kind is TicketKind.ACCOUNT_REACTIVATION
    if not is_reactivation:
        await require_step_up(action, session)
    async with action.transaction() as tx:
        with Checks() as check:
            account = await check.wait(_lock_owned_account(tx, session, account_id))
            text, key = check(message_text, message, "message"), check(client_key, key)
        _require_status(account, *_ALLOWED_STATUSES[kind])
        user = await sessions.lock_user(tx, session)
        return await _open_request(tx, auth, account, user, kind, text, key)


async def _lock_owned_account(tx: Transaction, session: Session, account_id: int | None) -> Account:
    members = await AccountMembers.lock(tx, account_id or 0)
    membership = members.membership(session.user_id)
    if members.account is None or membership is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "accountId")
    if membership.role is not Role.OWNER:
        raise Forbidden
    return members.account


async def _open_request(
    tx: Transaction,
    auth: AuthServices,
    account: Account,
    user: User,
    kind: TicketKind,
    text: str,
    key: str,
) -> Ticket:
    """Open the ticket of a request. The attempt is counted here, where it is known that an owner
    makes a new and possible request: strangers and repeats can't use up the company's attempts.
    When it is throttled, the idempotency key is rolled back with it.
    """
    owner = f"user:{user.pk}"
    if earlier_id := await earlier_result(tx, owner, kind.value, key, [account.pk, text]):
        return await Ticket.get(pk=earlier_id, using_db=tx.db)
    await auth.throttle.attempt(throttle.key(throttle.LIFECYCLE, account.pk, kind.value))
    ticket = await (await _pending_requests(tx, account, kind)).order_by("-id").first()
    if ticket is None:
        subject = translate(SUBJECTS[kind], user.locale)
        ticket = await Ticket.open(
            tx,
            account,
            user,
            subject=subject,
            channel=Channel.WEB,
            category=Category.ACCOUNT,
            kind=kind,
        )
    message_id = hashlib.sha256(
        f"{kind.value}:{key}".encode()
    ).hexdigest()  # two keys that differ never become one
    await (await tx.lock(Ticket, ticket.pk)).post(tx, user, text, message_id, is_final=True)
    await store_result(tx, owner, kind.value, key, ticket.pk)
    return ticket


async def _pending_requests(
    tx: Transaction, account: Account, kind: TicketKind
) -> QuerySet[Ticket]:
    """The company's open requests of a kind, except those for which a deletion was already
    scheduled.
    """
    scheduled_ticket_ids = (
        await Erasure.filter(account_id=account.pk)
        .using_db(tx.db)
        .values_list("ticket_id", flat=True)
    )
    done_statuses = [TicketStatus.SOLVED, TicketStatus.CLOSED]
    tickets = Ticket.filter(
        account_id=account.pk, kind=kind, status__not_in=done_statuses
    ).using_db(tx.db)
    return tickets.exclude(pk__in=scheduled_ticket_ids) if scheduled_ticket_ids else tickets


_INACTIVE_STATUSES = (AccountStatus.DEACTIVATED, AccountStatus.CLOSING)
_ALLOWED_STATUSES = {
    TicketKind.ACCOUNT_DEACTIVATION: (AccountStatus.ACTIVE,),
    TicketKind.ACCOUNT_REACTIVATION: _INACTIVE_STATUSES,
    TicketKind.ACCOUNT_DELETION: (AccountStatus.ACTIVE, AccountStatus.DEACTIVATED),
}


_NEXT_STEPS = {
    AccountStatus.ACTIVE: _(
        "This company’s account is active. It can only be deactivated or deleted."
    ),
    AccountStatus.DEACTIVATED: _(
        "This company’s account is deactivated. It can only be reactivated or deleted."
    ),
    AccountStatus.CLOSING: _(
        "This company’s account is scheduled for deletion. It can only be reactivated."
    ),
    AccountStatus.ERASED: _("This company’s account has been deleted, which can’t be undone."),
}


def _require_status(account: Account, *allowed: AccountStatus) -> None:
    if account.status not in allowed:
        raise Refusal(
            CommonErrorCode.TRANSITION_ILLEGAL,
            "input",
            "accountId",
            message=_NEXT_STEPS[account.status],
        )


async def deactivate(
    action: Action,
    session: Session,
    account_id: int | None,
    reason: InterventionReason,
    message: str,
) -> Account:
    """Deactivate an account: no one can act for it until it is reactivated. The owners are told why
    by email. A repeat changes nothing.

    Raises STEP_UP_REQUIRED, BLANK, TOO_LONG, NOT_FOUND, TRANSITION_ILLEGAL, REQUEST_MISSING when
    the reason is a request that no current owner has made, and Unauthenticated.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        with Checks() as check:
            locked_rows = await check.wait(_lock_for_agent(tx, session, account_id))
            text = check(message_text, message, "message", REASON_LENGTH)
        account, members, _ = locked_rows
        if account.status is AccountStatus.DEACTIVATED:
            return account
        _require_status(account, AccountStatus.ACTIVE)
        if reason is InterventionReason.REQUESTED:
            await _require_deactivation_request(tx, account, members)
        session_count = await _suspend(tx, account, members, AccountStatus.DEACTIVATED)
        await _solve_tickets(tx, account, TicketKind.ACCOUNT_DEACTIVATION)
        tx.audit(
            AccountsAuditAction.ACCOUNT_DEACTIVATE,
            account,
            sessions_ended=session_count,
            reason=reason.value,
        )
        await _notify(tx, account, reason, text)
    return account


async def _require_deactivation_request(
    tx: Transaction, account: Account, members: AccountMembers
) -> None:
    requests = await _pending_requests(tx, account, TicketKind.ACCOUNT_DEACTIVATION)
    if not await requests.filter(requester_id__in=list(members.owners)).exists():
        raise Refusal(AccountsErrorCode.REQUEST_MISSING, "input", "reason")


async def reactivate(action: Action, session: Session, account_id: int | None) -> Account:
    """Reactivate an account that is deactivated or scheduled for deletion. Its purchases are billed
    again from the current period on, and the dunning of its invoices goes on from where it was. A
    repeat changes nothing.

    Raises STEP_UP_REQUIRED, NOT_FOUND, TRANSITION_ILLEGAL once the erasure has started, and
    Unauthenticated.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        account, _, _ = await _lock_for_agent(tx, session, account_id)
        if account.status is not AccountStatus.ACTIVE:
            _require_status(account, *_INACTIVE_STATUSES)
            previous_status = account.status.value
            await (
                Erasure.filter(account_id=account.pk, canceled_at=None)
                .using_db(tx.db)
                .update(canceled_at=action.at)
            )
            await _set_status(tx, account, AccountStatus.ACTIVE)
            await Purchase.skip_inactive_periods(tx, account.pk)
            await Receivable.resume_dunning(tx, account.pk)
            await _solve_tickets(tx, account, TicketKind.ACCOUNT_REACTIVATION)
            tx.audit(AccountsAuditAction.ACCOUNT_REACTIVATE, account, before=previous_status)
            await _notify(tx, account)
    return account


async def schedule_deletion(
    action: Action,
    session: Session,
    account_id: int | None,
    ticket_id: int | None,
    grace_period: timedelta,
) -> Account:
    """Schedule the deletion that an owner requested in this ticket, after a grace period. Until
    then the account is deactivated.

    A repeat changes nothing. Raises STEP_UP_REQUIRED, NOT_FOUND, TRANSITION_ILLEGAL,
    REQUEST_MISSING when the ticket doesn't request the deletion, was used before or wasn't opened
    by a current owner, and Unauthenticated.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        with Checks() as check:
            locked_rows = await check.wait(_lock_for_agent(tx, session, account_id))
            if not await Ticket.filter(pk=ticket_id or 0).using_db(tx.db).exists():
                check.refuse(Refusal(AccountsErrorCode.REQUEST_MISSING, "input", "ticketId"))
        account, members, _ = locked_rows
        if account.status is AccountStatus.CLOSING:
            return account
        _require_status(account, AccountStatus.ACTIVE, AccountStatus.DEACTIVATED)
        ticket = await _find_deletion_request(tx, account, members, ticket_id)
        assert ticket.deadline_at is not None, "each request of this kind has one"  # noqa: S101
        deadline = local_date(ticket.deadline_at)
        account.erases_at = _grace_period_end(action, grace_period, deadline)
        await Erasure.create(
            using_db=tx.db,
            account=account,
            ticket=ticket,
            scheduler_id=session.user_id,
            requested_at=ticket.created_at,
            deadline=deadline,
            scheduled_at=action.at,
            due_at=account.erases_at,
        )
        session_count = await _suspend(tx, account, members, AccountStatus.CLOSING)
        await ticket.mark_solved(tx)
        tx.audit(
            AccountsAuditAction.ACCOUNT_SCHEDULE_DELETION,
            account,
            sessions_ended=session_count,
            ticket=ticket.pk,
        )
        await _notify(tx, account)
    return account


def _grace_period_end(action: Action, grace_period: timedelta, deadline: date) -> datetime:
    """When the grace period ends: earlier if the legal deadline would pass, but always with at
    least one day to cancel.
    """
    deadline_end = datetime.combine(deadline, time(), PARIS)
    return min(
        action.at + grace_period,
        max(deadline_end, action.at + min(grace_period, timedelta(days=1))),
    )


async def _solve_tickets(tx: Transaction, account: Account, kind: TicketKind) -> None:
    """Mark the company's open tickets of this kind as solved."""
    for ticket in await tx.lock_rows(await _pending_requests(tx, account, kind)):
        await ticket.mark_solved(tx)


async def decline_reactivation(
    action: Action, session: Session, account_id: int | None, reason: str, key: str | None = None
) -> Account:
    """Decline to reactivate an account, by email to its owners, because they can't see tickets.

    An owner can request it again. Raises BLANK, TOO_LONG, NOT_FOUND, REQUEST_MISSING and
    Unauthenticated.
    """
    async with action.transaction() as tx:
        with Checks() as check:
            locked_rows = await check.wait(_lock_for_agent(tx, session, account_id))
            text = check(message_text, reason, "reason", REASON_LENGTH)
            key = check(optional_key, key)
        account, _, agent = locked_rows
        owner, arguments = f"user:{agent.pk}", [account.pk, text]
        if (
            await earlier_result(tx, owner, "accountDeclineReactivation", key, arguments)
            is not None
        ):
            return account
        ticket = (
            await (await _pending_requests(tx, account, TicketKind.ACCOUNT_REACTIVATION))
            .order_by("-id")
            .first()
        )
        if ticket is None:
            raise Refusal(AccountsErrorCode.REQUEST_MISSING, "input", "accountId")
        posted_message = await (await tx.lock(Ticket, ticket.pk)).post(
            tx, agent, text, f"declined:{action.at.isoformat()}", is_final=True
        )
        await ticket.mark_solved(tx)
        tx.audit(AccountsAuditAction.ACCOUNT_DECLINE_REACTIVATION, account, ticket=ticket.pk)
        owners = await _owners(tx, account)
        for owner_user in owners:
            await emails.send_reactivation_declined(tx, owner_user, account, text)
        await ticket.record_emailed(tx, posted_message, [owner_user.pk for owner_user in owners])
        await store_result(tx, owner, "accountDeclineReactivation", key)
    return account


async def _lock_for_agent(
    tx: Transaction, session: Session, account_id: int | None
) -> tuple[Account, AccountMembers, User]:
    """Lock the company, its members and the agent, who must still be one. Returns the company and
    its members.
    """
    members = await AccountMembers.lock(tx, account_id or 0)
    # Before the user, as an erasure does.
    await tx.lock_rows(Erasure.filter(account_id=account_id or 0, canceled_at=None))
    agent = await sessions.lock_user(tx, session)
    if not agent.staff:
        raise Forbidden
    if members.account is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "accountId")
    return members.account, members, agent


async def _find_deletion_request(
    tx: Transaction, account: Account, members: AccountMembers, ticket_id: int | None
) -> Ticket:
    ticket = (
        await (await _pending_requests(tx, account, TicketKind.ACCOUNT_DELETION))
        .filter(pk=ticket_id or 0)
        .first()
    )
    membership = members.membership(ticket.requester_id) if ticket else None
    if ticket is None or membership is None or membership.role is not Role.OWNER:
        raise Refusal(AccountsErrorCode.REQUEST_MISSING, "input", "ticketId")
    return ticket


async def _suspend(
    tx: Transaction, account: Account, members: AccountMembers, status: AccountStatus
) -> int:
    """Set the company's status, end all sessions for it, and stop its API keys until it is active
    again. Returns how many sessions ended.
    """
    await _set_status(tx, account, status)
    await announce_keys_of(tx, account.pk)
    return sum(
        [
            await sessions.end_for_account(tx, user_id, account.pk)
            for user_id in sorted(members.user_ids)
        ]
    )


async def _set_status(tx: Transaction, account: Account, status: AccountStatus) -> None:
    account.status = status
    account.erases_at = account.erases_at if status is AccountStatus.CLOSING else None
    await account.save(using_db=tx.db, update_fields=["status", "erases_at"])
    await invalidate_members(tx, account.pk)


async def _notify(
    tx: Transaction,
    account: Account,
    reason: InterventionReason | None = None,
    message: str | None = None,
) -> None:
    """Notify the owners by email, with the reason and the agent's message if there are any."""
    for owner in await _owners(tx, account):
        await emails.send_account_status(tx, owner, account, reason=reason, message=message)


async def _owners(tx: Transaction, account: Account) -> list[User]:
    """The owners of a company, in the order in which they joined."""
    memberships = (
        Membership.filter(account_id=account.pk, role=Role.OWNER)
        .using_db(tx.db)
        .select_related("user")
        .order_by("id")
    )
    return [membership.user for membership in await memberships]
