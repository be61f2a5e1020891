"""Custom scalars: how they are parsed, serialized and specified. Parse errors never repeat the
value that a client sent.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from operator import methodcaller
from typing import Any, NewType

import strawberry

from engine import InvalidValueError

BigInt = NewType("BigInt", int)

_INT64_LIMIT = 2**63
_RFC_3339 = "https://www.rfc-editor.org/rfc/rfc3339"
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_YEARS = range(1900, 3000)  # so that hours and days can be added anywhere
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _big_int(value: object) -> int:
    if type(value) is not int or not -_INT64_LIMIT <= value < _INT64_LIMIT:
        raise InvalidValueError(
            "BigInt cannot represent this value: expected a whole number of at most 64 bits."
        )
    return value


def _parser(
    name: str, pattern: re.Pattern[str], parse: Callable[[str], Any], example: str
) -> Callable[[object], Any]:
    def parse_value(value: object) -> Any:
        if isinstance(value, str) and pattern.fullmatch(value):
            try:
                return parse(value)
            except ValueError:  # such as February 30
                pass
        raise InvalidValueError(
            f"{name} cannot represent this value: expected RFC 3339, such as {example}."
        )

    return parse_value


def _time(text: str) -> datetime:
    """The time in a text in RFC 3339 format. Raises InvalidValueError for a time too far from today
    to calculate with.
    """
    at = datetime.fromisoformat(text)
    if at.year not in _YEARS:
        raise InvalidValueError(
            "DateTime cannot represent this value: expected a year from 1900 to 2999."
        )
    return at


SCALARS: dict[object, Any] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A signed 64-bit integer, sent as a JSON number. Values above 2^53 - 1 need a "
        "JSON parser that keeps them exact.",
        specified_by_url="https://ibm.github.io/graphql-specs/custom-scalars/long.html",
        serialize=int,
        parse_value=_big_int,
    ),
    date: strawberry.scalar(
        name="Date",
        description="A calendar day without a time (RFC 3339, `full-date`), such as `2026-12-24`.",
        specified_by_url=_RFC_3339,
        serialize=methodcaller("isoformat"),
        parse_value=_parser("Date", _DATE, date.fromisoformat, "2026-12-24"),
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A point in time with its offset from UTC (RFC 3339), such as "
        "`2026-12-24T17:00:00+01:00`, from the year 1900 to 2999. Responses use UTC.",
        specified_by_url=_RFC_3339,
        serialize=methodcaller("isoformat"),
        parse_value=_parser("DateTime", _DATE_TIME, _time, "2026-12-24T17:00:00Z"),
    ),
}
