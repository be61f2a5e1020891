"""SLA policies and clocks. Tickets that were opened before have no clocks of their first response and
their resolution; later messages in them start those of the next response.
"""

from datetime import timedelta

from models.support.classification import Channel, Priority
from models.support.sla_clock import ClockState
from models.support.sla_policy import SlaMeasure
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.database.sql import execute

_DAY = 9 * 60  # minutes of business time
# Channel, priority, first and next response and resolution in minutes of business time, promise in
# hours of business days: at once for chat and phone, 24 to 48 hours for email.
_POLICIES = (
    ("CHAT", None, 1, 2, 5 * _DAY, None, None),
    ("PHONE", None, 1, 2 * _DAY, 5 * _DAY, None, None),
    ("EMAIL", None, 2 * _DAY, 2 * _DAY, 5 * _DAY, 24, 48),
    ("WEB", None, 2 * _DAY, 2 * _DAY, 5 * _DAY, 24, 48),
    ("EMAIL", "HIGH", _DAY, _DAY, 3 * _DAY, None, None),
    ("WEB", "HIGH", _DAY, _DAY, 3 * _DAY, None, None),
    ("EMAIL", "URGENT", _DAY // 3, _DAY // 3, _DAY, None, None),
    ("WEB", "URGENT", _DAY // 3, _DAY // 3, _DAY, None, None),
)


async def _add_policies(apps, editor):
    """The answer times that customers are promised."""
    for policy in _POLICIES:
        await execute(
            "INSERT INTO sla_policy (channel, priority, first_response_minutes, "
            "next_response_minutes, resolution_minutes, promised_hours_from, promised_hours, "
            "updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, '2026-01-01 00:00:00+00:00')",
            *policy,
            db=editor.client,
        )


async def _nothing(apps, editor):
    """Nothing to do: the table is removed with its rows."""


class Migration(migrations.Migration):
    dependencies = [('models', '0048_incidents')]

    initial = False

    operations = [
        ops.AddField(model_name='Ticket', name='answered_at', field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField(model_name='Calendar', name='changed_at', field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.CreateModel(
            name='SlaPolicy',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('channel', fields.CharEnumField(description='channel', enum_type=Channel, max_length=8)),
                ('priority', fields.CharEnumField(null=True, description='priority', enum_type=Priority, max_length=8)),
                ('first_response_minutes', fields.IntField(null=True)),
                ('next_response_minutes', fields.IntField(null=True)),
                ('resolution_minutes', fields.IntField(null=True)),
                ('calendar', fields.ForeignKeyField('models.Calendar', source_field='calendar_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('promised_hours_from', fields.IntField(null=True)),
                ('promised_hours', fields.IntField(null=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'sla_policy', 'app': 'models', 'unique_together': (('channel', 'priority'),), 'pk_attr': 'id', 'table_description': 'The targets of tickets of a channel: of one priority, or of all that have no policy of their'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SlaClock',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name='sla_clocks', on_delete=OnDelete.CASCADE)),
                ('measure', fields.CharEnumField(description='measure', enum_type=SlaMeasure, max_length=16)),
                ('state', fields.CharEnumField(description='state', enum_type=ClockState, max_length=8)),
                ('calendar', fields.ForeignKeyField('models.Calendar', source_field='calendar_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('target', fields.TimeDeltaField(null=True)),
                ('business_time', fields.TimeDeltaField(default=timedelta())),
                ('wall_time', fields.TimeDeltaField(default=timedelta())),
                ('started_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('started_on', fields.DateField(db_index=True)),
                ('running_since', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('stopped_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('due_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('check_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('warned_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('breached_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'sla_clock', 'app': 'models', 'indexes': [Index(fields=['ticket_id', 'state']), Index(fields=['state', 'due_at'])], 'pk_attr': 'id', 'table_description': 'One measure of one ticket: see above. `due_at` is when the target is missed, null while the'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AnswerTime',
            fields=[
                ('channel', fields.CharEnumField(primary_key=True, unique=True, db_index=True, description='channel', enum_type=Channel, max_length=8)),
                ('answers', fields.IntField()),
                ('median_seconds', fields.FloatField()),
                ('p90_seconds', fields.FloatField()),
                ('median_business_seconds', fields.FloatField()),
                ('p90_business_seconds', fields.FloatField()),
                ('measured_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'answer_time', 'app': 'models', 'pk_attr': 'channel', 'table_description': 'The measured first response of a channel in the days before `measured_at`: how many answers,'},
            bases=['Model'],
        ),
        ops.RunPython(_add_policies, _nothing),
    ]
