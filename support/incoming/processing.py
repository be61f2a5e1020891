"""Decides about received emails: each becomes a message in a ticket, waits for an agent, or is
ignored for a reason that is stored with it.

The job may run in several processes, and be killed at any time. An email is claimed by moving its
`next_attempt_at` to the end of a lease. A repeat finds everything that a decision created: files
and tickets by idempotency keys, messages by `client_message_id`, all derived from what identifies
the email. So two processes that work on one email, or on two copies of it, do nothing twice. An
email that can't be read is tried again for two hours, then it is FAILED; operators see it and can
retry.
"""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from auth.services import AuthServices
from mail.emails import IncomingEmailProblem
from mail.reply_address import ReplyAddresses
from models.accounts.account import Account
from models.action import Action, Transaction
from models.card_numbers import mask_card_numbers
from models.errors import ServiceUnavailable, Throttled
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.operations.email import Email
from models.support.classification import Category, Channel
from models.support.file import attach_to_message, lock_files
from models.support.incoming_email import (
    NAME_LENGTH,
    SENDER_LENGTH,
    IncomingEmail,
    IncomingEmailReason,
    IncomingEmailStatus,
)
from models.support.message import Message
from models.support.ticket import SUBJECT_LENGTH, Ticket
from models.text import BODY_LENGTH, clean_line, is_blank
from storage.file_service import FileService
from storage.store import StoreFull, StoreUnavailable
from support.incoming.answers import answer
from support.incoming.attachments import StoredAttachments, store_attachments
from support.incoming.authentication import Authenticator, is_forged
from support.incoming.automatic import find_bounce, is_automatic, is_bulk
from support.incoming.bounces import record_bounce
from support.incoming.matching import company_ids, find_sender, find_ticket, own_key
from support.incoming.parsing import ParsedEmail
from support.incoming.quotes import new_text
from support.incoming.storing import read_email

LEASE = timedelta(minutes=5)
MAX_ATTEMPTS = 8  # after 1, 2, 4, ... minutes: two hours
_BATCH_SIZE = 50
_UNSUBJECTED = "E-mail"  # the subject of a ticket whose email has neither subject nor text
_PICTURE = re.compile(r'src="cid:([^"]*)"')
_OPERATION = "incomingEmail"

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class IncomingMailServices:
    """What the job needs. `own_addresses` are those that we send from."""

    auth: AuthServices
    files: FileService
    reply_addresses: ReplyAddresses
    own_addresses: frozenset[str]
    authenticator: Authenticator = field(default_factory=Authenticator)


@dataclass
class _Reading:
    """One email while it is read."""

    action: Action
    services: IncomingMailServices
    row: IncomingEmail
    parsed: ParsedEmail
    user: User | None = None
    stored: StoredAttachments = field(default_factory=StoredAttachments)

    @property
    def key(self) -> str:
        """The key, derived from the email, of the message or ticket that it becomes."""
        return f"email:{self.row.fingerprint[:56]}"


class _Ignored(Exception):
    """The email won't be posted anywhere."""

    def __init__(self, status: IncomingEmailStatus, reason: IncomingEmailReason) -> None:
        super().__init__(reason.value)
        self.status, self.reason = status, reason


def _ignored(reason: IncomingEmailReason) -> _Ignored:
    return _Ignored(IncomingEmailStatus.IGNORED, reason)


def _unmatched(reason: IncomingEmailReason) -> _Ignored:
    return _Ignored(IncomingEmailStatus.UNMATCHED, reason)


async def process_due(action: Action, services: IncomingMailServices) -> int:
    """Decide about the emails that are due. Returns how many were read."""
    due = IncomingEmail.filter(next_attempt_at__lte=action.at).order_by("next_attempt_at", "id")
    count = 0
    for row in await due.limit(_BATCH_SIZE):
        if await _claim(row, action):
            await _process(action, services, row)
            count += 1
    return count


async def _claim(row: IncomingEmail, action: Action) -> bool:
    due = IncomingEmail.filter(pk=row.pk, next_attempt_at__lte=action.at)
    return await due.update(next_attempt_at=action.at + LEASE) == 1


async def _process(action: Action, services: IncomingMailServices, row: IncomingEmail) -> None:
    """Decide about one email. Whatever goes wrong doesn't hold up the others."""
    try:
        parsed = await read_email(services.files.store, row)
        await _decide(_Reading(action, services, row, parsed))
    except Throttled as error:  # as many as a person may write: the others come later
        wait = timedelta(seconds=error.retry_after)
        await IncomingEmail.filter(pk=row.pk).update(next_attempt_at=action.at + wait)
    except (StoreUnavailable, StoreFull, ServiceUnavailable) as error:
        log.warning("incoming_email.delayed", email=row.pk, error=type(error).__name__)
    except Exception as error:
        log.error("incoming_email.failed", email=row.pk, error=type(error).__name__, exc_info=error)
        await _record_failure(action, row)


