from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0033_payment_methods')]

    initial = False

    operations = [
        ops.CreateModel(
            name='CompletedDunningStep',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('invoice', fields.ForeignKeyField('models.Invoice', source_field='invoice_id', db_constraint=True, to_field='id', related_name='dunning_steps', on_delete=OnDelete.RESTRICT)),
                ('days', fields.IntField()),
                ('completed_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'dunning_step', 'app': 'models', 'unique_together': (('invoice', 'days'),), 'pk_attr': 'id', 'table_description': 'A step of the dunning schedule that was taken for an invoice, by its number of days after the'},
            bases=['Model'],
        ),
    ]
