"""Payment methods that customers save, the notifications of payment providers, and more of the sandbox's records."""

from models.billing.payment_method import PaymentKind
from models.billing.provider_event import ProviderEventStatus
from models.billing.refund import RefundStatus
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0032_document_requests')]

    initial = False

    operations = [
        ops.CreateModel(
            name='PaymentCustomer',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name='payment_customers', on_delete=OnDelete.RESTRICT)),
                ('provider', fields.CharField(max_length=20)),
                ('reference', fields.CharField(max_length=255)),
            ],
            options={'table': 'payment_customer', 'app': 'models', 'unique_together': (('account', 'provider'),), 'pk_attr': 'id', 'table_description': 'The reference under which a provider knows an account.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='ProviderEvent',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('provider', fields.CharField(max_length=20)),
                ('event_id', fields.CharField(max_length=255)),
                ('type', fields.CharField(max_length=80)),
                ('subject', fields.CharField(max_length=20)),
                ('reference', fields.CharField(max_length=255)),
                ('key', fields.CharField(null=True, max_length=64)),
                ('body', fields.BinaryField()),
                ('received_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('status', fields.CharEnumField(default=ProviderEventStatus.RECEIVED, description='status', enum_type=ProviderEventStatus, max_length=20)),
                ('handled_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('attempts', fields.IntField(default=0)),
                ('next_attempt_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ('error', fields.CharField(null=True, max_length=60)),
            ],
            options={'table': 'provider_event', 'app': 'models', 'unique_together': (('provider', 'event_id'),), 'indexes': [Index(fields=['status', 'received_at'])], 'pk_attr': 'id', 'table_description': 'One notification: its raw body, and what it is about in the terms of Notification'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SandboxDispute',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('reference', fields.CharField(unique=True, max_length=64)),
                ('charge_reference', fields.CharField(unique=True, max_length=64)),
                ('amount_cents', fields.BigIntField()),
                ('status', fields.CharField(max_length=20)),
                ('reason', fields.CharField(max_length=60)),
            ],
            options={'table': 'sandbox_dispute', 'app': 'models', 'pk_attr': 'id', 'table_description': "A charge that the customer's bank took back. The status is a DisputeStatus."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SandboxRefund',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('key', fields.CharField(unique=True, max_length=64)),
                ('reference', fields.CharField(unique=True, max_length=64)),
                ('charge_reference', fields.CharField(db_index=True, max_length=64)),
                ('amount_cents', fields.BigIntField()),
                ('status', fields.CharEnumField(description='status', enum_type=RefundStatus, max_length=20)),
                ('failure_code', fields.CharField(null=True, max_length=60)),
            ],
            options={'table': 'sandbox_refund', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A refund of a charge.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SandboxSetup',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('key', fields.CharField(unique=True, max_length=64)),
                ('reference', fields.CharField(unique=True, max_length=64)),
                ('kind', fields.CharEnumField(description='kind', enum_type=PaymentKind, max_length=20)),
                ('status', fields.CharField(max_length=20)),
                ('method', fields.CharField(null=True, max_length=64)),
                ('saved_method', fields.CharField(null=True, unique=True, max_length=64)),
                ('decline_code', fields.CharField(null=True, max_length=40)),
                ('return_url', fields.CharField(null=True, max_length=500)),
                ('saved_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('removed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'sandbox_setup', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The saving of a method. `method` is the token that was chosen, and `saved_method` that of the'},
            bases=['Model'],
        ),
        ops.AddField(model_name='SandboxCharge', name='return_url', field=fields.CharField(null=True, max_length=500)),
        ops.AddField(model_name='SandboxCharge', name='settles_at', field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField(model_name='Installation', name='reference', field=fields.CharField(null=True, max_length=16)),
        ops.AddField(model_name='Payment', name='provider', field=fields.CharField(default='sandbox', db_default='sandbox', max_length=20)),
        ops.AddField(model_name='Payment', name='return_url', field=fields.CharField(null=True, max_length=500)),
        ops.AddField(model_name='PaymentMethod', name='setup_reference', field=fields.CharField(null=True, db_index=True, max_length=255)),
        ops.AddField(model_name='PaymentMethod', name='replaces', field=fields.ForeignKeyField('models.PaymentMethod', source_field='replaces_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
        ops.AddField(model_name='PaymentMethod', name='decline_code', field=fields.CharField(null=True, max_length=40)),
        ops.AddField(model_name='PaymentMethod', name='notice_days', field=fields.IntField(null=True)),
        ops.AddField(model_name='PaymentMethod', name='detached_at', field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
    ]
