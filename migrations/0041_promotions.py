"""Trials and promotion codes."""

from json import loads

from models.billing.offer import Interval, Segment
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.database.table_changes import ChangeTable


class Migration(migrations.Migration):
    dependencies = [('models', '0040_catalogue')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Promotion',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('code', fields.CharField(unique=True, max_length=40)),
                ('basis_points', fields.IntField(null=True)),
                ('amount_cents', fields.BigIntField(null=True)),
                ('periods', fields.IntField(null=True)),
                ('valid_from', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('valid_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('max_redemptions', fields.IntField(null=True)),
                ('once_per_company', fields.BooleanField(default=True)),
                ('segment', fields.CharEnumField(null=True, description='segment', enum_type=Segment, max_length=3)),
                ('interval', fields.CharEnumField(null=True, description='interval', enum_type=Interval, max_length=5)),
                ('offer_ids', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('minimum_quantity', fields.IntField(default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('deactivated_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'promotion', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A code that takes a share (`basis_points`: 2000 is 20 %) or an amount in cents off the net'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PromotionRedemption',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('promotion', fields.ForeignKeyField('models.Promotion', source_field='promotion_id', db_constraint=True, to_field='id', related_name='redemptions', on_delete=OnDelete.RESTRICT)),
                ('purchase', fields.OneToOneField('models.Purchase', source_field='purchase_id', db_constraint=True, to_field='id', related_name='promotion_redemption', on_delete=OnDelete.RESTRICT)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name='promotion_redemptions', on_delete=OnDelete.RESTRICT)),
                ('company', fields.CharField(max_length=64)),
                ('redeemed_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'promotion_redemption', 'app': 'models', 'indexes': [Index(fields=['promotion_id', 'company'])], 'pk_attr': 'id', 'table_description': 'The use of a code for a purchase. It is stored when the purchase is paid for or starts, and'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='OfferTrial',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('offer', fields.ForeignKeyField('models.Offer', source_field='offer_id', db_constraint=True, to_field='id', related_name='trials', on_delete=OnDelete.RESTRICT)),
                ('company', fields.CharField(max_length=64)),
                ('purchase', fields.OneToOneField('models.Purchase', source_field='purchase_id', db_constraint=True, to_field='id', related_name='trial', on_delete=OnDelete.RESTRICT)),
                ('started_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'offer_trial', 'app': 'models', 'unique_together': (('offer', 'company'),), 'pk_attr': 'id', 'table_description': 'The trial of an offer by a company, which is a hash (models/billing/company.py). The'},
            bases=['Model'],
        ),
        ChangeTable(
            'Purchase',
            set_fields={
                'promotion': fields.ForeignKeyField('models.Promotion', source_field='promotion_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='purchases', on_delete=OnDelete.RESTRICT),
                'promotion_periods_left': fields.IntField(null=True),
                'trial_reminded_at': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
            },
        ),
    ]
