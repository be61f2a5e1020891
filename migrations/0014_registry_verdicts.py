from tortoise import migrations
from tortoise.migrations import operations as ops
from models.accounts.legal_name import RegistryVerdict
from tortoise import fields


async def _due(apps, editor):
    """Schedule the registry check of existing companies, as for new ones."""
    await editor.client.execute_script("UPDATE account SET registry_due_at = created_at WHERE status <> 'ERASED'")


async def _nothing(apps, editor):
    """Nothing to do: the column is removed with the values."""


class Migration(migrations.Migration):
    dependencies = [('models', '0013_lifecycle')]

    initial = False

    operations = [
        ops.AddField(model_name='Account', name='registry_verdict', field=fields.CharEnumField(description='MATCH: MATCH\nOTHER_NAME: OTHER_NAME\nCEASED: CEASED\nNOT_FOUND: NOT_FOUND\nUNKNOWN: UNKNOWN\nAWAY: AWAY', enum_type=RegistryVerdict, null=True, max_length=12)),
        ops.AddField(model_name='Account', name='registry_due_at', field=fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
        ops.RunPython(_due, _nothing),
    ]
