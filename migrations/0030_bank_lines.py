from models.billing.bank import BankLineMatch, BankLineProblem, BankLineStatus, StatementFormat
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0029_deadline_reminders')]

    initial = False

    operations = [
        ops.CreateModel(
            name='BankStatement',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('sha256', fields.CharField(unique=True, max_length=64)),
                ('name', fields.CharField(max_length=200)),
                ('format', fields.CharEnumField(description='CAMT_053: CAMT_053\nCSV: CSV', enum_type=StatementFormat, max_length=20)),
                ('importer', fields.ForeignKeyField('models.User', source_field='importer_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('line_count', fields.IntField()),
                ('new_count', fields.IntField()),
                ('pending_count', fields.IntField()),
            ],
            options={'table': 'bank_statement', 'app': 'models', 'pk_attr': 'id', 'table_description': "One imported file. `sha256` is that of its content, so that it is imported once."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='BankLine',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('statement', fields.ForeignKeyField('models.BankStatement', source_field='statement_id', db_index=True, db_constraint=True, to_field='id', related_name='lines', on_delete=OnDelete.RESTRICT)),
                ('position', fields.IntField()),
                ('fingerprint', fields.CharField(unique=True, max_length=64)),
                ('iban', fields.CharField(max_length=34)),
                ('booked_on', fields.DateField()),
                ('value_on', fields.DateField(null=True)),
                ('amount_cents', fields.BigIntField()),
                ('is_reversal', fields.BooleanField(default=False)),
                ('bank_reference', fields.CharField(default='', max_length=140)),
                ('end_to_end_id', fields.CharField(default='', max_length=140)),
                ('structured_reference', fields.CharField(default='', max_length=140)),
                ('text', fields.CharField(default='', max_length=1000)),
                ('counterparty_name', fields.CharField(default='', max_length=140)),
                ('counterparty_iban', fields.CharField(default='', db_index=True, max_length=34)),
                ('return_reason', fields.CharField(default='', max_length=35)),
                ('status', fields.CharEnumField(default=BankLineStatus.NEW, enum_type=BankLineStatus, max_length=20)),
                ('problem', fields.CharEnumField(null=True, enum_type=BankLineProblem, max_length=20)),
                ('match', fields.CharEnumField(null=True, enum_type=BankLineMatch, max_length=20)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='bank_lines', on_delete=OnDelete.RESTRICT)),
                ('payment', fields.ForeignKeyField('models.Payment', source_field='payment_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='bank_lines', on_delete=OnDelete.RESTRICT)),
                ('original', fields.ForeignKeyField('models.BankLine', source_field='original_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='reversals', on_delete=OnDelete.RESTRICT)),
                ('decider', fields.ForeignKeyField('models.User', source_field='decider_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('decided_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'bank_line', 'app': 'models', 'indexes': [Index(fields=['status', 'booked_on']), Index(fields=['iban', 'booked_on', 'amount_cents'])], 'pk_attr': 'id', 'table_description': "One booked movement on one of the vendor's accounts (`iban`)."},
            bases=['Model'],
        ),
    ]
