"""The inputs of analysts' queries, made from the fact tables: each has enums of its dimensions and
values, so that a client can complete them.
"""

# ruff: noqa: UP045 - types that are made here can't be joined with `|`

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Optional

import strawberry
from strawberry.utils.str_converters import to_camel_case

from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import AccountAge, Dimension, Fact, Function, InvoiceAge, Unit
from operations.analytics.periods import Period
from operations.analytics.query import (
    DEFAULT_ROWS,
    AnalyticsQuery,
    Comparison,
    Limits,
    Measure,
)
from operations.analytics.support_facts import AuthorKind
from resolvers.descriptions import describe_enum
from resolvers.filters import Filter, OrderDirection, StringFilter, accepted_values

describe_enum(
    AccountAge,
    "How long ago a company signed up.",
    {
        "UNDER_1_MONTH": "Less than 30 days.",
        "UNDER_3_MONTHS": "30 to 90 days.",
        "UNDER_6_MONTHS": "91 to 181 days.",
        "UNDER_1_YEAR": "182 to 364 days.",
        "UNDER_2_YEARS": "365 to 729 days.",
        "OVER_2_YEARS": "730 days or more.",
    },
)
describe_enum(
    InvoiceAge,
    "How long ago an invoice was due.",
    {
        "NOT_DUE": "It isn't due yet.",
        "UNTIL_30": "0 to 30 days ago.",
        "UNTIL_60": "31 to 60 days ago.",
        "UNTIL_90": "61 to 90 days ago.",
        "OVER_90": "More than 90 days ago.",
    },
)
describe_enum(
    AuthorKind,
    "Who wrote a message.",
    {"CUSTOMER": "A customer.", "STAFF": "A member of the staff."},
)
describe_enum(
    Unit,
    "The unit of a number.",
    {
        "COUNT": "A number of things.",
        "EUR": "An amount of money.",
        "SECONDS": "A time in seconds.",
        "DAYS": "A time in days.",
        "SCORE": "A score of 1 to 5.",
        "SHARE": "A share, from 0 to 1.",
    },
)
describe_enum(
    Function,
    "How the values of a group become one number.",
    {
        "COUNT": "The number of rows. Takes no `of`.",
        "DISTINCT": "The number of different companies, tickets, purchases or invoices.",
        "SUM": "The sum. For yes-or-no values, the number of times the value is yes.",
        "MEAN": "The mean. For yes-or-no values, the share of yes.",
        "MEDIAN": "The median: the mean of the middle two of an even number of values.",
        "P90": "The 90th percentile (nearest rank).",
    },
)
describe_enum(
    Comparison,
    "An earlier range of days. Buckets of time correspond by their position in the range.",
    {
        "PREVIOUS_PERIOD": (
            "The range of the same length that ends where this one begins. A range of whole "
            "months is compared with the same number of months."
        ),
        "PREVIOUS_YEAR": "The same range one year earlier.",
    },
)
_PERIODS = {
    Period.HOUR: "The hour, as the time in UTC at which it begins.",
    Period.DAY: "The day, in Europe/Paris.",
    Period.WEEK: "The week, as the date of its Monday.",
    Period.MONTH: "The month, as the date of its first day.",
    Period.QUARTER: "The quarter, as the date of its first day.",
    Period.YEAR: "The year, as the date of its first day.",
    Period.WEEKDAY: "The day of the week: 1 is Monday, 7 is Sunday.",
    Period.HOUR_OF_DAY: "The hour of the day in Europe/Paris, 0 to 23.",
}


