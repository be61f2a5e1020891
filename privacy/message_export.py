"""Files of what was exchanged with support, over all channels: as JSON for programs and as PDF for
people (GDPR, Articles 15 and 20).

A company's file has all of its tickets without internal notes. A file of one ticket, for an agent,
may have them.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
from tortoise.queryset import QuerySet

from billing.documents.rendering import render_page
from models.accounts.account import Account
from models.action import Action
from models.clock import local_date
from models.database.batches import batches_of
from models.database.workload import Workload, workload
from models.identity.user import User
from models.locale import Locale
from models.support.audit_actions import SupportAuditAction
from models.support.call import Call
from models.support.classification import Channel
from models.support.file import File
from models.support.incoming_email import IncomingEmail
from models.support.merge import TicketMerge, merged_ticket_ids
from models.support.message import Message
from models.support.note import Note
from models.support.ticket import Ticket
from models.translations import _, day, text, time_of_day

MAX_PDF_MESSAGES = 5_000  # several hundred pages, which take two seconds
TEMPLATE = Path(__file__).parent / "templates" / "messages.typ"
_BATCH_SIZE = 500
_CHANNELS = {
    Channel.CHAT: _("chat"),
    Channel.EMAIL: _("email"),
    Channel.PHONE: _("phone"),
    Channel.WEB: _("website"),
}


class ExportFormat(StrEnum):
    """The format of an export."""

    JSON = "JSON"
    PDF = "PDF"


@dataclass(frozen=True)
class MessageExport:
    """What to export: all tickets of a company, or one ticket and those that were merged into it,
    with or without internal notes.
    """

    account_id: int
    ticket_id: int | None = None
    with_notes: bool = False

    async def ticket_ids(self) -> list[int]:
        """The keys of the tickets to export, empty for all of the company's tickets."""
        if self.ticket_id is None:
            return []
        return [self.ticket_id, *(await merged_ticket_ids(self.ticket_id))]

    async def tickets(self) -> QuerySet[Ticket]:
        """The tickets to export."""
        tickets, keys = Ticket.filter(account_id=self.account_id), await self.ticket_ids()
        return tickets.filter(id__in=keys) if keys else tickets

    async def fits_pdf(self) -> bool:
        """Whether a PDF can contain all of the messages."""
        messages = Message.filter(ticket__account_id=self.account_id)
        if keys := await self.ticket_ids():
            messages = messages.filter(ticket_id__in=keys)
        return await messages.count() <= MAX_PDF_MESSAGES


async def record_export(
    action: Action,
    audit_action: SupportAuditAction,
    row: Account | Ticket,
    export: MessageExport,
    format_: ExportFormat,
) -> None:
    """Record that a link to a file was created, because whoever has the link can read the file."""
    async with action.transaction() as tx:
        tx.audit(audit_action, row, format=format_.value, notes=export.with_notes)


async def messages_json(export: MessageExport, at: datetime) -> AsyncIterator[bytes]:
    """The file as JSON in pieces: one object with the company and its tickets, oldest first. Times
    are in UTC.
    """
    account = await Account.get(pk=export.account_id)
    company = {"legalName": account.legal_name, "tradeName": account.trade_name}
    head = orjson.dumps({"exportedAt": at.astimezone(UTC), "company": company}, option=_OPTIONS)
    yield head[:-1] + b',"tickets":['
    separator = b""
    async for ticket in _tickets(export, Locale.FR):
        yield separator + orjson.dumps(ticket, option=_OPTIONS)
        separator = b","
    yield b"]}"


_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS


async def messages_pdf(export: MessageExport, locale: Locale, at: datetime) -> AsyncIterator[bytes]:
    """The file as PDF, in one piece, in the reader's language."""
    account = await Account.get(pk=export.account_id)
    exported_on = day(local_date(at), locale)
    page = {
        "locale": locale.value,
        "title": text(_("Exchanges with support"), locale),
        "introduction": text(
            _("%(company)s, as of %(day)s"), locale, company=account.legal_name, day=exported_on
        ),
        "footer": f"CAMCHA · {exported_on}",
        "tickets": [_ticket_page(ticket, locale) async for ticket in _tickets(export, locale)],
    }
    yield await render_page(TEMPLATE, page, at)


async def _tickets(export: MessageExport, locale: Locale) -> AsyncIterator[dict[str, Any]]:
    """Each ticket with its messages, and with its notes among them when they are exported. The
    author of what automations write is named in this language.
    """
    async for keys in batches_of(await export.tickets()):
        with workload(Workload.REPORTS):
            tickets = await Ticket.filter(id__in=keys).order_by("id").select_related("requester")
            targets = await _targets(keys)
        for ticket in tickets:
            entries = [entry async for entry in _messages(ticket, locale)]
            if export.with_notes:
                entries = sorted(
                    [*entries, *await _notes(ticket, locale)], key=lambda each: each["at"]
                )
            yield {
                "number": ticket.number,
                "subject": ticket.subject,
                "channel": ticket.channel.value,
                "category": ticket.category.value,
                "openedAt": ticket.created_at,
                "closedAt": ticket.closed_at,
                "requester": ticket.requester.name,
                "mergedInto": targets.get(ticket.pk),
                "messages": entries,
            }
            await asyncio.sleep(0)  # others go first


