"""What we keep about a person, as a ZIP that programs can read: each table as JSON and as CSV, and
the files that the person uploaded (GDPR, Articles 15 and 20).

It is written while it is sent, a few rows at a time, so no copy of it lies anywhere. A person gets
what is about them: of tickets, the ones they opened, with what they and support wrote in them, and
what they wrote in others. What their colleagues wrote belongs to those, and to the company's own
export (privacy/message_export.py), and so does what support wrote, once they have left the company.
Of people who answered, there is no name.
"""

import csv
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from io import StringIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import orjson
from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from billing.exports.invoices_zip import ZipBuffer
from models.accounts.account import Membership
from models.action import Action
from models.audit import AuditEntry
from models.clock import local_date
from models.content.article_feedback import ArticleFeedback
from models.content.policy import PolicyAcceptance
from models.content.webinar import WebinarSignUp
from models.database.workload import Workload, workload
from models.identity.access_links import EmailChange
from models.identity.authenticator import Authenticator
from models.identity.session import Session
from models.identity.user import User
from models.operations.email import Email
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.consent import ConsentChange
from models.privacy.data_request import DataRequest
from models.privacy.incident import Incident
from models.support.call import Call
from models.support.draft import Draft
from models.support.file import File
from models.support.incoming_email import IncomingEmail
from models.support.message import Message, MessageVersion
from models.support.phone_number import PhoneNumber
from models.support.push_device import PushDevice
from models.support.rating import TicketRating
from models.support.reaction import Reaction
from models.support.ticket import Ticket
from models.text import spreadsheet_text
from storage.store import Store

_BATCH_SIZE = 500
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS


@dataclass(frozen=True)
class _Table:
    """A table of the archive: which rows are about a person, and the columns by their names."""

    rows: QuerySet[Any]
    columns: Mapping[str, str]


def _tables(user_id: int) -> dict[str, _Table]:
    of_user = {"user_id": user_id}
    companies = Subquery(Membership.filter(**of_user).values("account_id"))
    answers = Q(ticket__requester_id=user_id, ticket__account_id__in=companies, from_staff=True)
    messages = Message.filter(Q(author_id=user_id, from_staff=False) | answers, deleted_at=None)
    return {
        "profile": _Table(
            User.filter(id=user_id),
            _same(
                "name",
                "email",
                "locale",
                "created_at",
                "email_verified_at",
                "second_factor_at",
                "authenticators_changed_at",
                "restricted_at",
                "restricted_until",
                "objected_at",
            ),
        ),
        "email_changes": _Table(EmailChange.filter(**of_user), _same("email")),
        "phone_numbers": _Table(PhoneNumber.filter(**of_user), _same("number", "created_at")),
        "companies": _Table(
            Membership.filter(**of_user),
            {"company": "account__legal_name"} | _same("role", "created_at"),
        ),
        "sessions": _Table(
            Session.filter(**of_user), _same("device", "created_at", "last_used_at", "ended_at")
        ),
        "authenticators": _Table(
            Authenticator.filter(**of_user),
            _same("kind", "name", "created_at", "confirmed_at", "last_used_at"),
        ),
        "push_devices": _Table(
            PushDevice.filter(**of_user), _same("name", "service", "kinds", "created_at")
        ),
        "policy_acceptances": _Table(
            PolicyAcceptance.filter(**of_user),
            {"policy": "policy__kind", "version": "policy__version"}
            | _same("accepted_at", "locale", "channel"),
        ),
        "consents": _Table(
            ConsentChange.filter(**of_user), _same("purpose", "given", "at", "channel")
        ),
        "data_requests": _Table(
            DataRequest.filter(**of_user),
            _same(
                "kind",
                "details",
                "received_at",
                "deadline_at",
                "extended_at",
                "extension_reason",
                "carried_out_at",
                "results",
                "decision",
                "decided_at",
                "answer",
            ),
        ),
        "tickets": _Table(
            Ticket.filter(requester_id=user_id),
            {"ticket": "id"}
            | _same(
                "subject",
                "channel",
                "category",
                "kind",
                "status",
                "priority",
                "created_at",
                "updated_at",
                "first_response_at",
                "solved_at",
                "closed_at",
            ),
        ),
        "messages": _Table(
            messages, {"ticket": "ticket_id"} | _same("from_staff", "body", "at", "edited_at")
        ),
        "earlier_messages": _Table(
            MessageVersion.filter(message__author_id=user_id),
            {"ticket": "message__ticket_id"} | _same("body", "replaced_at"),
        ),
        "drafts": _Table(
            Draft.filter(**of_user), {"ticket": "ticket_id"} | _same("body", "updated_at")
        ),
        "received_emails": _Table(
            IncomingEmail.filter(**of_user),
            _same("sender", "sender_name", "subject", "text", "received_at", "answered_at"),
        ),
        "calls": _Table(
            Call.filter(number__in=Subquery(PhoneNumber.filter(**of_user).values("number"))),
            {"ticket": "ticket_id"}
            | _same("number", "direction", "outcome", "started_at", "duration_seconds"),
        ),
        "reactions": _Table(
            Reaction.filter(**of_user), {"ticket": "message__ticket_id"} | _same("kind")
        ),
        "ratings": _Table(
            TicketRating.filter(rater_id=user_id),
            {"ticket": "ticket_id"} | _same("score", "comment", "rated_at"),
        ),
        "files": _Table(
            File.filter(uploader_id=user_id),
            _same("id", "name", "content_type", "size", "sha256", "created_at"),
        ),
        "article_feedback": _Table(
            ArticleFeedback.filter(**of_user),
            {"article": "article__slug"} | _same("version", "is_useful", "reason", "comment", "at"),
        ),
        "webinars": _Table(
            WebinarSignUp.filter(**of_user),
            {"webinar": "article__slug"} | _same("is_waiting", "signed_up_at"),
        ),
        "emails": _Table(
            Email.filter(**of_user),
            _same(
                "template",
                "recipient",
                "subject",
                "created_at",
                "sent_at",
                "bounced_at",
                "bounce_status",
            ),
        ),
        "incidents": _Table(
            Incident.filter(reporter_id=user_id),
            _same("reporter_name", "reporter_email", "description", "noticed_at", "reported_at"),
        ),
        "activity": _Table(
            AuditEntry.filter(actor_id=user_id), _same("at", "action", "object_type", "address")
        ),
    }


