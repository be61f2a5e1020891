from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields


async def _cleared(apps, editor):
    """What arrived before there was a quarantine can be downloaded as before."""
    await editor.client.execute_script("UPDATE file SET cleared_at = uploaded_at")


async def _kept(apps, editor):
    """The columns go, and with them what this wrote."""


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
