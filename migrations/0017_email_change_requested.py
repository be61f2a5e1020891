from tortoise import migrations
from tortoise.migrations import operations as ops


async def _rename(apps, editor):
    """The content of an email with a token is deleted by the name of its template, so waiting emails get the new name."""
    await _replace(editor.client, 'email_change_asked', 'email_change_requested')


async def _restore(apps, editor):
    await _replace(editor.client, 'email_change_requested', 'email_change_asked')


async def _replace(client, old, new):
    await client.execute_script(f"UPDATE email SET template = replace(template, '{old}', '{new}')")  # noqa: S608 - constants


class Migration(migrations.Migration):
    dependencies = [('models', '0016_emails')]

    initial = False

    operations = [
        ops.RunPython(_rename, _restore),
    ]
