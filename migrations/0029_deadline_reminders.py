from models.database.sql import execute
from tortoise import fields, migrations
from tortoise.migrations import operations as ops


async def _remind(apps, editor):
    """Operators are reminded of each legal request that nobody has answered yet."""
    statement = (
        "UPDATE ticket SET deadline_reminder_at = created_at "
        "WHERE deadline_at IS NOT NULL AND status NOT IN ('SOLVED', 'CLOSED')"
    )
    await execute(statement, db=editor.client)


async def _nothing(apps, editor):
    """Nothing to do: the column is removed with the values."""


class Migration(migrations.Migration):
    dependencies = [('models', '0028_billing')]

    initial = False

    operations = [
        ops.AddField(model_name='Ticket', name='deadline_reminder_at', field=fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
        ops.RunPython(_remind, _nothing),
    ]
