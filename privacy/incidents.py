"""Reports of suspected breaches of personal data, and the register of incidents.

Anybody can report a breach, signed in or not: the security team is told at once by email and by a
webhook, the reporter gets the incident's number, and a customer a ticket. From then on an incident
has 72 hours (GDPR, Article 33(1)). Operators assess it, decide whether the authority and the people
concerned have to be notified, and record the notifications. Only they can close it, when the
register holds what the law requires (Article 33(5)). Nothing is ever removed from the register.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from auth import throttle
from auth.email_address import clean_email
from auth.services import AuthServices
from mail import emails
from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.idempotency import anonymous_owner, earlier_result, owner_of, store_result
from models.identity.user import Staff, User
from models.locale import Locale
from models.numbers import optional_number
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.erasure import ERASED
from models.privacy.errors import PrivacyErrorCode
from models.privacy.incident import (
    NOTIFICATION_PERIOD,
    TEXT_LENGTH,
    Incident,
    IncidentAudience,
    IncidentEntryKind,
    IncidentSeverity,
    IncidentStatus,
    next_reminder,
)
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.text import client_key, line, message_text
from models.translations import _, text
from models.viewer import Viewer
from privacy.security_team import SecurityTeam

NAME_LENGTH = 100
REFERENCE_LENGTH = 100
MAX_COUNT = 2_000_000_000


@dataclass(frozen=True)
class Reporter:
    """Who reports: a customer, staff, or somebody who isn't signed in. `network` is their own."""

    viewer: Viewer
    network: str

    @property
    def account(self) -> Account | None:
        """The company that a customer acts for."""
        return None if self.viewer.staff else self.viewer.account


async def report(
    action: Action,
    auth: AuthServices,
    team: SecurityTeam,
    reporter: Reporter,
    *,
    description: str,
    noticed_at: datetime | None,
    name: str | None,
    email: str | None,
    loading: Awaitable[Ticket] | None,
    key: str,
) -> Incident:
    """Report a suspected breach. A customer gets a ticket; `loading` is the ticket that staff can
    name as its origin. `name` and `email` are given by somebody who isn't signed in. A repeat of
    the key returns the incident.

    Raises BLANK, TOO_LONG, EMAIL_INVALID, TIME_FUTURE, NOT_FOUND and VALUE_INVALID for the ticket,
    IDEMPOTENCY_MISMATCH and Throttled.
    """
    with Checks() as check:
        description = check(message_text, description, "description")
        check(require_past, noticed_at, action.at, "noticedAt")
        name = check(line, name, "name", NAME_LENGTH) if name else ""
        email = check(clean_email, email) if email else ""
        ticket = await check.wait(loading) if loading else None
        if ticket and not reporter.viewer.staff:  # a customer's report gets a ticket of its own
            check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, "input", "ticketId"))
        key = check(client_key, key)
    user = reporter.viewer.user
    owner = owner_of(action) if user else anonymous_owner(reporter.network, email)
    noticed = noticed_at and noticed_at.isoformat()
    arguments = [description, noticed, name, email, ticket.pk if ticket else None]
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "breachReport", key, arguments):
            return await Incident.get(pk=earlier_id, using_db=tx.db)
        await _count(auth, reporter, email)
        if reporter.account and user:
            ticket = await _open_ticket(tx, reporter.account, user, description, key)
        incident = await Incident.create(
            using_db=tx.db,
            reporter=user,
            account_id=reporter.account.pk
            if reporter.account
            else (ticket.account_id if ticket else None),
            ticket=ticket,
            reporter_name=name,
            reporter_email=email,
            description=description,
            noticed_at=noticed_at,
            reported_at=action.at,
            aware_at=action.at,
            deadline_at=action.at + NOTIFICATION_PERIOD,
            reminder_at=next_reminder(action.at + NOTIFICATION_PERIOD, action.at),
            webhook_at=action.at if team.webhook_url else None,
        )
        await incident.add_entry(tx, IncidentEntryKind.REPORTED)
        await store_result(tx, owner, "breachReport", key, incident.pk)
        await _notify(tx, team, incident, reporter)
        tx.audit(PrivacyAuditAction.INCIDENT_REPORT, incident)
    return incident


