"""Creating an index of a large table while servers work with it."""

from tortoise.migrations.operations import AddIndex
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State
from tortoise.models import Model

from models.database.sql import dialect, execute


class AddIndexConcurrently(AddIndex):
    """Add an index without blocking those who change the table, which PostgreSQL can do outside of
    a transaction only: the migration sets `atomic = False`, and has no other operations.

    A migration that was interrupted can be applied again: what exists is kept, and an index that
    was left incomplete is created anew. SQLite has one writer, who waits.
    """

    async def database_forward(
        self,
        app_label: str,
        old_state: State,
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        """Create the index, unless it exists."""
        if state_editor is None:
            return
        model = new_state.apps.get_model(f"{app_label}.{self.model_name}")
        self.index.resolve_expressions(model)
        name = state_editor._index_name_for_model(model, self.index)
        columns = state_editor._format_index_fields(list(self.index.field_names))
        concurrently = ""
        if dialect(state_editor.client) == "postgres":
            concurrently = "CONCURRENTLY "
            if await execute(_SELECT_INCOMPLETE, name, db=state_editor.client):
                await execute(f'DROP INDEX CONCURRENTLY "{name}"', db=state_editor.client)
        await execute(
            f'CREATE INDEX {concurrently}IF NOT EXISTS "{name}" '
            f'ON "{model._meta.db_table}" ({columns})',
            db=state_editor.client,
        )

    async def database_backward(
        self,
        app_label: str,
        old_state: State,
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        """Drop the index, if it exists."""
        if state_editor is None:
            return
        model: type[Model] = old_state.apps.get_model(f"{app_label}.{self.model_name}")
        name = state_editor._index_name_for_model(model, self.index)
        is_postgres = dialect(state_editor.client) == "postgres"
        concurrently = "CONCURRENTLY " if is_postgres else ""
        await execute(f'DROP INDEX {concurrently}IF EXISTS "{name}"', db=state_editor.client)


_SELECT_INCOMPLETE = (
    "SELECT 1 AS found FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE c.relname = ? AND NOT i.indisvalid"
)
