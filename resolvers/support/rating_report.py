"""The measures of ratings for agents and supervisors, grouped by dimensions and computed by the
database in one statement. Days are calendar days in Europe/Paris. (Analysts have
operations/analytics, where no agent is a dimension.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum, StrEnum
from typing import Annotated, Any, NamedTuple

import strawberry

from models.clock import local_date
from models.database.sql import dialect, execute
from models.database.workload import Workload, workload
from models.errors import BadInput
from models.identity.user import Staff
from models.support.classification import Category, Channel
from models.translations import _
from resolvers.context import Context, Info
from resolvers.descriptions import describe_enum
from support.rating_measures import rating_measures_statement

DEFAULT_DAYS = 30
MAX_DAYS = 1_100
MAX_DIMENSIONS = 4
DEFAULT_ROWS = 100
MAX_ROWS = 1_000
_REPORT_COST = 50
_COST_PER_DAY_AND_DIMENSION = 5  # four dimensions over three years exceed every limit


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


class _Axis(NamedTuple):
    """A dimension in SQL: the value to group by, the value to order by, and the field of the
    row.
    """

    value: str
    sort_key: str
    field: str
    read: Any


async def rating_report(
    info: Info,
    group_by: Annotated[
        list[RatingDimension],
        strawberry.argument(
            description="One to four dimensions. There is a row for each of their combinations."
        ),
    ],
    since: Annotated[
        date | None,
        strawberry.argument(
            description="The first day of the range, at most 1,100 days before `until`. Defaults "
            "to 30 days before `until`."
        ),
    ] = None,
    until: Annotated[
        date | None,
        strawberry.argument(
            description="The day after the last day of the range. Defaults to tomorrow."
        ),
    ] = None,
    first: Annotated[
        int, strawberry.argument(description="The maximum number of rows, 1 to 1,000.")
    ] = DEFAULT_ROWS,
) -> list[RatingReportRow]:
    """The measures of the ratings in a range of days, ordered by the given dimensions: supervisors
    get those of all agents, other agents their own. Raises BadInput.
    """
    viewer = info.context.viewer
    date_range = _date_range(info.context, since, until)
    axes = [_axis(dimension) for dimension in _unique(group_by)]
    where = "ticket_rating.rated_on >= ? AND ticket_rating.rated_on < ?"
    if viewer.staff is not Staff.SUPERVISOR:
        where += f" AND ticket_rating.agent_id = {viewer.user_id or 0:d}"
    tail = f"ORDER BY {_order_by(axes)} LIMIT ?"
    statement = rating_measures_statement(_select_list(axes), len(axes), where, tail)
    limit = _require_limit(first)
    with workload(Workload.REPORTS):
        rows = await execute(statement, *date_range, limit)
    return [
        RatingReportRow(row["count"], row["satisfied"], **_dimension_values(axes, row))
        for row in rows
    ]


def _axis(dimension: RatingDimension) -> _Axis:
    match dimension:
        case RatingDimension.AGENT:
            return _key_axis("agent_id")
        case RatingDimension.TEAM:
            return _key_axis("team_id")
        case RatingDimension.CHANNEL:
            return _enum_axis("ticket.channel", "channel", Channel)
        case RatingDimension.CATEGORY:
            return _enum_axis("ticket.category", "category", Category)
    return _calendar_axis(dimension.value, "ticket_rating.rated_on")


def _key_axis(column: str) -> _Axis:
    name = f"ticket_rating.{column}"
    return _Axis(name, f"COALESCE({name}, 0)", column, lambda key: key)


def _date_range(context: Context, since: date | None, until: date | None) -> tuple[date, date]:
    until = until or local_date(context.services.clock.now()) + timedelta(days=1)
    since = since or date.fromordinal(max(1, until.toordinal() - DEFAULT_DAYS))
    if not 0 < (until - since).days <= MAX_DAYS:
        message = _("“%(argument)s” must be 1 to %(maximum)s days before “until”.")
        raise BadInput("since", message, maximum=MAX_DAYS)
    return since, until


def _unique(group_by: Sequence[RatingDimension]) -> list[RatingDimension]:
    """The dimensions of a report, each once. Raises BadInput unless there are 1 to 4."""
    if not 1 <= len(group_by) <= MAX_DIMENSIONS:
        raise BadInput(
            "groupBy",
            _("“%(argument)s” must contain 1 to %(maximum)s dimensions."),
            maximum=MAX_DIMENSIONS,
        )
    return list(dict.fromkeys(group_by))


def _require_limit(first: int) -> int:
    if not 1 <= first <= MAX_ROWS:
        raise BadInput(
            "first", _("“%(argument)s” must be between 1 and %(maximum)s."), maximum=MAX_ROWS
        )
    return first


def _enum_axis(column: str, field: str, kind: type[Enum]) -> _Axis:
    """A dimension that is an enum, in the enum's own order."""
    cases = " ".join(f"WHEN '{member.value}' THEN {index}" for index, member in enumerate(kind))
    # The enum's own order: databases sort texts unlike.
    return _Axis(column, f"CASE {column} {cases} END", field, kind)


def _calendar_axis(dimension: str, column: str) -> _Axis:
    """A dimension that is the day of a date column, or its month."""
    if dimension == "MONTH":
        month_start = (
            f"strftime('%Y-%m-01', {column})"
            if dialect() == "sqlite"
            else f"CAST(date_trunc('month', {column}) AS DATE)"
        )
        return _Axis(month_start, month_start, "month", _day)
    return _Axis(column, column, "day", _day)


def _day(value: date | str) -> date:
    return date.fromisoformat(str(value))  # SQLite holds days as ISO texts


def _select_list(axes: list[_Axis]) -> str:
    """The SQL of the keys of some dimensions, and of what they are ordered by."""
    return ", ".join(
        f"{axis.value} AS key{index}, {axis.sort_key} AS rank{index}"
        for index, axis in enumerate(axes)
    )


def _order_by(axes: list[_Axis]) -> str:
    """The SQL of the order of the rows of a report."""
    return ", ".join(f"MIN(rank{index}), key{index}" for index in range(len(axes)))


def _dimension_values(axes: list[_Axis], row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row for its dimensions."""
    return {axis.field: axis.read(row[f"key{index}"]) for index, axis in enumerate(axes)}


def report_cost(arguments: Mapping[str, Any]) -> int:
    """The cost of a report besides its rows, which grows with the days of its range and with its
    dimensions.
    """
    dimensions = arguments.get("groupBy", arguments.get("group_by")) or ()
    days = _days(arguments.get("since"), arguments.get("until"))
    return _REPORT_COST + _COST_PER_DAY_AND_DIMENSION * days * len(dimensions)


def _days(since: date | None, until: date | None) -> int:
    if since is None:
        return DEFAULT_DAYS
    # Costs are estimated before there is a context with a clock.
    until = until or local_date(datetime.now(UTC))
    return min(max(DEFAULT_DAYS, (until - since).days), MAX_DAYS)
