"""The devices that receive notifications."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0066_scheduled_replies')]

    initial = False

    operations = [
        ops.CreateModel(
            name='PushDevice',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('session', fields.OneToOneField('models.Session', source_field='session_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('endpoint', fields.CharField(unique=True, max_length=1000)),
                ('service', fields.CharField(max_length=253)),
                ('p256dh', fields.CharField(max_length=88)),
                ('auth', fields.CharField(max_length=24)),
                ('name', fields.CharField(null=True, max_length=60)),
                ('kinds', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('stream', fields.CharField(max_length=64)),
                ('sequence', fields.BigIntField()),
                ('attempts', fields.IntField(default=0)),
                ('next_attempt_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'push_device', 'app': 'models', 'indexes': [Index(fields=['service', 'next_attempt_at'])], 'pk_attr': 'id', 'table_description': 'A browser or an app that receives notifications through a push service, as long as its'},
            bases=['Model'],
        ),
    ]
