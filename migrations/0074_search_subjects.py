"""An index of the subjects in the full-text index: without it, PostgreSQL read all subjects for each
ticket whose subject may be missing.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

from models.database.sql import execute


async def _create(apps, editor):
    await execute(
        'CREATE INDEX idx_search_entry_subjects ON search_entry (ticket_id) WHERE message_id IS NULL AND note_id IS NULL',
        db=editor.client,
    )


async def _drop(apps, editor):
    await execute('DROP INDEX idx_search_entry_subjects', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0073_event_order')]

    initial = False

    operations = [ops.RunPython(_create, _drop)]
