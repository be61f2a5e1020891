from tortoise import migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0010_policies')]

    initial = False

    operations = [
        ops.AddIndex(model_name='Letter', index=Index(fields=['sent_at', 'id'])),
    ]
