from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from models.accounts.account import AccountStatus
from models.support.classification import TicketKind
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields


async def _addressed(apps, editor):
    """Link existing emails to their recipients, where the address still identifies one."""
    await editor.client.execute_script(
        'UPDATE letter SET user_id = (SELECT id FROM "user" WHERE "user".email = letter.recipient)'
    )


async def _nothing(apps, editor):
    """Nothing to do: the column is removed with the values."""


class Migration(migrations.Migration):
    dependencies = [('models', '0012_search_for_people')]

    initial = False

    operations = [
        ops.AddField(model_name='Account', name='status', field=fields.CharEnumField(default=AccountStatus.ACTIVE, db_default='ACTIVE', description='ACTIVE: ACTIVE\nDEACTIVATED: DEACTIVATED\nCLOSING: CLOSING\nERASED: ERASED', enum_type=AccountStatus, max_length=12)),
        ops.AddField(model_name='Account', name='erases_at', field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField(model_name='Ticket', name='kind', field=fields.CharEnumField(default=TicketKind.GENERAL, db_default='GENERAL', description='GENERAL: GENERAL\nACCOUNT_DEACTIVATION: ACCOUNT_DEACTIVATION\nACCOUNT_REACTIVATION: ACCOUNT_REACTIVATION\nACCOUNT_DELETION: ACCOUNT_DELETION', enum_type=TicketKind, max_length=24)),
        ops.AddField(model_name='Letter', name='user', field=fields.ForeignKeyField('models.User', source_field='user_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
        ops.AddField(model_name='Letter', name='account', field=fields.ForeignKeyField('models.Account', source_field='account_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
        ops.RunPython(_addressed, _nothing),
        ops.CreateModel(
            name='Erasure',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_index=True, db_constraint=True, to_field='id', related_name='erasures', on_delete=OnDelete.CASCADE)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('scheduler', fields.ForeignKeyField('models.User', source_field='scheduler_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('requested_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('deadline', fields.DateField()),
                ('scheduled_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('due_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('canceled_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('started_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('finished_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('invoices_kept', fields.IntField(default=0)),
                ('kept_until', fields.DateField(null=True)),
                ('removed', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={'table': 'erasure', 'app': 'models', 'pk_attr': 'id', 'table_description': "One scheduled deletion of an account. removed counts what went, by kind, deadline is the RGPD's (art. 12, 3)."},
            bases=['Model'],
        ),
    ]
