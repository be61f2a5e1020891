"""Notices of breaches: drafts of the notification of the authority and of the message to the people
concerned (GDPR, Articles 33 and 34), and sending that message.

A draft begins with what the register says. Each edit is a new version. Operators hand the
notification in themselves, on the website of the CNIL, and record when they did so and the
reference that they got. The message to people is sent by email: one operator chooses the recipients
and asks for it, another one confirms it, both after a step-up. A job then stores the emails, a
batch in each transaction together with its position, so each recipient gets one.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from strawberry.utils.str_converters import to_camel_case
from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from auth import reauthentication
from mail import emails
from models.accounts.account import Account, Membership
from models.action import Action, Transaction
from models.checks import Checks
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.session import Session
from models.identity.user import Staff, User
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.errors import PrivacyErrorCode
from models.privacy.incident import (
    TEXT_LENGTH,
    Incident,
    IncidentAudience,
    IncidentEntryKind,
)
from models.privacy.incident_notice import (
    CONTACT_LENGTH,
    GAP_MARK,
    SUBJECT_LENGTH,
    AuthorityContent,
    DataProtectionContact,
    IncidentNotice,
    IncidentNoticeStatus,
    IncidentNoticeVersion,
    NoticeStage,
    PeopleContent,
)
from models.text import BODY_LENGTH, client_key, line, message_text
from models.translations import _
from privacy.incidents import (
    REFERENCE_LENGTH,
    apply_notification,
    require_count,
    require_past,
)
from privacy.notice_contents import authority_content, people_content
from privacy.notice_documents import NoticeFormat, file_name

BATCH_SIZE = 200
MAX_RECIPIENTS = 1_000  # that can be named; everybody is another choice
_EDITABLE = (IncidentNoticeStatus.DRAFT, IncidentNoticeStatus.CONFIRMING)
# The texts of a content by name, with the length that they may have.
_LINES = {
    "contact_name": CONTACT_LENGTH,
    "contact_role": CONTACT_LENGTH,
    "contact_email": CONTACT_LENGTH,
    "contact_phone": CONTACT_LENGTH,
    "earlier_reference": REFERENCE_LENGTH,
    "subject_fr": SUBJECT_LENGTH,
    "subject_en": SUBJECT_LENGTH,
}
_TEXTS = {
    "delay_reason": TEXT_LENGTH,
    "circumstances": TEXT_LENGTH,
    "people_categories": TEXT_LENGTH,
    "data_categories": TEXT_LENGTH,
    "prior_measures": TEXT_LENGTH,
    "consequences": TEXT_LENGTH,
    "measures": TEXT_LENGTH,
    "people_informed": TEXT_LENGTH,
    "processors": TEXT_LENGTH,
    "other_countries": TEXT_LENGTH,
    "body_fr": BODY_LENGTH,
    "body_en": BODY_LENGTH,
}
_PAST_TIMES = ("started_at", "ended_at", "discovered_at")
_COUNTS = ("people_count", "record_count")


async def draft(
    action: Action,
    contact: DataProtectionContact,
    loading: Awaitable[Incident],
    audience: IncidentAudience,
    stage: NoticeStage | None,
    key: str,
) -> IncidentNotice:
    """Begin a notice with what the register says. When `stage` is None, a notification is COMPLETE
    if it is the first one, and COMPLEMENTARY afterwards. A repeat of the key returns the notice.

    Raises VALUE_INVALID for the stage of a message to people, TRANSITION_ILLEGAL when the incident
    is dismissed or closed, and IDEMPOTENCY_MISMATCH.
    """
    with Checks() as check:
        incident = await check.wait(loading)
        if stage and audience is IncidentAudience.PEOPLE:
            check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, "input", "stage"))
        key = check(client_key, key)
    owner = owner_of(action)
    arguments = [incident.pk, audience.value, stage and stage.value]
    async with action.transaction() as tx:
        incident = await tx.lock(Incident, incident.pk)
        if earlier := await earlier_result(tx, owner, "incidentNoticeDraft", key, arguments):
            return await IncidentNotice.get(pk=earlier, using_db=tx.db)
        if incident.is_finished:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "incidentId")
        notices = IncidentNotice.filter(incident_id=incident.pk).using_db(tx.db)
        if audience is IncidentAudience.AUTHORITY and stage is None:
            is_first = incident.authority_notified_at is None
            stage = NoticeStage.COMPLETE if is_first else NoticeStage.COMPLEMENTARY
        notice = await IncidentNotice.create(
            using_db=tx.db,
            incident_id=incident.pk,
            audience=audience,
            stage=stage,
            number=await notices.count() + 1,
            created_at=action.at,
        )
        content = await _first_content(tx, incident, notice, contact)
        await _add_version(tx, notice, content)
        await store_result(tx, owner, "incidentNoticeDraft", key, notice.pk)
        tx.audit(PrivacyAuditAction.INCIDENT_NOTICE_DRAFT, notice, audience=audience.value)
    return notice


async def _first_content(
    tx: Transaction, incident: Incident, notice: IncidentNotice, contact: DataProtectionContact
) -> AuthorityContent | PeopleContent:
    if notice.stage is None:
        return people_content(incident, contact)
    earlier = (
        await IncidentNotice.filter(
            incident_id=incident.pk, audience=IncidentAudience.AUTHORITY, number__lt=notice.number
        )
        .using_db(tx.db)
        .order_by("-number")
        .first()
    )
    content = await latest_content(earlier, tx) if earlier else None
    assert content is None or isinstance(content, AuthorityContent)  # noqa: S101
    return authority_content(incident, contact, notice.stage, content)


async def _add_version(
    tx: Transaction, notice: IncidentNotice, content: AuthorityContent | PeopleContent
) -> None:
    actor = tx.action.actor
    assert actor, "an operator"  # noqa: S101
    await IncidentNoticeVersion.create(
        using_db=tx.db,
        notice_id=notice.pk,
        number=notice.version,
        at=tx.action.at,
        author_id=actor.pk,
        content=content.to_json(),
    )


async def latest_content(
    notice: IncidentNotice, tx: Transaction | None = None
) -> AuthorityContent | PeopleContent:
    """What the latest version of a notice says."""
    rows = IncidentNoticeVersion.filter(notice_id=notice.pk, number=notice.version)
    version = await (rows.using_db(tx.db) if tx else rows).get()
    return version.parsed_content


async def edit(
    action: Action,
    loading: Awaitable[IncidentNotice],
    version: int,
    audience: IncidentAudience,
    changes: Mapping[str, Any],
) -> IncidentNotice:
    """Store a new version of a notice to this audience: `changes` has new values by name, None for
    those that stay as they are. A request to send the notice is withdrawn. A repeat changes
    nothing.

    Raises BLANK, TOO_LONG, CARD_NUMBER, VALUE_INVALID, TIME_FUTURE, NOT_FOUND for a notice to
    another audience, NOTICE_CHANGED when `version` isn't the latest one, and TRANSITION_ILLEGAL for
    a notice that is sent.
    """
    with Checks() as check:
        notice = await check.wait(loading)
        if notice and notice.audience is not audience:
            check.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", "noticeId"))
        values = _checked(check, action.at, changes)
    async with action.transaction() as tx:
        incident, notice = await _lock(tx, notice)
        before = await latest_content(notice, tx)
        content = replace(before, **values)
        if content == before:
            return notice
        _require_version(notice, version)
        if notice.status not in _EDITABLE or incident.is_finished:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "noticeId")
        notice.version += 1
        notice.status = IncidentNoticeStatus.DRAFT
        notice.requester_id = notice.requested_at = None
        await notice.save(using_db=tx.db)
        await _add_version(tx, notice, content)
        tx.audit(PrivacyAuditAction.INCIDENT_NOTICE_EDIT, notice, version=notice.version)
    return notice


def _checked(check: Checks, now: datetime, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The new values as they may be stored."""
    values = {name: value for name, value in changes.items() if value is not None}
    for name, value in values.items():
        field = to_camel_case(name)
        if name in _LINES:
            values[name] = check(line, value, field, _LINES[name])
        elif name in _TEXTS:
            values[name] = check(message_text, value, field, _TEXTS[name])
        elif name in _PAST_TIMES:
            check(require_past, value, now, field)
        elif name in _COUNTS:
            check(require_count, value, field)
    return values