async def _count(auth: AuthServices, reporter: Reporter, email: str) -> None:
    subject = reporter.viewer.user.pk if reporter.viewer.user else reporter.network
    keys = [throttle.key(throttle.BREACH_REPORT, subject)]
    if email:
        keys.append(throttle.key(throttle.EMAIL, "breach report", email))
    await auth.throttle.attempt(*keys)


async def _open_ticket(
    tx: Transaction, account: Account, requester: User, description: str, key: str
) -> Ticket:
    ticket = await Ticket.open(
        tx,
        account,
        requester,
        subject=text(_("Suspected data breach"), requester.locale),
        channel=Channel.WEB,
        category=Category.SECURITY,
    )
    await ticket.post(tx, requester, description, f"breach:{key}"[:64], is_final=True)
    return ticket


async def _notify(
    tx: Transaction, team: SecurityTeam, incident: Incident, reporter: Reporter
) -> None:
    for recipient in await security_recipients(tx, team):
        await emails.send_incident_reported(tx, recipient, incident)
    if reporter.viewer.user and reporter.viewer.user.staff is None:
        await emails.send_incident_received(tx, emails.Recipient.of(reporter.viewer.user), incident)
    elif incident.reporter_email:
        recipient = emails.Recipient(incident.reporter_email, reporter.viewer.locale)
        await emails.send_incident_received(tx, recipient, incident)


async def security_recipients(tx: Transaction, team: SecurityTeam) -> "list[emails.Recipient]":
    """Who is told of incidents: the operators, and the addresses of the security team."""
    operators = User.filter(staff=Staff.OPERATOR, second_factor_at__not_isnull=True)
    recipients = [
        emails.Recipient.of(user) for user in await operators.using_db(tx.db).order_by("id")
    ]
    known = {recipient.email for recipient in recipients}
    return recipients + [
        emails.Recipient(each, Locale.FR) for each in team.emails if each not in known
    ]


@dataclass(frozen=True)
class IncidentChanges:
    """New values of an incident's register. None leaves a value as it is."""

    aware_at: datetime | None = None
    severity: IncidentSeverity | None = None
    data_categories: str | None = None
    people_count: int | None = None
    record_count: int | None = None
    consequences: str | None = None
    measures: str | None = None


async def update(
    action: Action, loading: Awaitable[Incident], changes: IncidentChanges
) -> Incident:
    """Complete the register of an incident. Another time of awareness moves the deadline.

    Raises TIME_FUTURE, VALUE_INVALID, BLANK and TOO_LONG.
    """
    with Checks() as check:
        incident = await check.wait(loading)
        check(require_past, changes.aware_at, action.at, "awareAt")
        values: dict[str, Any] = {"severity": changes.severity}
        for column, field in (("people_count", "peopleCount"), ("record_count", "recordCount")):
            values[column] = getattr(changes, column)
            check(require_count, values[column], field)
        for column, field in (
            ("data_categories", "dataCategories"),
            ("consequences", "consequences"),
            ("measures", "measures"),
        ):
            value = getattr(changes, column)
            values[column] = (
                None if value is None else check(message_text, value, field, TEXT_LENGTH)
            )
    async with action.transaction() as tx:
        incident = await tx.lock(Incident, incident.pk)
        before = {column: getattr(incident, column) for column in values}
        changed = {
            column: value
            for column, value in values.items()
            if value is not None and value != before[column]
        }
        details: dict[str, Any] = dict(changed)
        for column, value in changed.items():
            setattr(incident, column, value)
        if changes.aware_at and changes.aware_at != incident.aware_at:
            details["aware_at"] = changes.aware_at.isoformat()
            incident.set_aware_at(changes.aware_at, action.at)
        if details:
            await incident.save(using_db=tx.db)
            await incident.add_entry(tx, IncidentEntryKind.UPDATED, **details)
            tx.audit(PrivacyAuditAction.INCIDENT_UPDATE, incident, fields=",".join(sorted(details)))
    return incident


