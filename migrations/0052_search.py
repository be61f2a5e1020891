"""The full-text index of tickets."""

from models.database.sql import dialect, execute
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops

SQLITE = (
    'CREATE VIRTUAL TABLE search_entry_fts USING fts5(stems, content=search_entry, content_rowid=id)',
    'CREATE TRIGGER search_entry_insert AFTER INSERT ON search_entry BEGIN '
    'INSERT INTO search_entry_fts (rowid, stems) VALUES (new.id, new.stems); END',
    'CREATE TRIGGER search_entry_delete AFTER DELETE ON search_entry BEGIN '
    "INSERT INTO search_entry_fts (search_entry_fts, rowid, stems) VALUES ('delete', old.id, old.stems); END",
)
POSTGRES = ("CREATE INDEX idx_search_entry_stems ON search_entry USING gin (to_tsvector('simple', stems))",)


async def _create(apps, editor):
    for statement in SQLITE if dialect(editor.client) == 'sqlite' else POSTGRES:
        await execute(statement, db=editor.client)


async def _drop(apps, editor):
    """The triggers and the index are removed with the table."""
    if dialect(editor.client) == 'sqlite':
        await execute('DROP TABLE search_entry_fts', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0051_escalations')]

    initial = False

    operations = [
        ops.CreateModel(
            name='SearchEntry',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('message', fields.OneToOneField('models.Message', source_field='message_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('note', fields.OneToOneField('models.Note', source_field='note_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('internal', fields.BooleanField()),
                ('stems', fields.TextField(unique=False)),
            ],
            options={'table': 'search_entry', 'app': 'models', 'pk_attr': 'id', 'table_description': "The stems of a ticket's subject, of a message or of a note. Those of notes are `internal`."},
            bases=['Model'],
        ),
        ops.RunPython(_create, _drop),
    ]
