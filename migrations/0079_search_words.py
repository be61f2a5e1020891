"""Empty the full-text index: the job fills it again, with words without their punctuation as well.
Until it is done, searches find what is indexed already.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

from models.database.sql import execute


async def _empty(apps, editor):
    await execute("DELETE FROM search_entry", db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0078_team_macros')]

    initial = False

    operations = [ops.RunPython(_empty, _empty)]
