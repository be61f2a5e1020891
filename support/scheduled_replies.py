"""Replies that are posted at a later time, as their author wrote them.

A job posts what is due, with the rules of posting as they are at that time. What can't be posted
any more stays with the reason, and its author and the supervisors are told. A reply that its author
wants held back stays as well if the customer has written since. If it still isn't settled after
some minutes, they are notified by email, once for all replies of an author.

Whatever changes a scheduled reply has locked its ticket, and a reply ends its wait in the
transaction that posts it. So it is posted once, although the job may run in several processes and
be killed at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from auth.services import AuthServices
from mail import emails
from models.action import Action, Transaction
from models.database.sql import fetch_records
from models.database.writing import find_one
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.event import (
    INBOX,
    EventKind,
    agent_stream,
    last_sequence_of,
    ticket_stream,
    writers_stream,
)
from models.idempotency import earlier_result, has_earlier_result, owner_of, store_result
from models.identity.user import Staff, User
from models.support.agents import lock_agent
from models.support.audit_actions import SupportAuditAction
from models.support.draft import Draft
from models.support.errors import SupportErrorCode
from models.support.file import File, attach_to_scheduled_reply, lock_files
from models.support.merge import merge_targets
from models.support.message import Message
from models.support.scheduled_reply import (
    MAX_DELAY,
    UNSENT_STATES,
    ScheduledReply,
    ScheduledReplyProblem,
    ScheduledReplyState,
)
from models.support.team import hours_by_team, team_hours
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus, require_transition
from models.text import message_text, optional_message_text
from models.translations import _

MAX_UNSENT = 20  # in one ticket
EMAIL_DELAY = timedelta(minutes=5)  # after which agents are told by email what wasn't sent
_OPERATION = "scheduledReplyCreate"


@dataclass(frozen=True)
class Preview:
    """When a reply would be sent, None if there are no opening hours ahead. `opens_at` is when the
    hours next begin, for a time outside of them.
    """

    send_at: datetime | None
    is_open: bool
    opens_at: datetime | None
    time_zone: str


def require_choice(send_at: datetime | None, *, at_next_opening: bool) -> None:
    """Raise VALUE_INVALID unless a reply is to be sent either at a time or when the opening hours
    begin.
    """
    if (send_at is None) is not at_next_opening:
        message = _("Choose either a time or the next opening.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "atNextOpening", message=message)


def require_time(action: Action, send_at: datetime | None) -> None:
    """Raise VALUE_INVALID for a time that isn't within the next year."""
    if send_at is not None and not action.at < send_at <= action.at + MAX_DELAY:
        message = _("Choose a time within the next year.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "sendAt", message=message)


def require_source(body: str | None, draft_version: int | None) -> None:
    """Raise BLANK unless there is a text or a draft."""
    if body is None and draft_version is None:
        raise Refusal(CommonErrorCode.BLANK, "input", "body")


async def preview(action: Action, ticket: Ticket, send_at: datetime | None) -> Preview:
    """When a reply in a ticket would be sent, for a time or, when that is None, for the next
    beginning of its team's hours.
    """
    hours = await team_hours(ticket.team_id)
    at = send_at or hours.next_beginning(action.at)
    is_open = at is not None and hours.is_open(at)
    opens_at = hours.next_opening(at) if at and not is_open else None
    return Preview(at, is_open, opens_at, hours.zone.key)


@dataclass(frozen=True)
class ReplyValues:
    """What an agent schedules: a text, or this version of the draft, and when."""

    body: str | None
    draft_version: int | None
    file_ids: tuple[int, ...]
    send_at: datetime | None
    is_holdable: bool


@dataclass(frozen=True)
class ReplyChanges:
    """What an agent changes about a scheduled reply. None keeps a value."""

    body: str | None
    file_ids: tuple[int, ...] | None
    send_at: datetime | None
    at_next_opening: bool
    is_holdable: bool | None


def reply_text(body: str | None, *, has_files: bool) -> str | None:
    """The text of a reply as it may be stored, None when it isn't given. It may be empty when there
    are files. Raises BLANK and TOO_LONG.
    """
    if body is None:
        return None
    return optional_message_text(body) if has_files else message_text(body)


async def schedule(
    action: Action, auth: AuthServices, author: User, ticket: Ticket, values: ReplyValues, key: str
) -> ScheduledReply:
    """Schedule a reply, which discards the author's draft as posting it would. The same key with
    the same values returns the same reply.

    Raises TRANSITION_ILLEGAL in a closed ticket, TOO_MANY, VALUE_INVALID when no opening hours
    begin within a year, DRAFT_CHANGED, FILE_REFUSED, IDEMPOTENCY_MISMATCH, Forbidden and Throttled.
    """
    owner = owner_of(action)
    if not await has_earlier_result(owner, _OPERATION, key):
        await auth.count_message(author, None)
    arguments = [
        ticket.pk,
        values.body,
        values.draft_version,
        list(values.file_ids),
        values.send_at and values.send_at.isoformat(),
        values.is_holdable,
    ]
    async with action.transaction() as tx:
        author = await lock_agent(tx, author.pk)
        ticket = await tx.lock(Ticket, ticket.pk)
        if earlier_id := await earlier_result(tx, owner, _OPERATION, key, arguments):
            return await ScheduledReply.get(pk=earlier_id, using_db=tx.db)
        require_transition(ticket.status, TicketStatus.OPEN)
        await _require_room(tx, ticket)
        text = await _text_of(tx, ticket, author, values)
        reply = ScheduledReply(
            ticket_id=ticket.pk,
            author_id=author.pk,
            body=text,
            is_holdable=values.is_holdable,
            created_at=action.at,
        )
        await _plan(tx, ticket, reply, values.send_at)
        await reply.save(using_db=tx.db)
        await attach_to_scheduled_reply(tx, ticket.account_id, reply, author, values.file_ids)
        drafts = Draft.filter(ticket_id=ticket.pk, user_id=author.pk)
        has_draft = await drafts.using_db(tx.db).delete()
        await store_result(tx, owner, _OPERATION, key, reply.pk)
        await _notify_inbox(tx, reply)
        if has_draft:
            tx.advance(writers_stream(ticket.pk))
    return reply


async def _require_room(tx: Transaction, ticket: Ticket) -> None:
    unsent = ScheduledReply.filter(ticket_id=ticket.pk, state__in=UNSENT_STATES)
    if await unsent.using_db(tx.db).count() >= MAX_UNSENT:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", "ticketId", limit=MAX_UNSENT)


async def _text_of(tx: Transaction, ticket: Ticket, author: User, values: ReplyValues) -> str:
    if values.body is not None:
        return values.body
    draft = await find_one(Draft, tx.db, ticket_id=ticket.pk, user_id=author.pk)
    if draft is None or draft.version != values.draft_version:
        raise Refusal(SupportErrorCode.DRAFT_CHANGED, "input", "draftVersion")
    if draft.is_note:
        message = _("This draft is an internal note, which customers must not read.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "draftVersion", message=message)
    return draft.body


async def _plan(
    tx: Transaction, ticket: Ticket, reply: ScheduledReply, send_at: datetime | None
) -> None:
    """Schedule a reply for a time, or for the opening hours when that is None. Its author has seen
    the ticket in its current state.
    """
    at = tx.action.at
    planned_at = send_at or (await team_hours(ticket.team_id)).next_beginning(at)
    if planned_at is None:
        message = _("The opening hours of this ticket don’t begin within the next year.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "atNextOpening", message=message)
    reply.send_at, reply.at_next_opening, reply.scheduled_at = planned_at, send_at is None, at
    reply.state, reply.problem, reply.overtaken_at = ScheduledReplyState.WAITING, None, None
    reply.email_pending_since = None
    reply.seen_sequence = await last_sequence_of(ticket_stream(ticket.pk))


async def update(
    action: Action, author: User, reply: ScheduledReply, changes: ReplyChanges
) -> ScheduledReply:
    """Change a reply that isn't sent yet, and schedule it.

    Raises NOT_AUTHOR, REPLY_SETTLED, TRANSITION_ILLEGAL in a closed ticket, VALUE_INVALID when its
    time has passed and no other one is given, BLANK when neither a text nor a file remains,
    FILE_REFUSED and Forbidden.
    """
    async with action.transaction() as tx:
        author = await lock_agent(tx, author.pk)
        ticket, reply = await _lock(tx, reply)
        if reply.author_id != author.pk:
            raise Refusal(SupportErrorCode.NOT_AUTHOR, "input", "scheduledReplyId")
        _require_unsent(reply)
        require_transition(ticket.status, TicketStatus.OPEN)
        if changes.body is not None:
            reply.body = changes.body
        files = await _files_of(tx, reply) if changes.file_ids is None else changes.file_ids
        if not reply.body and not files:
            raise Refusal(CommonErrorCode.BLANK, "input", "body")
        if changes.is_holdable is not None:
            reply.is_holdable = changes.is_holdable
        send_at = changes.send_at
        if send_at is None and not changes.at_next_opening and not reply.at_next_opening:
            send_at = reply.send_at
            require_time(action, send_at)
        await _plan(tx, ticket, reply, send_at)
        await reply.save(using_db=tx.db)
        if changes.file_ids is not None:
            await attach_to_scheduled_reply(tx, ticket.account_id, reply, author, changes.file_ids)
        await _notify_inbox(tx, reply)
    return reply


async def cancel(action: Action, actor: User, reply: ScheduledReply) -> ScheduledReply:
    """Cancel a reply that isn't sent yet, as its author or a supervisor. Its files are deleted like
    any unused ones. A repeat changes nothing. Raises NOT_AUTHOR and REPLY_SETTLED.
    """
    async with action.transaction() as tx:
        _ticket, reply = await _lock(tx, reply)
        _require_author_or_supervisor(actor, reply)
        if reply.state is not ScheduledReplyState.CANCELED:
            _require_unsent(reply)
            await _release_files(tx, reply)
            reply.state, reply.email_pending_since = ScheduledReplyState.CANCELED, None
            await reply.save(using_db=tx.db, update_fields=["state", "email_pending_since"])
            tx.audit(SupportAuditAction.SCHEDULED_REPLY_CANCEL, reply, author=reply.author_id)
            await _notify_inbox(tx, reply)
    return reply


async def send_now(action: Action, actor: User, reply: ScheduledReply) -> Message:
    """Post a reply immediately in its author's name, as its author or a supervisor. It is posted
    like any other reply: after a merge in the other ticket, after CLOSED in a follow-up. A repeat
    returns the same message.

    Raises NOT_AUTHOR, REPLY_SETTLED, FILE_REFUSED, TRANSITION_ILLEGAL, and NOT_ACTIVE when its
    author no longer answers customers.
    """
    author = await User.get(pk=reply.author_id)
    async with replace(action, actor=author).transaction() as tx:
        try:
            author = await lock_agent(tx, author.pk)
        except Forbidden:
            message = _("The author of this reply no longer answers customers.")
            raise Refusal(
                CommonErrorCode.NOT_ACTIVE, "input", "scheduledReplyId", message=message
            ) from None
        origin = await Ticket.get(pk=reply.ticket_id, using_db=tx.db)
        ticket = await origin.lock_with_target(tx)
        reply = await ScheduledReply.get(pk=reply.pk, using_db=tx.db)
        _require_author_or_supervisor(actor, reply)
        if reply.state is ScheduledReplyState.SENT:
            return await Message.get(pk=reply.message_id, using_db=tx.db)
        _require_unsent(reply)
        tx.audit(SupportAuditAction.SCHEDULED_REPLY_SEND, reply, actor=actor)
        return await _post(tx, origin, ticket, author, reply)


async def _lock(tx: Transaction, reply: ScheduledReply) -> tuple[Ticket, ScheduledReply]:
    ticket = await tx.lock(Ticket, reply.ticket_id)
    return ticket, await ScheduledReply.get(pk=reply.pk, using_db=tx.db)


def _require_unsent(reply: ScheduledReply) -> None:
    if not reply.is_unsent:
        raise Refusal(SupportErrorCode.REPLY_SETTLED, "input", "scheduledReplyId")


def _require_author_or_supervisor(actor: User, reply: ScheduledReply) -> None:
    if reply.author_id != actor.pk and actor.staff is not Staff.SUPERVISOR:
        raise Refusal(SupportErrorCode.NOT_AUTHOR, "input", "scheduledReplyId")


async def _files_of(tx: Transaction, reply: ScheduledReply) -> list[File]:
    return await File.filter(scheduled_reply_id=reply.pk).using_db(tx.db).order_by("id")


async def _release_files(tx: Transaction, reply: ScheduledReply) -> tuple[int, ...]:
    """Detach the files of a reply, which stay locked. Returns their keys."""
    file_ids = tuple(file.pk for file in await _files_of(tx, reply))
    await lock_files(tx, file_ids)
    await File.filter(scheduled_reply_id=reply.pk).using_db(tx.db).update(scheduled_reply_id=None)
    return file_ids


async def _post(
    tx: Transaction, origin: Ticket, ticket: Ticket, author: User, reply: ScheduledReply
) -> Message:
    """Post a reply that was sent to `origin` in `ticket`, both locked."""
    file_ids = await _release_files(tx, reply)
    message = await origin.append_reply(
        tx, ticket, author, reply.body, f"scheduled-{reply.pk}", file_ids, is_scheduled=True
    )
    reply.state, reply.problem = ScheduledReplyState.SENT, None
    reply.message_id, reply.email_pending_since = message.pk, None
    await reply.save(
        using_db=tx.db, update_fields=["state", "problem", "message_id", "email_pending_since"]
    )
    await _notify_inbox(tx, reply)
    return message


async def _notify_inbox(tx: Transaction, reply: ScheduledReply) -> None:
    await tx.append(INBOX, EventKind.SCHEDULED_REPLY_CHANGED, ticket_id=reply.ticket_id)


async def send_due(action: Action) -> int:
    """Post the replies whose time has come, notify about those that customers have overtaken, and
    reschedule those whose opening hours have changed: a job. Returns how many were changed.
    """
    overtaken = await fetch_records(_OVERTAKEN)
    rows = ScheduledReply.filter(pk__in=[key for (key,) in overtaken])
    count = await handle_each(rows, partial(_overtake, action), "scheduled_reply.failed")
    count += await _follow_hours(action)
    due = ScheduledReply.filter(state=ScheduledReplyState.WAITING, send_at__lte=action.at)
    count += await handle_each(due, partial(_send_due, action), "scheduled_reply.failed")
    return count + await _email_unsent(action)


_OVERTAKEN = f"""
    SELECT r.id FROM scheduled_reply r
    WHERE r.state = '{ScheduledReplyState.WAITING}' AND r.overtaken_at IS NULL AND EXISTS (
        SELECT 1 FROM message m WHERE m.ticket_id = r.ticket_id AND m.sequence > r.seen_sequence
        AND NOT m.from_staff AND m.deleted_at IS NULL
    )"""  # noqa: S608 - constants


async def _overtake(action: Action, key: int) -> bool:
    reply = await ScheduledReply.get(pk=key)
    async with action.transaction() as tx:
        _ticket, reply = await _lock(tx, reply)
        return reply.state is ScheduledReplyState.WAITING and await _check_overtaken(tx, reply)


async def _check_overtaken(tx: Transaction, reply: ScheduledReply) -> bool:
    """Whether a customer has overtaken a scheduled reply. Its author is told, and the reply is held
    back if they wanted that.
    """
    if reply.overtaken_at is not None:
        return False
    messages = Message.filter(
        ticket_id=reply.ticket_id,
        sequence__gt=reply.seen_sequence,
        from_staff=False,
        deleted_at=None,
    )
    message = await messages.using_db(tx.db).order_by("sequence").first()
    if message is None:
        return False
    reply.overtaken_at = message.at
    if reply.is_holdable:
        reply.state = ScheduledReplyState.HELD
    await reply.save(using_db=tx.db, update_fields=["overtaken_at", "state"])
    await _notify_agents(tx, reply, EventKind.SCHEDULED_REPLY_OVERTAKEN, [reply.author_id])
    return True


async def _notify_agents(
    tx: Transaction, reply: ScheduledReply, kind: EventKind, user_ids: Sequence[int]
) -> None:
    """Notify these agents, each in their own stream, and the inbox."""
    # The system does it, in the name of nobody.
    for stream in (*map(agent_stream, sorted(user_ids)), INBOX):
        await tx.append(stream, kind, ticket_id=reply.ticket_id, actor_id=None)


async def _follow_hours(action: Action) -> int:
    """Reschedule the replies whose opening hours have changed, or whose ticket was given to a team
    with different hours.
    """
    changed = [0]
    rows = ScheduledReply.filter(state=ScheduledReplyState.WAITING, at_next_opening=True)
    if waiting := await rows.order_by("id").select_related("ticket"):
        hours = await hours_by_team()
        for reply in waiting:
            own_hours = hours.get(reply.ticket.team_id, hours[None])
            if reply.planned_time(own_hours, action.at) != reply.send_at:
                changed.append(reply.pk)
    replan = partial(_plan_again, action)
    return await handle_each(rows.filter(pk__in=changed), replan, "scheduled_reply.failed")


async def _plan_again(action: Action, key: int) -> bool:
    reply = await ScheduledReply.get(pk=key)
    async with action.transaction() as tx:
        ticket, reply = await _lock(tx, reply)
        planned_at = reply.planned_time(await team_hours(ticket.team_id), action.at)
        if reply.state is not ScheduledReplyState.WAITING or planned_at == reply.send_at:
            return False
        reply.send_at = planned_at
        await reply.save(using_db=tx.db, update_fields=["send_at"])
        await _notify_inbox(tx, reply)
    return True


async def _send_due(action: Action, key: int) -> bool:
    reply = await ScheduledReply.get(pk=key)
    try:
        return await _send_waiting(action, reply)
    except Refusal as refusal:
        if refusal.code is not SupportErrorCode.FILE_REFUSED:
            raise
    # Nothing of it is stored: also not that its files are free.
    async with action.transaction() as tx:
        _ticket, reply = await _lock(tx, reply)
        if reply.state is ScheduledReplyState.WAITING:
            await _leave_unsent(tx, reply, ScheduledReplyProblem.FILE_REFUSED)
    return True


async def _send_waiting(action: Action, reply: ScheduledReply) -> bool:
    author: User | None = await User.get(pk=reply.author_id)
    async with replace(action, actor=author).transaction() as tx:
        try:
            author = await lock_agent(tx, reply.author_id)
        except Forbidden:
            author = None
        ticket, reply = await _lock(tx, reply)
        if reply.state is not ScheduledReplyState.WAITING or reply.send_at > action.at:
            return False
        if await _check_overtaken(tx, reply):  # just now: otherwise it is sent by the next run
            return True
        if author is None:
            await _leave_unsent(tx, reply, ScheduledReplyProblem.AUTHOR_LEFT)
        elif ticket.status is TicketStatus.CLOSED:
            is_merged = bool(await merge_targets(ticket.pk, tx.db))
            closed, merged = (
                ScheduledReplyProblem.TICKET_CLOSED,
                ScheduledReplyProblem.TICKET_MERGED,
            )
            await _leave_unsent(tx, reply, merged if is_merged else closed)
        else:
            await _post(tx, ticket, ticket, author, reply)
    return True


async def _leave_unsent(
    tx: Transaction, reply: ScheduledReply, problem: ScheduledReplyProblem
) -> None:
    """Keep a reply that can't be sent, and notify its author and the supervisors."""
    reply.state, reply.problem = ScheduledReplyState.NOT_SENT, problem
    reply.email_pending_since = tx.action.at
    columns = ["state", "problem", "email_pending_since"]
    await reply.save(using_db=tx.db, update_fields=columns)
    user_ids = {reply.author_id, *(user.pk for user in await _supervisors(tx))}
    await _notify_agents(tx, reply, EventKind.SCHEDULED_REPLY_NOT_SENT, sorted(user_ids))


async def _supervisors(tx: Transaction) -> list[User]:
    return await User.filter(staff=Staff.SUPERVISOR).using_db(tx.db).order_by("id")


async def _email_unsent(action: Action) -> int:
    """Email the authors of replies that couldn't be sent and that nobody has settled since. Returns
    how many authors.
    """
    due = ScheduledReply.filter(
        state=ScheduledReplyState.NOT_SENT, email_pending_since__lte=action.at - EMAIL_DELAY
    )
    authors = {int(str(key)) for key in await due.values_list("author_id", flat=True)}
    if not authors:
        return 0
    rows = User.filter(pk__in=sorted(authors))
    return await handle_each(rows, partial(_email_author, action), "scheduled_reply.failed")


async def _email_author(action: Action, author_id: int) -> bool:
    """Tell an author of all their replies that couldn't be sent, in one email. If the author no
    longer answers customers, tell the supervisors.
    """
    pending = ScheduledReply.filter(author_id=author_id, email_pending_since__not_isnull=True)
    async with action.transaction() as tx:
        keys = await pending.using_db(tx.db).values_list("ticket_id", flat=True)
        await tx.lock_rows(Ticket.filter(pk__in=[int(str(key)) for key in keys]))
        rows = pending.filter(ticket_id__in=[int(str(key)) for key in keys]).using_db(tx.db)
        replies = await rows.order_by("id").select_related("ticket")
        if not replies:
            return False
        author = await User.get(pk=author_id, using_db=tx.db)
        answers = author.staff is not None and author.staff.answers_customers
        for user in [author] if answers else await _supervisors(tx):
            problems = [(reply.ticket.number, reply.problem) for reply in replies]
            await emails.send_replies_not_sent(tx, user, problems)
        await rows.update(email_pending_since=None)
    return True
