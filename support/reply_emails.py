"""Sending replies of staff by email to those who have not read them.

A reply waits for some minutes, so that somebody who reads it meanwhile gets no email, and several
replies are one email. Its recipients are the ticket's requester and the members who wrote in it, as
long as they belong to the company. A message is sent to a person once, and not at all when they
have read it, answered after it, or received it over a subscription: see
realtime/delivered_positions.py.

A reply that a job finds unsent is recorded in its ticket (`reply_email_pending_since`). The emails
are stored and that record is removed in one transaction, so a process that dies loses none and
sends none twice.
"""

from datetime import timedelta

import structlog
from tortoise.expressions import Q

from mail import emails
from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction
from models.database.batches import keys_of
from models.event import positions_stream, ticket_stream, traceparents_of
from models.identity.user import User
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_position import TicketPosition, mark_emailed
from models.tracing import is_tracing, link_causes
from realtime.delivered_positions import DeliveredPositions
from support.incoming.matching import thread_of
from support.merging import people_of, with_merged
from support.positions import store_delivered
from support.transcripts import file_names

_MAX_MESSAGES = 10  # in one email; the others are read in the customer space

log = structlog.stdlib.get_logger()


async def send_due_replies(
    action: Action,
    delivered: DeliveredPositions,
    delay: timedelta,
    *,
    accepts_answers: bool = False,
) -> int:
    """Write the emails about replies that were posted longer than `delay` ago. Returns how many.
    `accepts_answers` is whether answers to these emails are received.

    A ticket that fails is logged, tried again the next time, and doesn't hold up the others.
    """
    await store_delivered(action, delivered)
    count = 0
    async for key in keys_of(Ticket.filter(reply_email_pending_since__lte=action.at - delay)):
        try:
            count += await _send_replies(action, key, delay, accepts_answers)
        except Exception as error:
            log.error("reply_email.failed", ticket=key, error=type(error).__name__, exc_info=error)
    return count


async def _send_replies(
    action: Action, ticket_id: int, delay: timedelta, accepts_answers: bool
) -> int:
    ticket = await Ticket.get(pk=ticket_id).only("id", "account_id")
    async with action.transaction() as tx:
        # With the company's row locked no member leaves until the emails are stored.
        account = await tx.lock(Account, ticket.account_id)
        ticket = await tx.lock(Ticket, ticket_id)
        pending_since = ticket.reply_email_pending_since
        if pending_since is None or pending_since > action.at - delay:
            return 0
        count = 0
        if account.status is not AccountStatus.ERASED:
            for user in await _recipients(tx, ticket):
                count += await _send_to(tx, ticket, user, accepts_answers)
        if count:
            tx.advance(positions_stream(ticket.pk))  # after all positions
        ticket.reply_email_pending_since = None
        await ticket.save(using_db=tx.db, update_fields=["reply_email_pending_since"])
    return count


async def _recipients(tx: Transaction, ticket: Ticket) -> list[User]:
    """The requester and the members who wrote in the ticket, or in one that was merged into it,
    except those who have left the company or never confirmed their address.
    """
    user_ids = await people_of(tx, await with_merged(tx, ticket))
    members = User.filter(
        Q(pk__in=user_ids),
        memberships__account_id=ticket.account_id,
        email_verified_at__not_isnull=True,
    )
    return await members.using_db(tx.db).order_by("id")


async def _send_to(tx: Transaction, ticket: Ticket, user: User, accepts_answers: bool) -> bool:
    position = (
        await TicketPosition.filter(ticket_id=ticket.pk, user_id=user.pk).using_db(tx.db).first()
    )
    unread_messages = Message.filter(
        ticket_id=ticket.pk,
        from_staff=True,
        deleted_at=None,
        sequence__gt=position.reached_sequence if position else 0,
    )
    messages = await unread_messages.using_db(tx.db).order_by("sequence").select_related("author")
    if not messages:
        return False
    if is_tracing():
        keys = [message.pk for message in messages]
        link_causes(await traceparents_of(ticket_stream(ticket.pk), keys))
    shown_messages = messages[:_MAX_MESSAGES]
    await emails.send_ticket_replies(
        tx,
        user,
        ticket,
        shown_messages,
        await file_names(tx, shown_messages),
        len(messages) - len(shown_messages),
        thread=await thread_of(tx, ticket.pk, user.pk),
        accepts_answers=accepts_answers,
    )
    await mark_emailed(ticket.pk, user.pk, messages[-1].sequence, tx.db)
    return True
