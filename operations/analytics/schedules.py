"""Sending the answers to saved queries by email at fixed times.

A due time is served once, although the job runs in several processes: a worker claims the schedule,
computes the answer outside any transaction, and then stores the email and the next due time in one.
A worker that is killed in between leaves a claim that expires. After a downtime only the newest due
time is served.

Who may read the answer is checked when it is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from auth.tokens import Purpose, Signer
from mail import emails
from mail.query_report import QueryReport
from models.action import Action, Transaction
from models.analytics.audit_actions import AnalyticsAuditAction
from models.analytics.errors import AnalyticsErrorCode
from models.analytics.query_schedule import QuerySchedule, QueryScheduleEnd
from models.analytics.saved_query import SavedQuery
from models.clock import local_date
from models.due_rows import handle_each
from models.errors import BadInput, CommonErrorCode, Refusal, ServiceUnavailable
from models.idempotency import earlier_result, earlier_row, owner_of, store_result
from models.identity.user import Staff, User
from operations.analytics.query import AnalyticsQuery
from operations.analytics.report import report_of
from operations.analytics.saved_queries import load_query
from operations.analytics.table import Table, answer

MAX_SCHEDULES = 50  # of one analyst
MAX_FAILURES = 3  # in a row
_CLAIM = timedelta(minutes=5)  # longer than any statement of analysts may take

log = structlog.stdlib.get_logger()


async def create(
    action: Action,
    user: User,
    saved: SavedQuery,
    recipient_email: str | None,
    times: Mapping[str, Any],
    key: str,
) -> QuerySchedule:
    """Send the answers to a query that the user sees to them, or to the analyst with this address.
    `times` has the columns that say when. A repeat with the same key returns the same schedule.

    Raises NOT_ANALYST, QUERY_NOT_SHARED, TOO_MANY and IDEMPOTENCY_MISMATCH.
    """
    owner, operation = owner_of(action), "queryScheduleCreate"
    async with action.transaction() as tx:
        await tx.lock(User, user.pk)
        arguments = [saved.pk, recipient_email, {**times}]
        if earlier_id := await earlier_result(tx, owner, operation, key, arguments):
            return await earlier_row(tx, QuerySchedule, earlier_id)
        recipient = await _find_recipient(tx, user, recipient_email)
        if not saved.is_visible_to(recipient.pk):
            raise Refusal(AnalyticsErrorCode.QUERY_NOT_SHARED, "input", "recipientEmail")
        if await QuerySchedule.filter(owner_id=user.pk).using_db(tx.db).count() >= MAX_SCHEDULES:
            raise Refusal(CommonErrorCode.TOO_MANY, "input", "savedQueryId", limit=MAX_SCHEDULES)
        schedule = QuerySchedule(
            saved_query_id=saved.pk,
            owner_id=user.pk,
            recipient_id=recipient.pk,
            created_at=action.at,
            **times,
        )
        schedule.next_due_at = schedule.due_after(action.at)
        await schedule.save(using_db=tx.db)
        await store_result(tx, owner, operation, key, schedule.pk)
        tx.audit(AnalyticsAuditAction.QUERY_SCHEDULE_CREATE, schedule, recipient=recipient.pk)
    return schedule


async def _find_recipient(tx: Transaction, user: User, email: str | None) -> User:
    if email is None:
        return user
    recipient = await User.get_or_none(email=email, using_db=tx.db)
    if recipient is None or not _is_analyst(recipient):
        raise Refusal(AnalyticsErrorCode.NOT_ANALYST, "input", "recipientEmail")
    return recipient


def _is_analyst(user: User) -> bool:
    """Whether a person could sign in as an analyst now (models/viewer.py)."""
    return user.staff is Staff.ANALYST and user.second_factor


async def update(
    action: Action, user: User, key: int, times: Mapping[str, Any], *, is_active: bool | None
) -> QuerySchedule:
    """Change when a schedule of the user's is due, end it, or resume it after it has ended. A
    repeat changes nothing. Raises NOT_FOUND for a schedule of somebody else.
    """
    async with action.transaction() as tx:
        schedule = await _lock_own(tx, user, key)
        before = (schedule.frequency, schedule.hour, schedule.weekday, schedule.day)
        was_active = schedule.ended_at is None
        schedule.update_from_dict({**times})
        is_changed = before != (
            schedule.frequency,
            schedule.hour,
            schedule.weekday,
            schedule.day,
        )
        active = was_active if is_active is None else is_active
        if not is_changed and active == was_active:
            return schedule
        schedule.ended_at = None if active else (schedule.ended_at or action.at)
        if active:
            schedule.end_reason, schedule.next_due_at = None, schedule.due_after(action.at)
            schedule.failures = schedule.failures if was_active else 0
        else:
            schedule.next_due_at = None
        schedule.claimed_until = None
        await schedule.save(using_db=tx.db)
        tx.audit(AnalyticsAuditAction.QUERY_SCHEDULE_UPDATE, schedule, active=active)
    return schedule


async def _lock_own(tx: Transaction, user: User, key: int) -> QuerySchedule:
    rows = await tx.lock_rows(QuerySchedule.filter(pk=key, owner_id=user.pk))
    if not rows:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "queryScheduleId")
    return rows[0]


async def delete(action: Action, user: User, key: int) -> None:
    """Delete a schedule, as its owner or as its recipient. Raises NOT_FOUND."""
    async with action.transaction() as tx:
        rows = await tx.lock_rows(QuerySchedule.filter(pk=key))
        if not rows or user.pk not in (rows[0].owner_id, rows[0].recipient_id):
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "queryScheduleId")
        await rows[0].delete(using_db=tx.db)
        tx.audit(AnalyticsAuditAction.QUERY_SCHEDULE_DELETE, rows[0])


async def send_due_reports(action: Action, signer: Signer, minimum_companies: int) -> int:
    """Send what is due: a job. Returns for how many schedules something was done."""
    due = QuerySchedule.filter(next_due_at__lte=action.at)
    send = partial(_send, action, signer, minimum_companies)
    return await handle_each(due, send, "query_schedule.failed")


@dataclass(frozen=True)
class _Answer:
    """The answer to a query, or why there is none."""

    query: AnalyticsQuery | None = None
    table: Table | None = None
    failure: str = ""


async def _send(action: Action, signer: Signer, minimum_companies: int, key: int) -> bool:
    claimed = await _claim(action, key)
    if claimed is None:
        return False
    schedule, saved = claimed
    due_at = schedule.due_until(action.at)
    answered = await _answer(saved, due_at, minimum_companies)
    return await _deliver(action, signer, schedule, answered, due_at)


async def _claim(action: Action, key: int) -> tuple[QuerySchedule, SavedQuery] | None:
    """Claim a schedule that is due, so that no other worker computes the same answer. None when one
    does, and for a schedule that ends now.
    """
    async with action.transaction() as tx:
        rows = await tx.lock_rows(QuerySchedule.filter(pk=key))
        if not rows or not _is_free(rows[0], action.at):
            return None
        schedule = rows[0]
        saved = await SavedQuery.get(pk=schedule.saved_query_id, using_db=tx.db)
        if reason := await _end_reason(tx, schedule, saved):
            await _end(tx, schedule, saved, reason)
            return None
        schedule.claimed_until = action.at + _CLAIM
        await schedule.save(using_db=tx.db, update_fields=["claimed_until"])
    return schedule, saved


def _is_free(schedule: QuerySchedule, at: datetime) -> bool:
    is_due = schedule.next_due_at is not None and schedule.next_due_at <= at
    return is_due and (schedule.claimed_until is None or schedule.claimed_until <= at)


async def _end_reason(
    tx: Transaction, schedule: QuerySchedule, saved: SavedQuery
) -> QueryScheduleEnd | None:
    """Why nothing may be sent any more, None if it may."""
    for user_id, reason in (
        (schedule.recipient_id, QueryScheduleEnd.RECIPIENT_LEFT),
        (schedule.owner_id, QueryScheduleEnd.OWNER_LEFT),
    ):
        if not _is_analyst(await User.get(pk=user_id, using_db=tx.db)):
            return reason
    if not saved.is_visible_to(schedule.recipient_id) or not saved.is_visible_to(schedule.owner_id):
        return QueryScheduleEnd.QUERY_NOT_SHARED
    return None


async def _end(
    tx: Transaction, schedule: QuerySchedule, saved: SavedQuery, reason: QueryScheduleEnd
) -> None:
    """End a schedule, and tell its owner, or its recipient when the owner has left."""
    schedule.next_due_at, schedule.claimed_until = None, None
    schedule.ended_at, schedule.end_reason = tx.action.at, reason
    await schedule.save(using_db=tx.db)
    tx.audit(AnalyticsAuditAction.QUERY_SCHEDULE_END, schedule, reason=reason.value)
    for user_id in (schedule.owner_id, schedule.recipient_id):
        user = await User.get(pk=user_id, using_db=tx.db)
        if _is_analyst(user):
            await emails.send_query_schedule_ended(tx, user, saved.name, reason)
            return


async def _answer(saved: SavedQuery, due_at: datetime, minimum_companies: int) -> _Answer:
    """The answer as of the day on which it is due. Raises ServiceUnavailable, which is no fault of
    the query.
    """
    today = local_date(due_at)
    try:
        query = load_query(saved.query, today).fixed(today)
        return _Answer(query, await answer(query, today, minimum_companies))
    except (Refusal, BadInput) as error:
        return _Answer(failure=error.args[0] if error.args else type(error).__name__)
    except ServiceUnavailable:
        raise
    except Exception as error:
        # Such as a statement that took too long. It is logged here, because it is counted.
        log.error("query_schedule.failed", key=saved.pk, error=type(error).__name__, exc_info=error)
        return _Answer(failure=type(error).__name__)


async def _deliver(
    action: Action, signer: Signer, claimed: QuerySchedule, answered: _Answer, due_at: datetime
) -> bool:
    """Store the email and the next due time together, unless the schedule has changed since it was
    claimed.
    """
    async with action.transaction() as tx:
        rows = await tx.lock_rows(QuerySchedule.filter(pk=claimed.pk))
        if not rows or (rows[0].next_due_at, rows[0].claimed_until) != (
            claimed.next_due_at,
            claimed.claimed_until,
        ):
            return False
        schedule = rows[0]
        saved = await SavedQuery.get(pk=schedule.saved_query_id, using_db=tx.db)
        if reason := await _end_reason(tx, schedule, saved):
            await _end(tx, schedule, saved, reason)
            return True
        schedule.next_due_at, schedule.claimed_until = schedule.due_after(action.at), None
        if answered.query is None or answered.table is None:
            await _count_failure(tx, schedule, saved)
            return True
        schedule.failures, schedule.last_sent_at = 0, action.at
        await schedule.save(using_db=tx.db)
        recipient = await User.get(pk=schedule.recipient_id, using_db=tx.db)
        report = report_of(answered.table, answered.query, saved.name, recipient.locale)
        await _send_email(tx, signer, schedule, recipient, answered.query, report, due_at)
    return True


async def _count_failure(tx: Transaction, schedule: QuerySchedule, saved: SavedQuery) -> None:
    """Tell the owner of the first failure in a row, and end the schedule after several."""
    schedule.failures += 1
    if schedule.failures >= MAX_FAILURES:
        await _end(tx, schedule, saved, QueryScheduleEnd.FAILING)
        return
    await schedule.save(using_db=tx.db)
    if schedule.failures == 1:
        owner = await User.get(pk=schedule.owner_id, using_db=tx.db)
        await emails.send_query_failed(tx, owner, saved.name, MAX_FAILURES)


async def _send_email(
    tx: Transaction,
    signer: Signer,
    schedule: QuerySchedule,
    recipient: User,
    query: AnalyticsQuery,
    report: QueryReport,
    due_at: datetime,
) -> None:
    token = signer.sign(
        Purpose.ANALYTICS_REPORT,
        tx.action.at,
        analytics=query.to_json(),
        name=report.name,
        user=recipient.pk,
    )
    sender = None
    if schedule.owner_id != recipient.pk:
        sender = await User.get(pk=schedule.owner_id, using_db=tx.db)
    await emails.send_query_report(tx, recipient, report, token, due_at, sender)