async def _targets(keys: Sequence[int]) -> dict[int, str]:
    """The number of the ticket that each of these was merged into, except those that weren't
    merged.
    """
    merges = await TicketMerge.filter(ticket_id__in=list(keys)).select_related("target")
    return {merge.ticket_id: merge.target.number for merge in merges}


async def _messages(ticket: Ticket, locale: Locale) -> AsyncIterator[dict[str, Any]]:
    last = 0
    while True:
        rows = Message.filter(ticket_id=ticket.pk, sequence__gt=last).order_by("sequence")
        with workload(Workload.REPORTS):
            messages = await rows.limit(_BATCH_SIZE)
            facts = await _Facts.of(messages, locale)
        for message in messages:
            yield facts.entry(ticket, message)
        if len(messages) < _BATCH_SIZE:
            return
        last = messages[-1].sequence
        await asyncio.sleep(0)


@dataclass(frozen=True)
class _Facts:
    """What is known about some messages: the names of people, files, and how each was received."""

    names: dict[int, str]
    files: dict[int, list[dict[str, Any]]]
    email_ids: set[int]
    call_ids: set[int]

    @classmethod
    async def of(cls, messages: Sequence[Message], locale: Locale) -> "_Facts":
        keys = [message.pk for message in messages]
        users = await User.filter(id__in={message.author_id for message in messages})
        files: dict[int, list[dict[str, Any]]] = {}
        for file in await File.filter(message_id__in=keys).order_by("id"):
            entry = {"name": file.name, "contentType": file.content_type, "size": file.size}
            files.setdefault(file.message_id or 0, []).append(entry)
        emails = IncomingEmail.filter(posted_message_id__in=keys)
        calls = Call.filter(message_id__in=keys)
        return cls(
            {user.pk: user.name_in(locale) for user in users},
            files,
            {*await emails.values_list("posted_message_id", flat=True)},  # type: ignore[arg-type] # they are keys
            {*await calls.values_list("message_id", flat=True)},  # type: ignore[arg-type] # they are keys
        )

    def entry(self, ticket: Ticket, message: Message) -> dict[str, Any]:
        return {
            "kind": "STAFF" if message.from_staff else "CUSTOMER",
            "at": message.at,
            "author": self.names[message.author_id],
            "channel": self._channel(ticket, message).value,
            "body": message.body,
            "editedAt": message.edited_at,
            "deletedAt": message.deleted_at,
            "files": self.files.get(message.pk, []),
        }

    def _channel(self, ticket: Ticket, message: Message) -> Channel:
        if message.pk in self.call_ids:
            return Channel.PHONE
        if message.pk in self.email_ids:
            return Channel.EMAIL
        is_sent_by_email = message.from_staff and ticket.channel is Channel.EMAIL
        if ticket.channel is Channel.CHAT or is_sent_by_email:
            return ticket.channel
        return Channel.WEB  # where people write in tickets that were opened otherwise


async def _notes(ticket: Ticket, locale: Locale) -> list[dict[str, Any]]:
    notes = await Note.filter(ticket_id=ticket.pk).order_by("id").select_related("author")
    return [
        {"kind": "NOTE", "at": note.at, "author": note.author.name_in(locale), "body": note.body}
        for note in notes
    ]


def _ticket_page(ticket: dict[str, Any], locale: Locale) -> dict[str, Any]:
    """What the template prints of a ticket."""
    facts = text(
        _("Opened on %(day)s by %(name)s (%(channel)s)"),
        locale,
        day=local_date(ticket["openedAt"]),
        name=ticket["requester"],
        channel=text(_CHANNELS[Channel(ticket["channel"])], locale),
    )
    return {
        "heading": f"{ticket['number']} – {ticket['subject']}",
        "facts": facts,
        "messages": [_message_page(entry, locale) for entry in ticket["messages"]],
    }


def _message_page(entry: dict[str, Any], locale: Locale) -> dict[str, Any]:
    is_deleted = bool(entry.get("deletedAt"))
    files = ", ".join(file["name"] for file in entry.get("files", ()))
    body = (
        text(_("This message was deleted by its author."), locale) if is_deleted else entry["body"]
    )
    return {
        "kind": entry["kind"].lower(),
        "heading": _heading(entry, locale),
        "body": body,
        "is_deleted": is_deleted,
        "files": text(_("Files: %(names)s"), locale, names=files) if files else "",
    }


def _heading(entry: dict[str, Any], locale: Locale) -> str:
    parts = [
        entry["author"],
        text(
            _("%(day)s at %(time)s"),
            locale,
            day=local_date(entry["at"]),
            time=time_of_day(entry["at"], locale),
        ),
    ]
    if entry["kind"] == "NOTE":
        parts.append(text(_("internal note"), locale))
    else:
        parts.append(text(_CHANNELS[Channel(entry["channel"])], locale))
    if entry.get("editedAt"):
        parts.append(text(_("edited"), locale))
    return " · ".join(parts)
