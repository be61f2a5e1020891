from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0014_registry_verdicts')]

    initial = False

    operations = [
        ops.AddField(
            model_name='File',
            name='abandoned_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
