"""Indexes for lists of many rows: in their order, and by conditions that few rows meet. Creating them
takes some seconds for a million rows, and blocks nobody.
"""

from models.database.indexes import AddIndexConcurrently
from tortoise import migrations
from tortoise.indexes import Index

INDEXES = (
    ('BankLine', 'booked_on', 'id'),
    ('BankLine', 'amount_cents', 'id'),
    ('Call', 'outcome', 'started_at'),
    ('Invoice', 'issued_at', 'id'),
    ('InvoiceDelivery', 'status', 'id'),
    ('InvoiceDelivery', 'channel', 'id'),
    ('LedgerEntry', 'label_key', 'id'),
    ('LegalNameChange', 'updated_at', 'id'),
    ('Purchase', 'created_at', 'id'),
    ('Ticket', 'assignee_id', 'status'),
    ('Ticket', 'team_id', 'status'),
)


class Migration(migrations.Migration):
    dependencies = [('models', '0087_shared_content')]

    initial = False
    atomic = False

    operations = [AddIndexConcurrently(model_name=model, index=Index(fields=fields)) for model, *fields in INDEXES]
