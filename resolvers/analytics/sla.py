"""The analysts' report of SLA measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from models.database.sql import execute_report
from models.support.classification import Category, Channel, Priority
from models.support.sla_policy import SlaMeasure
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
from resolvers.context import Info
from resolvers.descriptions import describe_enum
from support.sla_measures import measures_statement


class SlaDimension(StrEnum):
    """The dimensions by which SLA measures can be grouped."""

    MEASURE = "MEASURE"
    CHANNEL = "CHANNEL"
    PRIORITY = "PRIORITY"
    CATEGORY = "CATEGORY"
    TEAM = "TEAM"
    DAY = "DAY"
    MONTH = "MONTH"


describe_enum(
    SlaDimension,
    "A dimension by which SLA measures can be grouped.",
    {
        "MEASURE": "What was measured.",
        "CHANNEL": "The channel that the ticket was opened through.",
        "PRIORITY": "The current priority of the ticket.",
        "CATEGORY": "The category of the ticket.",
        "TEAM": "The current team of the ticket.",
        "DAY": "The day on which the measure began, in Europe/Paris.",
        "MONTH": "The month in which the measure began, as the date of its first day.",
    },
)

_ENUM_COLUMNS: Mapping[SlaDimension, tuple[str, str, type[StrEnum]]] = {
    SlaDimension.MEASURE: ("sla_clock.measure", "measure", SlaMeasure),
    SlaDimension.CHANNEL: ("ticket.channel", "channel", Channel),
    SlaDimension.PRIORITY: ("ticket.priority", "priority", Priority),
    SlaDimension.CATEGORY: ("ticket.category", "category", Category),
}


@dataclass(frozen=True)
class SlaReportRow:
    """A group of settled measures. Dimensions that weren't requested are None."""

    count: int
    breached: int
    median_business_seconds: float
    p90_business_seconds: float
    median_seconds: float
    p90_seconds: float
    measure: SlaMeasure | None = None
    channel: Channel | None = None
    priority: Priority | None = None
    category: Category | None = None
    team: str | None = None
    day: date | None = None
    month: date | None = None


async def sla_report(
    info: Info,
    group_by: Annotated[
        list[SlaDimension],
        strawberry.argument(
            description="One to four dimensions. There is a row for each of their combinations."
        ),
    ],
    since: SinceArgument = None,
    until: UntilArgument = None,
    measure: Annotated[
        list[SlaMeasure] | None, strawberry.argument(description="Only these measures.")
    ] = None,
    first: Rows = DEFAULT_ROWS,
) -> list[SlaReportRow]:
    """Measures that began in a range of days and are settled, ordered by the given dimensions.
    Raises BadInput.
    """
    date_range = date_range_of(info.context, since, until)
    axes = [_axis(dimension) for dimension in unique_dimensions(group_by)]
    where, values = conditions("sla_clock.started_on", date_range, {"sla_clock.measure": measure})
    tail = f"ORDER BY {order_by(axes)} LIMIT ?"
    statement = measures_statement(select_list(axes), len(axes), where, tail)
    limit = require_limit(first)
    rows = await execute_report(statement, *values, limit)
    return [SlaReportRow(**dimension_values(axes, row), **_measures(row)) for row in rows]


def _axis(dimension: SlaDimension) -> Axis:
    if dimension is SlaDimension.TEAM:
        return Axis("team.name", "COALESCE(team.id, 0)", "team", lambda name: name)
    if dimension not in _ENUM_COLUMNS:
        return calendar_axis(dimension.value, "sla_clock.started_on")
    return enum_axis(*_ENUM_COLUMNS[dimension])


def _measures(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "count": row["count"],
        "breached": row["breached"],
        "median_business_seconds": float(row["median_business"]),
        "p90_business_seconds": float(row["p90_business"]),
        "median_seconds": float(row["median_wall"]),
        "p90_seconds": float(row["p90_wall"]),
    }
