from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [('models', '0006_authenticators')]

    initial = False

    operations = [
        ops.CreateModel(
            name='SignInUnlock',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_index=True, db_constraint=True, to_field='id', related_name='sign_in_unlocks', on_delete=OnDelete.CASCADE)),
                ('token_hash', fields.CharField(unique=True, max_length=64)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'sign_in_unlock', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One letter whose reader need not wait for those who guess. Rows go once the person has signed in by one, and expire.'},
            bases=['Model'],
        ),
    ]
