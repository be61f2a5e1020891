from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0045_teams')]

    initial = False

    operations = [
        ops.AddField(model_name='Purchase', name='resume_reminded_for', field=fields.DateField(null=True)),
    ]
