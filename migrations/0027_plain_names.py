from models.accounts.legal_name import RegistryVerdict
from tortoise import fields, migrations
from tortoise.migrations import operations as ops

_VERDICTS = (('account', 'registry_verdict'), ('legal_name_change', 'verdict'))


async def _rename_verdict(apps, editor):
    await _replace(editor.client, 'AWAY', 'UNAVAILABLE')


async def _restore_verdict(apps, editor):
    await _replace(editor.client, 'UNAVAILABLE', 'AWAY')


async def _replace(client, old, new):
    for table, column in _VERDICTS:
        await client.execute_script(f"UPDATE {table} SET {column} = '{new}' WHERE {column} = '{old}'")  # noqa: S608 - constants


class Migration(migrations.Migration):
    dependencies = [('models', '0026_invoice_recipients')]

    initial = False

    operations = [
        ops.RenameField(model_name='User', old_name='searched', new_name='search_text'),
        ops.RenameField(model_name='Account', old_name='searched', new_name='search_text'),
        ops.RenameField(model_name='Article', old_name='searched_fr', new_name='search_text_fr'),
        ops.RenameField(model_name='Article', old_name='searched_en', new_name='search_text_en'),
        ops.RenameField(model_name='Session', old_name='fresh_until', new_name='step_up_expires_at'),
        ops.RenameField(model_name='Erasure', old_name='removed', new_name='removed_counts'),
        ops.AlterField(model_name='Account', name='registry_verdict', field=fields.CharEnumField(description='MATCH: MATCH\nOTHER_NAME: OTHER_NAME\nCEASED: CEASED\nNOT_FOUND: NOT_FOUND\nUNKNOWN: UNKNOWN\nUNAVAILABLE: UNAVAILABLE', enum_type=RegistryVerdict, null=True, max_length=12)),
        ops.AlterField(model_name='LegalNameChange', name='verdict', field=fields.CharEnumField(description='MATCH: MATCH\nOTHER_NAME: OTHER_NAME\nCEASED: CEASED\nNOT_FOUND: NOT_FOUND\nUNKNOWN: UNKNOWN\nUNAVAILABLE: UNAVAILABLE', enum_type=RegistryVerdict, null=True, max_length=12)),
        ops.RunPython(_rename_verdict, _restore_verdict),
    ]