async def _record_failure(action: Action, row: IncomingEmail) -> None:
    attempts = row.attempts + 1
    waiting = IncomingEmail.filter(pk=row.pk, status=IncomingEmailStatus.RECEIVED)
    if attempts < MAX_ATTEMPTS:
        next_attempt_at = action.at + timedelta(minutes=2 ** (attempts - 1))
        await waiting.update(attempts=attempts, next_attempt_at=next_attempt_at)
        return
    await waiting.update(
        attempts=attempts,
        next_attempt_at=None,
        status=IncomingEmailStatus.FAILED,
        reason=IncomingEmailReason.ERROR,
        processed_at=action.at,
    )


async def _decide(reading: _Reading) -> None:
    await asyncio.to_thread(_describe, reading.row, reading.parsed)
    try:
        if reading.row.linked_account_id:
            return await _post_linked(reading, reading.row.linked_account_id)
        await _require_new(reading)
        await _require_person(reading)
        user = await _find_sender(reading)
        await _post(reading, user)
    except _Ignored as ignored:
        await _finish(reading, ignored.status, ignored.reason)


def _describe(row: IncomingEmail, parsed: ParsedEmail) -> None:
    """Fill in the columns that people see of an email."""
    sender = parsed.sender
    row.message_id = parsed.message_id
    row.sender = sender.address[:SENDER_LENGTH] if sender else ""
    row.sender_name = mask_card_numbers(clean_line(sender.name)[:NAME_LENGTH] if sender else "")
    row.subject = mask_card_numbers(clean_line(parsed.subject)[:SUBJECT_LENGTH])
    row.text, row.html = mask_card_numbers(parsed.text), mask_card_numbers(parsed.html)


async def _require_new(reading: _Reading) -> None:
    """Ignore copies of an email: only the first that is known counts."""
    row = reading.row
    for other in await IncomingEmail.filter(fingerprint=row.fingerprint).exclude(pk=row.pk):
        if other.reason is IncomingEmailReason.DUPLICATE:
            continue
        if other.pk < row.pk or other.status is not IncomingEmailStatus.RECEIVED:
            raise _ignored(IncomingEmailReason.DUPLICATE)


async def _require_person(reading: _Reading) -> None:
    """Ignore what programs have sent: reports, our own emails and automatic answers."""
    parsed = reading.parsed
    if bounce := find_bounce(parsed):
        await record_bounce(reading.action.at, bounce)
        raise _ignored(IncomingEmailReason.BOUNCE)
    if await _is_own(reading):
        raise _ignored(IncomingEmailReason.OWN_EMAIL)
    if is_automatic(parsed):
        raise _ignored(IncomingEmailReason.AUTOMATIC_REPLY)
    if not (parsed.text or parsed.attachments or parsed.subject):
        raise _ignored(IncomingEmailReason.EMPTY)


async def _is_own(reading: _Reading) -> bool:
    services, parsed = reading.services, reading.parsed
    address = reading.row.sender
    if address in services.own_addresses or services.reply_addresses.is_own(address):
        return True
    key = own_key(parsed.message_id or "")
    return key is not None and await Email.filter(message_key=key).exists()


async def _find_sender(reading: _Reading) -> User:
    if not reading.row.sender:
        raise _unmatched(IncomingEmailReason.NO_SENDER)
    reading.row.authentication = await reading.services.authenticator.results(reading.parsed)
    if is_forged(reading.row.authentication):
        raise _without_ticket(reading, IncomingEmailReason.NOT_AUTHENTICATED)
    user = await find_sender(reading.row.sender)
    if user is None:
        raise _without_ticket(reading, IncomingEmailReason.UNKNOWN_SENDER)
    if user.staff:
        raise _without_ticket(reading, IncomingEmailReason.STAFF_SENDER)
    return user


def _without_ticket(reading: _Reading, reason: IncomingEmailReason) -> _Ignored:
    """Leave an email that belongs to no ticket to an agent, unless it is a newsletter."""
    is_newsletter = is_bulk(reading.parsed)
    return _ignored(IncomingEmailReason.BULK) if is_newsletter else _unmatched(reason)


async def _post(reading: _Reading, user: User) -> None:
    reading.user = user
    if reading.row.is_partial:
        raise _unmatched(IncomingEmailReason.TOO_LARGE)
    companies = await company_ids(user)
    ticket = await find_ticket(reading.parsed, reading.services.reply_addresses, companies)
    if ticket:
        await _reply(reading, user, ticket)
    elif is_bulk(reading.parsed):
        raise _ignored(IncomingEmailReason.BULK)
    elif not companies:
        raise _unmatched(IncomingEmailReason.UNKNOWN_SENDER)
    elif len(companies) > 1:
        raise _unmatched(IncomingEmailReason.SEVERAL_COMPANIES)
    else:
        await _open(reading, user, companies[0])


async def _post_linked(reading: _Reading, account_id: int) -> None:
    """Post an email where an agent linked it, unless the person has left the company since."""
    user = await User.get(pk=reading.row.user_id)
    if account_id not in await company_ids(user):
        reading.row.linked_account_id = reading.row.linked_ticket_id = None
        raise _unmatched(IncomingEmailReason.UNKNOWN_SENDER)
    reading.user = user
    ticket_id = reading.row.linked_ticket_id
    if ticket_id:
        await _reply(reading, user, await Ticket.get(pk=ticket_id), IncomingEmailReason.LINKED)
    else:
        await _open(reading, user, account_id, IncomingEmailReason.LINKED)


