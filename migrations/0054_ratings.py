"""Ratings of tickets by their customers."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0053_drafts')]

    initial = False

    operations = [
        ops.CreateModel(
            name='TicketRating',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('ticket', fields.OneToOneField('models.Ticket', source_field='ticket_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('agent', fields.ForeignKeyField('models.User', source_field='agent_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('team', fields.ForeignKeyField('models.Team', source_field='team_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('finished_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('request_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('requested_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('reminded_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('score', fields.SmallIntField(null=True)),
                ('comment', fields.TextField(null=True, unique=False)),
                ('rater', fields.ForeignKeyField('models.User', source_field='rater_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('rated_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('rated_on', fields.DateField(null=True, db_index=True)),
                ('updated_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'ticket_rating', 'app': 'models', 'pk_attr': 'id', 'table_description': "The rating of a ticket: see above. Without a `score` it hasn't been rated."},
            bases=['Model'],
        ),
    ]
