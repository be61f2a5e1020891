"""Requests of people about their personal data, from the receipt to the decision.

A person makes a request while they are signed in, or an operator records one of somebody who wrote
or called. Only an operator decides it, with an answer that the person reads: nobody else can end
it, not even the owners of the person's company. Operators are reminded before the deadline.
"""

from collections.abc import Awaitable
from datetime import UTC, datetime
from functools import partial

from auth import sessions
from mail import emails
from mail.emails import DataRequestNotice
from models.action import Action, Transaction
from models.checks import Checks
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.session import Session
from models.identity.user import Staff, User
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.data_request import (
    EXTENDED_MONTHS,
    MONTHS,
    DataRequest,
    DataRequestDecision,
    DataRequestKind,
)
from models.privacy.errors import PrivacyErrorCode
from models.text import client_key, message_text
from models.translations import _

GDPR_APPLIES_FROM = datetime(2018, 5, 25, tzinfo=UTC)  # Article 99(2)
MAX_PENDING = 20  # of one person: each one reminds the operators


async def make(
    action: Action, session: Session, kind: DataRequestKind, details: str, key: str
) -> DataRequest:
    """Make a request for oneself. Raises BLANK, TOO_LONG, TOO_MANY and IDEMPOTENCY_MISMATCH."""
    with Checks() as check:
        details = check(message_text, details, "details")
        key = check(client_key, key)
    async with action.transaction() as tx:
        user = await sessions.lock_user(tx, session)
        arguments = [kind.value, details]
        if existing := await earlier_result(
            tx, owner_of(action), "dataRequestMake", key, arguments
        ):
            return await DataRequest.get(pk=existing, using_db=tx.db)
        await _require_room(tx, user)
        request = await _store(tx, user, kind, details, action.at)
        await store_result(tx, owner_of(action), "dataRequestMake", key, request.pk)
    return request


async def _require_room(tx: Transaction, user: User) -> None:
    pending = DataRequest.filter(user_id=user.pk, decision=None).using_db(tx.db)
    if await pending.count() >= MAX_PENDING:
        message = _("You already have %(limit)s requests that aren’t decided yet.")
        raise Refusal(CommonErrorCode.TOO_MANY, "input", message=message, limit=MAX_PENDING)


async def record(
    action: Action,
    loading: Awaitable[User],
    kind: DataRequestKind,
    details: str,
    received_at: datetime,
    key: str,
) -> DataRequest:
    """Record the request of a person who made it in another way. Its deadline counts from when it
    was received. Raises BLANK, TOO_LONG, TIME_FUTURE, VALUE_INVALID and IDEMPOTENCY_MISMATCH.
    """
    with Checks() as check:
        user = await check.wait(loading)
        details = check(message_text, details, "details")
        key = check(client_key, key)
        if received_at > action.at:
            check.refuse(Refusal(PrivacyErrorCode.TIME_FUTURE, "input", "receivedAt"))
        elif received_at < GDPR_APPLIES_FROM:
            message = _("The GDPR did not apply yet on this date.")
            check.refuse(
                Refusal(CommonErrorCode.VALUE_INVALID, "input", "receivedAt", message=message)
            )
    async with action.transaction() as tx:
        user = await tx.lock(User, user.pk)
        arguments = [user.pk, kind.value, details, received_at.isoformat()]
        if existing := await earlier_result(
            tx, owner_of(action), "dataRequestRecord", key, arguments
        ):
            return await DataRequest.get(pk=existing, using_db=tx.db)
        request = await _store(tx, user, kind, details, received_at)
        await store_result(tx, owner_of(action), "dataRequestRecord", key, request.pk)
    return request


