from models.locale import Locale
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0025_lost_switches')]

    initial = False

    operations = [
        ops.CreateModel(
            name='InvoiceRecipient',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name='invoice_recipients', on_delete=OnDelete.CASCADE)),
                ('email', fields.CharField(max_length=254)),
                ('locale', fields.CharEnumField(description='FR: fr\nEN: en', enum_type=Locale, max_length=2)),
                ('adder', fields.ForeignKeyField('models.User', source_field='adder_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('confirmed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('refused_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'invoice_recipient', 'app': 'models', 'unique_together': (('account', 'email'),), 'pk_attr': 'id', 'table_description': "An address that a member added, which gets invoices once its owner has confirmed."},
            bases=['Model'],
        ),
    ]
