"""From a driver's rows to rows of a model, written out as source once for each set of columns.

A row holds the fetched columns only: any other raises AttributeError, naming it. A value is converted as its field would do
it, where the driver's own value isn't right already.

Rows of some columns only are of a class under the model's, which leaves out what the ORM does when a row is made and an
attribute is set: so they are made in half the time, and read in a third. They are the model's rows in everything else, its
name and equality included. Whole rows are the model's own, for verbs may hand them to the ORM, which looks at the class.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from tortoise.fields import BigIntField, BooleanField, CharField, DateField, DatetimeField, Field, IntField, TextField
from tortoise.fields.data import CharEnumFieldInstance
from tortoise.models import Model

Make = Callable[[Sequence[Any]], list[Any]]
_RIGHT = {
    "postgres": {IntField, BigIntField, CharField, TextField, BooleanField, DateField, DatetimeField},
    "sqlite": {IntField, BigIntField, CharField, TextField},
}


class _Blank:
    pass


def maker(model: type[Model], columns: Sequence[str], dialect: str) -> Make:
    """A function from the driver's rows, which hold these columns in this order, to rows of the model."""
    places = {f"v{place}": name for place, name in enumerate(columns)}
    whole = len(columns) == len(model._meta.db_fields)
    given: dict[str, Any] = {"Row": _Blank if whole else light(model), "model": model}
    lines = [f"row.{name} = {_value(model._meta.fields_map[name], dialect, place, given)}" for place, name in places.items()]
    if whole:
        given["own"] = model._meta.db_pk_column not in model._meta.generated_db_fields
        lines += [
            "row._partial = False",
            "row._saved_in_db = True",
            "row._custom_generated_pk = own",
            "row._await_when_save = {}",
        ]
        lines.append("row.__class__ = model")
    source = _SOURCE.format(unpacked=", ".join(places), lines="\n        ".join(lines))
    exec(source, given)  # noqa: S102 - the source holds names of our own models' columns, nothing of a request
    made: Make = given["make"]
    return made


_SOURCE = """
def make(found):
    rows = []
    add = rows.append
    for {unpacked}, in found:
        row = Row()
        {lines}
        add(row)
    return rows
"""


@cache
def light(model: type[Model]) -> type[Model]:
    """The class of a model's light rows. The ORM's own metaclass would take it for a further table."""

    def equal(self: Model, other: object) -> bool:
        return isinstance(other, model) and bool(self.pk == other.pk)

    said: dict[str, Any] = {
        "__module__": model.__module__, "__qualname__": model.__qualname__, "__doc__": model.__doc__,
        "__init__": object.__init__, "__setattr__": object.__setattr__, "__eq__": equal, "__hash__": model.__hash__,
        "_partial": True, "_saved_in_db": True, "_await_when_save": {},
        "_custom_generated_pk": model._meta.db_pk_column not in model._meta.generated_db_fields,
    }  # fmt: skip
    made: type[Model] = type.__new__(type(model), model.__name__, (model,), said)
    return made


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
