"""Generated code that builds rows, compiled once for each selection set.

Most fields of most objects are *plain*: the value is an attribute of the object that already is
what its type would make of it, or an object all of whose fields are plain. So the rows of a level
are built in one pass over its objects, without a column, a level or a call for plain fields.
`compile_rows` generates

    for source, c0 in zip(sources, columns[0]):
        v0 = source.number
        if v0.__class__ is not known0: raise_not_plain(v0, source, "number")
        v1 = source.net
        if v1.__class__ not in classes1: add_class1(v1, source, "net")
        v2 = v1.cents
        ...
        append({"number": v0, "net": {"cents": v2}, "id": c0})

The code is optimistic. At the first value that is not plain (null for a non-null type, an error,
something to await, a value to coerce) it raises, and the executor resolves these fields by columns,
which handle everything. An attribute may be read twice in this case. Resolvers are never called
from here.

The only text from a caller in the code are response keys, which GraphQL's grammar limits to
letters, digits and underscores.
"""

from __future__ import annotations

from collections.abc import Sequence
from keyword import iskeyword
from typing import Any

from engine.execution.leaves import raise_not_plain
from engine.execution.plan import BuildRows, FieldPlan
from engine.execution.value_flags import FLAGS_BY_CLASS


def is_readable(name: str) -> bool:
    """Whether code can read an attribute with this name."""
    return name.isidentifier() and not iskeyword(name)


def compile_rows(fields: Sequence[FieldPlan]) -> BuildRows:
    """A function that builds the rows of these fields.

    It takes the objects and the columns of the leaf fields that are not plain, in the order of the
    fields, and raises when a value is not plain. Other fields that are not plain get null, which
    reserves their position.
    """
    return _CodeGenerator().compile(fields)


class _CodeGenerator:
    def __init__(self) -> None:
        self._lines: list[str] = []
        self._globals: dict[str, Any] = {
            "raise_not_plain": raise_not_plain,
            "flags": FLAGS_BY_CLASS,
        }
        self._count = 0

    def compile(self, fields: Sequence[FieldPlan]) -> BuildRows:
        columns = [
            f"c{number}" for number, field in enumerate(fields) if field.leaf and not field.is_plain
        ]
        targets, iterable = (
            (f"source, {', '.join(columns)}", f"zip(sources, {', '.join(columns)})")
            if columns
            else ("source", "sources")
        )
        row = self._row(fields, "source", "        ")
        lines = [
            f"def build_rows({', '.join(['sources', *columns])}):",
            "    rows = []",
            "    append = rows.append",
            f"    for {targets} in {iterable}:",
            *self._lines,
            f"        append({row})",
            "    return rows",
        ]
        exec("\n".join(lines), self._globals)  # noqa: S102 - contains no text from callers, see above
        build_rows: BuildRows = self._globals["build_rows"]
        return build_rows

    def _row(self, fields: Sequence[FieldPlan], source: str, indent: str) -> str:
        """The expression of a row. Adds the lines that it needs."""
        pairs = []
        for number, field in enumerate(fields):
            if field.is_plain:
                value = self._plain_field(field, source, indent)
            else:
                value = f"c{number}" if field.leaf else "None"
            pairs.append(f'"{field.key}": {value}')
        return f"{{{', '.join(pairs)}}}"

    def _plain_field(self, field: FieldPlan, source: str, indent: str) -> str:
        """The expression of a plain field. Adds the lines that read it."""
        if field.name == "__typename":
            return f'"{field.parent.name}"'
        number, self._count = self._count, self._count + 1
        variable = f"v{number}"
        self._lines.append(f"{indent}{variable} = {source}.{field.attribute}")
        arguments = f'{variable}, {source}, "{field.attribute}"'
        if field.leaf:
            lines, names = field.leaf.generated_code(variable, arguments, number)
            self._globals |= names
        else:
            lines = [
                f"if {variable}.__class__ not in classes{number}: add_class{number}({arguments})"
            ]
            self._globals |= {
                f"classes{number}": field.known_classes,
                f"add_class{number}": field.add_class,
            }
        if not field.nullable[0]:
            self._lines += [indent + line for line in lines]
            return variable if field.leaf else self._row(field.inner_fields, variable, indent)
        inner_indent = f"{indent}    "
        self._lines += [
            f"{indent}if {variable} is not None:",
            *(inner_indent + line for line in lines),
        ]
        if not field.leaf:
            row = self._row(field.inner_fields, variable, inner_indent)
            self._lines.append(f"{inner_indent}{variable} = {row}")
        return variable
