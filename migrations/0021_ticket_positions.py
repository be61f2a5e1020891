from models.database.sql import execute
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


async def _read(apps, editor):
    """What was written before counts as read, by the members of the company and by the agent."""
    people = (
        "SELECT ticket.id AS ticket_id, membership.user_id FROM ticket "
        "JOIN membership ON membership.account_id = ticket.account_id",
        "SELECT id AS ticket_id, assignee_id AS user_id FROM ticket WHERE assignee_id IS NOT NULL",
    )
    for readers in people:
        await execute(
            "INSERT INTO ticket_position (ticket_id, user_id, read_sequence) "  # noqa: S608 - constants
            f"SELECT reader.ticket_id, reader.user_id, stream.last_sequence FROM ({readers}) AS reader "
            "JOIN stream ON stream.key = 'ticket:' || reader.ticket_id WHERE TRUE "
            "ON CONFLICT (ticket_id, user_id) DO NOTHING",
            db=editor.client,
        )


async def _nothing(apps, editor):
    """Nothing to do: the table is removed with the rows."""


class Migration(migrations.Migration):
    dependencies = [('models', '0020_legal_deadlines')]

    initial = False

    operations = [
        ops.CreateModel(
            name='TicketPosition',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('read_sequence', fields.BigIntField(default=0, db_default=0)),
                ('delivered_sequence', fields.BigIntField(default=0, db_default=0)),
                ('emailed_sequence', fields.BigIntField(default=0, db_default=0)),
            ],
            options={'table': 'ticket_position', 'app': 'models', 'unique_together': (('ticket', 'user'),), 'pk_attr': 'id', 'table_description': "One person's positions in one ticket. `read_sequence` is moved by `ticketMarkRead` and by"},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='Ticket',
            name='reply_email_pending_since',
            field=fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False),
        ),
        ops.RunPython(_read, _nothing),
    ]
