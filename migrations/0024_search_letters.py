import json

from models.database.sql import execute
from models.text import search_text
from tortoise import migrations
from tortoise.migrations import operations as ops

_BATCH = 1000


async def _fill(apps, editor):
    """Normalize the search columns again: more letters have a plain spelling, and words with
    punctuation are also found without it.
    """
    for table, columns in (("account", ("legal_name", "trade_name", "siren")), ('"user"', ("name", "email"))):
        await _update(editor.client, table, columns, lambda row, columns=columns: {
            "searched": search_text(*(row[column] or "" for column in columns))
        })
    await _update(editor.client, "article", ("texts",), _article_texts)


def _article_texts(row):
    texts = json.loads(row["texts"]) if isinstance(row["texts"], str) else row["texts"]
    return {
        f"searched_{locale}": search_text(text["title"], text["summary"], text["body"])
        for locale, text in texts.items()
    }


async def _update(db, table, columns, searched):
    last, read = 0, f"SELECT id, {', '.join(columns)} FROM {table} WHERE id > ? ORDER BY id LIMIT {_BATCH}"  # noqa: S608 - our names
    while rows := await execute(read, last, db=db):
        for row in rows:
            values = searched(row)
            assignments = ", ".join(f"{name} = ?" for name in values)
            await execute(f"UPDATE {table} SET {assignments} WHERE id = ?", *values.values(), row["id"], db=db)  # noqa: S608 - ours
        last = rows[-1]["id"]


async def _nothing(apps, editor):
    """Nothing to do: the earlier version finds people by these texts too."""


class Migration(migrations.Migration):
    dependencies = [('models', '0023_email_priority')]

    initial = False

    operations = [ops.RunPython(_fill, _nothing)]
