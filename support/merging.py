"""Merging tickets that are about the same, and undoing that within a day.

The merged ticket is closed, and everything in it stays where it is: messages, files, notes, drafts.
It is read through `Ticket.mergedTickets` of the other one, which gets what is written to either
from then on. A customer who was waiting for a reply in the merged ticket keeps waiting in the other
one, since the same time. The people of both are told about replies.

Undoing restores the merged ticket, with its clocks as if they had kept running. What was written
meanwhile stays in the other ticket.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction
from models.errors import CommonErrorCode, Refusal
from models.event import EventKind, last_sequence_of, ticket_stream
from models.support.audit_actions import SupportAuditAction
from models.support.errors import SupportErrorCode
from models.support.escalation import Escalation
from models.support.live_chat import follow_finish
from models.support.merge import UNDO_PERIOD, TicketMerge, merged_ticket_ids
from models.support.message import Message
from models.support.rating import TicketRating
from models.support.sla_clock import (
    ClockState,
    SlaClock,
    cancel_clocks,
    resume_clock,
    stop_answered,
)
from models.support.ticket import Ticket
from models.support.ticket_position import TicketPosition, mark_emailed
from models.support.ticket_status import TicketStatus
from models.translations import _

_RESTORED = ("status", "reply_awaited_since", "snoozed_until", "solved_at", "closed_at")
_TIMES = _RESTORED[1:]


async def merge(action: Action, ticket: Ticket, target: Ticket) -> Ticket:
    """Merge a ticket into another one of the same company. A repeat changes nothing.

    Raises TRANSITION_ILLEGAL when one of the two is closed, ALREADY_MERGED for another target, and
    MERGE_REFUSED for tickets of two companies, for legal requests and for an escalated ticket.
    """
    async with action.transaction() as tx:
        locked = {
            row.pk: row for row in await tx.lock_rows(Ticket.filter(pk__in=[ticket.pk, target.pk]))
        }
        ticket, target = locked[ticket.pk], locked[target.pk]
        earlier = await TicketMerge.get_or_none(ticket_id=ticket.pk, using_db=tx.db)
        if earlier and earlier.target_id == target.pk:
            return ticket
        await _require_mergeable(tx, ticket, target, earlier)
        await stop_answered(tx, ticket)
        before = await _state_of(tx, ticket)
        awaited_since = ticket.reply_awaited_since
        await TicketMerge.create(
            using_db=tx.db, ticket=ticket, target=target, before=before, at=action.at
        )
        await cancel_clocks(tx, Ticket.filter(pk=ticket.pk))
        await ticket.set_status(tx, TicketStatus.CLOSED)
        await _plan_rating(tx, ticket, None)
        await _include_people(tx, ticket, target)
        if awaited_since:
            await target.continue_wait(tx, awaited_since)
        for each in (ticket, target):
            await each.append_event(tx, EventKind.TICKET_MERGED)
        tx.audit(SupportAuditAction.TICKET_MERGE, ticket, target=target.pk)
    return ticket


async def _require_mergeable(
    tx: Transaction, ticket: Ticket, target: Ticket, earlier: TicketMerge | None
) -> None:
    if earlier:
        raise Refusal(SupportErrorCode.ALREADY_MERGED, "input", "ticketId")
    for each, field in ((ticket, "ticketId"), (target, "intoTicketId")):
        if each.status is TicketStatus.CLOSED:
            message = _("A closed ticket can’t be merged, and nothing can be merged into it.")
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", field, message=message)
        if each.deadline_at:
            message = _("The law sets a deadline for this request, so it can’t be merged.")
            raise Refusal(SupportErrorCode.MERGE_REFUSED, "input", field, message=message)
    if ticket.pk == target.pk or ticket.account_id != target.account_id:
        raise Refusal(SupportErrorCode.MERGE_REFUSED, "input", "intoTicketId")
    escalations = Escalation.filter(ticket_id=ticket.pk, resolved_at=None).using_db(tx.db)
    if await escalations.exists():
        message = _("This ticket has been escalated. Merge the other one into it.")
        raise Refusal(SupportErrorCode.MERGE_REFUSED, "input", "ticketId", message=message)


async def _state_of(tx: Transaction, ticket: Ticket) -> dict[str, Any]:
    """The columns of a ticket that the merge changes, as JSON."""
    state: dict[str, Any] = {name: _to_json(getattr(ticket, name)) for name in _RESTORED}
    clocks = SlaClock.filter(ticket_id=ticket.pk, state__in=(ClockState.RUNNING, ClockState.PAUSED))
    state["clocks"] = [
        [clock.pk, clock.state.value, _to_json(clock.running_since)]
        for clock in await clocks.using_db(tx.db).order_by("id")
    ]
    rating = await TicketRating.get_or_none(ticket_id=ticket.pk, using_db=tx.db)
    state["rating_request_at"] = _to_json(rating.request_at if rating else None)
    return state


def _to_json(value: TicketStatus | datetime | None) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if value else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


async def _plan_rating(tx: Transaction, ticket: Ticket, request_at: datetime | None) -> None:
    """Plan the request to rate the other ticket instead of the merged one."""
    ratings = TicketRating.filter(ticket_id=ticket.pk, score=None).using_db(tx.db)
    await ratings.update(request_at=request_at)


async def _include_people(tx: Transaction, ticket: Ticket, target: Ticket) -> None:
    """Send the customers of the merged ticket the replies in the other one, from now on."""
    sequence = await last_sequence_of(ticket_stream(target.pk))
    for user_id in sorted(await people_of(tx, [ticket])):
        known = TicketPosition.filter(ticket_id=target.pk, user_id=user_id)
        if not await known.using_db(tx.db).exists():
            await mark_emailed(target.pk, user_id, sequence, tx.db)


async def people_of(tx: Transaction, tickets: Sequence[Ticket]) -> set[int]:
    """The requesters of tickets and the customers who wrote in them."""
    messages = Message.filter(ticket_id__in=[ticket.pk for ticket in tickets], from_staff=False)
    authors = await messages.using_db(tx.db).distinct().values_list("author_id", flat=True)
    return {*(ticket.requester_id for ticket in tickets), *(int(str(key)) for key in authors)}


async def with_merged(tx: Transaction, ticket: Ticket) -> list[Ticket]:
    """A ticket together with those that were merged into it."""
    keys = await merged_ticket_ids(ticket.pk, tx.db)
    return [ticket, *(await Ticket.filter(pk__in=keys).using_db(tx.db) if keys else [])]


async def undo(action: Action, ticket: Ticket) -> Ticket:
    """Undo the merge of a ticket. A chat that was live becomes live again. A repeat changes
    nothing. Raises MERGE_FINAL a day after the merge, and TRANSITION_ILLEGAL for a deleted account.
    """
    async with action.transaction() as tx:
        account = await tx.lock(Account, ticket.account_id)
        ticket = await tx.lock(Ticket, ticket.pk)
        merge = await TicketMerge.get_or_none(ticket_id=ticket.pk, using_db=tx.db)
        if merge is None:
            return ticket
        if account.status is AccountStatus.ERASED:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "ticketId")
        if action.at >= merge.at + UNDO_PERIOD:
            raise Refusal(SupportErrorCode.MERGE_FINAL, "input", "ticketId")
        await merge.delete(using_db=tx.db)
        await _restore(tx, ticket, merge.before)
        await ticket.append_event(tx, EventKind.STATUS_CHANGED, status=ticket.status.value)
        await ticket.append_event(tx, EventKind.TICKET_UNMERGED)
        tx.audit(SupportAuditAction.TICKET_UNMERGE, ticket, target=merge.target_id)
    return ticket


async def _restore(tx: Transaction, ticket: Ticket, before: dict[str, Any]) -> None:
    ticket.status, ticket.updated_at = TicketStatus(before["status"]), tx.action.at
    for name in _TIMES:
        setattr(ticket, name, _time(before[name]))
    await ticket.save(using_db=tx.db, update_fields=[*_RESTORED, "updated_at"])
    await follow_finish(tx, ticket)
    for key, state, running_since in before["clocks"]:
        await resume_clock(tx, key, ClockState(state), _time(running_since))
    await _plan_rating(tx, ticket, _time(before["rating_request_at"]))
