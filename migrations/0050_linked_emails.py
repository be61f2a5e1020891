"""Where agents link received emails that match no ticket."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0049_sla')]

    initial = False

    operations = [
        ops.AddField(model_name='IncomingEmail', name='linked_account_id', field=fields.BigIntField(null=True)),
        ops.AddField(model_name='IncomingEmail', name='linked_ticket_id', field=fields.BigIntField(null=True)),
    ]
