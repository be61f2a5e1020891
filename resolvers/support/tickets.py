"""Tickets and chats: opening, replying, changing their status, and their edges."""

from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any

import strawberry
from tortoise.expressions import Q, Subquery
from tortoise.models import Model
from tortoise.queryset import QuerySet

from engine import Deferred
from models.accounts.account import Account
from models.checks import Checks
from models.content.article import Article
from models.database.workload import Workload, workload
from models.event import (
    INBOX,
    Event,
    account_stream,
    agent_stream,
    last_sequence_of,
    last_sequences_of,
    ticket_stream,
)
from models.identity.user import User
from models.support.file import File
from models.support.inbox_view import is_in_view, own_team_ids
from models.support.live_chat import LiveChat
from models.support.message import AnsweredMeanwhile, Message
from models.support.saved_filter import SavedFilter
from models.support.search_entry import search_tickets
from models.support.tag import TicketTag
from models.support.team import Team
from models.support.ticket import Ticket
from models.support.ticket_number import has_number
from models.support.ticket_position import MemberPosition, TicketPositions, positions_of
from models.support.ticket_status import TicketStatus, visible_status
from models.support.unread import unread_counts, unread_ticket_count
from models.viewer import Viewer
from realtime.presence import Typing
from resolvers.context import Context, Info
from resolvers.filters import (
    IdFilter,
    accepted_values,
    check_value_count,
    filter_in,
    filter_range,
    order_or_default,
)
from resolvers.ids import key_of, load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
    pages_of,
)
from resolvers.rows import FirstRowByParent, OptionalRow, RowByForeignKey, RowsByParent
from resolvers.support.filters import (
    LegalRequestFilter,
    LegalRequestOrder,
    TicketFilter,
    TicketOrder,
)
from resolvers.support.inputs import (
    TicketCloseInput,
    TicketMarkReadInput,
    TicketMoveInput,
    TicketOpenInput,
    TicketReplyInput,
    TicketTypingInput,
)
from support import messages as support_messages
from support import notes as support_notes
from support import tickets as support_tickets
from support.library.suggestions import suggest_for_ticket

NEWEST_FIRST = Order("updated_at", descending=True)
EARLIEST_DEADLINE_FIRST = Order("deadline_at")
BY_SEQUENCE = Order("sequence")
SUGGESTED_ARTICLES = 3


