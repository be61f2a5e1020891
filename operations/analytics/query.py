"""A query of one fact table: what is counted, by which dimensions, of which rows and days."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.translations import Translatable, _
from operations.analytics.facts import Fact, Function
from operations.analytics.periods import SERIES, Period, first_day, months_before, range_before

MAX_DAYS = 1_100
MAX_DIMENSIONS = 4
MAX_MEASURES = 6
MAX_ROWS = 1_000
MAX_FILTER_VALUES = 100
DEFAULT_DAYS = 30
DEFAULT_ROWS = 100


class Comparison(StrEnum):
    """What each number is compared with."""

    PREVIOUS_PERIOD = "PREVIOUS_PERIOD"
    PREVIOUS_YEAR = "PREVIOUS_YEAR"


@dataclass(frozen=True)
class Limits:
    """A range of numbers."""

    gte: float | None = None
    lt: float | None = None

    def contain(self, number: float | None) -> bool:
        """Whether a number is in the range. None is only in an unlimited range."""
        if number is None:
            return self.gte is None and self.lt is None
        return (self.gte is None or number >= self.gte) and (self.lt is None or number < self.lt)


@dataclass(frozen=True)
class Measure:
    """A number of each group. `of` names the value or key, None for COUNT. `descending` says in
    which direction the rows are ordered by it, None when they aren't.
    """

    function: Function
    of: str | None = None
    having: Limits = Limits()
    descending: bool | None = None
    running_total: bool = False


@dataclass(frozen=True)
class AnalyticsQuery:
    """A query. `last` is a number of complete periods before today, instead of `since` and
    `until`. `accepted` are the accepted values by dimension, and `limits` the ranges by value.
    """

    fact: str
    measures: tuple[Measure, ...]
    dimensions: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    last: tuple[int, Period] | None = None
    accepted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Mapping[str, Limits] = field(default_factory=dict)
    compare: Comparison | None = None
    fill_gaps: bool = False
    first: int = DEFAULT_ROWS

    def date_range(self, today: date) -> tuple[date, date]:
        """The first day, and the day after the last one, of a query that was checked."""
        if self.last:
            number, period = self.last
            until = since = first_day(period, today)
            for _each in range(min(max(number, 1), MAX_DAYS)):
                since = first_day(period, since - timedelta(days=1))
            return since, until
        until = self.until or today + timedelta(days=1)
        return self.since or date.fromordinal(max(1, until.toordinal() - DEFAULT_DAYS)), until

    def range_compared(self, since: date, until: date) -> tuple[date, date] | None:
        """The range to compare a range with, None when there is no comparison."""
        match self.compare:
            case Comparison.PREVIOUS_PERIOD:
                return range_before(since, until)
            case Comparison.PREVIOUS_YEAR:
                return months_before(since, 12), months_before(until, 12)
        return None

    def check(self, fact: Fact, today: date) -> None:
        """Raise Refusal with all errors, each with its path. The types of the schema exclude
        unknown names, but a query that was stored may have them after an upgrade.
        """
        with Checks() as check:
            for refusal in (
                *self._name_errors(fact),
                *self._size_errors(),
                *self._measure_errors(fact),
                *self._range_errors(today),
            ):
                check.refuse(refusal)

    def _name_errors(self, fact: Fact) -> Iterator[Refusal]:
        unknown = _("“%(name)s” isn’t a possible value of “%(argument)s”.")
        for name in self.dimensions:
            if name not in fact.periods and name not in fact.dimensions:
                yield self._refusal(unknown, "by", name=name)
        for name, values in self.accepted.items():
            if (dimension := fact.dimensions.get(name)) is None:
                yield self._refusal(unknown, "where", name=name)
                continue
            for value in values:
                if not dimension.accepts(value):
                    yield self._refusal(unknown, "where", name.lower(), "in", name=value)
        for name in self.limits:
            if name not in fact.values:
                yield self._refusal(unknown, "where", name=name)

    def _size_errors(self) -> Iterator[Refusal]:
        too_many = _("“%(argument)s” can hold at most %(maximum)s values.")
        for name, size, maximum in (
            ("by", len(self.dimensions), MAX_DIMENSIONS),
            ("measures", len(self.measures), MAX_MEASURES),
        ):
            if size > maximum:
                yield self._refusal(too_many, name, maximum=maximum)
        if not self.measures:
            yield self._refusal(_("“%(argument)s” must hold at least one value."), "measures")
        if len(set(self.dimensions)) < len(self.dimensions):
            yield self._refusal(_("“%(argument)s” contains the same dimension twice."), "by")
        if not 1 <= self.first <= MAX_ROWS:
            message = _("“%(argument)s” must be between 1 and %(maximum)s.")
            yield self._refusal(message, "first", maximum=MAX_ROWS)
        for name, values in self.accepted.items():
            if len(values) > MAX_FILTER_VALUES:
                path = ("where", name.lower(), "in")
                yield self._refusal(too_many, *path, maximum=MAX_FILTER_VALUES)

    def _measure_errors(self, fact: Fact) -> Iterator[Refusal]:
        for index, measure in enumerate(self.measures):
            names = _measured_by(fact, measure.function)
            if measure.of not in names:
                yield self._refusal(
                    _("“%(argument)s” of %(function)s must be one of: %(names)s."),
                    *("measures", str(index), "of"),
                    function=measure.function.value,
                    names=", ".join(filter(None, names)) or "null",
                )
        ordered = [index for index, each in enumerate(self.measures) if each.descending is not None]
        for index in ordered[1:]:
            message = _("Only one measure can have “%(argument)s”.")
            yield self._refusal(message, "measures", str(index), "order")
        series = [each for each in self.periods if each in SERIES]
        if fact.is_snapshot and (len(series) > 1 or len(self.periods) > len(series)):
            yield self._refusal(
                _(
                    "“%(argument)s” can contain only one series of days, weeks, months or longer "
                    "periods."
                ),
                "by",
            )

    def _range_errors(self, today: date) -> Iterator[Refusal]:
        since, until = self.date_range(today)
        is_empty = self.last is not None and self.last[0] < 1
        if is_empty or not 0 < (until - since).days <= MAX_DAYS:
            path = ("last", "number") if self.last else ("since",)
            message = _("The range must be 1 to %(maximum)s days long.")
            yield self._refusal(message, *path, maximum=MAX_DAYS)

    def _refusal(self, message: Translatable, *path: str, **values: object) -> Refusal:
        return Refusal(
            CommonErrorCode.VALUE_INVALID,
            *("query", self.fact, *path),
            message=message,
            argument=path[-1],
            **values,
        )

    def fixed(self, today: date) -> "AnalyticsQuery":
        """The query with the range of days that it has today."""
        since, until = self.date_range(today)
        return replace(self, since=since, until=until, last=None)

    @property
    def periods(self) -> list[Period]:
        """The dimensions of time."""
        return [Period(name) for name in self.dimensions if name in Period.__members__]

    def to_json(self) -> dict[str, Any]:
        """The query as it is stored."""
        return asdict(self) | {
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "AnalyticsQuery":
        """The query as it was stored."""
        measures = tuple(
            Measure(**each | {"function": Function(each["function"]), "having": _limits(each)})
            for each in stored["measures"]
        )
        return cls(
            **{
                **stored,
                "measures": measures,
                "dimensions": tuple(stored["dimensions"]),
                "since": stored["since"] and date.fromisoformat(stored["since"]),
                "until": stored["until"] and date.fromisoformat(stored["until"]),
                "last": stored["last"] and (stored["last"][0], Period(stored["last"][1])),
                "accepted": {name: tuple(each) for name, each in stored["accepted"].items()},
                "limits": {name: Limits(**each) for name, each in stored["limits"].items()},
                "compare": stored["compare"] and Comparison(stored["compare"]),
            }
        )


def _limits(measure: Mapping[str, Any]) -> Limits:
    return Limits(**measure["having"])


def _measured_by(fact: Fact, function: Function) -> tuple[str | None, ...]:
    """The names of the values or keys that a function can be applied to."""
    if function is Function.COUNT:
        return (None,)
    if function is Function.DISTINCT:
        return ("COMPANY", *fact.keys)
    return tuple(fact.values)
