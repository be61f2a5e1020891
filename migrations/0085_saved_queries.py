"""The saved queries of analysts, and when their answers are sent."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from models.analytics.query_schedule import QueryFrequency, QueryScheduleEnd
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0084_unused_accounts')]

    initial = False

    operations = [
        ops.CreateModel(
            name='SavedQuery',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('owner', fields.ForeignKeyField('models.User', source_field='owner_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('name', fields.CharField(max_length=80)),
                ('query', fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ('is_shared', fields.BooleanField(default=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'saved_query', 'app': 'models', 'unique_together': (('owner', 'name'),), 'pk_attr': 'id', 'table_description': 'A query of one analyst, who is its owner. `query` is the query as'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='QuerySchedule',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('saved_query', fields.ForeignKeyField('models.SavedQuery', source_field='saved_query_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('owner', fields.ForeignKeyField('models.User', source_field='owner_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('recipient', fields.ForeignKeyField('models.User', source_field='recipient_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('frequency', fields.CharEnumField(description='DAILY: DAILY\nWEEKLY: WEEKLY\nMONTHLY: MONTHLY', enum_type=QueryFrequency, max_length=7)),
                ('hour', fields.SmallIntField()),
                ('weekday', fields.SmallIntField(null=True)),
                ('day', fields.SmallIntField(null=True)),
                ('next_due_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('claimed_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('failures', fields.SmallIntField(default=0)),
                ('last_sent_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('ended_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('end_reason', fields.CharEnumField(null=True, description='RECIPIENT_LEFT: RECIPIENT_LEFT\nOWNER_LEFT: OWNER_LEFT\nQUERY_NOT_SHARED: QUERY_NOT_SHARED\nQUERY_DELETED: QUERY_DELETED\nFAILING: FAILING', enum_type=QueryScheduleEnd, max_length=16)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'query_schedule', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The answer to a saved query, sent to an analyst at an hour in Europe/Paris: every day, on the'},
            bases=['Model'],
        ),
    ]
