"""When the last backup was made, and which spans of traces stored events, emails and requests for
documents. All columns are nullable, so no table is rewritten.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0085_saved_queries')]

    initial = False

    operations = [
        ops.AddField(
            model_name='DocumentRequest',
            name='traceparent',
            field=fields.CharField(null=True, max_length=55),
        ),
        ops.AddField(
            model_name='Email',
            name='traceparent',
            field=fields.CharField(null=True, max_length=55),
        ),
        ops.AddField(
            model_name='Event',
            name='traceparent',
            field=fields.CharField(null=True, max_length=55),
        ),
        ops.AddField(
            model_name='Installation',
            name='backed_up_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
