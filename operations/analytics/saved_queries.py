"""Saving queries under a name, and checking those that were saved before an upgrade."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from tortoise.exceptions import IntegrityError

from mail import emails
from models.action import Action, Transaction
from models.analytics.audit_actions import AnalyticsAuditAction
from models.analytics.errors import AnalyticsErrorCode
from models.analytics.query_schedule import QuerySchedule, QueryScheduleEnd
from models.analytics.saved_query import SavedQuery
from models.errors import CommonErrorCode, Forbidden, Refusal, Refusals
from models.idempotency import earlier_result, earlier_row, owner_of, store_result
from models.identity.user import Staff, User
from models.support.errors import SupportErrorCode
from operations.analytics.catalogue import fact_tables
from operations.analytics.query import AnalyticsQuery

MAX_QUERIES = 200  # of one analyst


def load_query(stored: Mapping[str, Any], today: date) -> AnalyticsQuery:
    """The query that `AnalyticsQuery.to_json` wrote, checked as `analytics` does. Raises
    Refusal, with QUERY_OUTDATED first, when an upgrade has changed what can be queried.
    """
    outdated = Refusal(AnalyticsErrorCode.QUERY_OUTDATED, "query")
    try:
        query = AnalyticsQuery.from_json(stored)
        fact = fact_tables("sqlite")[query.fact]
    except (KeyError, TypeError, ValueError):
        raise outdated from None
    try:
        query.check(fact, today)
    except Refusal as refusal:
        raise Refusals([outdated, *refusal.refusals]) from None
    return query


def check_new_query(query: AnalyticsQuery, today: date) -> None:
    """Check the query of a mutation's input. Raises Refusal with the errors that `analytics` has
    for it.
    """
    try:
        query.check(fact_tables("sqlite")[query.fact], today)
    except Refusal as refusal:
        for each in refusal.refusals:
            each.field = ("input", *each.field)
        raise


async def create(
    action: Action, user: User, name: str, query: AnalyticsQuery, key: str, *, is_shared: bool
) -> SavedQuery:
    """Save a query that was checked. A repeat with the same key returns the same one.

    Raises NAME_TAKEN, TOO_MANY and IDEMPOTENCY_MISMATCH.
    """
    owner, operation = owner_of(action), "savedQueryCreate"
    stored = query.to_json()
    try:
        async with action.transaction() as tx:
            await tx.lock(User, user.pk)
            arguments = [name, stored, is_shared]
            if earlier_id := await earlier_result(tx, owner, operation, key, arguments):
                return await earlier_row(tx, SavedQuery, earlier_id)
            if await SavedQuery.filter(owner_id=user.pk).using_db(tx.db).count() >= MAX_QUERIES:
                raise Refusal(CommonErrorCode.TOO_MANY, "input", "name", limit=MAX_QUERIES)
            saved = await SavedQuery.create(
                using_db=tx.db,
                owner=user,
                name=name,
                query=stored,
                is_shared=is_shared,
                created_at=action.at,
                updated_at=action.at,
            )
            await store_result(tx, owner, operation, key, saved.pk)
            tx.audit(
                AnalyticsAuditAction.SAVED_QUERY_CREATE, saved, fact=query.fact, shared=is_shared
            )
    except IntegrityError:
        raise _name_taken() from None
    return saved


def _name_taken() -> Refusal:
    return Refusal(SupportErrorCode.NAME_TAKEN, "input", "name")


async def update(action: Action, user: User, key: int, values: Mapping[str, Any]) -> SavedQuery:
    """Change columns of a query. A repeat changes nothing.

    Raises NAME_TAKEN, NOT_FOUND, and Forbidden for those who may not change it.
    """
    try:
        async with action.transaction() as tx:
            saved = await _lock_changeable(tx, user, key)
            changes = {
                name: value for name, value in values.items() if getattr(saved, name) != value
            }
            if changes:
                saved.update_from_dict({**changes, "updated_at": action.at})
                await saved.save(using_db=tx.db, update_fields=[*changes, "updated_at"])
                tx.audit(AnalyticsAuditAction.SAVED_QUERY_UPDATE, saved, shared=saved.is_shared)
    except IntegrityError:
        raise _name_taken() from None
    return saved


async def delete(action: Action, user: User, key: int) -> None:
    """Delete a query with its schedules. Other analysts who had scheduled it are told by email.

    Raises NOT_FOUND, and Forbidden for those who may not change it.
    """
    async with action.transaction() as tx:
        saved = await _lock_changeable(tx, user, key)
        for schedule in await tx.lock_rows(QuerySchedule.filter(saved_query_id=saved.pk)):
            if schedule.next_due_at and schedule.owner_id != user.pk:
                owner = await User.get(pk=schedule.owner_id, using_db=tx.db)
                if owner.staff is Staff.ANALYST:
                    reason = QueryScheduleEnd.QUERY_DELETED
                    await emails.send_query_schedule_ended(tx, owner, saved.name, reason)
            await schedule.delete(using_db=tx.db)
        await saved.delete(using_db=tx.db)
        tx.audit(AnalyticsAuditAction.SAVED_QUERY_DELETE, saved)


async def _lock_changeable(tx: Transaction, user: User, key: int) -> SavedQuery:
    rows = await tx.lock_rows(SavedQuery.filter(pk=key))
    if not rows or not rows[0].is_visible_to(user.pk):
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "savedQueryId")
    owner = await User.get(pk=rows[0].owner_id, using_db=tx.db)
    if not may_change(rows[0], owner, user):
        raise Forbidden
    return rows[0]


def may_change(saved: SavedQuery, owner: User, user: User) -> bool:
    """Whether an analyst who sees a query may change it: its owner, and everybody once the owner is
    no analyst any more. One who has lost their second factor still is one.
    """
    return saved.owner_id == user.pk or owner.staff is not Staff.ANALYST
