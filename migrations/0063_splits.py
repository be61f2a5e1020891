"""The ticket that a ticket was split from."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0062_webinars')]

    initial = False

    operations = [
        ops.AddField(
            model_name='Ticket',
            name='split_from',
            field=fields.ForeignKeyField('models.Ticket', source_field='split_from_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE),
        ),
    ]
