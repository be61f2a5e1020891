from datetime import datetime

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from models.database.sql import execute
from models.support.classification import Category, TicketKind
from models.support.legal_deadlines import legal_deadline


async def _set_deadlines(apps, editor):
    """Give existing requests of legal weight the deadline that they would have got when they were opened."""
    query = "SELECT id, kind, category, created_at FROM ticket WHERE kind <> 'GENERAL' OR category = 'SECURITY'"
    for row in await execute(query, db=editor.client):
        opened_at = row['created_at']
        if isinstance(opened_at, str):  # SQLite
            opened_at = datetime.fromisoformat(opened_at)
        deadline = legal_deadline(TicketKind(row['kind']), Category(row['category']), opened_at)
        await execute('UPDATE ticket SET deadline_at = ? WHERE id = ?', deadline, row['id'], db=editor.client)


async def _nothing(apps, editor):
    """Nothing to do: the column is removed with the values."""


class Migration(migrations.Migration):
    dependencies = [('models', '0019_latest_time')]

    initial = False

    operations = [
        ops.AddField(model_name='Ticket', name='deadline_at', field=fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
        ops.RunPython(_set_deadlines, _nothing),
    ]