async def tickets(
    info: Info,
    filter: Annotated[
        TicketFilter | None, strawberry.argument(description="Conditions on the tickets to return.")
    ] = None,
    order_by: Annotated[
        TicketOrder | None,
        strawberry.argument(
            description="The order of the list. Defaults to most recently changed first."
        ),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The tickets that the viewer may see: an agent's inbox, a customer's messages."""
    viewer = info.context.viewer
    rows, conditions = Ticket.visible_to(viewer), filter or TicketFilter()
    status = accepted_values(conditions.status)
    rows = filter_in(rows, "status", status and _stored_statuses(status, viewer.is_agent))
    for column in ("channel", "category"):
        rows = filter_in(rows, column, accepted_values(getattr(conditions, column)))
    if (states := accepted_values(conditions.chat_state)) is not None:
        chats = LiveChat.filter(state__in=check_value_count(states))
        rows = rows.filter(id__in=Subquery(chats.values("ticket_id")))
    if (numbers := accepted_values(conditions.number)) is not None:
        rows = rows.filter(has_number(*check_value_count(numbers)))
    rows = await _filter_for_agents(rows, conditions, viewer)
    if conditions.search is not None:
        found_ids = await search_tickets(viewer, conditions.search)
        rows = rows.filter(Q(id__in=found_ids or [0]) | has_number(conditions.search))
    rows = filter_range(rows, "updated_at", conditions.updated_at)
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def _filter_for_agents(
    rows: QuerySet[Ticket], conditions: TicketFilter, viewer: Viewer
) -> QuerySet[Ticket]:
    """Apply the conditions on what only agents see. For customers, each of them matches nothing."""
    internal_conditions = (
        conditions.view,
        conditions.saved_filter_id,
        conditions.priority,
        conditions.tag,
        conditions.team_id,
        conditions.assignee_id,
        conditions.assigned,
    )
    if not viewer.is_agent:
        is_filtered = any(condition is not None for condition in internal_conditions)
        return rows.filter(id=None) if is_filtered else rows
    if conditions.view is not None:
        team_ids = await own_team_ids(viewer)
        rows = rows.filter(is_in_view(conditions.view, viewer, team_ids))
    if conditions.saved_filter_id is not None:
        key = key_of(SavedFilter, conditions.saved_filter_id)
        saved = await SavedFilter.visible_to(viewer).get_or_none(pk=key)
        matching = saved.matching(viewer) if saved else Ticket.filter(id=None)
        rows = rows.filter(id__in=Subquery(matching.values("id")))
    rows = filter_in(rows, "priority", accepted_values(conditions.priority))
    rows = filter_in(rows, "team_id", _accepted_keys(Team, conditions.team_id))
    rows = filter_in(rows, "assignee_id", _accepted_keys(User, conditions.assignee_id))
    if (tags := accepted_values(conditions.tag)) is not None:
        tagged = TicketTag.filter(tag__in=[tag.casefold() for tag in check_value_count(tags)])
        rows = rows.filter(id__in=Subquery(tagged.values("ticket_id")))
    if conditions.assigned is not None:
        rows = rows.filter(assignee_id=viewer.user_id if conditions.assigned else None)
    return rows


def _accepted_keys(model: type[Model], condition: IdFilter | None) -> list[int] | None:
    ids = accepted_values(condition)
    return None if ids is None else [key_of(model, key) or 0 for key in check_value_count(ids)]


def ticket(
    info: Info,
    number: Annotated[
        str, strawberry.argument(description="The number of the ticket, such as CAM-2026-000123.")
    ],
) -> OptionalRow:
    """The ticket of this number, None when there is none that the viewer may see."""
    return OptionalRow(Ticket.visible_to(info.context.viewer).filter(has_number(number)))


def _stored_statuses(status: list[TicketStatus], is_agent: bool) -> list[TicketStatus]:
    if is_agent:
        return status
    # Customers know it as OPEN.
    visible_statuses: list[TicketStatus] = [
        item for item in status if item is not TicketStatus.ON_HOLD
    ]
    return (
        [*visible_statuses, TicketStatus.ON_HOLD]
        if TicketStatus.OPEN in visible_statuses
        else visible_statuses
    )


def legal_requests(
    info: Info,
    filter: Annotated[
        LegalRequestFilter | None,
        strawberry.argument(description="Conditions on the requests to return."),
    ] = None,
    order_by: Annotated[
        LegalRequestOrder | None,
        strawberry.argument(
            description="The order of the list. Defaults to earliest deadline first."
        ),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The legal requests of every company, for staff."""
    viewer, conditions = info.context.viewer, filter or LegalRequestFilter()
    rows = Ticket.visible_to(viewer).filter(deadline_at__isnull=False)
    for column in ("kind", "category", "status"):
        rows = filter_in(rows, column, accepted_values(getattr(conditions, column)))
    rows = filter_range(rows, "deadline_at", conditions.deadline_at)
    return page(
        rows,
        order_or_default(order_by, EARLIEST_DEADLINE_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def open_(info: Info, input: TicketOpenInput) -> Ticket:
    """Open a ticket with its first message. The same key returns the same ticket."""
    context = info.context
    return await support_tickets.open_ticket(
        context.action(),
        context.services.auth,
        context.account,
        context.user,
        channel=input.channel,
        category=input.category,
        subject=input.subject,
        body=input.body,
        key=input.idempotency_key,
    )


async def reply(info: Info, input: TicketReplyInput) -> dict[str, Any]:
    """Post a message. The ticket that contains it is returned by its key only, because few clients
    request more.
    """
    context, files = info.context, [key_of(File, file_id) for file_id in input.file_ids]
    ticket_id = key_of(Ticket, input.ticket_id)
    with workload(Workload.CHAT):
        try:
            message = await support_messages.reply(
                context.action(),
                context.services.auth,
                context.viewer,
                ticket_id,
                input.body,
                input.client_message_id,
                files,
                seen_sequence=input.seen_sequence,
            )
        except AnsweredMeanwhile as refusal:
            return {"refusals": refusal.refusals, "newer_message": refusal.newer_message}
    return {"message": message, "ticket_id": message.ticket_id}


async def mark_read(info: Info, input: TicketMarkReadInput) -> Ticket:
    """Record how far the viewer has read a ticket."""
    ticket = await load_visible(Ticket, input.ticket_id, info.context.viewer, "ticketId")
    await ticket.mark_read(info.context.action(), info.context.user, input.sequence)
    if info.context.viewer.is_agent:
        await support_notes.see_mentions(info.context.action(), ticket, info.context.user)
    return ticket


async def change_status(info: Info, input: TicketMoveInput) -> Ticket:
    """Change the status of a ticket."""
    return await _change_status(info, input.ticket_id, input.status, input.reason)


async def close(info: Info, input: TicketCloseInput) -> Ticket:
    """Close a ticket, as an agent or as the customer."""
    return await _change_status(info, input.ticket_id, TicketStatus.CLOSED, input.reason)


async def _change_status(
    info: Info, ticket_id: str, status: TicketStatus, reason: str | None
) -> Ticket:
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, ticket_id, context.viewer, "ticketId"))
        text = check(support_tickets.closing_reason, reason)
    return await support_tickets.change_status(context.action(), context.user, ticket, status, text)


async def typing(info: Info, input: TicketTypingInput) -> bool:
    """Set or clear the viewer's typing indicator."""
    with workload(Workload.CHAT):
        ticket = await load_visible(Ticket, input.ticket_id, info.context.viewer, "ticketId")
    info.context.services.presence.set_typing(ticket.pk, info.context.user.pk, input.typing)
    return True


def statuses(context: Context, parents: Sequence[Any]) -> list[TicketStatus]:
    """The status of each ticket that the viewer may see."""
    return [visible_status(root.status, context.viewer) for root in parents]


async def last_sequence(context: Context, parents: Sequence[Ticket]) -> list[int]:
    """The sequence of each ticket's latest event."""
    sequences = await last_sequences_of([ticket_stream(ticket.pk) for ticket in parents])
    return [sequences.get(ticket_stream(ticket.pk), 0) for ticket in parents]


async def positions(context: Context, parents: Sequence[Ticket]) -> list[TicketPositions]:
    """How far each ticket was delivered and read; empty for operators, who don't read messages."""
    is_reader = context.viewer.is_agent or context.viewer.is_customer
    found = await positions_of([ticket.pk for ticket in parents] if is_reader else [])
    return [found.get(ticket.pk, TicketPositions()) for ticket in parents]


def readers(context: Context, parents: Sequence[MemberPosition]) -> RowByForeignKey:
    """The member to whom each position belongs."""
    return RowByForeignKey(parents, "user_id", QuerySet(User))


async def unread_message_counts(context: Context, parents: Sequence[Ticket]) -> list[int]:
    """The number of messages from the other side that the viewer has not read in each ticket."""
    counts = await unread_counts(context.viewer, list({ticket.pk for ticket in parents}))
    return [counts.get(ticket.pk, 0) for ticket in parents]


async def unread_tickets(root: Any, info: Info) -> int | None:
    """The number of tickets with messages that the viewer has not read, for customers
    and agents.
    """
    viewer = info.context.viewer
    return await unread_ticket_count(viewer) if viewer.is_customer or viewer.is_agent else None


async def inbox_sequence(root: Any, info: Info) -> int | None:
    """The sequence of the inbox's latest event, for agents."""
    return await last_sequence_of(INBOX) if info.context.viewer.is_agent else None


async def agent_sequence(root: Any, info: Info) -> int | None:
    """The sequence of the latest event that the viewer is notified of, for agents."""
    viewer = info.context.viewer
    user_id = viewer.user_id if viewer.is_agent else None
    return await last_sequence_of(agent_stream(user_id)) if user_id else None


async def account_sequence(root: Any, info: Info) -> int | None:
    """The sequence of the account's latest event."""
    account = info.context.viewer.account
    return await last_sequence_of(account_stream(account.pk)) if account else None


async def suggested_articles(context: Context, parents: Sequence[Ticket]) -> list[list[Article]]:
    """The articles of the library that may answer each ticket, best first, for agents."""
    keys = [
        await suggest_for_ticket(ticket, SUGGESTED_ARTICLES) if context.viewer.is_agent else []
        for ticket in parents
    ]
    articles = Article.visible_to(context.viewer).filter(id__in={*chain.from_iterable(keys)})
    rows = {row.pk: row for row in await articles} if any(keys) else {}
    return [[rows[key] for key in found if key in rows] for found in keys]


def requesters(context: Context, parents: Sequence[Ticket]) -> RowByForeignKey:
    """The user who opened each ticket."""
    return RowByForeignKey(parents, "requester_id", QuerySet(User))


def assignees(context: Context, parents: Sequence[Ticket]) -> RowByForeignKey:
    """The agent assigned to each ticket, None when there is none."""
    return RowByForeignKey(parents, "assignee_id", QuerySet(User))


def authors(context: Context, parents: Sequence[Message]) -> RowByForeignKey:
    """The author of each message."""
    return RowByForeignKey(parents, "author_id", QuerySet(User))


def actors(context: Context, parents: Sequence[Event]) -> RowByForeignKey:
    """The user who caused each event, None for the system."""
    return RowByForeignKey(parents, "actor_id", QuerySet(User))


def typing_users(context: Context, parents: Sequence[Typing]) -> RowByForeignKey:
    """The user of each typing indicator."""
    return RowByForeignKey(parents, "user_id", QuerySet(User))


def tickets_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The ticket of each message or event."""
    return RowByForeignKey(parents, "ticket_id", QuerySet(Ticket))


def followed_tickets(context: Context, parents: Sequence[Ticket]) -> RowByForeignKey:
    """The closed ticket that each follow-up continues."""
    return RowByForeignKey(parents, "follows_id", QuerySet(Ticket))


def messages_of(context: Context, parents: Sequence[Event]) -> RowByForeignKey:
    """The message of each event."""
    return RowByForeignKey(parents, "message_id", QuerySet(Message))


def last_messages(context: Context, parents: Sequence[Ticket]) -> FirstRowByParent:
    """The most recent message of each ticket, None for operators, who don't read messages."""
    viewer = context.viewer
    can_read_messages = viewer.is_agent or viewer.support_account_id is not None
    messages = QuerySet(Message) if can_read_messages else Message.filter(id=None)
    return FirstRowByParent(parents, messages, "ticket_id", "-sequence")


def messages(context: Context, parents: Sequence[Ticket], page_request: PageRequest) -> Deferred:
    """One page of each ticket's messages."""
    return pages_of(parents, Message, "ticket_id", BY_SEQUENCE, page_request, context.viewer)


def files(context: Context, parents: Sequence[Message]) -> RowsByParent:
    """The files attached to each message."""
    return RowsByParent(parents, QuerySet(File), "message_id", "id")


def account_tickets(
    context: Context, parents: Sequence[Account], page_request: PageRequest
) -> Deferred:
    """One page of each company's tickets."""
    return pages_of(parents, Ticket, "account_id", NEWEST_FIRST, page_request, context.viewer)
