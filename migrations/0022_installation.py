from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0021_ticket_positions')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Installation',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('key_fingerprint', fields.CharField(null=True, max_length=64)),
                ('database_identity', fields.CharField(null=True, max_length=100)),
                ('held_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'installation', 'app': 'models', 'pk_attr': 'id'},
            bases=['Model'],
        ),
    ]