async def _lock(tx: Transaction, notice: IncidentNotice) -> tuple[Incident, IncidentNotice]:
    incident = await tx.lock(Incident, notice.incident_id)
    return incident, await tx.lock(IncidentNotice, notice.pk)


def _require_version(notice: IncidentNotice, version: int) -> None:
    if version != notice.version:
        raise Refusal(PrivacyErrorCode.NOTICE_CHANGED, "input", "version")


async def export(
    action: Action,
    loading: Awaitable[IncidentNotice],
    number: int | None,
    format_: NoticeFormat,
) -> tuple[IncidentNoticeVersion, str]:
    """Record that a link to a version as a file was created, by default to the latest one. Returns
    the version and the name of the file without its extension. Raises NOT_FOUND.
    """
    with Checks() as check:
        notice = await check.wait(loading)
    rows = IncidentNoticeVersion.filter(notice_id=notice.pk, number=number or notice.version)
    version = await rows.get_or_none()
    if version is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "version")
    async with action.transaction() as tx:
        tx.audit(
            PrivacyAuditAction.INCIDENT_NOTICE_EXPORT,
            notice,
            version=version.number,
            format=format_.value,
        )
    incident = await Incident.get(pk=notice.incident_id)
    return version, file_name(incident, notice, version)


async def record_sent(
    action: Action, loading: Awaitable[IncidentNotice], sent_at: datetime, reference: str | None
) -> IncidentNotice:
    """Record that a notice was handed in or sent by other means than our emails, and the
    notification of its incident unless an earlier one is recorded. A repeat changes nothing.

    Raises TIME_FUTURE, TOO_LONG, NOTIFICATION_NOT_REQUIRED until that is decided,
    NOTICE_INCOMPLETE for a notification that lacks what the law requires, and TRANSITION_ILLEGAL.
    """
    with Checks() as check:
        notice = await check.wait(loading)
        check(require_past, sent_at, action.at, "sentAt")
        reference = check(line, reference, "reference", REFERENCE_LENGTH) if reference else ""
    async with action.transaction() as tx:
        incident, notice = await _lock(tx, notice)
        if notice.status is IncidentNoticeStatus.SENT and notice.sent_at == sent_at:
            return notice
        if notice.status not in _EDITABLE or incident.is_finished:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "noticeId")
        _require_decision(incident, notice)
        content = await latest_content(notice, tx)
        delay_reason = ""
        if isinstance(content, AuthorityContent):
            _require_complete(incident, notice, content, sent_at)
            delay_reason = content.delay_reason
        else:
            _require_no_gap(content)
        notice.status, notice.reference = IncidentNoticeStatus.SENT, reference
        notice.requester_id = notice.requested_at = None
        await _mark_sent(tx, incident, notice, sent_at, delay_reason)
        tx.audit(
            PrivacyAuditAction.INCIDENT_NOTICE_RECORD_SENT,
            notice,
            audience=notice.audience.value,
            version=notice.version,
        )
    return notice


