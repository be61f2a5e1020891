from models.database.sql import execute
from models.text import fold_text
from tortoise import fields, migrations
from tortoise.migrations import operations as ops

_BATCH = 1000


async def _filled(apps, editor):
    """Fill the search column for existing people and companies."""
    await _fold(editor.client, "account", "legal_name", "trade_name", "siren")
    await _fold(editor.client, '"user"', "name", "email")


async def _fold(db, table, *columns):
    last, read = 0, f"SELECT id, {', '.join(columns)} FROM {table} WHERE id > ? ORDER BY id LIMIT {_BATCH}"  # noqa: S608 - our names
    while found := await execute(read, last, db=db):
        for row in found:
            text = fold_text(" ".join(row[column] or "" for column in columns))
            await execute(f"UPDATE {table} SET searched = ? WHERE id = ?", text, row["id"], db=db)  # noqa: S608 - ours
        last = found[-1]["id"]


async def _left(apps, editor):
    """Nothing to do: the columns are removed with the values."""


class Migration(migrations.Migration):
    dependencies = [('models', '0011_letters_given_up')]

    initial = False

    operations = [
        ops.AddField(model_name='User', name='searched', field=fields.TextField(null=True, unique=False)),
        ops.AddField(model_name='Account', name='searched', field=fields.TextField(null=True, unique=False)),
        ops.RunPython(_filled, _left),
    ]
