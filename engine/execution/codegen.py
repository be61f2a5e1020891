"""Rows of answers, made by functions that are written out as source, once for each shape.

Most fields of most objects are *plain*: an attribute of the object that already is what its type makes of it, or an object
whose fields are all plain. A shape's rows are so made in one pass over its objects, with no column, no level and no call
for what is plain: `reader` writes

    for source, c0 in zip(sources, columns[0]):
        v0 = source.number
        if v0.__class__ is not str: unplain(v0, source, "number")
        v1 = source.net
        if v1.__class__ not in right1: admit1(v1, source, "net")
        v2 = v1.cents
        ...
        add({"number": v0, "net": {"cents": v2}, "id": c0})

Such a function is optimistic. At the first value that is anything else than plain (null where there may be none, an error,
something to wait for, a value to be coerced) it raises, and the walk goes through columns, which know everything. Attributes
may be read twice by that; resolvers are never called from here.

The source holds nothing of a caller's but response keys, which the grammar keeps to letters, digits and underscores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from engine.execution.leaves import unplain
from engine.execution.value_flags import TRAITS

if TYPE_CHECKING:
    from engine.execution.plan import Field, Row

DEEPEST = 2  # objects within objects that are read in one pass; a plan looks no deeper than this before it meets an object
Rows = Callable[..., "list[Row]"]  # of the objects, and a column for each leaf that is not read here


def readable(name: str) -> bool:
    """Whether source can read an attribute of this name."""
    return name.isidentifier() and not iskeyword(name)


def reader(fields: Sequence[Field]) -> Rows:
    """A function of the objects and of the columns of those leaves that aren't plain, in the fields' order. It raises where a
    value isn't plain. Other objects' keys hold their place with null."""
    return _Source().made(fields)


class _Source:
    def __init__(self) -> None:
        self._lines: list[str] = []
        self._given: dict[str, Any] = {"unplain": unplain, "traits": TRAITS}
        self._count = 0

    def made(self, fields: Sequence[Field]) -> Rows:
        columns = [f"c{number}" for number, field in enumerate(fields) if field.leaf and not field.plain]
        each, zipped = (
            (f"source, {', '.join(columns)}", f"zip(sources, {', '.join(columns)})") if columns else ("source", "sources")
        )
        row = self._row(fields, "source", "        ")
        lines = [
            f"def rows({', '.join(['sources', *columns])}):",
            "    made = []",
            "    add = made.append",
            f"    for {each} in {zipped}:",
            *self._lines,
            f"        add({row})",
            "    return made",
        ]
        exec("\n".join(lines), self._given)  # noqa: S102 - see above
        rows: Rows = self._given["rows"]
        return rows

    def _row(self, fields: Sequence[Field], source: str, indent: str) -> str:
        pairs = []
        for number, field in enumerate(fields):
            other = f"c{number}" if field.leaf else "None"
            pairs.append(f'"{field.key}": {self._plain(field, source, indent) if field.plain else other}')
        return f"{{{', '.join(pairs)}}}"

    def _plain(self, field: Field, source: str, indent: str) -> str:
        """Lines that read a field, and the expression of its value."""
        if field.name == "__typename":
            return f'"{field.parent.name}"'
        number, self._count = self._count, self._count + 1
        value = f"v{number}"
        self._lines.append(f"{indent}{value} = {source}.{field.attribute}")
        read = f'{value}, {source}, "{field.attribute}"'
        if field.leaf:
            lines, given = field.leaf.source(value, read, number)
            self._given |= given
        else:
            lines = [f"if {value}.__class__ not in right{number}: admit{number}({read})"]
            self._given |= {f"right{number}": field.right, f"admit{number}": field.admit}
        if not field.nullable[0]:
            self._lines += [indent + line for line in lines]
            return value if field.leaf else self._row(field.inner, value, indent)
        inner = f"{indent}    "
        self._lines += [f"{indent}if {value} is not None:", *(inner + line for line in lines)]
        if not field.leaf:
            row = self._row(field.inner, value, inner)
            self._lines.append(f"{inner}{value} = {row}")
        return value