def _require_decision(incident: Incident, notice: IncidentNotice) -> None:
    if not getattr(incident, f"{notice.audience.prefix}_required"):
        raise Refusal(PrivacyErrorCode.NOTIFICATION_NOT_REQUIRED, "input", "noticeId")


def _require_complete(
    incident: Incident, notice: IncidentNotice, content: AuthorityContent, sent_at: datetime
) -> None:
    """Raise NOTICE_INCOMPLETE with what the notification lacks. An initial one may lack what isn't
    known yet (GDPR, Article 33(4)).
    """
    is_complete = notice.stage is not NoticeStage.INITIAL
    is_late = incident.authority_notified_at is None and sent_at > incident.deadline_at
    contact = content.contact_name and (content.contact_email or content.contact_phone)
    missing = [
        name
        for is_missing, name in (
            (not contact, _("the contact")),
            (not content.circumstances, _("the circumstances of the breach")),
            (is_complete and not content.natures, _("the nature of the breach")),
            (is_complete and not content.data_categories, _("the categories of data")),
            (is_complete and not content.people_categories, _("the categories of people")),
            (is_complete and not content.consequences, _("the likely consequences")),
            (is_complete and not content.measures, _("the measures taken")),
            (is_late and not content.delay_reason, _("the reasons for the delay")),
        )
        if is_missing
    ]
    if missing:
        raise Refusal(PrivacyErrorCode.NOTICE_INCOMPLETE, "input", "noticeId", missing=missing)


