"""Ratings of tickets (CSAT): giving them, reading them, and their measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.database.reading import read
from models.database.sql import execute
from models.database.workload import Workload, workload
from models.identity.user import Staff, User
from models.support.classification import Category, Channel
from models.support.rating import TicketRating, can_be_rated
from models.support.team import Team
from models.support.ticket import Ticket
from resolvers.analytics.reports import (
    DEFAULT_ROWS,
    Axis,
    Rows,
    SinceArgument,
    UntilArgument,
    calendar_axis,
    conditions,
    date_range_of,
    dimension_values,
    enum_axis,
    order_by,
    require_limit,
    select_list,
    unique_dimensions,
)
from resolvers.context import Context, Info
from resolvers.descriptions import describe_enum
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
from support.rating_measures import rating_measures_statement

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


class RatingDimension(StrEnum):
    """The dimensions by which ratings can be grouped."""

    AGENT = "AGENT"
    TEAM = "TEAM"
    CHANNEL = "CHANNEL"
    CATEGORY = "CATEGORY"
    DAY = "DAY"
    MONTH = "MONTH"


describe_enum(
    RatingDimension,
    "A dimension by which ratings can be grouped.",
    {
        "AGENT": "The agent who had the ticket when it was solved.",
        "TEAM": "The team that had the ticket when it was solved.",
        "CHANNEL": "The channel that the ticket was opened through.",
        "CATEGORY": "The category of the ticket.",
        "DAY": "The day of the first rating, in Europe/Paris.",
        "MONTH": "The month of the first rating, as the date of its first day.",
    },
)


@dataclass(frozen=True)
class RatingReportRow:
    """A group of ratings. Dimensions that weren't requested are None."""

    count: int
    satisfied: int
    agent_id: int | None = None
    team_id: int | None = None
    channel: Channel | None = None
    category: Category | None = None
    day: date | None = None
    month: date | None = None

    @property
    def satisfied_share(self) -> float:
        """The fraction of ratings that are 4 or 5."""
        return self.satisfied / self.count


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


async def rating_report(
    info: Info,
    group_by: Annotated[
        list[RatingDimension],
        strawberry.argument(
            description="One to four dimensions. There is a row for each of their combinations."
        ),
    ],
    since: SinceArgument = None,
    until: UntilArgument = None,
    first: Rows = DEFAULT_ROWS,
) -> list[RatingReportRow]:
    """The measures of the ratings in a range of days, ordered by the given dimensions: supervisors
    get those of all agents, other agents their own. Raises BadInput.
    """
    viewer = info.context.viewer
    date_range = date_range_of(info.context, since, until)
    axes = [_axis(dimension) for dimension in unique_dimensions(group_by)]
    where, values = conditions("ticket_rating.rated_on", date_range, {})
    if viewer.staff is not Staff.SUPERVISOR:
        where += f" AND ticket_rating.agent_id = {viewer.user_id or 0:d}"
    tail = f"ORDER BY {order_by(axes)} LIMIT ?"
    statement = rating_measures_statement(select_list(axes), len(axes), where, tail)
    limit = require_limit(first)
    with workload(Workload.REPORTS):
        rows = await execute(statement, *values, limit)
    return [
        RatingReportRow(row["count"], row["satisfied"], **dimension_values(axes, row))
        for row in rows
    ]


def _axis(dimension: RatingDimension) -> Axis:
    match dimension:
        case RatingDimension.AGENT:
            return _key_axis("agent_id")
        case RatingDimension.TEAM:
            return _key_axis("team_id")
        case RatingDimension.CHANNEL:
            return enum_axis("ticket.channel", "channel", Channel)
        case RatingDimension.CATEGORY:
            return enum_axis("ticket.category", "category", Category)
    return calendar_axis(dimension.value, "ticket_rating.rated_on")


def _key_axis(column: str) -> Axis:
    name = f"ticket_rating.{column}"
    return Axis(name, f"COALESCE({name}, 0)", column, lambda key: key)


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
