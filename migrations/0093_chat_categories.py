"""The category of live chats, a copy of their ticket's, for the queue. Processes of the former release
leave it empty in the chats that they change; the router and the places take such chats for ones of any
category until they change again.
"""

from models.database.sql import execute
from models.support.classification import Category
from tortoise import fields, migrations
from tortoise.migrations import operations as ops


async def _copy(apps, editor):
    """The chats that wait or are answered now: others get it when they are reopened."""
    await execute(
        "UPDATE live_chat SET category = (SELECT category FROM ticket WHERE id = ticket_id) "
        "WHERE state IN ('WAITING', 'ACTIVE')",
        db=editor.client,
    )


async def _keep(apps, editor):
    """Nothing to revert: the column goes."""


class Migration(migrations.Migration):
    dependencies = [('models', '0092_more_list_indexes')]

    initial = False

    operations = [
        ops.AddField(
            model_name='LiveChat',
            name='category',
            field=fields.CharEnumField(description='category', enum_type=Category, max_length=16, null=True),
        ),
        ops.RunPython(_copy, _keep),
    ]
