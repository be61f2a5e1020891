"""The fact tables of support: tickets, messages, SLA measures, ratings and the backlog."""

from enum import StrEnum

from models.support.classification import Category, Channel, Priority, TicketKind
from models.support.sla_clock import ClockState
from models.support.sla_policy import SlaMeasure
from models.support.ticket_status import TicketStatus
from operations.analytics.company import company_dimensions
from operations.analytics.facts import Dimension, Fact, Key, Unit, Value, flag
from operations.analytics.periods import days_between, paris_day, seconds_between

MICROSECONDS = 1_000_000


class AuthorKind(StrEnum):
    """Who wrote a message."""

    CUSTOMER = "CUSTOMER"
    STAFF = "STAFF"


_FINISHED = f"ticket.status IN ('{TicketStatus.SOLVED}', '{TicketStatus.CLOSED}')"
_COMPANY = "LEFT JOIN account ON account.id = ticket.account_id"
_TEAM = "LEFT JOIN team ON team.id = ticket.team_id"
_TICKET_KEY = Key("ticket.id", "Tickets.")
_CHANNEL = Dimension("ticket.channel", "The channel that the ticket was opened through.", Channel)
_CATEGORY = Dimension("ticket.category", "The category of the ticket.", Category)
_PRIORITY = Dimension("ticket.priority", "The current priority of the ticket.", Priority)
_TICKET_TEAM = Dimension(
    "team.name", "The name of the current team of the ticket. Null when there is none."
)
_AGENT_TEAM = Dimension(
    "agent_team.name",
    "The name of the team of the ticket's agent: the first in alphabetical order if the agent has "
    "several. Null when there is none.",
    join="LEFT JOIN (SELECT team_member.user_id, MIN(team.name) AS name FROM team_member "
    "JOIN team ON team.id = team_member.team_id GROUP BY team_member.user_id) AS agent_team "
    "ON agent_team.user_id = ticket.assignee_id",
)
_REOPENED = (
    "EXISTS (SELECT 1 FROM event AS solved JOIN event AS reopened "  # noqa: S608 - constants
    "ON reopened.stream = solved.stream AND reopened.sequence > solved.sequence "
    "WHERE solved.stream = 'ticket:' || ticket.id AND solved.kind = 'STATUS_CHANGED' "
    f"AND solved.status = '{TicketStatus.SOLVED}' AND reopened.kind = 'STATUS_CHANGED' "
    f"AND reopened.status NOT IN ('{TicketStatus.SOLVED}', '{TicketStatus.CLOSED}'))"
)