def _require_no_gap(content: PeopleContent) -> None:
    if any(GAP_MARK in str(value) for value in content.to_json().values()):
        raise Refusal(PrivacyErrorCode.NOTICE_UNFINISHED, "input", "noticeId", mark=GAP_MARK)


async def _mark_sent(
    tx: Transaction,
    incident: Incident,
    notice: IncidentNotice,
    sent_at: datetime,
    delay_reason: str = "",
) -> None:
    """Store when a notice was sent, in the register as well. The incident keeps the time of its
    first notification.
    """
    notice.sent_at = sent_at
    await notice.save(using_db=tx.db)
    prefix = notice.audience.prefix
    is_first = getattr(incident, f"{prefix}_notified_at") is None
    if is_first:
        apply_notification(incident, notice.audience, sent_at, notice.reference, delay_reason)
        await incident.save(using_db=tx.db)
    details: dict[str, Any] = {
        "audience": notice.audience.value,
        "notified_at": sent_at.isoformat(),
        "reference": notice.reference,
        "notice": notice.number,
        "version": notice.version,
    }
    if notice.audience is IncidentAudience.PEOPLE:
        details["recipients"] = notice.recipient_count
    text = delay_reason if is_first else ""
    await incident.add_entry(tx, IncidentEntryKind.NOTIFIED, text, **details)


@dataclass(frozen=True)
class Recipients:
    """Who gets a message: everybody, or these people and the members of these companies, by their
    keys. None is an ID of something else.
    """

    is_everybody: bool
    account_ids: tuple[int | None, ...] = ()
    user_ids: tuple[int | None, ...] = ()


async def request_sending(
    action: Action,
    session: Session,
    loading: Awaitable[IncidentNotice],
    version: int,
    recipients: Recipients,
) -> IncidentNotice:
    """Ask for a message to be sent to these recipients, which another operator confirms. A later
    request replaces it. A repeat changes nothing.

    Raises VALUE_INVALID for a notice to the authority and without recipients or with both kinds,
    NOT_FOUND for each recipient that doesn't exist, NOTICE_CHANGED, NOTICE_UNFINISHED,
    NOTIFICATION_NOT_REQUIRED, STEP_UP_REQUIRED and TRANSITION_ILLEGAL.
    """
    with Checks() as check:
        notice = await check.wait(loading)
        if notice and notice.audience is not IncidentAudience.PEOPLE:
            check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, "input", "noticeId"))
        if recipients.is_everybody is bool(recipients.account_ids or recipients.user_ids):
            check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, "input", "everybody"))
        account_ids = await check.wait(_existing(Account, recipients.account_ids, "accountIds"))
        user_ids = await check.wait(_existing(User, recipients.user_ids, "userIds"))
    await reauthentication.require_step_up(action, session)
    actor = action.actor
    assert actor, "an operator"  # noqa: S101
    async with action.transaction() as tx:
        incident, notice = await _lock(tx, notice)
        _require_version(notice, version)
        wanted = (
            actor.pk,
            recipients.is_everybody,
            account_ids,
            user_ids,
        )
        current = (
            notice.requester_id,
            notice.is_for_everybody,
            notice.account_ids,
            notice.user_ids,
        )
        if notice.status is IncidentNoticeStatus.CONFIRMING and current == wanted:
            return notice
        if notice.status not in _EDITABLE or incident.is_finished:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "noticeId")
        _require_decision(incident, notice)
        content = await latest_content(notice, tx)
        assert isinstance(content, PeopleContent)  # noqa: S101
        _require_no_gap(content)
        notice.status = IncidentNoticeStatus.CONFIRMING
        notice.requester_id, notice.requested_at = actor.pk, action.at
        notice.is_for_everybody = recipients.is_everybody
        notice.account_ids, notice.user_ids = account_ids, user_ids
        chosen = _chosen(notice).using_db(tx.db)
        notice.recipient_count = await _reachable(chosen).count()
        notice.unreachable_count = await chosen.count() - notice.recipient_count
        await notice.save(using_db=tx.db)
        tx.audit(
            PrivacyAuditAction.INCIDENT_NOTICE_REQUEST,
            notice,
            version=version,
            recipients=notice.recipient_count,
        )
        await _ask_second_person(tx, actor, incident, notice, content)
    return notice