async def _reply(
    reading: _Reading, user: User, ticket: Ticket, linked: IncomingEmailReason | None = None
) -> None:
    message = await Message.filter(
        origin_id=ticket.pk, author_id=user.pk, client_message_id=reading.key
    ).first()
    if message is None:
        await reading.services.auth.count_message(user, ticket.account_id)
        await _store_files(reading, user, await Account.get(pk=ticket.account_id))
        body = _body(reading, new_text(reading.row.text))
        file_ids = tuple(reading.stored.file_ids)
        message = await ticket.reply(
            reading.action, user, body, reading.key, file_ids, is_email=True
        )
    is_follow_up = message.ticket_id != ticket.pk
    reason = IncomingEmailReason.FOLLOW_UP if is_follow_up else IncomingEmailReason.REPLY
    await _finish(reading, IncomingEmailStatus.POSTED, linked or reason, message)


async def _open(
    reading: _Reading,
    user: User,
    account_id: int,
    reason: IncomingEmailReason = IncomingEmailReason.NEW_TICKET,
) -> None:
    await reading.services.auth.count_ticket(user, account_id)
    await _store_files(reading, user, await Account.get(pk=account_id))
    async with reading.action.transaction() as tx:
        row = await tx.lock(IncomingEmail, reading.row.pk)
        account = await tx.lock(Account, account_id)
        if row.status is IncomingEmailStatus.RECEIVED:
            message = await open_ticket(tx, reading, user, account)
            await _save(tx, reading, reason, message)


async def open_ticket(
    tx: Transaction, reading: _Reading, requester: User, account: Account
) -> Message:
    """Open a ticket with an email as its first message, which is returned. A repeat returns it."""
    owner, key = f"user:{requester.pk}", reading.key
    if earlier_id := await earlier_result(tx, owner, _OPERATION, key, [account.pk]):
        return await Message.get(pk=earlier_id, using_db=tx.db)
    file_ids = tuple(reading.stored.file_ids)
    await lock_files(tx, file_ids)
    body = _body(reading, reading.row.text)
    ticket = await Ticket.open(
        tx,
        account,
        requester,
        subject=reading.row.subject or clean_line(body)[:SUBJECT_LENGTH] or _UNSUBJECTED,
        channel=Channel.EMAIL,
        category=Category.USAGE,
    )
    message = await ticket.post(tx, requester, body, key, is_final=True)
    await attach_to_message(tx, account.pk, message, requester, file_ids)
    await store_result(tx, owner, _OPERATION, key, message.pk)
    return message


async def _store_files(reading: _Reading, user: User, account: Account) -> None:
    reading.stored = await store_attachments(
        reading.action,
        reading.services.files,
        user,
        account,
        reading.row.pk,
        reading.parsed.attachments,
    )
    reading.row.refused_files = reading.stored.refused


def _body(reading: _Reading, text: str) -> str:
    """The text of the message, shortened if it is too long: the whole is stored with the email."""
    if is_blank(text):
        text = "" if reading.stored.file_ids else reading.row.subject or _UNSUBJECTED
    text = mask_card_numbers(text)
    return text if len(text) <= BODY_LENGTH else f"{text[: BODY_LENGTH - 1]}…"


async def _finish(
    reading: _Reading,
    status: IncomingEmailStatus,
    reason: IncomingEmailReason,
    message: Message | None = None,
) -> None:
    async with reading.action.transaction() as tx:
        row = await tx.lock(IncomingEmail, reading.row.pk)
        if row.status is IncomingEmailStatus.RECEIVED:
            await _save(tx, reading, reason, message, status)


async def _save(
    tx: Transaction,
    reading: _Reading,
    reason: IncomingEmailReason,
    message: Message | None,
    status: IncomingEmailStatus = IncomingEmailStatus.POSTED,
) -> None:
    row = reading.row
    row.status, row.reason, row.processed_at = status, reason, tx.action.at
    row.next_attempt_at = None
    row.user_id = reading.user.pk if reading.user else None
    row.posted_message_id = message.pk if message else None
    row.html = _PICTURE.sub(lambda match: _picture(reading, match[1]), row.html)
    if problem := _problem(row):
        await answer(tx, row, reading.parsed, problem, reading.user)
    await row.save(using_db=tx.db)


def _problem(row: IncomingEmail) -> IncomingEmailProblem | None:
    """The problem with the email that the sender is told about."""
    if row.reason is IncomingEmailReason.UNKNOWN_SENDER:
        return IncomingEmailProblem.UNKNOWN_SENDER
    if row.reason is IncomingEmailReason.TOO_LARGE:
        return IncomingEmailProblem.TOO_LARGE
    return IncomingEmailProblem.FILES_REFUSED if row.refused_files else None


def _picture(reading: _Reading, content_id: str) -> str:
    file_id = reading.stored.by_content_id.get(content_id)
    return f'src="cid:file-{file_id}"' if file_id else 'src=""'
