"""The numbers of events are unique and indexed on SQLite again: 0009 copied the table without that."""

from models.database.sql import dialect, execute
from tortoise import migrations
from tortoise.migrations import operations as ops


async def _create_index(apps, editor):
    """PostgreSQL has kept its constraint."""
    if dialect(editor.client) == 'sqlite':
        await execute('CREATE UNIQUE INDEX "uid_event_stream_6d1f0c" ON "event" ("stream", "sequence")', db=editor.client)


async def _drop_index(apps, editor):
    if dialect(editor.client) == 'sqlite':
        await execute('DROP INDEX "uid_event_stream_6d1f0c"', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0072_data_requests')]

    initial = False

    operations = [ops.RunPython(_create_index, _drop_index)]
