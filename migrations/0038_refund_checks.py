"""When the provider is asked about a refund next, where a transfer is sent back to, and indexes for notifications."""

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops

from models.billing.bank import BankLineProblem
from models.database.table_changes import ChangeTable


class Migration(migrations.Migration):
    dependencies = [('models', '0037_purchase_changes')]

    initial = False

    operations = [
        ChangeTable(
            'Refund',
            set_fields={
                'provider_reference': fields.CharField(null=True, db_index=True, max_length=255),
                'bank_line': fields.ForeignKeyField('models.BankLine', source_field='bank_line_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT),
                'next_check_at': fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False),
            },
            # What is still open is asked about at once.
            fill={'next_check_at': "(CASE WHEN refund.status = 'PENDING' THEN refund.created_at END)"},
        ),
        ops.AlterField(model_name='PaymentMethod', name='token', field=fields.CharField(db_index=True, max_length=255)),
        ops.AlterField(model_name='BankLine', name='problem', field=fields.CharEnumField(description='problem', enum_type=BankLineProblem, null=True, max_length=20)),
        ops.AddField(model_name='SandboxRefund', name='fails_at', field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
    ]
