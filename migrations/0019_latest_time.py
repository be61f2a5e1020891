from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0018_repeated_refreshes')]

    initial = False

    operations = [
        ops.CreateModel(
            name='LatestTime',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'latest_time', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The latest recorded time, in a single row.'},
            bases=['Model'],
        ),
    ]
