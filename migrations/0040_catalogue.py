"""Offers that operators manage: drafts, days of publication and withdrawal, planned prices."""

from models.billing.offer import OfferStatus
from tortoise import fields, migrations

from models.database.table_changes import ChangeTable


class Migration(migrations.Migration):
    dependencies = [('models', '0039_invoice_delivery')]

    initial = False

    operations = [
        ChangeTable(
            'Offer',
            set_fields={
                'status': fields.CharEnumField(default=OfferStatus.ON_SALE, description='status', enum_type=OfferStatus, max_length=20),
                'publishes_on': fields.DateField(null=True),
                'withdraws_on': fields.DateField(null=True),
            },
        ),
        ChangeTable(
            'Price',
            set_fields={
                'trial_requires_payment_method': fields.BooleanField(default=True),
                'is_public': fields.BooleanField(default=True),
            },
        ),
    ]