def support_facts(dialect: str) -> list[Fact]:
    """The fact tables in a dialect of SQL."""
    classification = {
        "CHANNEL": _CHANNEL,
        "CATEGORY": _CATEGORY,
        "TEAM": _TICKET_TEAM,
        "AGENT_TEAM": _AGENT_TEAM,
    }
    message_day = paris_day("message.at", dialect)
    finished_day = paris_day("COALESCE(ticket.solved_at, ticket.closed_at)", dialect)
    return [
        Fact(
            "tickets",
            "Tickets, on the day on which they were opened.",
            f"ticket {_COMPANY} {_TEAM}",
            "ticket.account_id",
            {
                **classification,
                "PRIORITY": _PRIORITY,
                "STATUS": Dimension(
                    "ticket.status", "The current status of the ticket.", TicketStatus
                ),
                "KIND": Dimension("ticket.kind", "What the ticket is for.", TicketKind),
                **company_dimensions("ticket.opened_on", dialect),
            },
            {
                "FIRST_RESPONSE": Value(
                    "ticket.first_response_seconds",
                    "The time to the staff's first response. Only answered tickets count.",
                    Unit.SECONDS,
                ),
                "RESOLUTION": Value(
                    f"CASE WHEN {_FINISHED} THEN "
                    f"{seconds_between('ticket.created_at', 'ticket.solved_at', dialect)} END",
                    "The time until the ticket was solved. Only solved tickets count.",
                    Unit.SECONDS,
                ),
                "ANSWERED": Value(
                    flag("ticket.first_response_seconds IS NOT NULL"),
                    "Whether the staff has replied.",
                    Unit.SHARE,
                ),
                "SOLVED": Value(
                    flag(_FINISHED), "Whether the status is SOLVED or CLOSED.", Unit.SHARE
                ),
                "REOPENED": Value(
                    flag(_REOPENED),
                    "Whether the ticket was opened again after it had been solved.",
                    Unit.SHARE,
                ),
                "MESSAGES": Value(
                    "(SELECT COUNT(*) FROM message WHERE message.ticket_id = ticket.id)",
                    "The number of messages.",
                    Unit.COUNT,
                ),
            },
            {"TICKET": _TICKET_KEY},
            day="ticket.opened_on",
            moment="ticket.created_at",
        ),
        Fact(
            "messages",
            "Messages of tickets, at the time at which they were posted.",
            f"message JOIN ticket ON ticket.id = message.ticket_id {_COMPANY} {_TEAM}",
            "ticket.account_id",
            {
                **classification,
                "AUTHOR": Dimension(
                    f"CASE WHEN message.from_staff THEN '{AuthorKind.STAFF}' "
                    f"ELSE '{AuthorKind.CUSTOMER}' END",
                    "Whether a customer or the staff wrote the message.",
                    AuthorKind,
                ),
                **company_dimensions(message_day, dialect),
            },
            {
                "LENGTH": Value(
                    "LENGTH(message.body)", "The length of the text in characters.", Unit.COUNT
                ),
                "EDITED": Value(
                    flag("message.edited_at IS NOT NULL"),
                    "Whether the message was edited.",
                    Unit.SHARE,
                ),
                "DELETED": Value(
                    flag("message.deleted_at IS NOT NULL"),
                    "Whether the message was deleted.",
                    Unit.SHARE,
                ),
            },
            {"TICKET": _TICKET_KEY},
            moment="message.at",
        ),
        Fact(
            "sla",
            "Complete SLA measures, at the time at which they began.",
            f"sla_clock JOIN ticket ON ticket.id = sla_clock.ticket_id {_COMPANY} {_TEAM}",
            "ticket.account_id",
            {
                "MEASURE": Dimension("sla_clock.measure", "What was measured.", SlaMeasure),
                "PRIORITY": _PRIORITY,
                **classification,
                **company_dimensions("sla_clock.started_on", dialect),
            },
            {
                "BUSINESS_TIME": Value(
                    "sla_clock.business_time", "The business time.", Unit.SECONDS, MICROSECONDS
                ),
                "WALL_TIME": Value(
                    "sla_clock.wall_time", "The wall-clock time.", Unit.SECONDS, MICROSECONDS
                ),
                "BREACHED": Value(
                    flag("sla_clock.breached_at IS NOT NULL"),
                    "Whether the target was missed.",
                    Unit.SHARE,
                ),
            },
            {"TICKET": _TICKET_KEY},
            where=f"sla_clock.state = '{ClockState.SETTLED}'",
            day="sla_clock.started_on",
            moment="sla_clock.started_at",
        ),
        Fact(
            "ratings",
            "Ratings of tickets (CSAT), at the time at which they were given.",
            "ticket_rating JOIN ticket ON ticket.id = ticket_rating.ticket_id "
            f"{_COMPANY} LEFT JOIN team ON team.id = ticket_rating.team_id",
            "ticket.account_id",
            {
                "CHANNEL": _CHANNEL,
                "CATEGORY": _CATEGORY,
                "TEAM": Dimension(
                    "team.name", "The name of the team that was rated. Null when there is none."
                ),
                "SCORE": Dimension("ticket_rating.score", "The score, 1 to 5.", is_number=True),
                **company_dimensions("ticket_rating.rated_on", dialect),
            },
            {
                "SCORE": Value("ticket_rating.score", "The score, 1 to 5.", Unit.SCORE),
                "SATISFIED": Value(
                    flag("ticket_rating.score >= 4"), "Whether the score is 4 or 5.", Unit.SHARE
                ),
            },
            {"TICKET": _TICKET_KEY},
            where="ticket_rating.score IS NOT NULL",
            day="ticket_rating.rated_on",
            moment="ticket_rating.rated_at",
        ),
        Fact(
            "backlog",
            "Tickets that were neither solved nor closed at the end of a day. A reopened ticket "
            "also counts on the days on which it was solved.",
            "measured JOIN ticket ON ticket.opened_on <= measured.day "
            f"AND NOT ({_FINISHED} AND COALESCE({finished_day} <= measured.day, TRUE)) "
            f"{_COMPANY} {_TEAM}",
            "ticket.account_id",
            {
                **classification,
                "PRIORITY": _PRIORITY,
                **company_dimensions("measured.day", dialect),
            },
            {
                "AGE": Value(
                    days_between("ticket.opened_on", "measured.day", dialect),
                    "How long ago the ticket was opened.",
                    Unit.DAYS,
                ),
            },
            {"TICKET": _TICKET_KEY},
            day="measured.day",
            is_snapshot=True,
        ),
    ]
