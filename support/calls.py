"""Logging phone calls: by agents, and from the reports of a telephone system.

A call is posted in its ticket as a message: by the agent if they talked to the customer or tried
to, by the customer if their call was missed. So an answered call ends the wait for a reply, at the
time of the call, and a missed one begins it; both have the targets of the channel PHONE.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from models.accounts.account import Account, AccountMembers, AccountStatus, Membership, Role
from models.action import Action, Transaction
from models.clock import local_date
from models.database.sql import execute
from models.errors import CommonErrorCode, Refusal
from models.event import INBOX, EventKind
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.locale import Locale
from models.numbers import number_in_range
from models.support.agents import lock_agent
from models.support.audit_actions import SupportAuditAction
from models.support.call import MAX_DURATION, Call, CallDirection, CallOutcome
from models.support.classification import Category, Channel
from models.support.errors import SupportErrorCode
from models.support.merge import merge_targets
from models.support.message import unused_key
from models.support.note import Note
from models.support.phone_number import PhoneNumber
from models.support.ticket import Ticket
from models.support.ticket_number import has_number
from models.support.ticket_status import FINISHED_STATUSES, TicketStatus
from models.translations import Translatable, _, day, text, time_of_day
from support.phone_numbers import NumberOwner, store_number

_CLOCK_DIFFERENCE = timedelta(minutes=5)  # between this server and whoever reports a call
_OPERATION = "callLog"


@dataclass(frozen=True)
class CallFacts:
    """The facts of a call: see `Call`. `started_at` is when it began to ring."""

    direction: CallDirection
    outcome: CallOutcome
    number: str | None
    started_at: datetime
    duration_seconds: int

    @property
    def is_attempt(self) -> bool:
        """Whether an agent called a customer who didn't answer."""
        return self.direction is CallDirection.OUTBOUND and self.outcome is not CallOutcome.ANSWERED

    @property
    def is_of_agent(self) -> bool:
        """Whether the agent is the author of the message: they talked to the customer, or tried
        to.
        """
        return self.direction is CallDirection.OUTBOUND or self.outcome is CallOutcome.ANSWERED

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of `Call`."""
        return {
            "direction": self.direction.value,
            "outcome": self.outcome.value,
            "number": self.number,
            "started_at": self.started_at,
            "duration_seconds": self.duration_seconds,
        }


@dataclass(frozen=True)
class CallTarget:
    """Where a call belongs: an existing ticket, or a new one of a member of a company."""

    ticket: Ticket | None = None
    account: Account | None = None
    requester: User | None = None
    category: Category = Category.USAGE
    subject: str | None = None

    @property
    def account_id(self) -> int | None:
        """The key of the company that the call belongs to."""
        if self.ticket:
            return self.ticket.account_id
        return self.account.pk if self.account else None

    @property
    def keys(self) -> list[Any]:
        """The values that identify the target."""
        rows = (self.ticket, self.account, self.requester)
        return [*(row and row.pk for row in rows), self.category.value, self.subject]


@dataclass(frozen=True)
class CallReport:
    """A call that a telephone system reports. `external_id` is its key there, `agent_email`
    identifies who answered or made the call, `ticket_number` the ticket that it was made from.
    """

    external_id: str
    facts: CallFacts
    agent_email: str | None = None
    ticket_number: str | None = None

    @property
    def fingerprint(self) -> str:
        """A hash of the content of the report."""
        values = [*self.facts.columns.values(), self.agent_email, self.ticket_number]
        return hashlib.sha256(orjson.dumps(values)).hexdigest()


class ReportChanged(Exception):
    """The call was reported before, with different facts."""


def check_times(
    action: Action, started_at: datetime, duration_seconds: int, outcome: CallOutcome
) -> None:
    """Raise VALUE_INVALID for a call that ends in the future, lasts longer than a day, or was
    missed and has a duration.
    """
    longest = int(MAX_DURATION.total_seconds())
    number_in_range(duration_seconds, 0, longest, "input", "durationSeconds")
    if outcome is CallOutcome.MISSED and duration_seconds:
        message = _("A missed call has no duration.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "durationSeconds", message=message)
    ended_at = started_at + timedelta(seconds=duration_seconds)
    if ended_at > action.at + _CLOCK_DIFFERENCE:
        message = _("Log a call after it has ended.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "startedAt", message=message)


async def log_call(
    action: Action, agent: User, facts: CallFacts, target: CallTarget, notes: str | None, key: str
) -> Call:
    """Log a call in a ticket, or in a new one. A closed ticket gets a follow-up. The same
    idempotency key returns the same call.

    Raises NOT_FOUND for a requester who isn't a member, TRANSITION_ILLEGAL for a closed ticket of a
    deleted account, IDEMPOTENCY_MISMATCH, and Forbidden.
    """
    owner = f"user:{agent.pk}"
    arguments = [*facts.columns.values(), *target.keys, notes]
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, _OPERATION, key, arguments):
            return await Call.get(pk=earlier_id, using_db=tx.db)
        await _require_member(tx, target)
        await lock_agent(tx, agent.pk)
        call = await _insert(tx, facts, agent)
        assert call, "it conflicts with no other"  # noqa: S101
        await _post(tx, call, target, agent)
        await _add_note(tx, call, agent, notes)
        await store_result(tx, owner, _OPERATION, key, call.pk)
    return call


async def link_call(
    action: Action, agent: User, call: Call, target: CallTarget, *, saves_number: bool
) -> Call:
    """Post a reported call in the ticket to which it belongs, or in a new one. `saves_number` adds
    the number to those of the requester, so that the next call is linked automatically. A repeat
    changes nothing.

    Raises CALL_LINKED for a call of another ticket, NOT_FOUND for a requester who isn't a member,
    TOO_MANY numbers, TRANSITION_ILLEGAL for a closed ticket of a deleted account, and Forbidden.
    """
    async with action.transaction() as tx:
        await _require_member(tx, target)
        requester = await _lock_people(tx, agent, call, target)
        if saves_number and call.number:
            await store_number(tx, NumberOwner(user=requester), call.number)
        row = await tx.lock(Call, call.pk)
        if row.ticket_id:
            if await _belongs_to(tx, row, target):
                return row
            raise Refusal(SupportErrorCode.CALL_LINKED, "input", "callId")
        author = await User.get(pk=row.agent_id or agent.pk, using_db=tx.db)
        if author.staff is None:  # they have left
            author = agent
        row.agent_id, row.dismissed_at = author.pk, None
        await _post(tx, row, target, author)
        tx.audit(SupportAuditAction.CALL_LINK, row, target.account_id, ticket=row.ticket_id)
    return row


async def _lock_people(tx: Transaction, agent: User, call: Call, target: CallTarget) -> User:
    """Lock the people who may change the call's number or get its ticket. Returns the requester."""
    requester = target.requester
    if target.ticket:
        requester = await User.get(pk=target.ticket.requester_id, using_db=tx.db)
    assert requester, "a call without a ticket has a requester"  # noqa: S101
    await tx.lock_rows(User.filter(pk__in={agent.pk, call.agent_id or agent.pk, requester.pk}))
    await lock_agent(tx, agent.pk)
    return requester


