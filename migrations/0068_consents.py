"""The ledger of consents."""

from models.database.append_only import allow_changes, refuse_changes
from tortoise import migrations
from tortoise.migrations import operations as ops
from models.privacy.consent import ConsentChannel, ConsentPurpose
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

_APPEND_ONLY = ('consent_change',)


async def _refuse_changes(apps, editor):
    await refuse_changes(editor.client, _APPEND_ONLY)


async def _allow_changes(apps, editor):
    await allow_changes(editor.client, _APPEND_ONLY)


class Migration(migrations.Migration):
    dependencies = [('models', '0067_push_devices')]

    initial = False

    operations = [
        ops.CreateModel(
            name='ConsentChange',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('purpose', fields.CharEnumField(description='NEWSLETTER: NEWSLETTER\nOFFERS: OFFERS\nINVITATIONS: INVITATIONS\nSURVEYS: SURVEYS', enum_type=ConsentPurpose, max_length=11)),
                ('given', fields.BooleanField()),
                ('policy', fields.ForeignKeyField('models.Policy', source_field='policy_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('channel', fields.CharEnumField(description='WEB: WEB\nAPP: APP\nEMAIL_LINK: EMAIL_LINK\nERASURE: ERASURE', enum_type=ConsentChannel, max_length=10)),
            ],
            options={'table': 'consent_change', 'app': 'models', 'indexes': [Index(fields=['user_id', 'purpose', 'id'])], 'pk_attr': 'id', 'table_description': 'An entry of the ledger: a person gave or withdrew their consent to a purpose. `policy` is the'},
            bases=['Model'],
        ),
        ops.RunPython(_refuse_changes, _allow_changes),
    ]
