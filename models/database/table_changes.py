"""A step of a migration that changes many columns of a table at once, with its data.

Tortoise's own operations change one column each. On SQLite each of them copies the whole table, and
neither database gets values for a new column that must not be null, or another ON DELETE.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

from tortoise.fields import Field
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.migrations.operations import TortoiseOperation
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State
from tortoise.models import Model

from models.database.append_only import triggers_of

_INDEX = re.compile(r'CREATE INDEX "(\w+)".*')


class ChangeTable(TortoiseOperation):
    """Changes columns, foreign keys, uniqueness and indexes of a model's table.

    `set_fields` adds or replaces fields, `remove` names those to drop, and `options` are the new
    `unique_together` and `indexes`. `fill` gives an SQL expression for each new column, which may
    name the table's former columns; a column without an expression gets its default, or null.
    `fill_backward` is the same for reverting. An expression is written for both databases.
    """

    def __init__(
        self,
        model_name: str,
        *,
        set_fields: Mapping[str, Any],
        remove: tuple[str, ...] = (),
        options: Mapping[str, Any] | None = None,
        fill: Mapping[str, str] | None = None,
        fill_backward: Mapping[str, str] | None = None,
    ) -> None:
        self.model_name, self.set_fields, self.remove = model_name, set_fields, remove
        self.options, self.fill, self.fill_backward = (
            options or {},
            fill or {},
            fill_backward or {},
        )

    def describe(self) -> str:
        return f"Change the table of {self.model_name}"

    def state_forward(self, app_label: str, state: State) -> None:
        model_state = self.get_model_state(state, app_label, self.model_name)
        changed_fields = [model_state.fields.pop(name) for name in self.remove]
        for name, field in self.set_fields.items():
            model_state.fields[name] = cast("Field[Any]", deepcopy(field))
            changed_fields.append(field)
        for name, value in self.options.items():
            model_state.options[name] = value
            if not value:
                del model_state.options[name]
        related = {
            state.apps.split_reference(field.model_name)
            for field in changed_fields
            if isinstance(field, ForeignKeyFieldInstance)
        }
        state.reload_models({(app_label, self.model_name), *related})

    async def database_forward(
        self,
        app_label: str,
        old_state: State,
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        await self._change(app_label, old_state, new_state, state_editor, self.fill)

    async def database_backward(
        self,
        app_label: str,
        old_state: State,
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        await self._change(app_label, old_state, new_state, state_editor, self.fill_backward)

    async def _change(
        self,
        app_label: str,
        old_state: State,
        new_state: State,
        editor: BaseSchemaEditor | None,
        fill: Mapping[str, str],
    ) -> None:
        if editor is None:
            return
        old, new = (
            state.apps.get_model(f"{app_label}.{self.model_name}")
            for state in (old_state, new_state)
        )
        change = _copy_table if editor.DIALECT == "sqlite" else _alter_table
        await change(editor, old, new, fill)


def _columns(model: type[Model]) -> dict[str, Any]:
    return {
        column: model._meta.fields_map[name]
        for name, column in model._meta.fields_db_projection.items()
    }


def _expressions(
    old: type[Model], new: type[Model], fill: Mapping[str, str], editor: BaseSchemaEditor
) -> dict[str, str]:
    """The expression of the value of each added column."""
    return {
        column: fill.get(column) or _default(new, field, editor)
        for column, field in _columns(new).items()
        if column not in _columns(old)
    }


def _default(model: type[Model], field: Any, editor: BaseSchemaEditor) -> str:
    if field.default is None or callable(field.default):
        return "NULL"
    return str(editor._escape_default_value(field.to_db_value(field.default, model)))


def _db_default(editor: BaseSchemaEditor, model: type[Model], field: Any) -> str | None:
    """The default that the database stores in a column, None if it has none."""
    if field is None or not field.has_db_default():
        return None
    return str(editor._escape_default_value(field.to_db_value(field.db_default, model)))


async def _copy_table(
    editor: BaseSchemaEditor, old: type[Model], new: type[Model], fill: Mapping[str, str]
) -> None:
    """Create the table again (https://www.sqlite.org/lang_altertable.html, section 7). Foreign keys
    have to be off, as in a migration, or dropping the table deletes what refers to its rows.
    """
    table, run = new._meta.db_table, editor.client.execute_query
    triggers = await triggers_of(editor.client, table)
    expressions = _expressions(old, new, fill, editor)
    values = {column: expressions.get(column, f'"{column}"') for column in _columns(new)}
    names = ", ".join(f'"{column}"' for column in values)
    await run(f'CREATE TEMP TABLE former AS SELECT * FROM "{table}"')  # noqa: S608 - our own names
    await run(f'DROP TABLE "{table}"')
    await editor.create_model(new)
    await run(
        f'INSERT INTO "{table}" ({names}) '  # noqa: S608 - our own names
        f'SELECT {", ".join(values.values())} FROM former AS "{table}"'
    )
    await run("DROP TABLE temp.former")
    for trigger in triggers:
        await run(trigger)


async def _alter_table(
    editor: BaseSchemaEditor, old: type[Model], new: type[Model], fill: Mapping[str, str]
) -> None:
    table, run = f'"{new._meta.db_table}"', editor.client.execute_query
    old_columns, new_columns = _columns(old), _columns(new)
    _, foreign_keys = await run(
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = $1::regclass", [table]
    )
    for row in foreign_keys:
        await run(f'ALTER TABLE {table} DROP CONSTRAINT "{row["conname"]}"')
    expressions = _expressions(old, new, fill, editor)
    for column in expressions:
        column_type = new_columns[column].get_for_dialect(editor.DIALECT, "SQL_TYPE")
        await run(f'ALTER TABLE {table} ADD COLUMN "{column}" {column_type}')
    if expressions:
        assignments = ", ".join(f'"{column}" = {value}' for column, value in expressions.items())
        await run(f"UPDATE {table} SET {assignments}")  # noqa: S608 - our own names
    for column in old_columns.keys() - new_columns.keys():
        await run(f'ALTER TABLE {table} DROP COLUMN "{column}"')
    for column, field in new_columns.items():
        default = _db_default(editor, new, field)
        if default != _db_default(editor, old, old_columns.get(column)):
            change = "DROP DEFAULT" if default is None else f"SET DEFAULT {default}"
            await run(f'ALTER TABLE {table} ALTER COLUMN "{column}" {change}')
    for column, field in new_columns.items():
        was_null = column in expressions or old_columns[column].null
        if was_null != bool(field.null) and not field.pk:
            change = "DROP" if field.null else "SET"
            await run(f'ALTER TABLE {table} ALTER COLUMN "{column}" {change} NOT NULL')
    await _replace_constraints(editor, old, new)


async def _replace_constraints(
    editor: BaseSchemaEditor, old: type[Model], new: type[Model]
) -> None:
    table, run = f'"{new._meta.db_table}"', editor.client.execute_query
    old_columns, new_columns = _columns(old), _columns(new)
    for columns in _unique_columns(old) - _unique_columns(new):
        if new_columns.keys() >= {*columns}:  # otherwise it went with its column
            names = await editor._get_unique_constraint_names_from_db(
                new._meta.db_table, list(columns)
            )
            await run(f'ALTER TABLE {table} DROP CONSTRAINT "{names[0]}"')
    for columns in sorted(_unique_columns(new) - _unique_columns(old)):
        constraint = editor._get_unique_constraint_sql(new, list(columns))
        await run(f"ALTER TABLE {table} ADD {constraint}")
    for field in new._meta.fields_map.values():
        if isinstance(field, ForeignKeyFieldInstance):
            column = field.source_field or f"{field.model_field_name}_id"
            related = field.related_model._meta
            name = editor._generate_fk_name(
                new._meta.db_table, column, related.db_table, related.db_pk_column
            )
            await run(
                f'ALTER TABLE {table} ADD CONSTRAINT "{name}" FOREIGN KEY ("{column}") REFERENCES '
                f'"{related.db_table}" ("{related.db_pk_column}") ON DELETE {field.on_delete.value}'
            )
    old_indexes, new_indexes = _indexes(editor, old), _indexes(editor, new)
    for name in old_indexes.keys() - new_indexes.keys():
        await run(f'DROP INDEX IF EXISTS "{name}"')
    for name in new_indexes.keys() - old_indexes.keys():
        await run(new_indexes[name])
    for name in new_indexes.keys() & old_indexes.keys():  # one may have gone with its column
        if not old_columns.keys() <= new_columns.keys():
            await run(new_indexes[name].replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS", 1))


def _unique_columns(model: type[Model]) -> set[tuple[str, ...]]:
    fields_map = model._meta.fields_map
    together = {
        tuple(fields_map[name].source_field or name for name in names)
        for names in model._meta.unique_together
    }
    return together | {
        (column,) for column, field in _columns(model).items() if field.unique and not field.pk
    }


def _indexes(editor: BaseSchemaEditor, model: type[Model]) -> dict[str, str]:
    """The CREATE INDEX statements of a model, by the name of the index."""
    statements = editor._get_model_sql_data(model).table_sql
    cast(Any, editor).comments_array = []  # collected on the way
    return {match[1]: match[0] for match in _INDEX.finditer(statements)}
