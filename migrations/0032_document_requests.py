from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.migrations import operations as ops

from models.database.table_changes import ChangeTable


class Migration(migrations.Migration):
    dependencies = [('models', '0031_vat')]

    initial = False

    operations = [
        ops.CreateModel(
            name='DocumentRequest',
            fields=[
                ('invoice', fields.OneToOneField('models.Invoice', source_field='invoice_id', primary_key=True, db_index=True, db_constraint=True, to_field='id', related_name='document_request', on_delete=OnDelete.RESTRICT)),
                ('next_attempt_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('attempts', fields.IntField(default=0)),
            ],
            options={'table': 'document_request', 'app': 'models', 'pk_attr': 'invoice_id', 'table_description': 'A document that is still to be made and sent: inserted with the invoice, and deleted in the'},
            bases=['Model'],
        ),
        ChangeTable(
            'Payment',
            set_fields={
                'next_check_at': fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False),
                'invoice_draft': fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
            },
            # What is still open is asked about at once.
            fill={'next_check_at': "(CASE WHEN payment.status IN ('PROCESSING', 'REQUIRES_ACTION') THEN payment.created_at END)"},
        ),
    ]
