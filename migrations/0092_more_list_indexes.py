"""Indexes for lists of many rows: of one category, priority or reason, which few rows may have, and of
one company's movements in their order. Creating them takes some seconds for a million rows, and
blocks nobody.
"""

from models.database.indexes import AddIndexConcurrently
from tortoise import migrations
from tortoise.indexes import Index

INDEXES = (
    ('IncomingEmail', 'reason', 'id'),
    ('LedgerEntry', 'account_id', 'id'),
    ('Ticket', 'category', 'updated_at'),
    ('Ticket', 'priority', 'updated_at'),
)


class Migration(migrations.Migration):
    dependencies = [('models', '0091_search_index')]

    initial = False
    atomic = False

    operations = [AddIndexConcurrently(model_name=model, index=Index(fields=fields)) for model, *fields in INDEXES]
