"""Automations with their versions, timers, cursors and log."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from models.support.automation import AutomationEvent, ConditionMatch
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0069_mailings')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Automation',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('name', fields.CharField(max_length=60)),
                ('unique_name', fields.CharField(unique=True, max_length=120)),
                ('position', fields.IntField()),
                ('version_number', fields.IntField(default=1)),
                ('enabled_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('archived_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'automation', 'app': 'models', 'pk_attr': 'id', 'table_description': 'An automation. It acts while it is enabled, for what happens from `enabled_at` on. Those with'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AutomationCursor',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('ticket', fields.OneToOneField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('sequence', fields.BigIntField()),
            ],
            options={'table': 'automation_cursor', 'app': 'models', 'pk_attr': 'id', 'table_description': 'Up to which event of its stream automations have handled a ticket.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AutomationScan',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('since', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'automation_scan', 'app': 'models', 'pk_attr': 'id', 'table_description': 'From which time on the job looks for changed tickets, in a single row.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AutomationVersion',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('automation', fields.ForeignKeyField('models.Automation', source_field='automation_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('number', fields.IntField()),
                ('event', fields.CharEnumField(description='event', enum_type=AutomationEvent, max_length=16)),
                ('delay_minutes', fields.IntField(null=True)),
                ('is_delay_business_time', fields.BooleanField(default=False)),
                ('match', fields.CharEnumField(description='match', enum_type=ConditionMatch, max_length=3)),
                ('conditions', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('exceptions', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('actions', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('author', fields.ForeignKeyField('models.User', source_field='author_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'automation_version', 'app': 'models', 'unique_together': (('automation', 'number'),), 'pk_attr': 'id', 'table_description': 'What an automation is made of. The conditions have the accepted values by name, without those'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AutomationRun',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('automation', fields.ForeignKeyField('models.Automation', source_field='automation_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('version', fields.ForeignKeyField('models.AutomationVersion', source_field='version_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('event', fields.CharEnumField(description='event', enum_type=AutomationEvent, max_length=16)),
                ('root', fields.CharField(max_length=32)),
                ('depth', fields.IntField(default=0)),
                ('happened_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('first_sequence', fields.BigIntField()),
                ('last_sequence', fields.BigIntField()),
                ('kinds', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('refusals', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('message', fields.ForeignKeyField('models.Message', source_field='message_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('note', fields.ForeignKeyField('models.Note', source_field='note_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
            ],
            options={'table': 'automation_run', 'app': 'models', 'unique_together': (('ticket', 'automation', 'root'),), 'indexes': [Index(fields=['automation_id', 'id'])], 'pk_attr': 'id', 'table_description': 'That an automation acted on a ticket, or was refused: then `refusals` says which of its'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AutomationTimer',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('automation', fields.ForeignKeyField('models.Automation', source_field='automation_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('version', fields.ForeignKeyField('models.AutomationVersion', source_field='version_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('sequence', fields.BigIntField(default=0)),
                ('root', fields.CharField(max_length=32)),
                ('depth', fields.IntField(default=0)),
                ('happened_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('due_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'automation_timer', 'app': 'models', 'unique_together': (('ticket', 'automation', 'root', 'sequence'),), 'pk_attr': 'id', 'table_description': 'An event for which an automation acts at `due_at`, if nothing has made it obsolete.'},
            bases=['Model'],
        ),
    ]
