"""Macros of teams, retries of automations that fail, and emails about replies that weren't sent."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [('models', '0077_stream_epoch')]

    initial = False

    operations = [
        ops.AddField(
            model_name='AutomationTimer',
            name='attempts',
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name='AutomationTimer',
            name='error',
            field=fields.CharField(null=True, max_length=60),
        ),
        ops.AddField(
            model_name='Macro',
            name='team',
            field=fields.ForeignKeyField('models.Team', source_field='team_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE),
        ),
        ops.AddField(
            model_name='ScheduledReply',
            name='email_pending_since',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
