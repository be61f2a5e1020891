"""Webinars: dates, sign-up and its waiting list, reminders, changes and cancellation.

Whoever signs up gets a place while there is one, otherwise they wait; a place that becomes free
goes to whoever has waited longest. Each place is decided with the article locked. Notices to
everybody are sent by a job, in one transaction for each person: a change or a cancellation raises
the article's `calendar_sequence`, and the job writes to those whose `notified_sequence` is behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from tortoise.expressions import Subquery

from auth import throttle
from auth.services import AuthServices
from mail import emails
from mail.emails import WebinarOccasion
from models.accounts.account import Membership
from models.action import Action, Transaction
from models.checks import Checks
from models.clock import local_date
from models.content.article import URL_LENGTH, Article, ArticleKind
from models.content.audit_actions import ContentAuditAction
from models.content.errors import ContentErrorCode
from models.content.webinar import REMINDERS, WebinarSignUp, next_reminder
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.numbers import number_in_range, optional_number
from models.text import line
from models.translations import _
from support.library.calendar_files import CalendarMethod, Organizer, calendar_file

MAX_CAPACITY = 100_000
MAX_SECONDS = 86_400
_NOTICE_PERIOD = timedelta(days=1)  # after the start, in which changes are still announced


@dataclass(frozen=True)
class WebinarPlan:
    """When a webinar takes place, for how long, for how many people (None for everybody), and the
    link to join it.
    """

    starts_at: datetime
    duration_seconds: int
    capacity: int | None = None
    join_url: str | None = None


def check_plan(check: Checks, action: Action, plan: WebinarPlan) -> None:
    """Check a plan. Adds VALUE_INVALID and TOO_LONG to the checks for a time in the past, numbers
    out of range, and an invalid link.
    """
    if plan.starts_at <= action.at:
        message = _("Choose a time in the future.")
        check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, "input", "startsAt", message=message))
    check(number_in_range, plan.duration_seconds, 60, MAX_SECONDS, "input", "durationSeconds")
    check(optional_number, plan.capacity, 1, MAX_CAPACITY, "input", "capacity")
    if plan.join_url is not None:
        check(require_url, plan.join_url, "joinUrl")


def require_url(url: str, field: str) -> str:
    """Raise VALUE_INVALID unless the text is an https URL."""
    cleaned = line(url, field, URL_LENGTH)
    try:
        parts = urlsplit(cleaned)
        is_valid = parts.scheme == "https" and bool(parts.hostname) and " " not in cleaned
    except ValueError:
        is_valid = False
    if not is_valid:
        message = _("Enter a link that begins with https://.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", field, message=message)
    return cleaned


async def schedule(
    action: Action, article: Article, plan: WebinarPlan, organizer: Organizer
) -> Article:
    """Set when a webinar takes place. Those who signed up are told if the time or the link changes.
    A repeat changes nothing.

    Raises NOT_A_WEBINAR, and WEBINAR_OVER for one that was canceled or has begun.
    """
    async with action.transaction() as tx:
        row = await tx.lock(Article, article.pk)
        _require_webinar(row)
        if row.starts_at is not None:
            _require_open(row, action.at)
        before = WebinarPlan(
            row.starts_at or plan.starts_at, row.duration_seconds or 0, row.capacity, row.join_url
        )
        if before == plan and row.starts_at:
            return row
        is_other_date = (before.starts_at, before.duration_seconds, before.join_url) != (
            plan.starts_at,
            plan.duration_seconds,
            plan.join_url,
        )
        row.starts_at, row.duration_seconds = plan.starts_at, plan.duration_seconds
        row.capacity, row.join_url = plan.capacity, plan.join_url
        if is_other_date:
            row.calendar_sequence += 1
        await row.save(using_db=tx.db)
        signed_up = WebinarSignUp.filter(article_id=row.pk).using_db(tx.db)
        await signed_up.update(reminder_at=next_reminder(plan.starts_at, action.at))
        await _fill_places(tx, row, organizer)
        tx.audit(ContentAuditAction.WEBINAR_SCHEDULE, row)
    return row


async def cancel(action: Action, article: Article) -> Article:
    """Cancel a webinar. Everybody who signed up is told. A repeat changes nothing. Raises
    NOT_A_WEBINAR, and WEBINAR_OVER for one that has begun.
    """
    async with action.transaction() as tx:
        row = await tx.lock(Article, article.pk)
        _require_webinar(row)
        if row.canceled_at:
            return row
        _require_open(row, action.at)
        row.canceled_at = action.at
        row.calendar_sequence += 1
        await row.save(using_db=tx.db, update_fields=["canceled_at", "calendar_sequence"])
        await WebinarSignUp.filter(article_id=row.pk).using_db(tx.db).update(reminder_at=None)
        tx.audit(ContentAuditAction.WEBINAR_CANCEL, row)
    return row


async def sign_up(
    action: Action, auth: AuthServices, user: User, article: Article, organizer: Organizer
) -> WebinarSignUp:
    """Sign a person up, or put them on the waiting list. A repeat changes nothing. Raises
    NOT_A_WEBINAR, WEBINAR_OVER and Throttled.
    """
    async with action.transaction() as tx:
        row = await tx.lock(Article, article.pk)
        _require_webinar(row)
        earlier = await WebinarSignUp.get_or_none(
            article_id=row.pk, user_id=user.pk, using_db=tx.db
        )
        if earlier:
            return earlier
        _require_open(row, action.at)
        await auth.throttle.attempt(throttle.key(throttle.WEBINAR, user.pk))
        is_waiting = await _free_places(tx, row) == 0
        signed_up = await WebinarSignUp.create(
            using_db=tx.db,
            article_id=row.pk,
            user_id=user.pk,
            is_waiting=is_waiting,
            signed_up_at=action.at,
            reminder_at=row.starts_at and next_reminder(row.starts_at, action.at),
            notified_sequence=row.calendar_sequence,
        )
        occasion = WebinarOccasion.WAITING if is_waiting else WebinarOccasion.SIGNED_UP
        await _send_email(tx, organizer, row, user, occasion, is_waiting=is_waiting)
    return signed_up


async def withdraw(action: Action, user: User, article: Article, organizer: Organizer) -> Article:
    """Give a person's place to whoever has waited longest. A repeat changes nothing. Raises
    NOT_A_WEBINAR, and WEBINAR_OVER for a webinar that has begun.
    """
    async with action.transaction() as tx:
        row = await tx.lock(Article, article.pk)
        _require_webinar(row)
        rows = await tx.lock_rows(WebinarSignUp.filter(article_id=row.pk, user_id=user.pk))
        if not rows or row.canceled_at:
            return row
        _require_open(row, action.at)
        await rows[0].delete(using_db=tx.db)
        await _fill_places(tx, row, organizer)
        await _send_email(
            tx, organizer, row, user, WebinarOccasion.WITHDRAWN, is_waiting=rows[0].is_waiting
        )
    return row


def _require_webinar(article: Article) -> None:
    if not article.is_webinar:
        raise Refusal(ContentErrorCode.NOT_A_WEBINAR, "input", "articleId")


def _require_open(article: Article, at: datetime) -> None:
    if article.canceled_at or article.starts_at is None or article.starts_at <= at:
        raise Refusal(ContentErrorCode.WEBINAR_OVER, "input", "articleId")


async def _free_places(tx: Transaction, article: Article) -> int | None:
    """How many places are free, None when there is no limit. The caller has locked the article."""
    if article.capacity is None:
        return None
    taken = WebinarSignUp.filter(article_id=article.pk, is_waiting=False).using_db(tx.db)
    return max(0, int(article.capacity) - await taken.count())


async def _fill_places(tx: Transaction, article: Article, organizer: Organizer) -> None:
    """Give free places to those who have waited longest."""
    free = await _free_places(tx, article)
    if free == 0:
        return
    waiting = WebinarSignUp.filter(article_id=article.pk, is_waiting=True).order_by("id")
    promoted = await tx.lock_rows(waiting if free is None else waiting.limit(free))
    for row in promoted:
        row.is_waiting, row.notified_sequence = False, article.calendar_sequence
        await row.save(using_db=tx.db, update_fields=["is_waiting", "notified_sequence"])
        user = await User.get(pk=row.user_id, using_db=tx.db)
        await _send_email(tx, organizer, article, user, WebinarOccasion.PROMOTED, is_waiting=False)


_METHODS = {
    WebinarOccasion.SIGNED_UP: CalendarMethod.REQUEST,
    WebinarOccasion.PROMOTED: CalendarMethod.REQUEST,
    WebinarOccasion.CHANGED: CalendarMethod.REQUEST,
    WebinarOccasion.CANCELED: CalendarMethod.CANCEL,
    WebinarOccasion.WITHDRAWN: CalendarMethod.CANCEL,
}


async def _send_email(
    tx: Transaction,
    organizer: Organizer,
    article: Article,
    user: User,
    occasion: WebinarOccasion,
    *,
    is_waiting: bool,
) -> None:
    """Send an email to a person, with a calendar file if their calendar entry changes."""
    method = None if is_waiting else _METHODS.get(occasion)
    calendar = (
        calendar_file(tx.action.at, organizer, article, user.locale, method, user)
        if method
        else None
    )
    await emails.send_webinar_notice(
        tx, user, article, occasion, is_waiting=is_waiting, calendar=calendar
    )


async def fill_free_places(action: Action, organizer: Organizer) -> int:
    """Give the places of erased people to those on the waiting list. Returns the number of
    webinars with such places. Places that become free otherwise are given at once.
    """
    limited = Article.filter(kind=ArticleKind.WEBINAR, capacity__not_isnull=True, canceled_at=None)
    waiting = WebinarSignUp.filter(is_waiting=True).values("article_id")
    rows = limited.filter(starts_at__gt=action.at, id__in=Subquery(waiting))
    return await handle_each(rows, partial(_fill, action, organizer), "webinar_places.failed")


async def _fill(action: Action, organizer: Organizer, key: int) -> bool:
    async with action.transaction() as tx:
        article = await tx.lock(Article, key)
        if article.canceled_at or not await _free_places(tx, article):
            return False
        await _fill_places(tx, article, organizer)
    return True


async def send_notices(action: Action, organizer: Organizer) -> int:
    """Tell people of changes and cancellations, and send due reminders. Returns how many emails
    were written. Each is stored in one transaction with the record of it. Those who no longer
    belong to a company first lose their places.
    """
    members = Membership.all().values("user_id")
    await WebinarSignUp.exclude(user_id__in=Subquery(members)).delete()
    await fill_free_places(action, organizer)
    changed = await Article.filter(
        kind=ArticleKind.WEBINAR,
        calendar_sequence__gt=0,
        starts_at__gt=action.at - _NOTICE_PERIOD,
    )
    count = 0
    for article in changed:
        behind = WebinarSignUp.filter(
            article_id=article.pk, notified_sequence__lt=article.calendar_sequence
        )
        tell = partial(_notify_of_change, action, organizer)
        count += await handle_each(behind, tell, "webinar_notice.failed")
    due = WebinarSignUp.filter(reminder_at__lte=action.at)
    remind = partial(_remind, action, organizer)
    return count + await handle_each(due, remind, "webinar_notice.failed")


async def _notify_of_change(action: Action, organizer: Organizer, key: int) -> bool:
    async with action.transaction() as tx:
        row, article = await _lock(tx, key)
        if row is None or article is None or row.notified_sequence >= article.calendar_sequence:
            return False
        row.notified_sequence = article.calendar_sequence
        await row.save(using_db=tx.db, update_fields=["notified_sequence"])
        is_canceled = article.canceled_at is not None
        occasion = WebinarOccasion.CANCELED if is_canceled else WebinarOccasion.CHANGED
        user = await User.get(pk=row.user_id, using_db=tx.db)
        await _send_email(tx, organizer, article, user, occasion, is_waiting=row.is_waiting)
    return True


async def _remind(action: Action, organizer: Organizer, key: int) -> bool:
    async with action.transaction() as tx:
        row, article = await _lock(tx, key)
        if row is None or row.reminder_at is None or row.reminder_at > action.at:
            return False
        assert article, "it is locked"  # noqa: S101
        assert article.starts_at, "webinars have a date"  # noqa: S101
        row.reminder_at = next_reminder(article.starts_at, action.at)
        await row.save(using_db=tx.db, update_fields=["reminder_at"])
        if row.is_waiting or article.canceled_at or article.published_at is None:
            return False
        if article.starts_at <= action.at:
            return False
        occasion = _reminder(article.starts_at, action)
        user = await User.get(pk=row.user_id, using_db=tx.db)
        await _send_email(tx, organizer, article, user, occasion, is_waiting=False)
    return True


def _reminder(starts_at: datetime, action: Action) -> WebinarOccasion:
    """The text of a reminder, which may be sent late."""
    if starts_at - action.at <= REMINDERS[-1]:
        return WebinarOccasion.HOUR_BEFORE
    is_same_day = local_date(starts_at) == action.day
    return WebinarOccasion.SAME_DAY if is_same_day else WebinarOccasion.DAY_BEFORE


async def _lock(tx: Transaction, key: int) -> tuple[WebinarSignUp | None, Article | None]:
    """A sign-up, locked after its article. None when it has been withdrawn."""
    found = await WebinarSignUp.get_or_none(pk=key, using_db=tx.db)
    if found is None:
        return None, None
    article = await tx.lock(Article, found.article_id)
    rows: Sequence[WebinarSignUp] = await tx.lock_rows(WebinarSignUp.filter(pk=key))
    return (rows[0], article) if rows else (None, None)
