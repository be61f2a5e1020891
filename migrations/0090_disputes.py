"""Indexes for the list of disputes of all companies. There are few disputes, so creating them takes no time."""

from models.database.indexes import AddIndexConcurrently
from tortoise import migrations
from tortoise.indexes import Index

INDEXES = (
    ('Dispute', 'status', 'created_at', 'id'),
    ('Dispute', 'created_at', 'id'),
)


class Migration(migrations.Migration):
    dependencies = [('models', '0089_buyer_erasures')]

    initial = False
    atomic = False

    operations = [AddIndexConcurrently(model_name=model, index=Index(fields=fields)) for model, *fields in INDEXES]
