"""Notices of breaches: drafts of what the authority and the people concerned are told, in versions
that are never changed and stay for five years at least.
"""

from models.database.append_only import allow_changes, refuse_changes_for_five_years
from tortoise import migrations
from tortoise.migrations import operations as ops
from models.privacy.incident import IncidentAudience
from models.privacy.incident_notice import IncidentNoticeStatus, NoticeStage
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields


async def _refuse_changes(apps, editor):
    await refuse_changes_for_five_years(editor.client, 'incident_notice_version', 'at')


async def _allow_changes(apps, editor):
    await allow_changes(editor.client, ['incident_notice_version'])


class Migration(migrations.Migration):
    dependencies = [('models', '0081_webhooks')]

    initial = False

    operations = [
        ops.CreateModel(
            name='IncidentNotice',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('incident', fields.ForeignKeyField('models.Incident', source_field='incident_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('audience', fields.CharEnumField(description='AUTHORITY: AUTHORITY\nPEOPLE: PEOPLE', enum_type=IncidentAudience, max_length=9)),
                ('stage', fields.CharEnumField(null=True, description='COMPLETE: COMPLETE\nINITIAL: INITIAL\nCOMPLEMENTARY: COMPLEMENTARY', enum_type=NoticeStage, max_length=13)),
                ('number', fields.IntField()),
                ('version', fields.IntField(default=1)),
                ('status', fields.CharEnumField(default=IncidentNoticeStatus.DRAFT, db_index=True, description='DRAFT: DRAFT\nCONFIRMING: CONFIRMING\nSENDING: SENDING\nSENT: SENT', enum_type=IncidentNoticeStatus, max_length=10)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('requester', fields.ForeignKeyField('models.User', source_field='requester_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('requested_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('confirmer', fields.ForeignKeyField('models.User', source_field='confirmer_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('is_for_everybody', fields.BooleanField(default=False)),
                ('account_ids', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('user_ids', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('last_user_id', fields.BigIntField(default=0)),
                ('recipient_count', fields.IntField(default=0)),
                ('unreachable_count', fields.IntField(default=0)),
                ('sent_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('reference', fields.CharField(default='', max_length=100)),
            ],
            options={'table': 'incident_notice', 'app': 'models', 'unique_together': (('incident', 'number'),), 'pk_attr': 'id', 'table_description': 'A notice of a breach to the authority or to the people concerned. `version` is the latest'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='IncidentNoticeVersion',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('notice', fields.ForeignKeyField('models.IncidentNotice', source_field='notice_id', db_constraint=True, to_field='id', related_name='versions', on_delete=OnDelete.RESTRICT)),
                ('number', fields.IntField()),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('author', fields.ForeignKeyField('models.User', source_field='author_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('content', fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={'table': 'incident_notice_version', 'app': 'models', 'unique_together': (('notice', 'number'),), 'pk_attr': 'id', 'table_description': 'A version of a notice, which is never changed. `content` is an AuthorityContent or a'},
            bases=['Model'],
        ),
        ops.RunPython(_refuse_changes, _allow_changes),
    ]
