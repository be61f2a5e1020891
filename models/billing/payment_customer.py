"""The customers that payment providers keep for accounts."""

from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

if TYPE_CHECKING:
    from models.accounts.account import Account


class PaymentCustomer(Model):
    """The reference under which a provider knows an account."""

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="payment_customers", on_delete=fields.RESTRICT
    )
    provider = fields.CharField(max_length=20)
    reference = fields.CharField(max_length=255)

    account_id: int

    class Meta:
        table = "payment_customer"
        unique_together = (("account", "provider"),)
