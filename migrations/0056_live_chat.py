"""Live chat: the queue, the agents who are present, and whether they take chats.

Open chats without an agent wait: unless somebody answers them, they soon become tickets, and their
customers are told.
"""

from models.support.live_chat import ChatState
from models.support.team import ChatAvailability
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.database.sql import execute
from models.database.table_changes import ChangeTable


async def _add_chats(apps, editor):
    """The live part of the chats that there are."""
    await execute(
        "INSERT INTO live_chat (ticket_id, state, team_id, agent_id, queued_at, since, "
        "first_assigned_at) SELECT id, CASE WHEN status IN ('SOLVED', 'CLOSED') THEN 'ENDED' "
        "WHEN assignee_id IS NULL THEN 'WAITING' ELSE 'ACTIVE' END, team_id, assignee_id, "
        "created_at, updated_at, CASE WHEN assignee_id IS NULL THEN NULL ELSE updated_at END "
        "FROM ticket WHERE channel = 'CHAT'",
        db=editor.client,
    )


async def _nothing(apps, editor):
    """Nothing to do: the table is removed with its rows."""


class Migration(migrations.Migration):
    dependencies = [('models', '0055_calls')]

    initial = False

    operations = [
        ops.CreateModel(
            name='AgentPresence',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('process', fields.CharField(max_length=16)),
                ('expires_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'agent_presence', 'app': 'models', 'unique_together': (('user', 'process'),), 'pk_attr': 'id', 'table_description': "The lease of one agent's connections to one process."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='LiveChat',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('ticket', fields.OneToOneField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('state', fields.CharEnumField(description='state', enum_type=ChatState, max_length=8)),
                ('team', fields.ForeignKeyField('models.Team', source_field='team_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('agent', fields.ForeignKeyField('models.User', source_field='agent_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('queued_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('since', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('first_assigned_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'live_chat', 'app': 'models', 'indexes': [Index(fields=['state', 'team_id', 'queued_at', 'ticket_id']), Index(fields=['agent_id', 'state']), Index(fields=['state', 'since'])], 'pk_attr': 'id', 'table_description': 'The live part of a chat.'},
            bases=['Model'],
        ),
        ChangeTable(
            'AgentProfile',
            set_fields={
                'chat_availability': fields.CharEnumField(default=ChatAvailability.AWAY, description='availability', db_default=ChatAvailability.AWAY, enum_type=ChatAvailability, max_length=9),
                'chat_availability_since': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                'last_chat_at': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
            },
        ),
        ops.RunPython(_add_chats, _nothing),
    ]
