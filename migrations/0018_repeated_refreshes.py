from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0017_email_change_requested')]

    initial = False

    operations = [
        ops.AddField(model_name='RefreshToken', name='successor', field=fields.CharField(null=True, max_length=250)),
    ]
