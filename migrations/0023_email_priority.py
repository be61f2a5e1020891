from models.database.sql import execute
from models.operations.email import EmailPriority
from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

_URGENT = (
    'email_change', 'email_change_requested', 'email_change_taken', 'email_changed', 'password_changed',
    'password_reset', 'payment_confirmation_needed', 'second_factor_changed', 'second_factor_reset',
    'sessions_ended', 'sign_in_unlock', 'staff_welcome', 'verification',
)


async def _prioritize(apps, editor):
    """Waiting emails get the priority of their template."""
    for name in _URGENT:
        await execute(
            "UPDATE email SET priority = 0 WHERE next_attempt_at IS NOT NULL AND template IN (?, ?)",
            f"{name}.fr",
            f"{name}.en",
            db=editor.client,
        )


async def _nothing(apps, editor):
    """Nothing to do: the column is removed with the values."""


class Migration(migrations.Migration):
    dependencies = [('models', '0022_installation')]

    initial = False

    operations = [
        ops.AddField(
            model_name='Email',
            name='priority',
            field=fields.IntEnumField(default=EmailPriority.NORMAL, description='URGENT: 0\nNORMAL: 10', db_default=10, enum_type=EmailPriority, generated=False),
        ),
        ops.AddIndex(
            model_name='Email',
            index=Index(fields=['priority', 'next_attempt_at', 'id']),
        ),
        ops.RunPython(_prioritize, _nothing),
    ]
