"""Build model instances from a driver's rows, by code that is generated once for each set of
columns.

An instance has the fetched columns only; accessing any other raises AttributeError with the
column's name. A value is converted as its field would convert it, unless the driver's own value is
already right.

Rows with some of their columns are instances of a lightweight subclass of the model, which leaves
out what the ORM does when an instance is created and an attribute is set: they are built in half
the time, and read in a third. In everything else, including the class name and equality, they
behave like the model. Complete rows are instances of the model itself, because they may be passed
to the ORM, which looks at the class.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from tortoise.fields import (
    BigIntField,
    BooleanField,
    CharField,
    DateField,
    DatetimeField,
    Field,
    IntField,
    TextField,
)
from tortoise.fields.data import CharEnumFieldInstance
from tortoise.models import Model

RowFactory = Callable[[Sequence[Any]], list[Any]]
_UNCONVERTED_FIELDS = {
    "postgres": {
        IntField,
        BigIntField,
        CharField,
        TextField,
        BooleanField,
        DateField,
        DatetimeField,
    },
    "sqlite": {IntField, BigIntField, CharField, TextField},
}


class _EmptyObject:
    pass


def row_factory(model: type[Model], columns: Sequence[str], dialect: str) -> RowFactory:
    """Return a function from a driver's rows, which hold these columns in this order, to a list of
    instances of the model.
    """
    variables = {f"v{position}": name for position, name in enumerate(columns)}
    is_complete = len(columns) == len(model._meta.db_fields)
    namespace: dict[str, Any] = {
        "Row": _EmptyObject if is_complete else lightweight_class(model),
        "model": model,
    }
    lines = [
        f"row.{name} = {_conversion(model._meta.fields_map[name], dialect, variable, namespace)}"
        for variable, name in variables.items()
    ]
    if is_complete:
        namespace["own"] = model._meta.db_pk_column not in model._meta.generated_db_fields
        lines += [
            "row._partial = False",
            "row._saved_in_db = True",
            "row._custom_generated_pk = own",
            "row._await_when_save = {}",
        ]
        lines.append("row.__class__ = model")
    source = _SOURCE.format(variables=", ".join(variables), lines="\n        ".join(lines))
    exec(source, namespace)  # noqa: S102 - the source contains names of our own models' columns, and nothing from a request
    create_rows: RowFactory = namespace["create_rows"]
    return create_rows


_SOURCE = """
def create_rows(records):
    rows = []
    append = rows.append
    for {variables}, in records:
        row = Row()
        {lines}
        append(row)
    return rows
"""


@cache
def lightweight_class(model: type[Model]) -> type[Model]:
    """The class of a model's incomplete rows. It bypasses the ORM's metaclass, which would register
    it as another table.
    """

    def is_equal(self: Model, other: object) -> bool:
        return isinstance(other, model) and bool(self.pk == other.pk)

    attributes: dict[str, Any] = {
        "__module__": model.__module__,
        "__qualname__": model.__qualname__,
        "__doc__": model.__doc__,
        "__init__": object.__init__,
        "__setattr__": object.__setattr__,
        "__eq__": is_equal,
        "__hash__": model.__hash__,
        "_partial": True,
        "_saved_in_db": True,
        "_await_when_save": {},
        "_custom_generated_pk": model._meta.db_pk_column not in model._meta.generated_db_fields,
    }
    subclass: type[Model] = type.__new__(type(model), model.__name__, (model,), attributes)
    return subclass


def _conversion(field: Field[Any], dialect: str, variable: str, namespace: dict[str, Any]) -> str:
    """The source of an expression that converts a variable's value to the field's Python type."""
    if type(field) in _UNCONVERTED_FIELDS[dialect]:
        return variable
    if isinstance(field, CharEnumFieldInstance):
        namespace[f"members_{variable}"] = {None: None} | {
            member.value: member for member in field.enum_type
        }
        return f"members_{variable}[{variable}]"
    namespace[f"convert_{variable}"] = _SQLITE_CONVERTERS.get(type(field), field.to_python_value)
    return f"convert_{variable}({variable})"


def _parse_datetime(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _parse_date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


# SQLite stores them as ISO 8601 text.
_SQLITE_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    DatetimeField: _parse_datetime,
    DateField: _parse_date,
}