async def _ask_second_person(
    tx: Transaction,
    requester: User,
    incident: Incident,
    notice: IncidentNotice,
    content: PeopleContent,
) -> None:
    """Tell the other operators that a message waits for the confirmation of one of them."""
    operators = User.filter(staff=Staff.OPERATOR, second_factor_at__not_isnull=True)
    for operator in await operators.exclude(pk=requester.pk).using_db(tx.db).order_by("id"):
        subject = content.subject(operator.locale)
        await emails.send_breach_message_requested(
            tx, operator, requester, incident, subject, notice.recipient_count
        )


async def _existing(
    model: type[Account] | type[User], keys: tuple[int | None, ...], field: str
) -> list[int]:
    """The keys in ascending order. Raises NOT_FOUND at the index of each key without a row, and
    VALUE_INVALID for too many.
    """
    if len(keys) > MAX_RECIPIENTS:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", field)
    given = [key for key in keys if key is not None]
    known = {row.pk for row in await model.filter(id__in=given).only("id")} if given else set()
    with Checks() as check:
        for index, key in enumerate(keys):
            if key not in known:
                check.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", field, str(index)))
    return sorted(given)


def _chosen(notice: IncidentNotice) -> QuerySet[User]:
    """The people to whom a message goes: customers, also those of closed accounts, and never the
    staff or somebody who was erased.
    """
    people = User.filter(staff=None, erased_at=None)
    if notice.is_for_everybody:
        return people
    members = Membership.filter(account_id__in=notice.account_ids)
    return people.filter(Q(pk__in=notice.user_ids) | Q(pk__in=Subquery(members.values("user_id"))))


def _reachable(people: QuerySet[User]) -> QuerySet[User]:
    return people.filter(email_verified_at__not_isnull=True)


async def confirm_sending(
    action: Action, session: Session, loading: Awaitable[IncidentNotice], version: int
) -> IncidentNotice:
    """Confirm that a message is sent, as another operator than the one who asked for it. A repeat
    changes nothing.

    Raises NOTICE_CHANGED, SECOND_PERSON_REQUIRED, STEP_UP_REQUIRED and TRANSITION_ILLEGAL.
    """
    with Checks() as check:
        notice = await check.wait(loading)
    await reauthentication.require_step_up(action, session)
    actor = action.actor
    assert actor, "an operator"  # noqa: S101
    async with action.transaction() as tx:
        incident, notice = await _lock(tx, notice)
        _require_version(notice, version)
        if notice.confirmer_id == actor.pk:
            return notice
        if notice.status is not IncidentNoticeStatus.CONFIRMING or incident.is_finished:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "noticeId")
        if notice.requester_id == actor.pk:
            raise Refusal(PrivacyErrorCode.SECOND_PERSON_REQUIRED, "input", "noticeId")
        notice.status, notice.confirmer_id = IncidentNoticeStatus.SENDING, actor.pk
        notice.recipient_count = 0  # from here on, how many emails were stored
        await notice.save(using_db=tx.db)
        tx.audit(PrivacyAuditAction.INCIDENT_NOTICE_CONFIRM, notice, version=version)
    return notice


async def send_breach_messages(action: Action) -> int:
    """Store a batch of the emails of each message that was confirmed. Returns for how many messages
    a batch was stored.
    """
    confirmed = IncidentNotice.filter(status=IncidentNoticeStatus.SENDING)
    return await handle_each(confirmed, partial(_send_batch, action), "incident_notice.failed")


async def _send_batch(action: Action, key: int) -> bool:
    async with action.transaction() as tx:
        incident, notice = await _lock(tx, await IncidentNotice.get(pk=key, using_db=tx.db))
        if notice.status is not IncidentNoticeStatus.SENDING:
            return False
        content = await latest_content(notice, tx)
        assert isinstance(content, PeopleContent)  # noqa: S101
        people = _reachable(_chosen(notice)).filter(pk__gt=notice.last_user_id).using_db(tx.db)
        users = await people.order_by("id").limit(BATCH_SIZE)
        for user in users:
            await emails.send_breach_message(tx, user, incident, content)
        notice.recipient_count += len(users)
        if users:
            notice.last_user_id = users[-1].pk
        if len(users) == BATCH_SIZE:
            await notice.save(using_db=tx.db)
            return True
        notice.status = IncidentNoticeStatus.SENT
        await _mark_sent(tx, incident, notice, action.at)
    return True
