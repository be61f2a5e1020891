"""Teams of agents, priority and tags of tickets."""

from json import loads

from models.support.classification import Priority
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.database.table_changes import ChangeTable


class Migration(migrations.Migration):
    dependencies = [('models', '0044_missing_indexes')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Team',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('name', fields.CharField(unique=True, max_length=60)),
                ('categories', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('archived_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'team', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A group of agents to whom tickets are assigned.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='TeamMember',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('team', fields.ForeignKeyField('models.Team', source_field='team_id', db_constraint=True, to_field='id', related_name='members', on_delete=OnDelete.CASCADE)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
            ],
            options={'table': 'team_member', 'app': 'models', 'unique_together': (('team', 'user'),), 'pk_attr': 'id', 'table_description': "An agent's membership of a team."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AgentProfile',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.OneToOneField('models.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('skills', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('chat_capacity', fields.IntField(default=3)),
            ],
            options={'table': 'agent_profile', 'app': 'models', 'pk_attr': 'id', 'table_description': 'What an agent can take on: the categories of tickets that they have the skills for, none for'},
            bases=['Model'],
        ),
        ChangeTable(
            'Ticket',
            set_fields={
                'priority': fields.CharEnumField(default=Priority.NORMAL, db_default=Priority.NORMAL, description='priority', enum_type=Priority, max_length=8),
                'team': fields.ForeignKeyField('models.Team', source_field='team_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL),
            },
            options={'indexes': [Index(fields=['account_id', 'updated_at']), Index(fields=['status', 'updated_at']), Index(fields=['assignee_id', 'updated_at']), Index(fields=['team_id', 'updated_at'])]},
        ),
        ops.CreateModel(
            name='TicketTag',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name='tags', on_delete=OnDelete.CASCADE)),
                ('tag', fields.CharField(db_index=True, max_length=40)),
            ],
            options={'table': 'ticket_tag', 'app': 'models', 'unique_together': (('ticket', 'tag'),), 'pk_attr': 'id', 'table_description': "A tag of a ticket, in small letters. Customers don't see tags."},
            bases=['Model'],
        ),
        ChangeTable(
            'TicketPosition',
            set_fields={'transferred_at': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)},
        ),
    ]
