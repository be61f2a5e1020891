"""Write new entries of the full-text index of PostgreSQL at once: a search read up to 4 MiB of those that
waited. A job writes them, so nobody waits for it.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

from models.database.sql import dialect, execute


async def _write_at_once(apps, editor):
    if dialect(editor.client) == 'postgres':
        await execute('ALTER INDEX idx_search_entry_stems SET (fastupdate = off)', db=editor.client)
        await execute("SELECT gin_clean_pending_list('idx_search_entry_stems') AS pages", db=editor.client)


async def _write_later(apps, editor):
    if dialect(editor.client) == 'postgres':
        await execute('ALTER INDEX idx_search_entry_stems RESET (fastupdate)', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0090_disputes')]

    initial = False

    operations = [ops.RunPython(_write_at_once, _write_later)]
