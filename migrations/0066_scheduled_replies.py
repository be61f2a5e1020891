"""Replies that agents schedule, with their files."""

from models.database.sql import execute
from tortoise import migrations
from tortoise.migrations import operations as ops
from models.support.scheduled_reply import ScheduledReplyProblem, ScheduledReplyState
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index


async def _index(apps, editor):
    """The index that AddField leaves out."""
    await execute('CREATE INDEX "idx_file_schedul_3b7c1e" ON "file" ("scheduled_reply_id")', db=editor.client)


async def _drop_index(apps, editor):
    """The column is removed after its index."""
    await execute('DROP INDEX "idx_file_schedul_3b7c1e"', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0065_macros')]

    initial = False

    operations = [
        ops.CreateModel(
            name='ScheduledReply',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('author', fields.ForeignKeyField('models.User', source_field='author_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('message', fields.ForeignKeyField('models.Message', source_field='message_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('body', fields.TextField(unique=False)),
                ('state', fields.CharEnumField(default=ScheduledReplyState.WAITING, description='state', enum_type=ScheduledReplyState, max_length=8)),
                ('problem', fields.CharEnumField(null=True, description='problem', enum_type=ScheduledReplyProblem, max_length=13)),
                ('send_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('at_next_opening', fields.BooleanField()),
                ('is_holdable', fields.BooleanField()),
                ('seen_sequence', fields.BigIntField()),
                ('overtaken_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('scheduled_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'scheduled_reply', 'app': 'models', 'indexes': [Index(fields=['ticket_id', 'state']), Index(fields=['state', 'send_at'])], 'pk_attr': 'id', 'table_description': 'A scheduled reply. `send_at` is when it is posted. If `at_next_opening`, that follows from'},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='File',
            name='scheduled_reply',
            field=fields.ForeignKeyField('models.ScheduledReply', source_field='scheduled_reply_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL),
        ),
        ops.RunPython(_index, _drop_index),
    ]
