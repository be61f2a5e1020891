"""Asking customers to rate finished tickets (CSAT), and their ratings.

The request is an event in the ticket, which a chat or an application shows, and an email to the
requester with a link for each score. A link only opens a page, because mail scanners follow links.
If there is no rating after some days, one reminder is sent by email.
"""

from datetime import datetime
from functools import partial

from auth.tokens import Purpose, Signer, invalid_token
from mail import emails
from models.accounts.account import Account, AccountStatus, Membership
from models.action import Action, Transaction
from models.checks import Checks
from models.clock import local_date
from models.due_rows import handle_each
from models.errors import Refusal
from models.event import EventKind, account_stream, agent_stream, ticket_stream
from models.identity.user import User
from models.numbers import number_in_range
from models.support.errors import SupportErrorCode
from models.support.rating import SCORES, TicketRating, can_be_rated
from models.support.ticket import Ticket
from models.text import message_text

COMMENT_LENGTH = 2_000


async def request_ratings(action: Action, signer: Signer) -> int:
    """Send the due requests for ratings. Returns for how many tickets."""
    due = TicketRating.filter(request_at__lte=action.at)
    return await handle_each(due, partial(_request, action, signer), "rating_request.failed")


async def _request(action: Action, signer: Signer, key: int) -> bool:
    ticket = (await TicketRating.get(pk=key).select_related("ticket")).ticket
    async with action.transaction() as tx:
        # With the company's row locked no member leaves until the email is stored.
        account = await tx.lock(Account, ticket.account_id)
        ticket = await tx.lock(Ticket, ticket.pk)
        rating = await TicketRating.get(pk=key, using_db=tx.db)
        if rating.request_at is None or rating.request_at > action.at:
            return False
        is_reminder = rating.requested_at is not None
        rating.record_request(action.at)
        await rating.save(using_db=tx.db)
        if account.status is not AccountStatus.ACTIVE:  # such a company has other worries
            return False
        await _send(tx, signer, ticket, is_reminder=is_reminder)
        if not is_reminder:
            for stream in (ticket_stream(ticket.pk), account_stream(ticket.account_id)):
                await tx.append(stream, EventKind.RATING_REQUESTED, ticket_id=ticket.pk)
    return True


async def _send(tx: Transaction, signer: Signer, ticket: Ticket, *, is_reminder: bool) -> None:
    """Send the email to the requester, unless they have left the company, never confirmed their
    address, or objected to such emails or had their data restricted.
    """
    members = User.filter(
        pk=ticket.requester_id,
        memberships__account_id=ticket.account_id,
        email_verified_at__not_isnull=True,
        objected_at=None,
        restricted_at=None,
    )
    user = await members.using_db(tx.db).first()
    if user:
        token = rating_token(signer, ticket, user, tx.action.at)
        await emails.send_rating_request(tx, user, ticket, token, is_reminder=is_reminder)


def rating_token(signer: Signer, ticket: Ticket, user: User, at: datetime) -> str:
    """The token with which a person rates a ticket without signing in."""
    return signer.sign(Purpose.TICKET_RATING, at, ticket=ticket.pk, user=user.pk)


async def ticket_of_token(action: Action, signer: Signer, token: str) -> tuple[Ticket, User]:
    """The ticket and the person of the link in an email. Raises TOKEN_INVALID, including when the
    person has left the company.
    """
    data = signer.read(Purpose.TICKET_RATING, token, action.at)
    ticket = await Ticket.get_or_none(pk=data["ticket"])
    if ticket is None:
        raise invalid_token()
    membership = (
        await Membership.filter(user_id=data["user"], account_id=ticket.account_id)
        .select_related("user")
        .first()
    )
    if membership is None:
        raise invalid_token()
    return ticket, membership.user


async def rating_of(action: Action, ticket: Ticket) -> TicketRating:
    """The row of a ticket that can be rated now. Raises NOT_RATABLE and RATING_ENDED."""
    return _require_ratable(action, ticket, await TicketRating.get_or_none(ticket_id=ticket.pk))


def _require_ratable(action: Action, ticket: Ticket, rating: TicketRating | None) -> TicketRating:
    until = rating.ratable_until(ticket.status) if rating else None
    if rating is None or until is None or not can_be_rated(ticket):
        raise Refusal(SupportErrorCode.NOT_RATABLE, "input", "ticketId")
    if until <= action.at:
        raise Refusal(SupportErrorCode.RATING_ENDED, "input", "ticketId", until=local_date(until))
    return rating


def rating_values(check: Checks, score: int, comment: str | None) -> str | None:
    """The comment of a rating, None without one. Adds VALUE_INVALID, BLANK and TOO_LONG to the
    checks.
    """
    check(_require_score, score)
    return check(message_text, comment, "comment", COMMENT_LENGTH) if comment else None


def _require_score(score: int) -> None:
    number_in_range(score, SCORES[0], SCORES[-1], "input", "score")


async def rate(
    action: Action, user: User, ticket: Ticket, score: int, comment: str | None
) -> TicketRating:
    """Rate a ticket of the user's company, or change its rating; `comment` is as `rating_values`
    returns it. A repeat changes nothing. Raises NOT_RATABLE and RATING_ENDED.
    """
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket.pk)
        rating = await TicketRating.get_or_none(ticket_id=ticket.pk, using_db=tx.db)
        rating = _require_ratable(action, ticket, rating)
        if (rating.score, rating.comment) == (score, comment):
            return rating
        rating.rate(user, score, comment, action.at, action.day)
        await rating.save(using_db=tx.db)
        streams = [ticket_stream(ticket.pk), account_stream(ticket.account_id)]
        if rating.agent_id:
            streams.append(agent_stream(rating.agent_id))
        for stream in streams:
            await tx.append(stream, EventKind.TICKET_RATED, ticket_id=ticket.pk)
    return rating
