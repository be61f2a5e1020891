"""The register of data requests."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from models.privacy.data_request import DataRequestDecision, DataRequestKind
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0071_team_calendars')]

    initial = False

    operations = [
        ops.CreateModel(
            name='DataRequest',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('recorder', fields.ForeignKeyField('models.User', source_field='recorder_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('kind', fields.CharEnumField(description='ACCESS: ACCESS\nPORTABILITY: PORTABILITY\nRECTIFICATION: RECTIFICATION\nERASURE: ERASURE\nRESTRICTION: RESTRICTION\nOBJECTION: OBJECTION', enum_type=DataRequestKind, max_length=13)),
                ('details', fields.TextField(unique=False)),
                ('received_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('deadline_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('reminder_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('extended_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('extension_reason', fields.TextField(default='', unique=False)),
                ('decision', fields.CharEnumField(null=True, description='GRANTED: GRANTED\nPARTLY_GRANTED: PARTLY_GRANTED\nREFUSED: REFUSED', enum_type=DataRequestDecision, max_length=14)),
                ('answer', fields.TextField(default='', unique=False)),
                ('decided_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('decider', fields.ForeignKeyField('models.User', source_field='decider_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
            ],
            options={'table': 'data_request', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One request. `recorder` is the operator who recorded it for somebody who wrote or called,'},
            bases=['Model'],
        ),
    ]
