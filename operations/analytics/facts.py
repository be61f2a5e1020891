"""What can be counted: fact tables with their dimensions and values, each declared by hand, so that
nothing can be reached because a column was added.

A fact table is SQL that yields one row for each fact, in terms of the tables it joins. Nothing that
names a person or a company is a dimension: the key of the company only serves to count companies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from operations.analytics.periods import SERIES, Period


class Unit(StrEnum):
    """The unit of a value's numbers."""

    COUNT = "COUNT"
    EUR = "EUR"
    SECONDS = "SECONDS"
    DAYS = "DAYS"
    SCORE = "SCORE"
    SHARE = "SHARE"


class Function(StrEnum):
    """How the values of a group become one number."""

    COUNT = "COUNT"
    DISTINCT = "DISTINCT"
    SUM = "SUM"
    MEAN = "MEAN"
    MEDIAN = "MEDIAN"
    P90 = "P90"


class AccountAge(StrEnum):
    """How long ago a company signed up."""

    UNDER_1_MONTH = "UNDER_1_MONTH"
    UNDER_3_MONTHS = "UNDER_3_MONTHS"
    UNDER_6_MONTHS = "UNDER_6_MONTHS"
    UNDER_1_YEAR = "UNDER_1_YEAR"
    UNDER_2_YEARS = "UNDER_2_YEARS"
    OVER_2_YEARS = "OVER_2_YEARS"


class InvoiceAge(StrEnum):
    """How long ago an invoice was due, in days."""

    NOT_DUE = "NOT_DUE"
    UNTIL_30 = "UNTIL_30"
    UNTIL_60 = "UNTIL_60"
    UNTIL_90 = "UNTIL_90"
    OVER_90 = "OVER_90"


AGE_LIMITS = {  # in days
    AccountAge.UNDER_1_MONTH: 30,
    AccountAge.UNDER_3_MONTHS: 91,
    AccountAge.UNDER_6_MONTHS: 182,
    AccountAge.UNDER_1_YEAR: 365,
    AccountAge.UNDER_2_YEARS: 730,
}


@dataclass(frozen=True)
class Dimension:
    """A property by which facts are grouped and filtered: its SQL, and the enum of its values, None
    for names and numbers. `join` is the SQL of a join that the property needs: it adds and removes
    no facts. A join reads its table once, a subselect searches it for each fact.
    """

    sql: str
    description: str
    kind: type[StrEnum] | None = None
    is_number: bool = False
    join: str = ""

    def accepts(self, value: str) -> bool:
        """Whether a filter can name a value."""
        if self.is_number:
            return value.removeprefix("-").isdecimal()
        return self.kind is None or value in list(self.kind)


@dataclass(frozen=True)
class Value:
    """A number of a fact: SQL that yields an integer, or null for a fact without one. The value is
    the integer divided by `divisor`.
    """

    sql: str
    description: str
    unit: Unit
    divisor: int = 1


@dataclass(frozen=True)
class Key:
    """What can be counted distinctly."""

    sql: str
    description: str


@dataclass(frozen=True)
class Fact:
    """A fact table.

    `rows` is the SQL after FROM, where `RANGE(column)` becomes the condition that a column is in
    the range of days, and `where` is a condition on it. `company` is the key of the company. `day`
    is the day in Europe/Paris on which the fact happened and `moment` the time; a fact has one of
    them or both.

    A *snapshot* has a row for each day on which something was measured: `rows` refers to a table
    `measured` of the days, with the columns `bucket`, `first_day` and `day`, all in Europe/Paris.
    """

    name: str
    description: str
    rows: str
    company: str
    dimensions: Mapping[str, Dimension]
    values: Mapping[str, Value]
    keys: Mapping[str, Key] = field(default_factory=dict)
    where: str = "TRUE"
    day: str | None = None
    moment: str | None = None
    is_snapshot: bool = False

    @property
    def periods(self) -> tuple[Period, ...]:
        """The dimensions of time."""
        if self.is_snapshot:
            return SERIES
        hours = (Period.HOUR, Period.HOUR_OF_DAY)
        return tuple(each for each in Period if self.moment or each not in hours)


def flag(condition: str) -> str:
    """The SQL of 1 or 0."""
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"
