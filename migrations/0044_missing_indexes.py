"""Indexes of the models that were never created: Tortoise's AddField adds a column without its index."""

from models.database.sql import dialect, execute
from tortoise import migrations
from tortoise.migrations import operations as ops

INDEXES = {
    'idx_email_account_71d5b9': '"email" ("account_id")',
    'idx_email_message_d31ac1': '"email" ("message_key")',
    'idx_email_ticket__06a2f8': '"email" ("ticket_id")',
    'idx_email_user_id_39cb65': '"email" ("user_id")',
    'idx_file_legal_n_88c475': '"file" ("legal_name_change_id")',
    'idx_payment_met_setup_r_169811': '"payment_method" ("setup_reference")',
    'idx_payment_purchas_dc900a': '"payment" ("purchase_change_id")',
    'idx_ticket_deadlin_20e64a': '"ticket" ("deadline_at")',
    'idx_ticket_deadlin_748f2e': '"ticket" ("deadline_reminder_at")',
    'idx_ticket_reply_e_ae971d': '"ticket" ("reply_email_pending_since")',
}
SQLITE_INDEXES = {'idx_payment_met_token_6f4f58': '"payment_method" ("token")'}


def _indexes(editor):
    return INDEXES | (SQLITE_INDEXES if dialect(editor.client) == 'sqlite' else {})


async def _create(apps, editor):
    for name, columns in _indexes(editor).items():
        await execute(f'CREATE INDEX "{name}" ON {columns}', db=editor.client)


async def _drop(apps, editor):
    for name in _indexes(editor):
        await execute(f'DROP INDEX "{name}"', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0043_incoming_emails')]

    initial = False

    operations = [ops.RunPython(_create, _drop)]
