"""Disputes: a company says why it doesn't accept an invoice, and the staff decides."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import AccountStatus
from models.identity.user import Staff

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.action import Transaction
    from models.billing.invoice import Invoice
    from models.identity.user import User
    from models.support.ticket import Ticket
    from models.viewer import Viewer


class DisputeReason(StrEnum):
    """Why an invoice is disputed: those reasons of status 207 (AFNOR XP Z12-012, annexe A; rule
    BR-FR-CDV-CL-09/MDT-113_207 of FNFE-MPE's schematron, version 1.4.0) that a customer of ours
    may have.
    """

    DUPLICATE = "DUPLICATE"
    ORDER = "ORDER"
    CONTRACT_ENDED = "CONTRACT_ENDED"
    PRICE = "PRICE"
    DISCOUNT = "DISCOUNT"
    QUANTITY = "QUANTITY"
    ARTICLE = "ARTICLE"
    INCOMPLETE_DELIVERY = "INCOMPLETE_DELIVERY"
    QUALITY = "QUALITY"
    VAT_RATE = "VAT_RATE"
    TOTAL = "TOTAL"
    OTHER = "OTHER"

    @property
    def code(self) -> str:
        """The code that platforms exchange (MDT-113)."""
        return _CODES[self]

    @classmethod
    def of(cls, code: str) -> "DisputeReason":
        """The reason with this code of the platforms, OTHER for a code that we don't offer."""
        return next((reason for reason in cls if reason.code == code), cls.OTHER)


_CODES = {
    DisputeReason.DUPLICATE: "DOUBLE_FACT",
    DisputeReason.ORDER: "CMD_ERR",
    DisputeReason.CONTRACT_ENDED: "CONTRAT_TERM",
    DisputeReason.PRICE: "PU_ERR",
    DisputeReason.DISCOUNT: "REM_ERR",
    DisputeReason.QUANTITY: "QTE_ERR",
    DisputeReason.ARTICLE: "ART_ERR",
    DisputeReason.INCOMPLETE_DELIVERY: "LIVR_INCOMP",
    DisputeReason.QUALITY: "QUALITE_ERR",
    DisputeReason.VAT_RATE: "TX_TVA_ERR",
    DisputeReason.TOTAL: "MONTANTTOTAL_ERR",
    DisputeReason.OTHER: "AUTRE",
}


class DisputeStatus(StrEnum):
    """The status of a dispute. ACCEPTED and REJECTED are final."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


class Dispute(Model):
    """A dispute of an invoice. Its text and its files are in the first message of `ticket`, and the
    decision's reason in a later one. While it is open, the invoice is not dunned
    (`Receivable.disputed_at`), so an invoice has at most one open dispute. A reason that was
    rejected once can't stop the dunning again.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="disputes", db_index=True, on_delete=fields.RESTRICT
    )
    invoice: fields.ForeignKeyRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice", related_name="disputes", db_index=True, on_delete=fields.RESTRICT
    )
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name="disputes", db_index=True, on_delete=fields.RESTRICT
    )
    reason = fields.CharEnumField(DisputeReason, max_length=20, description="reason")
    status = fields.CharEnumField(
        DisputeStatus, max_length=20, default=DisputeStatus.OPEN, description="status"
    )
    created_at: datetime = fields.DatetimeField()
    decided_at: datetime | None = fields.DatetimeField(null=True)
    decider: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    credit_note: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice", null=True, related_name=False, on_delete=fields.RESTRICT
    )

    account_id: int
    invoice_id: int
    ticket_id: int
    decider_id: int | None
    credit_note_id: int | None

    class Meta:
        table = "dispute"
        indexes = (("status", "created_at", "id"), ("created_at", "id"))

    @classmethod
    async def was_rejected(cls, tx: "Transaction", invoice_id: int, reason: DisputeReason) -> bool:
        """Whether a dispute of an invoice for a reason was rejected."""
        rejected = cls.filter(invoice_id=invoice_id, reason=reason, status=DisputeStatus.REJECTED)
        return await rejected.using_db(tx.db).exists()

    @classmethod
    async def is_open_in(cls, tx: "Transaction", ticket_id: int) -> bool:
        """Whether a dispute that nobody has decided belongs to this ticket."""
        open_disputes = cls.filter(ticket_id=ticket_id, status=DisputeStatus.OPEN)
        return await open_disputes.using_db(tx.db).exists()

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Dispute"]:
        """Agents and operators see all disputes except those of erased accounts, buyers those of
        their account.
        """
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return cls.filter(account__status__not=AccountStatus.ERASED)
        return (
            cls.filter(account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )
