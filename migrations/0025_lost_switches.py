from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0024_search_letters')]

    initial = False

    operations = [
        ops.AddField(model_name='Session', name='switched_to', field=fields.ForeignKeyField('models.Session', source_field='switched_to_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
    ]