async def _store(
    tx: Transaction, user: User, kind: DataRequestKind, details: str, received_at: datetime
) -> DataRequest:
    actor = tx.action.actor
    request = DataRequest(
        user_id=user.pk,
        recorder_id=actor.pk if actor and actor.pk != user.pk else None,
        kind=kind,
        details=details,
        received_at=received_at,
    )
    request.set_deadline(MONTHS, tx.action.at)
    await request.save(using_db=tx.db)
    tx.audit(PrivacyAuditAction.DATA_REQUEST_RECEIVE, request, kind=kind.value)
    await _notify_person(tx, user, request, DataRequestNotice.RECEIVED)
    return request


async def _notify_person(
    tx: Transaction, user: User, request: DataRequest, notice: DataRequestNotice
) -> None:
    """Tell the person by email, unless they were erased or never confirmed their address."""
    if user.email_verified_at:
        await emails.send_data_request(tx, user, request, notice)


async def extend(action: Action, loading: Awaitable[DataRequest], reason: str) -> DataRequest:
    """Extend the deadline by two months, once and before it has passed, and tell the person why. A
    repeat changes nothing. Raises BLANK, TOO_LONG and TRANSITION_ILLEGAL.
    """
    with Checks() as check:
        request = await check.wait(loading)
        reason = check(message_text, reason, "reason")
    async with action.transaction() as tx:
        user = await tx.lock(User, request.user_id)
        request = await tx.lock(DataRequest, request.pk)
        if request.extended_at and request.extension_reason == reason:
            return request
        if request.decision or request.extended_at or request.deadline_at <= action.at:
            message = _(
                "A deadline can be extended only once, before it passes and before the request is "
                "decided."
            )
            raise Refusal(
                CommonErrorCode.TRANSITION_ILLEGAL, "input", "dataRequestId", message=message
            )
        request.extended_at, request.extension_reason = action.at, reason
        request.set_deadline(EXTENDED_MONTHS, action.at)
        await request.save(using_db=tx.db)
        tx.audit(PrivacyAuditAction.DATA_REQUEST_EXTEND, request)
        await _notify_person(tx, user, request, DataRequestNotice.EXTENDED)
    return request


async def decide(
    action: Action, loading: Awaitable[DataRequest], decision: DataRequestDecision, answer: str
) -> DataRequest:
    """Decide a request, and tell the person what was decided and done. A repeat changes nothing.
    Raises BLANK, TOO_LONG, and TRANSITION_ILLEGAL when it was decided otherwise.
    """
    with Checks() as check:
        request = await check.wait(loading)
        answer = check(message_text, answer, "answer")
    assert action.actor, "an operator"  # noqa: S101
    async with action.transaction() as tx:
        user = await tx.lock(User, request.user_id)
        request = await tx.lock(DataRequest, request.pk)
        if (request.decision, request.answer) == (decision, answer):
            return request
        if request.decision:
            message = _("This request has already been decided.")
            raise Refusal(
                CommonErrorCode.TRANSITION_ILLEGAL, "input", "dataRequestId", message=message
            )
        request.decision, request.answer = decision, answer
        request.decided_at, request.decider_id = action.at, action.actor.pk
        request.reminder_at = None
        await request.save(using_db=tx.db)
        tx.audit(PrivacyAuditAction.DATA_REQUEST_DECIDE, request, decision=decision.value)
        await _notify_person(tx, user, request, DataRequestNotice.DECIDED)
    return request


async def send_data_request_reminders(action: Action) -> int:
    """Send the due reminders of deadlines to the operators. Returns for how many requests."""
    due = DataRequest.filter(reminder_at__lte=action.at)
    return await handle_each(due, partial(_remind, action), "data_request_reminder.failed")


async def _remind(action: Action, key: int) -> bool:
    async with action.transaction() as tx:
        request = await tx.lock(DataRequest, key)
        if request.reminder_at is None or request.reminder_at > action.at:
            return False
        operators = User.filter(staff=Staff.OPERATOR, second_factor_at__not_isnull=True)
        for operator in await operators.using_db(tx.db).order_by("id"):
            await emails.send_data_request(tx, operator, request, DataRequestNotice.REMINDER)
        request.plan_reminder(action.at)
        await request.save(using_db=tx.db, update_fields=["reminder_at"])
    return True
