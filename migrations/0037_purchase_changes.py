"""Changes of active purchases: what was agreed, its payment and its invoice."""

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0036_event_kinds')]

    initial = False

    operations = [
        ops.AddField(model_name='Purchase', name='base_index', field=fields.IntField(default=0, db_default=0)),
        ops.AddField(model_name='Purchase', name='base_months', field=fields.IntField(default=0, db_default=0)),
        ops.AddField(model_name='PurchaseChange', name='is_immediate', field=fields.BooleanField(default=False, db_default=False)),
        ops.AddField(model_name='PurchaseChange', name='former_price', field=fields.ForeignKeyField('models.Price', source_field='former_price_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
        ops.AddField(model_name='PurchaseChange', name='former_quantity', field=fields.IntField(null=True)),
        ops.AddField(model_name='PurchaseChange', name='resumes_on', field=fields.DateField(null=True)),
        ops.AddField(model_name='PurchaseChange', name='gross_cents', field=fields.BigIntField(null=True)),
        ops.AddField(model_name='PurchaseChange', name='invoice', field=fields.ForeignKeyField('models.Invoice', source_field='invoice_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
        ops.AddField(model_name='Payment', name='purchase_change', field=fields.ForeignKeyField('models.PurchaseChange', source_field='purchase_change_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='payments', on_delete=OnDelete.RESTRICT)),
    ]
