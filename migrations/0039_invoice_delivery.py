"""The delivery of invoices, statuses of platforms, and collected amounts."""

from models.billing.delivery import DeliveryChannel, DeliveryState
from models.billing.platform_status import PlatformStatusCode
from models.database.append_only import allow_changes, refuse_changes
from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


_APPEND_ONLY = ('platform_status',)


async def _refuse_changes(apps, editor):
    await refuse_changes(editor.client, _APPEND_ONLY)


async def _allow_changes(apps, editor):
    await allow_changes(editor.client, _APPEND_ONLY)


class Migration(migrations.Migration):
    dependencies = [('models', '0038_refund_checks')]

    initial = False

    operations = [
        ops.CreateModel(
            name='InvoiceDelivery',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('invoice', fields.OneToOneField('models.Invoice', source_field='invoice_id', db_constraint=True, to_field='id', related_name='delivery', on_delete=OnDelete.RESTRICT)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_index=True, db_constraint=True, to_field='id', related_name='deliveries', on_delete=OnDelete.RESTRICT)),
                ('channel', fields.CharEnumField(description='channel', enum_type=DeliveryChannel, max_length=20)),
                ('state', fields.CharEnumField(default=DeliveryState.WAITING, description='state', enum_type=DeliveryState, max_length=20)),
                ('flow_id', fields.CharField(null=True, unique=True, max_length=36)),
                ('status', fields.CharEnumField(null=True, description='status at the platforms', enum_type=PlatformStatusCode, max_length=20)),
                ('status_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('reason_code', fields.CharField(null=True, max_length=40)),
                ('reason', fields.CharField(null=True, max_length=500)),
                ('attempts', fields.IntField(default=0)),
                ('next_attempt_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('error', fields.CharField(null=True, max_length=60)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('sent_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'invoice_delivery', 'app': 'models', 'indexes': [Index(fields=['state', 'id'])], 'pk_attr': 'id', 'table_description': 'The delivery of one document: one flow at the platform (XP Z12-013), whose `trackingId` is'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PlatformStatus',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('delivery', fields.ForeignKeyField('models.InvoiceDelivery', source_field='delivery_id', db_index=True, db_constraint=True, to_field='id', related_name='statuses', on_delete=OnDelete.RESTRICT)),
                ('flow_id', fields.CharField(max_length=36)),
                ('status', fields.CharEnumField(description='status at the platforms', enum_type=PlatformStatusCode, max_length=20)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('reason_code', fields.CharField(null=True, max_length=40)),
                ('reason', fields.CharField(null=True, max_length=500)),
                ('stored_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'platform_status', 'app': 'models', 'unique_together': (('flow_id', 'delivery', 'status'),), 'pk_attr': 'id', 'table_description': 'A status of an invoice that the platform reported, or that was reported to it. Each message'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='CollectionReport',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('allocation', fields.OneToOneField('models.Allocation', source_field='allocation_id', db_constraint=True, to_field='id', related_name='collection_report', on_delete=OnDelete.RESTRICT)),
                ('delivery', fields.ForeignKeyField('models.InvoiceDelivery', source_field='delivery_id', db_index=True, db_constraint=True, to_field='id', related_name='collection_reports', on_delete=OnDelete.RESTRICT)),
                ('amount_cents', fields.BigIntField()),
                ('bands', fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ('state', fields.CharEnumField(default=DeliveryState.WAITING, description='state', enum_type=DeliveryState, max_length=20)),
                ('flow_id', fields.CharField(null=True, max_length=36)),
                ('attempts', fields.IntField(default=0)),
                ('next_attempt_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('error', fields.CharField(null=True, max_length=60)),
                ('collected_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'collection_report', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A payment of an invoice that is reported to the platform (status 212), negative when it is'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PlatformCursor',
            fields=[
                ('platform', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=20)),
                ('updated_after', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('claimed_until', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'platform_cursor', 'app': 'models', 'pk_attr': 'platform', 'table_description': 'How far the statuses of a platform were read: the time of its last flow. One process at a'},
            bases=['Model'],
        ),
        ops.RunPython(_refuse_changes, _allow_changes),
    ]