async def move(
    action: Action, loading: Awaitable[Incident], status: IncidentStatus, reason: str
) -> Incident:
    """Change the status of an incident, with the reason. A repeat changes nothing.

    Raises BLANK, TOO_LONG, TRANSITION_ILLEGAL with the statuses that are possible, and
    INCIDENT_INCOMPLETE with what the register lacks to be closed.
    """
    with Checks() as check:
        incident = await check.wait(loading)
        reason = check(message_text, reason, "reason", TEXT_LENGTH)
    async with action.transaction() as tx:
        incident = await tx.lock(Incident, incident.pk)
        if incident.status is status:
            return incident
        incident.require_transition(status)
        if status is IncidentStatus.CLOSED:
            _require_complete(incident)
        details: dict[str, Any] = {"before": incident.status.value, "status": status.value}
        incident.status = status
        incident.closed_at = action.at if incident.is_finished else None
        if incident.is_finished and await _is_account_erased(tx, incident):
            incident.description = ERASED  # see privacy/erasure.py
        incident.reminder_at = (
            next_reminder(incident.deadline_at, action.at) if incident.awaits_notification else None
        )
        await incident.save(using_db=tx.db)
        await incident.add_entry(tx, IncidentEntryKind.STATUS_CHANGED, reason, **details)
        tx.audit(PrivacyAuditAction.INCIDENT_MOVE, incident, **details)
    return incident


async def _is_account_erased(tx: Transaction, incident: Incident) -> bool:
    accounts = Account.filter(pk=incident.account_id or 0, status=AccountStatus.ERASED)
    return await accounts.using_db(tx.db).exists()


def _require_complete(incident: Incident) -> None:
    missing = [
        label
        for is_missing, label in (
            (not incident.data_categories, _("the categories of data")),
            (not incident.consequences, _("the likely consequences")),
            (not incident.measures, _("the measures taken")),
            (
                incident.authority_required is None,
                _("the decision whether to notify the authority"),
            ),
            (
                bool(incident.authority_required) and incident.authority_notified_at is None,
                _("the notification of the authority"),
            ),
            (
                incident.people_required is None,
                _("the decision whether to notify the people concerned"),
            ),
            (
                bool(incident.people_required) and incident.people_notified_at is None,
                _("the notification of the people concerned"),
            ),
        )
        if is_missing
    ]
    if missing:
        raise Refusal(PrivacyErrorCode.INCIDENT_INCOMPLETE, "input", "status", missing=missing)


async def note(action: Action, loading: Awaitable[Incident], note_text: str, key: str) -> Incident:
    """Add a note to the register. Raises BLANK, TOO_LONG and IDEMPOTENCY_MISMATCH."""
    with Checks() as check:
        incident = await check.wait(loading)
        note_text = check(message_text, note_text, "text")
        key = check(client_key, key)
    async with action.transaction() as tx:
        incident = await tx.lock(Incident, incident.pk)
        owner, arguments = owner_of(action), [incident.pk, note_text]
        if await earlier_result(tx, owner, "incidentNote", key, arguments):
            return incident
        entry = await incident.add_entry(tx, IncidentEntryKind.NOTE, note_text)
        await store_result(tx, owner, "incidentNote", key, entry.pk)
        tx.audit(PrivacyAuditAction.INCIDENT_NOTE, incident)
    return incident


