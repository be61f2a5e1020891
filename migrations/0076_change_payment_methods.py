"""Whether the payment method that pays a change is that of the purchase from then on."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [('models', '0075_status_failures')]

    initial = False

    operations = [
        ops.AddField(
            model_name='PurchaseChange',
            name='sets_payment_method',
            field=fields.BooleanField(default=False, db_default=False),
        ),
    ]