class SeriesPeriod(StrEnum):
    """A period of whole days."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"


describe_enum(
    SeriesPeriod,
    "A period of whole days, in Europe/Paris.",
    {
        "DAY": "A day.",
        "WEEK": "A week from Monday to Sunday.",
        "MONTH": "A calendar month.",
        "QUARTER": "A calendar quarter.",
        "YEAR": "A calendar year.",
    },
)


@strawberry.input(description="A range of numbers. All given conditions must be met.")
class NumberRange:
    gte: float | None = strawberry.field(
        default=None, description="At least this number. Amounts are in cents."
    )
    lt: float | None = strawberry.field(
        default=None, description="Less than this number. Amounts are in cents."
    )


@strawberry.input(description="A number of complete periods before today.")
class LastPeriods:
    number: int = strawberry.field(description="The number of periods, at least 1.")
    period: SeriesPeriod = strawberry.field(description="The period.")


def _enum(name: str, description: str, values: Mapping[str, str]) -> type[StrEnum]:
    make: Any = StrEnum  # mypy wants to read the names of the members
    enum: type[StrEnum] = make(name, {each: each for each in values})
    describe_enum(enum, description, dict(values))
    return enum


def _input(name: str, description: str, fields: Mapping[str, tuple[Any, Any]]) -> type[Any]:
    """An input type with these fields, given as their types and declarations."""
    namespace: dict[str, Any] = {field: declared for field, (_type, declared) in fields.items()}
    namespace["__annotations__"] = {field: type_ for field, (type_, _declared) in fields.items()}
    namespace["__module__"] = __name__
    return strawberry.input(type(name, (), namespace), description=description)


def _declared(description: str, **default: Any) -> Any:
    return strawberry.field(description=description, **(default or {"default": None}))


def _list_of(made: Any) -> Any:
    return list[made]


def _fact_input(fact: Fact) -> type[Any]:
    prefix = f"Analytics{fact.name[0].upper()}{fact.name[1:]}"
    dimension = _enum(
        f"{prefix}Dimension",
        f"A dimension of the table `{fact.name}`. {fact.description}",
        {
            **{each.value: _PERIODS[each] for each in fact.periods},
            **{name: each.description for name, each in fact.dimensions.items()},
        },
    )
    of = _enum(
        f"{prefix}Value",
        f"A value of the table `{fact.name}` that can be measured. {fact.description}",
        {
            "COMPANY": "Companies, for DISTINCT.",
            **{name: f"{each.description} For DISTINCT." for name, each in fact.keys.items()},
            **{
                name: f"{each.description} Unit: {_UNITS[each.unit]}."
                for name, each in fact.values.items()
            },
        },
    )
    measure = _input(
        f"{prefix}Measure",
        "A number of each row.",
        {
            "function": (
                Function,
                _declared("How the values are aggregated.", default=Function.COUNT),
            ),
            "of": (Optional[of], _declared("The values to aggregate. Null for COUNT.")),
            "having": (
                Optional[NumberRange],
                _declared("The range that the number must be in. Other rows are left out."),
            ),
            "order": (
                Optional[OrderDirection],
                _declared(
                    "Orders the rows by this number. By default, they are ordered by the "
                    "dimensions."
                ),
            ),
            "running_total": (
                bool,
                _declared(
                    (
                        "Whether to return the running total as well: the sum of the numbers up to "
                        "each row."
                    ),
                    default=False,
                ),
            ),
        },
    )
    filters = _input(
        f"{prefix}Filter",
        "Conditions on facts. All given conditions must be met.",
        {
            **{
                name.lower(): (Optional[_filter_type(each)], _declared(each.description))
                for name, each in fact.dimensions.items()
            },
            **{
                f"{name.lower()}_range": (Optional[NumberRange], _declared(each.description))
                for name, each in fact.values.items()
            },
        },
    )
    return _input(
        f"{prefix}Input",
        f"A query of the table `{fact.name}`. {fact.description}",
        {
            "measures": (
                _list_of(measure),
                _declared("The numbers of each row, 1 to 6.", default=strawberry.UNSET),
            ),
            "by": (
                _list_of(dimension),
                _declared(
                    "The dimensions, at most 4. There is a row for each combination of their "
                    "values, or a single row when there are no dimensions.",
                    default_factory=list,
                ),
            ),
            "since": (
                Optional[date],
                _declared(
                    "The first day, at most 1,100 days before `until`. Defaults to 30 days "
                    "before `until`."
                ),
            ),
            "until": (
                Optional[date],
                _declared("The day after the last day. Defaults to tomorrow."),
            ),
            "last": (
                Optional[LastPeriods],
                _declared("The range of days, instead of `since` and `until`."),
            ),
            "where": (Optional[filters], _declared("Conditions on the facts to count.")),
            "compare": (Optional[Comparison], _declared("An earlier range to compare with.")),
            "fill_gaps": (
                bool,
                _declared("Whether to include rows for periods without any facts.", default=False),
            ),
            "first": (
                int,
                _declared("The maximum number of rows, 1 to 1,000.", default=DEFAULT_ROWS),
            ),
        },
    )


_UNITS = {
    Unit.COUNT: "count",
    Unit.EUR: "cents",
    Unit.SECONDS: "seconds",
    Unit.DAYS: "days",
    Unit.SCORE: "points",
    Unit.SHARE: "yes (1) or no (0)",
}


def _filter_type(dimension: Dimension) -> Any:
    kind: Any = dimension.kind
    if dimension.is_number:
        return Filter[int]
    return StringFilter if kind is None else Filter[kind]


AnalyticsQueryInput: Any = strawberry.input(
    type(
        "AnalyticsQueryInput",
        (),
        {
            "__module__": __name__,
            "__annotations__": {
                name: Optional[_fact_input(fact)] for name, fact in fact_tables("sqlite").items()
            },
            **{
                name: strawberry.field(description=fact.description, default=strawberry.UNSET)
                for name, fact in fact_tables("sqlite").items()
            },
        },
    ),
    description="A query of one fact table.",
    one_of=True,
)


def parse_query(query: Any) -> AnalyticsQuery:
    """The query of an `AnalyticsQueryInput`."""
    name, chosen = next(
        (name, value)
        for name, value in vars(query).items()
        if value not in (None, strawberry.UNSET)
    )
    fact = fact_tables("sqlite")[name]
    conditions = vars(chosen.where) if chosen.where else {}
    accepted = {each: accepted_values(conditions.get(each.lower())) for each in fact.dimensions}
    return AnalyticsQuery(
        fact=name,
        measures=tuple(map(_parse_measure, chosen.measures)),
        dimensions=tuple(each.value for each in chosen.by),
        since=chosen.since,
        until=chosen.until,
        last=chosen.last and (chosen.last.number, Period(chosen.last.period.value)),
        accepted={
            each: tuple(map(str, values)) for each, values in accepted.items() if values is not None
        },
        limits={
            each: _limits(conditions[f"{each.lower()}_range"])
            for each in fact.values
            if conditions.get(f"{each.lower()}_range")
        },
        compare=chosen.compare,
        fill_gaps=chosen.fill_gaps,
        first=chosen.first,
    )


def _parse_measure(measure: Any) -> Measure:
    return Measure(
        measure.function,
        measure.of and measure.of.value,
        _limits(measure.having),
        measure.order and measure.order is OrderDirection.DESC,
        measure.running_total,
    )


def _limits(numbers: NumberRange | None) -> Limits:
    return Limits(numbers.gte, numbers.lt) if numbers else Limits()


def query_input(query: AnalyticsQuery) -> dict[str, Any]:
    """The `AnalyticsQueryInput` of a query, as a client would send it."""
    facts = fact_tables("sqlite")
    values: dict[str, Any] = {
        "measures": [_measure_input(each) for each in query.measures],
        "by": list(query.dimensions),
        "since": query.since and query.since.isoformat(),
        "until": query.until and query.until.isoformat(),
        "last": query.last and {"number": query.last[0], "period": query.last[1].value},
        "where": _filter_input(query, facts.get(query.fact)),
        "compare": query.compare,
        "fillGaps": query.fill_gaps,
        "first": query.first,
    }
    return {query.fact: {name: value for name, value in values.items() if value is not None}}


def _measure_input(measure: Measure) -> dict[str, Any]:
    order = None
    if measure.descending is not None:
        order = OrderDirection.DESC if measure.descending else OrderDirection.ASC
    values = {
        "function": measure.function.value,
        "of": measure.of,
        "having": _range_input(measure.having),
        "order": order and order.value,
        "runningTotal": measure.running_total,
    }
    return {name: value for name, value in values.items() if value is not None}


def _range_input(limits: Limits) -> dict[str, float] | None:
    values = {"gte": limits.gte, "lt": limits.lt}
    return {name: value for name, value in values.items() if value is not None} or None


def _filter_input(query: AnalyticsQuery, fact: Fact | None) -> dict[str, Any] | None:
    conditions: dict[str, Any] = {}
    for name, accepted in query.accepted.items():
        dimension = fact.dimensions.get(name) if fact else None
        is_number = dimension is not None and dimension.is_number
        values = [int(each) if is_number else each for each in accepted]
        conditions[to_camel_case(name.lower())] = {"in": values}
    for name, limits in query.limits.items():
        if numbers := _range_input(limits):
            conditions[to_camel_case(f"{name.lower()}_range")] = numbers
    return conditions or None
