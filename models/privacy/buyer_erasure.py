"""Runs that remove the buyers from invoices whose ten years are over: privacy/buyer_erasures.py."""

from datetime import date, datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import Staff

if TYPE_CHECKING:
    from models.billing.invoice import Invoice
    from models.identity.user import User
    from models.viewer import Viewer

REASON_LENGTH = 500


class BuyerErasure(Model):
    """One run, which an operator confirmed: it removes the buyers from what was issued or booked
    until a day. `planned_counts` says how many rows of each table the operator saw, and
    `removed_counts` how many were changed so far. `finished_at` is when nothing was left.
    """

    id = fields.BigIntField(primary_key=True)
    operator: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name=False, on_delete=fields.RESTRICT
    )
    reason = fields.CharField(max_length=REASON_LENGTH)
    until: date = fields.DateField()
    created_at: datetime = fields.DatetimeField()
    planned_counts: dict[str, int] = fields.JSONField()
    removed_counts: dict[str, int] = fields.JSONField(default=dict)
    finished_at: datetime | None = fields.DatetimeField(null=True, db_index=True)

    operator_id: int

    class Meta:
        table = "buyer_erasure"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["BuyerErasure"]:
        """Operators see all runs."""
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(id=None)


class InvoiceTombstone(Model):
    """That an invoice says nothing about its buyer any more, with the SHA-256 hashes of what was
    removed: of its content (`facts_hash`), of its structured file and of its PDF. The database
    refuses to change or delete it.
    """

    invoice: fields.OneToOneRelation["Invoice"] = fields.OneToOneField(
        "models.Invoice", related_name=False, primary_key=True, on_delete=fields.RESTRICT
    )
    run: fields.ForeignKeyRelation[BuyerErasure] = fields.ForeignKeyField(
        "models.BuyerErasure", related_name="tombstones", db_index=True, on_delete=fields.RESTRICT
    )
    facts_sha256 = fields.CharField(max_length=64)
    xml_sha256 = fields.CharField(max_length=64, null=True)
    pdf_sha256 = fields.CharField(max_length=64, null=True)
    erased_at: datetime = fields.DatetimeField()

    invoice_id: int
    run_id: int

    class Meta:
        table = "invoice_tombstone"