def _same(*columns: str) -> dict[str, str]:
    return {column: column for column in columns}


async def record_archive(action: Action, user: User) -> None:
    """Record that a link to an archive was created, because whoever has the link can read the
    archive.
    """
    async with action.transaction() as tx:
        tx.audit(PrivacyAuditAction.PERSON_EXPORT, user)


async def personal_archive(user_id: int, store: Store, at: datetime) -> AsyncIterator[bytes]:
    """The archive in pieces. Times are in UTC."""
    buffer = ZipBuffer()
    day = local_date(at)
    time_stamp = (day.year, day.month, day.day, 0, 0, 0)
    with ZipFile(buffer, "w") as archive:

        def entry(name: str, compression: int = ZIP_DEFLATED) -> ZipInfo:
            info = ZipInfo(name, time_stamp)
            info.compress_type = compression
            return info

        about = {"exportedAt": at.astimezone(UTC), "tables": [*_tables(user_id)]}
        archive.writestr(entry("about.json"), orjson.dumps(about, option=_OPTIONS))
        for name, table in _tables(user_id).items():
            for suffix, write in ((".json", _json), (".csv", _csv)):
                with archive.open(entry(f"{name}{suffix}"), "w", force_zip64=True) as output:
                    async for part in write(table):
                        output.write(part)
                        yield buffer.take()
        async for file in _files(user_id):
            try:
                content = await store.open(file.stored_key)
            except FileNotFoundError:  # lost: what is known of it is in the table
                continue
            name = f"files/{file.pk}-{_file_name(file.name)}"
            with archive.open(entry(name, ZIP_STORED), "w", force_zip64=True) as output:
                async for part in content:
                    output.write(part)
                    yield buffer.take()
    yield buffer.take()


async def _batches(table: _Table) -> AsyncIterator[list[dict[str, Any]]]:
    last = 0
    while True:
        rows = table.rows.filter(id__gt=last).order_by("id").limit(_BATCH_SIZE)
        with workload(Workload.REPORTS):
            values = await rows.values(
                "id", **{f"_{name}": path for name, path in table.columns.items()}
            )
        yield [{name: row[f"_{name}"] for name in table.columns} for row in values]
        if len(values) < _BATCH_SIZE:
            return
        last = values[-1]["id"]


async def _json(table: _Table) -> AsyncIterator[bytes]:
    yield b"["
    separator = b""
    async for rows in _batches(table):
        for row in rows:
            yield separator + orjson.dumps(row, option=_OPTIONS)
            separator = b",\n"
    yield b"]\n"


async def _csv(table: _Table) -> AsyncIterator[bytes]:
    yield b"\xef\xbb\xbf" + _line(table.columns)
    async for rows in _batches(table):
        for row in rows:
            yield _line(_cell(value) for value in row.values())


def _line(values: Any) -> bytes:
    output = StringIO(newline="")
    csv.writer(output, lineterminator="\r\n").writerow(values)
    return output.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Enum):
        return value.value
    return spreadsheet_text(value) if isinstance(value, str) else value


async def _files(user_id: int) -> AsyncIterator[File]:
    """The files that were found to be clean, one at a time."""
    last = 0
    while file := (
        await File.filter(uploader_id=user_id, id__gt=last, cleared_at__not_isnull=True)
        .order_by("id")
        .first()
    ):
        yield file
        last = file.pk


def _file_name(name: str) -> str:
    """A name that stays in its folder on every system."""
    return "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in name)