async def dismiss_call(action: Action, call: Call) -> Call:
    """Set a call aside that isn't from or to a customer. A repeat changes nothing. Raises
    CALL_LINKED.
    """
    async with action.transaction() as tx:
        row = await tx.lock(Call, call.pk)
        if row.is_linked:
            raise Refusal(SupportErrorCode.CALL_LINKED, "input", "callId")
        if row.dismissed_at is None:
            row.dismissed_at = action.at
            await row.save(using_db=tx.db, update_fields=["dismissed_at"])
            tx.audit(SupportAuditAction.CALL_DISMISS, row, None)
    return row


async def record_report(action: Action, report: CallReport) -> bool:
    """Store a call that a telephone system reports, in the ticket to which it belongs if that is
    certain. Returns whether it is new. Raises ReportChanged.
    """
    target, agent = await _find_target(report), await _find_agent(report.agent_email)
    if report.facts.is_of_agent and agent is None:
        target = None
    async with action.transaction() as tx:
        if target:
            await _require_member(tx, target)
            target = await _open_target(tx, report, target)
        if agent:
            agent = await lock_agent(tx, agent.pk)
        call = await _insert(tx, report.facts, agent, report)
        if call is None:
            await _require_same(tx, report)
            return False
        if target:
            await _post(tx, call, target, agent)
        elif not report.facts.is_attempt:
            await tx.append(INBOX, EventKind.CALL_UNMATCHED)
    return True


