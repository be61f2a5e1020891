"""Calendars of teams, and the defaults of columns that PostgreSQL doesn't have yet."""

from models.database.sql import execute
from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields


_DEFAULTS = (("account", "organization", "COMPANY"), ("agent_profile", "chat_availability", "AWAY"), ("ticket", "priority", "NORMAL"))


async def _set_defaults(apps, editor):
    """ChangeTable used to leave them out on PostgreSQL. Reverting keeps them: they belong to earlier migrations."""
    if editor.DIALECT != "sqlite":
        for table, column, value in _DEFAULTS:
            await execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT '{value}'", db=editor.client)


async def _keep(apps, editor):
    """Nothing to revert."""


class Migration(migrations.Migration):
    dependencies = [('models', '0070_automations')]

    initial = False

    operations = [
        ops.AddField(
            model_name='Team',
            name='calendar',
            field=fields.ForeignKeyField('models.Calendar', source_field='calendar_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT),
        ),
        ops.AddField(
            model_name='Team',
            name='calendar_changed_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.RunPython(_set_defaults, _keep),
    ]
