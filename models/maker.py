"""From a driver's rows to rows of a model, written out as source once for each set of columns.

A row holds the fetched columns only: any other raises AttributeError, naming it. A value is converted as its field would do
it, where the driver's own value isn't right already. Rows are made as plain objects, whose attributes are set at the speed of
local variables, and only then become the model's: its own `__setattr__` would look at each.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from tortoise.fields import BigIntField, BooleanField, CharField, DateField, DatetimeField, Field, IntField, TextField
from tortoise.fields.data import CharEnumFieldInstance
from tortoise.models import Model

Make = Callable[[Sequence[Any]], list[Any]]
_RIGHT = {
    "postgres": {IntField, BigIntField, CharField, TextField, BooleanField, DateField, DatetimeField},
    "sqlite": {IntField, BigIntField, CharField, TextField},
}
_NOTHING: dict[str, Any] = {}


class _Blank:
    pass


def maker(model: type[Model], columns: Sequence[str], dialect: str) -> Make:
    """A function from the driver's rows, which hold these columns in this order, to rows of the model."""
    places = {f"v{place}": name for place, name in enumerate(columns)}
    given: dict[str, Any] = {"Blank": _Blank, "model": model}
    lines = [f"row.{name} = {_value(model._meta.fields_map[name], dialect, place, given)}" for place, name in places.items()]
    _settle(model)
    if len(columns) == len(model._meta.db_fields):
        lines.append("row._partial = False")
    source = _SOURCE.format(unpacked=", ".join(places), lines="\n        ".join(lines))
    exec(source, given)  # noqa: S102 - the source holds names of our own models' columns, nothing of a request
    made: Make = given["make"]
    return made


_SOURCE = """
def make(found):
    rows = []
    add = rows.append
    for {unpacked}, in found:
        row = Blank()
        {lines}
        row.__class__ = model
        add(row)
    return rows
"""


def _settle(model: type[Model]) -> None:
    """Say once, on the class, what the ORM notes on each row. Rows that the ORM makes still say it of themselves."""
    model._partial = model._saved_in_db = True
    model._custom_generated_pk = model._meta.db_pk_column not in model._meta.generated_db_fields
    model._await_when_save = _NOTHING


def _value(field: Field[Any], dialect: str, place: str, given: dict[str, Any]) -> str:
    if type(field) in _RIGHT[dialect]:
        return place
    if isinstance(field, CharEnumFieldInstance):
        given[f"of_{place}"] = {None: None} | {member.value: member for member in field.enum_type}
        return f"of_{place}[{place}]"
    given[f"of_{place}"] = _TEXTS.get(type(field), field.to_python_value)
    return f"of_{place}({place})"


def _moment(stored: str | None) -> datetime | None:
    return datetime.fromisoformat(stored).astimezone(UTC) if stored else None


def _day(stored: str | None) -> date | None:
    return date.fromisoformat(stored) if stored else None


_TEXTS: dict[Any, Callable[[Any], Any]] = {DatetimeField: _moment, DateField: _day}  # SQLite holds them as ISO texts