async def _insert(
    tx: Transaction, facts: CallFacts, agent: User | None, report: CallReport | None = None
) -> Call | None:
    """Insert a call and return it, locked. None when it was reported before."""
    columns = facts.columns | {
        "agent_id": agent.pk if agent else None,
        "external_id": report.external_id if report else None,
        "fingerprint": report.fingerprint if report else None,
        "created_at": tx.action.at,
    }
    places = ", ".join("?" * len(columns))
    rows = await execute(
        f"INSERT INTO phone_call ({', '.join(columns)}) VALUES ({places}) "  # noqa: S608 - our own names
        "ON CONFLICT (external_id) DO NOTHING RETURNING id",
        *columns.values(),
        db=tx.db,
    )
    return await tx.lock(Call, rows[0]["id"]) if rows else None


async def _require_same(tx: Transaction, report: CallReport) -> None:
    stored = await Call.get(external_id=report.external_id, using_db=tx.db)
    if stored.fingerprint != report.fingerprint:
        raise ReportChanged


async def _find_agent(email: str | None) -> User | None:
    user = await User.get_or_none(email=email.strip().casefold()) if email else None
    return user if user and user.staff and user.staff.answers_customers else None


async def _find_target(report: CallReport) -> CallTarget | None:
    """The ticket that the call was made from, otherwise the person who has the number. None when
    nobody has it, several people do, or they belong to several companies.
    """
    if report.ticket_number:
        tickets = Ticket.filter(has_number(report.ticket_number))
        if ticket := await tickets.exclude(account__status=AccountStatus.ERASED).first():
            return CallTarget(ticket)
    memberships = await _members_with(report.facts.number)
    if len(memberships) != 1:
        return None
    return CallTarget(None, memberships[0].account, memberships[0].user)


async def _open_target(
    tx: Transaction, report: CallReport, target: CallTarget
) -> CallTarget | None:
    """The target with the open ticket of its person, if there is one. The caller has locked the
    company, so of two calls that are reported at once the second one finds the ticket of the first.
    None for an attempt to call somebody who has no ticket.
    """
    if target.ticket or not (target.account and target.requester):
        return target
    recent = Ticket.filter(
        account_id=target.account.pk,
        requester_id=target.requester.pk,
        channel=Channel.PHONE,
        status__not_in=FINISHED_STATUSES,
    )
    ticket = await recent.using_db(tx.db).order_by("-id").first()
    if ticket is None and report.facts.is_attempt:
        return None
    return replace(target, ticket=ticket)


async def _members_with(number: str | None) -> Sequence[Membership]:
    """The memberships of the people who have a number; for a company's number, that of the owner
    who has been a member for the longest time.
    """
    memberships: dict[int, Membership] = {}
    active = Membership.filter(account__status=AccountStatus.ACTIVE)
    for row in await PhoneNumber.filter(number=number) if number else []:
        if row.user_id:
            found = active.filter(user_id=row.user_id)
        else:
            found = active.filter(account_id=row.account_id, role=Role.OWNER).limit(1)
        for each in await found.order_by("id").select_related("user", "account"):
            memberships[each.pk] = each
    return list(memberships.values())


async def _require_member(tx: Transaction, target: CallTarget) -> None:
    """Lock the company, and raise NOT_FOUND for a requester who doesn't belong to it."""
    account_id = target.account_id
    if account_id is None:
        return
    members = await AccountMembers.lock(tx, account_id)
    if target.ticket is None and (
        target.requester is None or members.membership(target.requester.pk) is None
    ):
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "requesterId")


async def _belongs_to(tx: Transaction, call: Call, target: CallTarget) -> bool:
    """Whether a call has been linked to this target before."""
    ticket = await Ticket.get(pk=call.ticket_id, using_db=tx.db)
    if target.ticket:
        keys = {target.ticket.pk, *await merge_targets(target.ticket.pk, tx.db)}
        return not keys.isdisjoint({ticket.pk, ticket.follows_id})
    requester_id = target.requester.pk if target.requester else None
    return (ticket.account_id, ticket.requester_id) == (target.account_id, requester_id)


async def _open(tx: Transaction, target: CallTarget, call: Call) -> Ticket:
    """Lock or open the ticket of the target: the one that it was merged into, a follow-up when it
    is closed, or a new one.
    """
    if target.ticket:
        ticket = await target.ticket.lock_with_target(tx)
        if ticket.status is TicketStatus.CLOSED:
            requester = await User.get(pk=ticket.requester_id, using_db=tx.db)
            ticket = await ticket.lock_or_open_follow_up(tx, requester)
        return ticket
    assert target.account, "a call without a ticket has a company"  # noqa: S101
    assert target.requester, "and a requester"  # noqa: S101
    subject = target.subject or text(
        _SUBJECTS[call.outcome is CallOutcome.ANSWERED],
        target.requester.locale,
        day=local_date(call.started_at),
    )
    return await Ticket.open(
        tx,
        target.account,
        target.requester,
        subject=subject,
        channel=Channel.PHONE,
        category=target.category,
    )


