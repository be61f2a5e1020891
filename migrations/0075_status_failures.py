"""Since when a message of the invoicing platform couldn't be read."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0074_search_subjects')]

    initial = False

    operations = [
        ops.AddField(
            model_name='PlatformCursor',
            name='failing_since',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
