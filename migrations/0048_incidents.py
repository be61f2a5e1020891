"""The register of incidents."""

from models.database.append_only import allow_changes, refuse_changes
from tortoise import migrations
from tortoise.migrations import operations as ops
from models.privacy.incident import IncidentEntryKind, IncidentSeverity, IncidentStatus
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields

_APPEND_ONLY = ('incident_entry',)


async def _refuse_changes(apps, editor):
    await refuse_changes(editor.client, _APPEND_ONLY)


async def _allow_changes(apps, editor):
    await allow_changes(editor.client, _APPEND_ONLY)


class Migration(migrations.Migration):
    dependencies = [('models', '0047_notes')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Incident',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('reporter', fields.ForeignKeyField('models.User', source_field='reporter_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('ticket', fields.ForeignKeyField('models.Ticket', source_field='ticket_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('reporter_name', fields.CharField(default='', max_length=100)),
                ('reporter_email', fields.CharField(default='', max_length=254)),
                ('description', fields.TextField(unique=False)),
                ('noticed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('reported_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('aware_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('deadline_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('reminder_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('status', fields.CharEnumField(default=IncidentStatus.REPORTED, description='REPORTED: REPORTED\nASSESSING: ASSESSING\nCONFIRMED: CONFIRMED\nDISMISSED: DISMISSED\nCLOSED: CLOSED', enum_type=IncidentStatus, max_length=9)),
                ('severity', fields.CharEnumField(null=True, description='LOW: LOW\nMEDIUM: MEDIUM\nHIGH: HIGH', enum_type=IncidentSeverity, max_length=6)),
                ('data_categories', fields.TextField(default='', unique=False)),
                ('people_count', fields.IntField(null=True)),
                ('record_count', fields.IntField(null=True)),
                ('consequences', fields.TextField(default='', unique=False)),
                ('measures', fields.TextField(default='', unique=False)),
                ('authority_required', fields.BooleanField(null=True)),
                ('authority_reason', fields.TextField(default='', unique=False)),
                ('authority_notified_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('authority_reference', fields.CharField(default='', max_length=100)),
                ('authority_delay_reason', fields.TextField(default='', unique=False)),
                ('people_required', fields.BooleanField(null=True)),
                ('people_reason', fields.TextField(default='', unique=False)),
                ('people_notified_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('closed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('webhook_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('webhook_attempts', fields.IntField(default=0)),
            ],
            options={'table': 'incident', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One incident. `aware_at` starts the 72 hours. A decision whether to notify the authority or'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='IncidentEntry',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('incident', fields.ForeignKeyField('models.Incident', source_field='incident_id', db_constraint=True, to_field='id', related_name='entries', on_delete=OnDelete.RESTRICT)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('actor', fields.ForeignKeyField('models.User', source_field='actor_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('kind', fields.CharEnumField(description='REPORTED: REPORTED\nSTATUS_CHANGED: STATUS_CHANGED\nUPDATED: UPDATED\nNOTE: NOTE\nDECIDED: DECIDED\nNOTIFIED: NOTIFIED', enum_type=IncidentEntryKind, max_length=14)),
                ('text', fields.TextField(default='', unique=False)),
                ('details', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={'table': 'incident_entry', 'app': 'models', 'pk_attr': 'id', 'table_description': 'An entry of the register, which is never changed or deleted. `details` holds the changed'},
            bases=['Model'],
        ),
        ops.RunPython(_refuse_changes, _allow_changes),
    ]
