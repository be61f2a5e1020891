"""Phone calls, and the phone numbers of people and companies."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from models.support.call import CallDirection, CallOutcome
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0054_ratings')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Call',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('message', fields.OneToOneField('models.Message', source_field='message_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('note', fields.OneToOneField('models.Note', source_field='note_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('agent', fields.ForeignKeyField('models.User', source_field='agent_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('direction', fields.CharEnumField(description='direction', enum_type=CallDirection, max_length=8)),
                ('outcome', fields.CharEnumField(description='outcome', enum_type=CallOutcome, max_length=12)),
                ('number', fields.CharField(null=True, db_index=True, max_length=16)),
                ('started_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('duration_seconds', fields.IntField()),
                ('external_id', fields.CharField(null=True, unique=True, max_length=120)),
                ('fingerprint', fields.CharField(null=True, max_length=64)),
                ('dismissed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'phone_call', 'app': 'models', 'pk_attr': 'id', 'table_description': "A call. `number` is the customer's, null when it was withheld. `agent` answered or made the"},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PhoneNumber',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('number', fields.CharField(db_index=True, max_length=16)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'phone_number', 'app': 'models', 'unique_together': (('user', 'number'), ('account', 'number')), 'pk_attr': 'id', 'table_description': 'A number of a person or of a company: either `user` or `account` is set.'},
            bases=['Model'],
        ),
    ]