async def decide(
    action: Action,
    loading: Awaitable[Incident],
    audience: IncidentAudience,
    required: bool,
    reason: str,
) -> Incident:
    """Record the decision whether the authority or the people concerned have to be notified, and
    why. A later decision replaces it, until the notification is recorded. A repeat changes nothing.

    Raises BLANK, TOO_LONG, and TRANSITION_ILLEGAL when the incident is dismissed or closed, or the
    notification is recorded.
    """
    with Checks() as check:
        incident = await check.wait(loading)
        reason = check(message_text, reason, "reason", TEXT_LENGTH)
    async with action.transaction() as tx:
        incident = await tx.lock(Incident, incident.pk)
        prefix = audience.prefix
        earlier = tuple(getattr(incident, f"{prefix}_{name}") for name in ("required", "reason"))
        if earlier == (required, reason):
            return incident
        if incident.is_finished or getattr(incident, f"{prefix}_notified_at"):
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "incidentId")
        setattr(incident, f"{prefix}_required", required)
        setattr(incident, f"{prefix}_reason", reason)
        incident.reminder_at = (
            next_reminder(incident.deadline_at, action.at) if incident.awaits_notification else None
        )
        await incident.save(using_db=tx.db)
        details: dict[str, Any] = {"audience": audience.value, "required": required}
        await incident.add_entry(tx, IncidentEntryKind.DECIDED, reason, **details)
        tx.audit(PrivacyAuditAction.INCIDENT_DECIDE, incident, **details)
    return incident


async def record_notification(
    action: Action,
    loading: Awaitable[Incident],
    audience: IncidentAudience,
    *,
    notified_at: datetime,
    reference: str | None,
    delay_reason: str | None,
) -> Incident:
    """Record that the authority or the people concerned were notified. After the deadline, the
    authority is told the reasons for the delay (GDPR, Article 33(1)), and so is the register. A
    repeat changes nothing.

    Raises TIME_FUTURE, TOO_LONG, BLANK for a missing `delayReason`, NOTIFICATION_NOT_REQUIRED until
    that is decided, and TRANSITION_ILLEGAL when another notification is recorded.
    """
    with Checks() as check:
        incident = await check.wait(loading)
        check(require_past, notified_at, action.at, "notifiedAt")
        reference = check(line, reference, "reference", REFERENCE_LENGTH) if reference else ""
        delay_reason = (
            check(message_text, delay_reason, "delayReason", TEXT_LENGTH) if delay_reason else ""
        )
    async with action.transaction() as tx:
        incident = await tx.lock(Incident, incident.pk)
        prefix = audience.prefix
        if recorded_at := getattr(incident, f"{prefix}_notified_at"):
            if recorded_at == notified_at:
                return incident
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "incidentId")
        if not getattr(incident, f"{prefix}_required"):
            raise Refusal(PrivacyErrorCode.NOTIFICATION_NOT_REQUIRED, "input", "audience")
        is_late = audience is IncidentAudience.AUTHORITY and notified_at > incident.deadline_at
        if is_late and not delay_reason:
            raise Refusal(CommonErrorCode.BLANK, "input", "delayReason")
        apply_notification(incident, audience, notified_at, reference, delay_reason)
        await incident.save(using_db=tx.db)
        details = {
            "audience": audience.value,
            "notified_at": notified_at.isoformat(),
            "reference": reference,
        }
        await incident.add_entry(tx, IncidentEntryKind.NOTIFIED, delay_reason, **details)
        tx.audit(PrivacyAuditAction.INCIDENT_NOTIFY, incident, audience=audience.value)
    return incident


def apply_notification(
    incident: Incident,
    audience: IncidentAudience,
    notified_at: datetime,
    reference: str,
    delay_reason: str,
) -> None:
    """Set that the authority, with the reference that it gave and the reasons for a delay, or the
    people concerned were notified.
    """
    setattr(incident, f"{audience.prefix}_notified_at", notified_at)
    if audience is IncidentAudience.AUTHORITY:
        incident.authority_reference = reference
        incident.authority_delay_reason = delay_reason
        incident.reminder_at = None


def require_past(at: datetime | None, now: datetime, field: str) -> None:
    """Raise TIME_FUTURE at `field` for a time in the future."""
    if at is not None and at > now:
        raise Refusal(PrivacyErrorCode.TIME_FUTURE, "input", field)


def require_count(count: int | None, field: str) -> None:
    """Raise VALUE_INVALID at `field` for a number that can't be stored."""
    optional_number(count, 0, MAX_COUNT, "input", field)
