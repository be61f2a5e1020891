from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields


async def _cleared(apps, editor):
    """Files uploaded before the quarantine existed can still be downloaded."""
    await editor.client.execute_script("UPDATE file SET cleared_at = uploaded_at")


async def _kept(apps, editor):
    """Nothing to do: the columns are removed with the values."""


class Migration(migrations.Migration):
    dependencies = [('models', '0004_audit')]

    initial = False

    operations = [
        ops.AddField(
            model_name='File',
            name='cleared_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='File',
            name='infected_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.RunPython(_cleared, _kept),
    ]
