from tortoise import migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0015_abandoned_files')]

    initial = False

    operations = [
        # An index is named after its table, so it is removed under the old name and added under the new one.
        ops.RemoveIndex(model_name='Letter', fields=['sent_at', 'id']),
        ops.RenameModel('Letter', 'Email'),
        ops.AddIndex(model_name='Email', index=Index(fields=['sent_at', 'id'])),
    ]
