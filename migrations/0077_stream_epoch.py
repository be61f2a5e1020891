"""The epoch of the streams, by which clients notice that a backup was restored."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0076_change_payment_methods')]

    initial = False

    operations = [
        ops.AddField(
            model_name='Installation',
            name='epoch',
            field=fields.CharField(null=True, max_length=16),
        ),
    ]
