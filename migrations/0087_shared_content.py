"""Copies of files, which share the stored content; files of macros; refused runs of automations; and
mailings that are stopped.

Processes of the former release delete the content of a file without looking for copies. Only what
is copied and deleted within the minutes in which both releases run is affected. They go on sending
no mailing that was stopped, because such a mailing is finished as well.
"""

from models.database.sql import execute
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


async def _mark_refused(apps, editor):
    """The runs of which an action was refused."""
    await editor.client.execute_script(
        "UPDATE automation_run SET is_refused = (CAST(refusals AS TEXT) <> '[]')"
    )


async def _keep(apps, editor):
    """Nothing to revert: the column goes."""


_INDEXES = {
    "idx_email_mailing_4a0b5d": '"email" ("mailing_id")',
    "idx_file_content_c93d17": '"file" ("content_key")',
    "idx_file_macro_i_8e62f0": '"file" ("macro_id")',
}


async def _index(apps, editor):
    """The indexes that AddField leaves out. On PostgreSQL they lock the outbox and the files against
    writes for as long as they are built.
    """
    for name, columns in _INDEXES.items():
        await execute(f'CREATE INDEX "{name}" ON {columns}', db=editor.client)


async def _drop_index(apps, editor):
    """The columns are removed after their indexes."""
    for name in _INDEXES:
        await execute(f'DROP INDEX "{name}"', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0086_traces_and_backups')]

    initial = False

    operations = [
        ops.AddField(
            model_name='AutomationRun',
            name='is_refused',
            field=fields.BooleanField(null=True),
        ),
        ops.RunPython(_mark_refused, _keep),
        ops.AddIndex(
            model_name='AutomationRun',
            index=Index(fields=['automation_id', 'is_refused', 'id']),
        ),
        ops.AddField(
            model_name='Email',
            name='mailing_id',
            field=fields.BigIntField(null=True, db_index=True),
        ),
        ops.AddField(
            model_name='File',
            name='content_key',
            field=fields.CharField(null=True, db_index=True, max_length=64),
        ),
        ops.AddField(
            model_name='File',
            name='macro',
            field=fields.ForeignKeyField('models.Macro', source_field='macro_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL),
        ),
        ops.AddField(
            model_name='Mailing',
            name='canceled_count',
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name='Mailing',
            name='stopped_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.RunPython(_index, _drop_index),
    ]
