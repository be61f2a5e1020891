from json import loads

from models.database.sql import execute
from models.support.opening_hours import HolidayCalendar
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.migrations import operations as ops


async def _add_default(apps, editor):
    """The hours that customers have been promised so far are the default calendar."""
    statement = (
        "INSERT INTO calendar (name, time_zone, week, holidays, is_default, created_at) VALUES "
        "('Support', 'Europe/Paris', '[[[540, 1080]], [[540, 1080]], [[540, 1080]], [[540, 1080]], "
        "[[540, 1080]], [], []]', 'FRANCE', TRUE, '2026-01-01 00:00:00+00:00')"
    )
    await execute(statement, db=editor.client)


async def _nothing(apps, editor):
    """Nothing to do: the table is removed with the row."""


class Migration(migrations.Migration):
    dependencies = [('models', '0041_promotions')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Calendar',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('name', fields.CharField(max_length=100)),
                ('time_zone', fields.CharField(max_length=64)),
                ('week', fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ('holidays', fields.CharEnumField(description='holidays', enum_type=HolidayCalendar, max_length=16)),
                ('is_default', fields.BooleanField(default=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'calendar', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A calendar. `week` holds the hours of each day from Monday on, in minutes since midnight in'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Closure',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('calendar', fields.ForeignKeyField('models.Calendar', source_field='calendar_id', db_index=True, db_constraint=True, to_field='id', related_name='closures', on_delete=OnDelete.CASCADE)),
                ('starts_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('ends_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('reason', fields.CharField(max_length=200)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'closure', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A time from and until which a calendar is closed although its hours say otherwise.'},
            bases=['Model'],
        ),
        ops.RunPython(_add_default, _nothing),
    ]
