from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from models.event import EventKind
from models.accounts.legal_name import LegalNameStatus, RegistryVerdict
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [('models', '0008_missing_files')]

    initial = False

    operations = [
        ops.AlterField(
            model_name='Event',
            name='kind',
            field=fields.CharEnumField(description='TICKET_OPENED: TICKET_OPENED\nMESSAGE_POSTED: MESSAGE_POSTED\nTICKET_ASSIGNED: TICKET_ASSIGNED\nSTATUS_CHANGED: STATUS_CHANGED\nREPLY_AWAITED: REPLY_AWAITED\nPURCHASE_CHANGED: PURCHASE_CHANGED\nPAYMENT_CHANGED: PAYMENT_CHANGED\nINVOICE_ISSUED: INVOICE_ISSUED\nLEGAL_NAME_CHANGED: LEGAL_NAME_CHANGED\nLEGAL_NAME_REVIEW_AWAITED: LEGAL_NAME_REVIEW_AWAITED', enum_type=EventKind, max_length=32),
        ),
        ops.AddField(model_name='Account', name='nic', field=fields.CharField(null=True, max_length=5)),
        ops.AddField(model_name='Account', name='vat_key', field=fields.CharField(null=True, max_length=2)),
        ops.CreateModel(
            name='LegalNameChange',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_index=True, db_constraint=True, to_field='id', related_name='legal_name_changes', on_delete=OnDelete.CASCADE)),
                ('requester', fields.ForeignKeyField('models.User', source_field='requester_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('decider', fields.ForeignKeyField('models.User', source_field='decider_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('previous_name', fields.CharField(max_length=200)),
                ('legal_name', fields.CharField(max_length=200)),
                ('status', fields.CharEnumField(description='CHECKING: CHECKING\nEVIDENCE_NEEDED: EVIDENCE_NEEDED\nIN_REVIEW: IN_REVIEW\nACCEPTED: ACCEPTED\nREJECTED: REJECTED\nCANCELED: CANCELED', enum_type=LegalNameStatus, max_length=16)),
                ('verdict', fields.CharEnumField(description='MATCH: MATCH\nOTHER_NAME: OTHER_NAME\nCEASED: CEASED\nNOT_FOUND: NOT_FOUND\nUNKNOWN: UNKNOWN\nAWAY: AWAY', enum_type=RegistryVerdict, null=True, max_length=12)),
                ('registered_name', fields.CharField(null=True, max_length=300)),
                ('reason', fields.TextField(null=True, unique=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('decided_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('next_check_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('checks', fields.IntField(default=0)),
            ],
            options={'table': 'legal_name_change', 'app': 'models', 'indexes': [Index(fields=['status', 'updated_at'])], 'pk_attr': 'id', 'table_description': "One wish for another legal name. Of a company one at a time is running: who makes one holds the company's row."},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='File',
            name='legal_name_change',
            field=fields.ForeignKeyField('models.LegalNameChange', source_field='legal_name_change_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='evidence', on_delete=OnDelete.CASCADE),
        ),
    ]
