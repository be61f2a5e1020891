"""Edited and deleted messages with their earlier texts, reactions, and positions of staff."""

from models.database.sql import dialect, execute
from models.support.reaction import ReactionKind
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops

# The full-text index of SQLite follows changes of entries: until now there were none.
SQLITE = (
    'CREATE TRIGGER search_entry_update AFTER UPDATE ON search_entry BEGIN '
    "INSERT INTO search_entry_fts (search_entry_fts, rowid, stems) VALUES ('delete', old.id, old.stems); "
    'INSERT INTO search_entry_fts (rowid, stems) VALUES (new.id, new.stems); END'
)


async def _create(apps, editor):
    if dialect(editor.client) == 'sqlite':
        await execute(SQLITE, db=editor.client)


async def _drop(apps, editor):
    if dialect(editor.client) == 'sqlite':
        await execute('DROP TRIGGER search_entry_update', db=editor.client)


async def _fill(apps, editor):
    """Who is staff now was staff when they read the tickets."""
    await execute(
        'UPDATE ticket_position SET is_staff = ? WHERE user_id IN '
        '(SELECT id FROM "user" WHERE staff IS NOT NULL)',
        True,
        db=editor.client,
    )


async def _nothing(apps, editor):
    """Nothing to do: the column is removed."""


class Migration(migrations.Migration):
    dependencies = [('models', '0056_live_chat')]

    initial = False

    operations = [
        ops.CreateModel(
            name='MessageVersion',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('message', fields.ForeignKeyField('models.Message', source_field='message_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('body', fields.TextField(unique=False)),
                ('replaced_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'message_version', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A text that a message had until it was edited or deleted at `replaced_at`.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Reaction',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('message', fields.ForeignKeyField('models.Message', source_field='message_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('kind', fields.CharEnumField(description='what a person feels', enum_type=ReactionKind, max_length=12)),
            ],
            options={'table': 'reaction', 'app': 'models', 'unique_together': (('message', 'user', 'kind'),), 'pk_attr': 'id', 'table_description': "One person's reaction of one kind to one message."},
            bases=['Model'],
        ),
        ops.AddField(model_name='Message', name='is_final', field=fields.BooleanField(default=False, db_default=False)),
        ops.AddField(model_name='Message', name='edited_at', field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField(model_name='Message', name='deleted_at', field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField(model_name='TicketPosition', name='is_staff', field=fields.BooleanField(default=False, db_default=False)),
        ops.RunPython(_fill, _nothing),
        ops.RunPython(_create, _drop),
    ]
