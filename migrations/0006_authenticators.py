from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from models.identity.authenticator import AuthenticatorKind
from tortoise import fields


async def _moved(apps, editor):
    """Turn each person's app into a row. Secrets that were never confirmed are dropped; setting up starts again."""
    await editor.client.execute_script(
        "INSERT INTO authenticator (user_id, kind, name, created_at, confirmed_at, secret, last_step, sign_count)"
        " SELECT id, 'TOTP', 'Application', second_factor_at, second_factor_at, totp_secret, totp_last_step, 0"
        ' FROM "user" WHERE totp_secret IS NOT NULL AND second_factor_at IS NOT NULL'
    )


async def _moved_back(apps, editor):
    """Keep each person's first app. People who only have passkeys lose their second factor."""
    first = '(SELECT min(id) FROM authenticator a WHERE a.user_id = "user".id AND a.secret IS NOT NULL AND a.confirmed_at IS NOT NULL)'
    await editor.client.execute_script(
        f'UPDATE "user" SET totp_secret = (SELECT secret FROM authenticator WHERE id = {first}),'  # noqa: S608 - a constant
        f" totp_last_step = coalesce((SELECT last_step FROM authenticator WHERE id = {first}), 0);"
        ' UPDATE "user" SET second_factor_at = NULL WHERE totp_secret IS NULL'
    )


class Migration(migrations.Migration):
    dependencies = [('models', '0005_quarantine')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Authenticator',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_index=True, db_constraint=True, to_field='id', related_name='authenticators', on_delete=OnDelete.CASCADE)),
                ('kind', fields.CharEnumField(description='TOTP: TOTP\nPASSKEY: PASSKEY', enum_type=AuthenticatorKind, max_length=8)),
                ('name', fields.CharField(max_length=60)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('confirmed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('last_used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('secret', fields.CharField(null=True, max_length=200)),
                ('last_step', fields.BigIntField(default=0)),
                ('credential_id', fields.CharField(null=True, unique=True, max_length=1400)),
                ('public_key', fields.TextField(null=True, unique=False)),
                ('sign_count', fields.BigIntField(default=0)),
            ],
            options={'table': 'authenticator', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One authenticator of a person, which counts once it is confirmed.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='WebauthnChallenge',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('challenge_hash', fields.CharField(unique=True, max_length=64)),
                ('registers', fields.ForeignKeyField('models.User', source_field='registers_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='webauthn_challenges', on_delete=OnDelete.CASCADE)),
                ('expires_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'webauthn_challenge', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A challenge that waits for its answer: stored as a hash, good for one answer, for minutes, and for one purpose.'},
            bases=['Model'],
        ),
        ops.RenameField(model_name='User', old_name='totp_confirmed_at', new_name='second_factor_at'),
        ops.AddField(
            model_name='User',
            name='authenticators_changed_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.RunPython(_moved, _moved_back),
        ops.RemoveField(model_name='User', name='totp_secret'),
        ops.RemoveField(model_name='User', name='totp_last_step'),
        ops.RemoveField(model_name='User', name='totp_next'),
    ]
