"""What the rights of one person and the retention plan need: until when somebody has objected, is
restricted or was erased, what was done about a data request, and ledgers that may forget entries
after five years.
"""

from datetime import UTC, datetime

from models.database.append_only import allow_changes, refuse_changes, refuse_changes_for_five_years
from models.database.sql import execute
from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

_LEDGERS = ('consent_change', 'incident_entry')


async def _refuse_for_five_years(apps, editor):
    for table in _LEDGERS:
        await refuse_changes_for_five_years(editor.client, table, 'at')


async def _refuse_for_ever(apps, editor):
    await allow_changes(editor.client, _LEDGERS)
    await refuse_changes(editor.client, _LEDGERS)


async def _date_erasures(apps, editor):
    """The time of earlier erasures isn't known: their proofs are kept for five years from now."""
    await execute(
        'UPDATE "user" SET erased_at = ? WHERE email LIKE ?',
        datetime.now(UTC),
        'erased-%@invalid',
        db=editor.client,
    )


async def _keep(apps, editor):
    """Nothing to revert: the column goes."""


class Migration(migrations.Migration):
    dependencies = [('models', '0079_search_words')]

    initial = False

    operations = [
        ops.AddField(
            model_name='DataRequest',
            name='carried_out_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='DataRequest',
            name='results',
            field=fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.AddField(
            model_name='User',
            name='erased_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='User',
            name='objected_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='User',
            name='restricted_until',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='User',
            name='restricted_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddIndex(
            model_name='Session',
            index=Index(fields=['switched_to_id']),
        ),
        ops.RunPython(_date_erasures, _keep),
        ops.RunPython(_refuse_for_five_years, _refuse_for_ever),
    ]
