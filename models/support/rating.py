"""Ratings of tickets by their customers (CSAT), from 1 to 5, and when customers are asked for them.

A ticket has one row, from when it is finished for the first time. It is changed by whoever has
locked its ticket. `request_at` is when the job of support/ratings.py asks the customer next: an
hour after the ticket is finished, and once more some days later. A ticket that is opened again
isn't asked about until it is finished again.

Nobody is asked about a legal request, such as one to delete an account, or about a ticket that
nobody answered. These can't be rated either.
"""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.action import Transaction
from models.identity.user import Staff, User
from models.support.team import Team
from models.support.ticket_status import FINISHED_STATUSES, TicketStatus
from models.translations import _p

if TYPE_CHECKING:
    from models.support.ticket import Ticket
    from models.viewer import Viewer

SCORES = range(1, 6)
SATISFIED_SCORE = 4  # 4 and 5 count as satisfied
SCORE_LABELS = {
    1: _p("satisfaction with support", "Very dissatisfied"),
    2: _p("satisfaction with support", "Dissatisfied"),
    3: _p("satisfaction with support", "Neither satisfied nor dissatisfied"),
    4: _p("satisfaction with support", "Satisfied"),
    5: _p("satisfaction with support", "Very satisfied"),
}
REQUEST_DELAY = timedelta(hours=1)  # after the ticket is finished
REMINDER_DELAY = timedelta(days=3)  # after the request
# Requests are often closed before the customer has tried the answer, so closing ends nothing. But
# measures of a past month should settle.
RATING_PERIOD = timedelta(days=30)  # after the ticket is finished
CHANGE_PERIOD = timedelta(days=7)  # after it was rated, or finished again


class TicketRating(Model):
    """The rating of a ticket. Without a `score` the ticket hasn't been rated.

    `agent` and `team` are those who had the ticket when it was finished, and stay the same once it
    is rated. `rated_on` is the day in Paris of the first rating.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.OneToOneRelation["Ticket"] = fields.OneToOneField(
        "models.Ticket", related_name=False
    )
    agent: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL, db_index=True
    )
    team: fields.ForeignKeyNullableRelation[Team] = fields.ForeignKeyField(
        "models.Team", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    finished_at: datetime = fields.DatetimeField()
    request_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    requested_at: datetime | None = fields.DatetimeField(null=True)
    reminded_at: datetime | None = fields.DatetimeField(null=True)
    score: int | None = fields.SmallIntField(null=True)
    comment: str | None = fields.TextField(null=True)
    rater: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    rated_at: datetime | None = fields.DatetimeField(null=True)
    rated_on: date | None = fields.DateField(null=True, db_index=True)
    updated_at: datetime | None = fields.DatetimeField(null=True)

    ticket_id: int
    agent_id: int | None
    team_id: int | None
    rater_id: int | None

    class Meta:
        table = "ticket_rating"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["TicketRating"]:
        """Supervisors see all ratings, agents their own, members and keys with READ_SUPPORT those
        of their account.
        """
        ratings = cls.filter(score__not_isnull=True)
        if viewer.staff is Staff.SUPERVISOR:
            return ratings
        if viewer.is_agent:
            return ratings.filter(agent_id=viewer.user_id)
        return (
            ratings.filter(ticket__account_id=viewer.support_account_id)
            if viewer.support_account_id is not None
            else cls.filter(id=None)
        )

    def ratable_until(self, status: TicketStatus) -> datetime | None:
        """The time until which a ticket with this status can be rated, or its rating changed; None
        while it isn't finished.
        """
        if status not in FINISHED_STATUSES:
            return None
        if self.rated_at is None:
            return self.finished_at + RATING_PERIOD
        return max(self.rated_at, self.finished_at) + CHANGE_PERIOD

    def plan_request(self, ticket: "Ticket", at: datetime) -> None:
        """Plan when the customer of a ticket that was just finished is next asked for a rating.
        They are asked once and reminded once, however often the ticket is opened again.
        """
        self.finished_at, self.request_at = at, None
        if self.score is not None:
            return
        self.agent_id, self.team_id = ticket.assignee_id, ticket.team_id
        if self.requested_at is None:
            self.request_at = at + REQUEST_DELAY
        elif self.reminded_at is None:
            self.request_at = at + REMINDER_DELAY

    def record_request(self, at: datetime) -> None:
        """Record that the customer has been asked, or reminded if they had been asked before."""
        if self.requested_at is None:
            self.requested_at, self.request_at = at, at + REMINDER_DELAY
        else:
            self.reminded_at, self.request_at = at, None

    def rate(self, rater: User, score: int, comment: str | None, at: datetime, on: date) -> None:
        """Record a rating, or change it."""
        self.score, self.comment, self.rater_id = score, comment, rater.pk
        self.rated_at, self.rated_on = self.rated_at or at, self.rated_on or on
        self.updated_at, self.request_at = at, None


async def follow_status(tx: Transaction, ticket: "Ticket", before: TicketStatus) -> None:
    """Plan the request to rate a ticket, which the caller has locked, when it is finished, and drop
    it when the ticket is opened again.
    """
    is_finished, was_finished = (status in FINISHED_STATUSES for status in (ticket.status, before))
    if is_finished == was_finished:
        return
    rating = await TicketRating.get_or_none(ticket_id=ticket.pk, using_db=tx.db)
    if not is_finished:
        if rating and rating.request_at:
            rating.request_at = None
            await rating.save(using_db=tx.db, update_fields=["request_at"])
        return
    if can_be_rated(ticket):
        rating = rating or TicketRating(ticket_id=ticket.pk)
        rating.plan_request(ticket, tx.action.at)
        await rating.save(using_db=tx.db)


def can_be_rated(ticket: "Ticket") -> bool:
    """Whether a ticket was answered and isn't a legal request."""
    return ticket.first_response_at is not None and ticket.deadline_at is None
