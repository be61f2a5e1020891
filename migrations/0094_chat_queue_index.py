"""The index of the queue of live chats by category. Creating it blocks nobody."""

from models.database.indexes import AddIndexConcurrently
from tortoise import migrations
from tortoise.indexes import Index


class Migration(migrations.Migration):
    dependencies = [('models', '0093_chat_categories')]

    initial = False
    atomic = False

    operations = [
        AddIndexConcurrently(
            model_name='LiveChat',
            index=Index(fields=['state', 'team_id', 'category', 'queued_at', 'ticket_id']),
        )
    ]
