"""The status board: daily snapshots of requests, and the links to them."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from models.support.classification import Category
from models.support.ticket_status import TicketStatus
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0057_messages')]

    initial = False

    operations = [
        ops.CreateModel(
            name='BoardEntry',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('day', fields.DateField()),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('category', fields.CharEnumField(description='category', enum_type=Category, max_length=16)),
                ('status', fields.CharEnumField(description='status', enum_type=TicketStatus, max_length=8)),
                ('opened_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'board_entry', 'app': 'models', 'unique_together': (('account', 'day', 'ticket'),), 'pk_attr': 'id', 'table_description': 'A request in a snapshot. ON_HOLD is stored as OPEN, as customers see it.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='BoardSnapshot',
            fields=[
                ('day', fields.DateField(primary_key=True, unique=True, db_index=True)),
                ('as_of', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'board_snapshot', 'app': 'models', 'pk_attr': 'day', 'table_description': 'The snapshot of a day in Paris, and when it was taken.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='StatusBoard',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.OneToOneField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('token', fields.CharField(null=True, unique=True, max_length=32)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'status_board', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The link to the board of a company. `token` is null while the owners have turned it off.'},
            bases=['Model'],
        ),
    ]