async def _post(tx: Transaction, call: Call, target: CallTarget, agent: User | None) -> None:
    """Post a call in the ticket to which it belongs. Opening one locks streams, so the caller has
    locked all other rows.
    """
    ticket = await _open(tx, target, call)
    requester = await User.get(pk=ticket.requester_id, using_db=tx.db)
    facts = facts_of(call)
    is_answered = call.outcome is CallOutcome.ANSWERED
    awaited_since = ticket.reply_awaited_since or ticket.created_at
    message = await ticket.post(
        tx,
        agent if agent and facts.is_of_agent else requester,
        call_text(call, requester.locale),
        unused_key("call"),
        is_reply=is_answered and (target.ticket is None or _began_after(call, awaited_since)),
        replied_at=max(call.started_at, awaited_since),
        is_final=True,
    )
    call.ticket_id, call.message_id = ticket.pk, message.pk
    await call.save(using_db=tx.db)
    if is_answered and agent:
        await ticket.record_emailed(tx, message, {requester.pk})
        await _take_up(tx, ticket, agent)


def _began_after(call: Call, time: datetime) -> bool:
    """Whether a call began after a time, or within the same minute or second: agents enter times in
    minutes, and telephone systems report them in seconds.
    """
    if not call.started_at.second:
        time = time.replace(second=0)
    return call.started_at >= time.replace(microsecond=0)


async def _take_up(tx: Transaction, ticket: Ticket, agent: User) -> None:
    """Update the ticket after an agent has talked to the customer: it is assigned to them unless
    somebody has it.
    """
    if ticket.assignee_id is None:
        await ticket.assign(tx, agent.pk, ticket.team_id)
    if ticket.status is TicketStatus.NEW:
        await ticket.set_status(tx, TicketStatus.OPEN)


def facts_of(call: Call) -> CallFacts:
    """The facts of a stored call."""
    return CallFacts(
        call.direction, call.outcome, call.number, call.started_at, call.duration_seconds
    )


async def _add_note(tx: Transaction, call: Call, agent: User, notes: str | None) -> None:
    if notes is None or call.ticket_id is None:
        return
    note = await Note.create(
        using_db=tx.db, ticket_id=call.ticket_id, author_id=agent.pk, body=notes, at=tx.action.at
    )
    call.note_id = note.pk
    await call.save(using_db=tx.db, update_fields=["note_id"])
    await tx.append(INBOX, EventKind.NOTE_ADDED, ticket_id=call.ticket_id)


_SUBJECTS: dict[bool, Translatable] = {
    True: _("Phone call on %(day)s"),
    False: _("Missed phone call on %(day)s"),
}
_TEXTS: dict[tuple[CallDirection, CallOutcome], Translatable] = {
    (CallDirection.INBOUND, CallOutcome.ANSWERED): _(
        "Phone call from the customer on %(day)s at %(time)s, %(duration)s."
    ),
    (CallDirection.INBOUND, CallOutcome.MISSED): _(
        "Missed phone call from the customer on %(day)s at %(time)s. They expect to be called back."
    ),
    (CallDirection.INBOUND, CallOutcome.VOICEMAIL): _(
        "The customer called on %(day)s at %(time)s and left a voicemail message."
    ),
    (CallDirection.OUTBOUND, CallOutcome.ANSWERED): _(
        "Phone call to the customer on %(day)s at %(time)s, %(duration)s."
    ),
    (CallDirection.OUTBOUND, CallOutcome.MISSED): _(
        "Support called on %(day)s at %(time)s, and nobody answered."
    ),
    (CallDirection.OUTBOUND, CallOutcome.VOICEMAIL): _(
        "Support called on %(day)s at %(time)s and left a voicemail message."
    ),
}


def call_text(call: Call, locale: Locale) -> str:
    """The text with which the ticket reports a call."""
    return text(
        _TEXTS[call.direction, call.outcome],
        locale,
        day=day(local_date(call.started_at), locale),
        time=time_of_day(call.started_at, locale),
        duration=timedelta(seconds=call.duration_seconds),
    )
