"""Emails that support receives, and what sent emails need so that answers find their ticket."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.support.incoming_email import IncomingEmailReason, IncomingEmailSource, IncomingEmailStatus


class Migration(migrations.Migration):
    dependencies = [('models', '0042_calendars')]

    initial = False

    operations = [
        ops.CreateModel(
            name='IncomingEmail',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('source', fields.CharEnumField(description='how it arrived', enum_type=IncomingEmailSource, max_length=4)),
                ('source_key', fields.CharField(null=True, unique=True, max_length=64)),
                ('raw_key', fields.CharField(null=True, max_length=64)),
                ('size', fields.BigIntField()),
                ('is_partial', fields.BooleanField(default=False)),
                ('fingerprint', fields.CharField(db_index=True, max_length=64)),
                ('message_id', fields.CharField(null=True, db_index=True, max_length=255)),
                ('sender', fields.CharField(default='', db_index=True, max_length=254)),
                ('sender_name', fields.CharField(default='', max_length=200)),
                ('subject', fields.CharField(default='', max_length=200)),
                ('status', fields.CharEnumField(default=IncomingEmailStatus.RECEIVED, description='what has become of it', enum_type=IncomingEmailStatus, max_length=10)),
                ('reason', fields.CharEnumField(null=True, description='why', enum_type=IncomingEmailReason, max_length=20)),
                ('authentication', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('text', fields.TextField(default='', unique=False)),
                ('html', fields.TextField(default='', unique=False)),
                ('refused_files', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('posted_message', fields.ForeignKeyField('models.Message', source_field='posted_message_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('received_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('processed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('answered_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('next_attempt_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('attempts', fields.IntField(default=0)),
            ],
            options={'table': 'incoming_email', 'app': 'models', 'indexes': [Index(fields=['status', 'id'])], 'pk_attr': 'id', 'table_description': 'An email as it was received, and what became of it.'},
            bases=['Model'],
        ),
        ops.AddField(model_name='Email', name='ticket_id', field=fields.BigIntField(null=True, db_index=True)),
        ops.AddField(model_name='Email', name='message_key', field=fields.CharField(null=True, db_index=True, max_length=64)),
        ops.AddField(model_name='Email', name='thread', field=fields.TextField(null=True, unique=False)),
        ops.AddField(model_name='Email', name='bounced_at', field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField(model_name='Email', name='bounce_status', field=fields.CharField(null=True, max_length=11)),
    ]
