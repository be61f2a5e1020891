"""What those who signed up for a webinar know of its changes."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0061_merges')]

    initial = False

    operations = [
        ops.AddField(
            model_name='WebinarSignUp',
            name='notified_sequence',
            field=fields.IntField(default=0, db_default=0),
        ),
    ]
