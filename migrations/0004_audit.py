from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

_BEGIN = "INSERT INTO audit_chain (id, expired_sequence, expired_hash, last_sequence, last_hash) SELECT 1, 0, zero, 0, zero FROM (SELECT '0000000000000000000000000000000000000000000000000000000000000000' AS zero) AS beginning"
# The one exception is expired entries: the beginning of the chain is moved first, and the proof checks it.
_SQLITE = (
    """
    CREATE TRIGGER audit_entry_unchanged BEFORE UPDATE ON audit_entry
    BEGIN SELECT RAISE(ABORT, 'audit_entry is append-only'); END
    """,
    """
    CREATE TRIGGER audit_entry_kept BEFORE DELETE ON audit_entry
    WHEN OLD.id > COALESCE((SELECT expired_sequence FROM audit_chain WHERE id = 1), 0)
    BEGIN SELECT RAISE(ABORT, 'audit_entry is append-only'); END
    """,
)
_POSTGRES = (
    """
    CREATE FUNCTION audit_entry_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.id <= (SELECT expired_sequence FROM audit_chain WHERE id = 1) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION 'audit_entry is append-only';
    END $$
    """,
    "CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_entry_kept()",
    "CREATE TRIGGER audit_entry_whole BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_kept()",
)
_RELEASE = {
    "sqlite": ("DROP TRIGGER audit_entry_kept", "DROP TRIGGER audit_entry_unchanged"),
    "postgres": (
        "DROP TRIGGER audit_entry_whole ON audit_entry", "DROP TRIGGER audit_entry_kept ON audit_entry", "DROP FUNCTION audit_entry_kept()",
    ),
}


async def _kept(apps, editor):
    """Insert the chain's only row, and add triggers that refuse to change or delete entries."""
    for statement in (_BEGIN, *(_POSTGRES if editor.client.capabilities.dialect == "postgres" else _SQLITE)):
        await editor.client.execute_query(statement)


async def _released(apps, editor):
    for statement in _RELEASE[editor.client.capabilities.dialect]:
        await editor.client.execute_query(statement)


class Migration(migrations.Migration):
    dependencies = [('models', '0003_access')]

    initial = False

    operations = [
        ops.CreateModel(
            name='AuditChain',
            fields=[
                ('id', fields.IntField(generated=False, primary_key=True, unique=True, db_index=True)),
                ('expired_sequence', fields.BigIntField(default=0)),
                ('expired_hash', fields.CharField(default='0000000000000000000000000000000000000000000000000000000000000000', max_length=64)),
                ('last_sequence', fields.BigIntField(default=0)),
                ('last_hash', fields.CharField(default='0000000000000000000000000000000000000000000000000000000000000000', max_length=64)),
            ],
            options={'table': 'audit_chain', 'app': 'models', 'pk_attr': 'id', 'table_description': 'Both ends of the chain, one row: the last entry that expired with its hash, and the last one of all with its own.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', fields.BigIntField(generated=False, primary_key=True, unique=True, db_index=True)),
                ('at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('actor_id', fields.BigIntField(null=True)),
                ('staff', fields.CharField(null=True, max_length=10)),
                ('account_id', fields.BigIntField(null=True)),
                ('session_id', fields.BigIntField(null=True)),
                ('action', fields.CharField(max_length=40)),
                ('object_type', fields.CharField(null=True, max_length=40)),
                ('object_id', fields.BigIntField(null=True)),
                ('address', fields.CharField(null=True, max_length=45)),
                ('details', fields.TextField(unique=False)),
                ('previous_hash', fields.CharField(max_length=64)),
                ('hash', fields.CharField(max_length=64)),
            ],
            options={'table': 'audit_entry', 'app': 'models', 'indexes': [Index(fields=['account_id', 'id']), Index(fields=['actor_id', 'id']), Index(fields=['action', 'id']), Index(fields=['object_type', 'object_id'])], 'pk_attr': 'id', 'table_description': 'One act. Its key is its number in the chain, without gaps. It refers to no row, so it outlives them all.'},
            bases=['Model'],
        ),
        ops.RunPython(_kept, _released),
    ]
