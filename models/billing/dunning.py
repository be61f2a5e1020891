"""What was done about late invoices."""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

if TYPE_CHECKING:
    from models.billing.invoice import Invoice


class CompletedDunningStep(Model):
    """A step of the dunning schedule that was taken for an invoice, by its number of days after the
    due date. The database accepts each step once.
    """

    id = fields.BigIntField(primary_key=True)
    invoice: fields.ForeignKeyRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice", related_name="dunning_steps", on_delete=fields.RESTRICT
    )
    days = fields.IntField()
    completed_at: datetime = fields.DatetimeField()

    invoice_id: int

    class Meta:
        table = "dunning_step"
        unique_together = (("invoice", "days"),)
