"""Ratings of tickets (CSAT)."""

from datetime import date, datetime

import strawberry

import models.support.rating
from auth.rules import agent, customer
from models.support.classification import Category, Channel
from resolvers.support import rating_report
from resolvers.support import ratings as rating_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.fields import Unaudited, edge, field, mutation, query
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.support.teams import Team
from schema.support.tickets import Ticket
from schema.user_errors import UserError, errors


@strawberry.type(
    description="How satisfied the customer of a ticket is. Visible to supervisors, to the agent "
    "who had the ticket when it was solved, and to the members of the company."
)
@backed_by(models.support.rating.TicketRating)
class TicketRating(Node):
    score: int = field("From 1, very dissatisfied, to 5, very satisfied.")
    comment: str | None = field("What the customer added. Card numbers are masked.", cost=2)
    rated_at: datetime = field("When the ticket was rated first.")
    updated_at: datetime = field("When the rating was last changed.")
    rater: User | None = edge(
        rating_resolvers.raters,
        needs=("rater_id",),
        description="The member of the company who rated the ticket last.",
    )
    agent: User | None = edge(
        rating_resolvers.agents_of,
        needs=("agent_id",),
        description="The agent who had the ticket when it was solved. Null for customers.",
    )
    team: Team | None = edge(
        rating_resolvers.teams_of,
        needs=("team_id",),
        description="The team that had the ticket when it was solved. Null for customers.",
    )
    ticket: Ticket = edge(
        ticket_resolvers.tickets_of, needs=("ticket_id",), description="The rated ticket."
    )


@strawberry.type(description="A group of ratings. Dimensions that weren't requested are null.")
class RatingReportRow:
    agent: User | None = edge(
        rating_resolvers.agents_of,
        needs=(),
        description="The agent who had the tickets when they were solved. Null when there is none.",
    )
    team: Team | None = edge(
        rating_resolvers.teams_of,
        needs=(),
        description="The team that had the tickets when they were solved. Null when there is none.",
    )
    channel: Channel | None = field("The channel that the tickets were opened through.")
    category: Category | None = field("The category of the tickets.")
    day: date | None = field("The day of the first rating, in Europe/Paris.")
    month: date | None = field("The month of the first rating, as the date of its first day.")
    count: int = field("The number of ratings.")
    satisfied: int = field("The number of ratings of 4 and 5.")
    satisfied_share: float = field("The share of 4 and 5 among the ratings (CSAT), from 0 to 1.")


@strawberry.type(description="The result of rating a ticket.")
class TicketRatePayload:
    rating: TicketRating | None = field("The rating.")
    user_errors: list[UserError] = errors()


@strawberry.type
class RatingQuery:
    ticket_ratings: Connection[TicketRating] | None = query(
        rating_resolvers.ratings,
        allow=agent,
        description=(
            "Ratings of tickets, most recently solved first. Supervisors see all ratings, agents "
            "only those of the tickets that they solved."
        ),
    )
    rating_report: list[RatingReportRow] | None = query(
        rating_report.rating_report,
        allow=agent,
        cost=rating_report.report_cost,
        description=(
            "How satisfied customers are, grouped by dimensions. Supervisors see the ratings of "
            "all agents, agents only their own."
        ),
    )


@strawberry.type
class RatingMutation:
    ticket_rate: TicketRatePayload | None = mutation(
        rating_resolvers.rate,
        "rating",
        allow=customer,
        audit=Unaudited("The rating says by itself who gave it, and when."),
        description="Rates a ticket of the viewer's company that support has solved, or changes "
        "its rating. A ticket can be rated for 30 days (`Ticket.ratableUntil`), and the rating "
        "changed for 7 days after it was given.",
    )
