"""Ratings of tickets (CSAT): giving and reading them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.database.reading import read
from models.identity.user import User
from models.support.rating import TicketRating, can_be_rated
from models.support.team import Team
from models.support.ticket import Ticket
from resolvers.context import Context, Info
from resolvers.filters import check_value_count, filter_in
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
)
from resolvers.rows import FirstRowByParent, RowByForeignKey
from support import ratings as support_ratings

LATEST_FIRST = Order("id", descending=True)


@strawberry.input(description="The ticket to rate, and the rating.")
class TicketRateInput:
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of a ticket that was solved or closed."
    )
    score: int = strawberry.field(description="From 1, very dissatisfied, to 5, very satisfied.")
    comment: str | None = strawberry.field(
        default=None,
        description="What was good or bad (at most 2,000 characters). Card numbers are masked. "
        "Replaces the former comment.",
    )


async def rate(info: Info, input: TicketRateInput) -> TicketRating:
    """Rate a ticket."""
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        comment = support_ratings.rating_values(check, input.score, input.comment)
    return await support_ratings.rate(context.action(), context.user, ticket, input.score, comment)


def ratings(
    info: Info,
    score: Annotated[
        list[int] | None, strawberry.argument(description="Only ratings with these scores.")
    ] = None,
    agent_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(description="Only ratings of tickets that this agent solved."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The ratings that the viewer may see."""
    viewer = info.context.viewer
    rows = filter_in(TicketRating.visible_to(viewer), "score", score and check_value_count(score))
    if agent_id is not None:
        rows = rows.filter(agent_id=key_of(User, agent_id) or 0)
    return page(rows, LATEST_FIRST, PageRequest(first, after, last, before), viewer)


def of_tickets(context: Context, parents: Sequence[Ticket]) -> FirstRowByParent:
    """The rating of each ticket that the viewer may see."""
    return FirstRowByParent(parents, TicketRating.visible_to(context.viewer), "ticket_id", "id")


async def ratable_until(context: Context, parents: Sequence[Any]) -> list[datetime | None]:
    """The time until which the viewer can rate each ticket, or change its rating; None when they
    can't.
    """
    if context.viewer.is_agent or not context.viewer.is_customer:
        return [None for _ticket in parents]
    ratings = {
        rating.ticket_id: rating
        for rating in await read(
            QuerySet(TicketRating), where_in=("ticket_id", {ticket.id for ticket in parents})
        )
    }
    now = context.services.clock.now()
    times = []
    for ticket in parents:
        rating = ratings.get(ticket.id)
        until = rating.ratable_until(ticket.status) if rating and can_be_rated(ticket) else None
        times.append(until if until and until > now else None)
    return times


def agents_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The agent of each rating or row of the report, for agents."""
    users = QuerySet(User) if context.viewer.is_agent else User.filter(id=None)
    return RowByForeignKey(parents, "agent_id", users)


def teams_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The team of each rating or row of the report, for agents."""
    return RowByForeignKey(parents, "team_id", Team.visible_to(context.viewer))


def raters(context: Context, parents: Sequence[TicketRating]) -> RowByForeignKey:
    """The person who gave each rating."""
    return RowByForeignKey(parents, "rater_id", QuerySet(User))
