"""Disputes of invoices."""

from models.billing.dispute import DisputeReason, DisputeStatus
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0034_dunning')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Dispute',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_index=True, db_constraint=True, to_field='id', related_name='disputes', on_delete=OnDelete.RESTRICT)),
                ('invoice', fields.ForeignKeyField('models.Invoice', source_field='invoice_id', db_index=True, db_constraint=True, to_field='id', related_name='disputes', on_delete=OnDelete.RESTRICT)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_index=True, db_constraint=True, to_field='id', related_name='disputes', on_delete=OnDelete.RESTRICT)),
                ('reason', fields.CharEnumField(description='reason', enum_type=DisputeReason, max_length=20)),
                ('status', fields.CharEnumField(default=DisputeStatus.OPEN, description='status', enum_type=DisputeStatus, max_length=20)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('decided_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('decider', fields.ForeignKeyField('models.User', source_field='decider_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('credit_note', fields.ForeignKeyField('models.Invoice', source_field='credit_note_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
            ],
            options={'table': 'dispute', 'app': 'models', 'pk_attr': 'id', 'table_description': "A dispute of an invoice. Its text and its files are in the first message of `ticket`, and the"},
            bases=['Model'],
        ),
    ]
