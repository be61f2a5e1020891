"""Changes of a purchase that take effect on a day."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

if TYPE_CHECKING:
    from models.billing.offer import Price
    from models.billing.purchase import Purchase
    from models.viewer import Viewer


class PurchaseChangeKind(StrEnum):
    """The kind of a change."""

    UPGRADE = "UPGRADE"
    DOWNGRADE = "DOWNGRADE"
    QUANTITY = "QUANTITY"
    INTERVAL = "INTERVAL"
    ANCHOR = "ANCHOR"
    CANCEL = "CANCEL"


class PurchaseChange(Model):
    """A change of a purchase, pending until it is applied or canceled. A purchase has at most one
    pending change.
    """

    id = fields.BigIntField(primary_key=True)
    purchase: fields.ForeignKeyRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase", related_name="changes", db_index=True, on_delete=fields.RESTRICT
    )
    kind = fields.CharEnumField(PurchaseChangeKind, max_length=20, description="kind")
    price: fields.ForeignKeyNullableRelation["Price"] = fields.ForeignKeyField(
        "models.Price", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    quantity = fields.IntField(null=True)
    anchor: date | None = fields.DateField(null=True)
    effective_on: date = fields.DateField()
    created_at: datetime = fields.DatetimeField()
    applied_at: datetime | None = fields.DatetimeField(null=True)
    canceled_at: datetime | None = fields.DatetimeField(null=True)

    purchase_id: int
    price_id: int | None

    class Meta:
        table = "purchase_change"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["PurchaseChange"]:
        """Whoever sees the purchase."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(purchase__account_id=viewer.account.pk)
            if viewer.account and viewer.is_buyer
            else cls.filter(id=None)
        )
