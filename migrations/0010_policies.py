from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from models.locale import Locale
from models.content.policy import AcceptanceChannel, PolicyKind
from tortoise import fields

# An acceptance may be deleted: with its person, and with an unverified sign-up that somebody else takes over.
_SQLITE = (
    "CREATE TRIGGER policy_unchanged BEFORE UPDATE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END",
    "CREATE TRIGGER policy_kept BEFORE DELETE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END",
    "CREATE TRIGGER policy_acceptance_unchanged BEFORE UPDATE ON policy_acceptance BEGIN SELECT RAISE(ABORT, 'policy_acceptance is never changed'); END",
)
_POSTGRES = (
    "CREATE FUNCTION policy_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
    "CREATE TRIGGER policy_kept BEFORE UPDATE OR DELETE ON policy FOR EACH ROW EXECUTE FUNCTION policy_kept()",
    "CREATE TRIGGER policy_whole BEFORE TRUNCATE ON policy FOR EACH STATEMENT EXECUTE FUNCTION policy_kept()",
    "CREATE TRIGGER policy_acceptance_unchanged BEFORE UPDATE ON policy_acceptance FOR EACH ROW EXECUTE FUNCTION policy_kept()",
)
_RELEASE = {
    "sqlite": ("DROP TRIGGER policy_acceptance_unchanged", "DROP TRIGGER policy_kept", "DROP TRIGGER policy_unchanged"),
    "postgres": (
        "DROP TRIGGER policy_acceptance_unchanged ON policy_acceptance", "DROP TRIGGER policy_whole ON policy",
        "DROP TRIGGER policy_kept ON policy", "DROP FUNCTION policy_kept()",
    ),
}


async def _kept(apps, editor):
    """Add triggers that refuse to change installed policies and acceptances."""
    for statement in _POSTGRES if editor.client.capabilities.dialect == "postgres" else _SQLITE:
        await editor.client.execute_query(statement)


async def _released(apps, editor):
    for statement in _RELEASE[editor.client.capabilities.dialect]:
        await editor.client.execute_query(statement)


class Migration(migrations.Migration):
    dependencies = [('models', '0009_legal_names')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Policy',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('kind', fields.CharEnumField(description='PRIVACY: PRIVACY\nTERMS: TERMS', enum_type=PolicyKind, max_length=7)),
                ('version', fields.CharField(max_length=20)),
                ('effective_on', fields.DateField()),
                ('text_fr', fields.TextField(unique=False)),
                ('text_en', fields.TextField(unique=False)),
                ('sha256', fields.CharField(max_length=64)),
                ('installed_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'policy', 'app': 'models', 'unique_together': (('kind', 'version'),), 'pk_attr': 'id', 'table_description': 'One version of a text, in every language, in force from a day of Europe/Paris until the next one is.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PolicyAcceptance',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_constraint=True, to_field='id', related_name='policy_acceptances', on_delete=OnDelete.CASCADE)),
                ('policy', fields.ForeignKeyField('models.Policy', source_field='policy_id', db_constraint=True, to_field='id', related_name='acceptances', on_delete=OnDelete.RESTRICT)),
                ('accepted_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('locale', fields.CharEnumField(description='FR: fr\nEN: en', enum_type=Locale, max_length=2)),
                ('channel', fields.CharEnumField(description='SIGN_UP: SIGN_UP\nINVITATION: INVITATION\nSETTINGS: SETTINGS', enum_type=AcceptanceChannel, max_length=10)),
            ],
            options={'table': 'policy_acceptance', 'app': 'models', 'unique_together': (('user', 'policy'),), 'pk_attr': 'id', 'table_description': 'One person’s acceptance of one version: when, in which language they read it, and where. Rows are never changed.'},
            bases=['Model'],
        ),
        ops.RunPython(_kept, _released),
    ]
