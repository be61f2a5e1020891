"""The periods of a purchase that were billed, and the items that were or will be billed."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model

from models.billing.tax_rule import TaxCategory

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.invoice import Invoice, InvoiceLine
    from models.billing.purchase import Purchase


class BillingPeriod(Model):
    """One period of a purchase, from `starts_on` up to, but not including, `ends_on`.

    The row claims the period for a renewal: it is inserted in the transaction that issues the
    period's invoice, and the database accepts each index of a purchase once. `invoice` is null for
    a period that isn't billed, such as a trial.
    """

    id = fields.BigIntField(primary_key=True)
    purchase: fields.ForeignKeyRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase", related_name="billing_periods", on_delete=fields.RESTRICT
    )
    index = fields.IntField()
    starts_on: date = fields.DateField()
    ends_on: date = fields.DateField()
    invoice: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice",
        null=True,
        related_name="billing_periods",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    created_at: datetime = fields.DatetimeField()

    purchase_id: int
    invoice_id: int | None

    class Meta:
        table = "billing_period"
        unique_together = (("purchase", "index"),)


class BillingItemKind(StrEnum):
    """The reason for which an item is billed."""

    CYCLE = "CYCLE"
    PRORATION = "PRORATION"
    DISCOUNT = "DISCOUNT"
    CREDIT = "CREDIT"


class BillingItem(Model):
    """Something to bill: it waits for an invoice until `invoice_line` is set.

    A credit has a negative quantity; a unit price is never negative (EN 16931 BR-27).
    `description_key` and `data` become the line's text when it is billed, in the language of the
    invoice. The item covers the days from `starts_on` up to, but not including, `ends_on`.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="billing_items", on_delete=fields.RESTRICT
    )
    purchase: fields.ForeignKeyNullableRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase",
        null=True,
        related_name="billing_items",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    billing_period: fields.ForeignKeyNullableRelation[BillingPeriod] = fields.ForeignKeyField(
        "models.BillingPeriod", null=True, related_name="billing_items", on_delete=fields.RESTRICT
    )
    kind = fields.CharEnumField(BillingItemKind, max_length=20, description="kind")
    description_key = fields.CharField(max_length=60)
    data: dict[str, Any] = fields.JSONField()
    quantity = fields.IntField()
    unit_net_cents = fields.BigIntField()
    tax_category = fields.CharEnumField(
        TaxCategory, max_length=20, default=TaxCategory.STANDARD, description="category of VAT"
    )
    starts_on: date | None = fields.DateField(null=True)
    ends_on: date | None = fields.DateField(null=True)
    created_at: datetime = fields.DatetimeField()
    invoice_line: fields.ForeignKeyNullableRelation["InvoiceLine"] = fields.ForeignKeyField(
        "models.InvoiceLine",
        null=True,
        related_name="billing_items",
        db_index=True,
        on_delete=fields.RESTRICT,
    )

    account_id: int
    purchase_id: int | None
    billing_period_id: int | None
    invoice_line_id: int | None

    class Meta:
        table = "billing_item"
        indexes = (("account_id", "invoice_line_id"),)
