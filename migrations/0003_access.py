from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0002_people')]

    initial = False

    operations = [
        ops.CreateModel(
            name='EmailChange',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.OneToOneField('models.User', source_field='user_id', db_constraint=True, to_field='id', related_name='email_change', on_delete=OnDelete.CASCADE)),
                ('email', fields.CharField(max_length=254)),
                ('new_token_hash', fields.CharField(unique=True, max_length=64)),
                ('old_token_hash', fields.CharField(null=True, unique=True, max_length=64)),
                ('new_confirmed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('old_confirmed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('session_id', fields.BigIntField()),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'email_change', 'app': 'models', 'pk_attr': 'id', 'table_description': "A person's wish for another address, of which there is one at a time. It goes once fulfilled, replaced or called off."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PasswordReset',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_index=True, db_constraint=True, to_field='id', related_name='password_resets', on_delete=OnDelete.CASCADE)),
                ('token_hash', fields.CharField(unique=True, max_length=64)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'password_reset', 'app': 'models', 'pk_attr': 'id', 'table_description': "One letter that lets its reader set a new password. Rows go once one of a person's is used, and when they expire."},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='Session',
            name='device',
            field=fields.CharField(null=True, max_length=60),
        ),
        ops.AddField(
            model_name='Session',
            name='fresh_until',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Session',
            name='last_used_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='User',
            name='totp_next',
            field=fields.CharField(null=True, max_length=200),
        ),
    ]
