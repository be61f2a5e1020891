"""Receivables: the payment state of invoices, and the amounts allocated to them."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.action import Transaction
    from models.billing.invoice import Invoice
    from models.billing.payment import Payment


class InvoiceState(StrEnum):
    """Whether an invoice is paid."""

    UNPAID = "UNPAID"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    PAID = "PAID"
    DISPUTED = "DISPUTED"
    CREDITED = "CREDITED"


class Receivable(Model):
    """The amount that is open on an invoice, which itself never changes: `gross_cents` minus the
    allocations, updated in the transaction that stores an allocation.

    `settled_at` is when nothing was left open. A disputed invoice is not dunned.
    """

    invoice: fields.OneToOneRelation["Invoice"] = fields.OneToOneField(
        "models.Invoice", related_name="receivable", primary_key=True, on_delete=fields.RESTRICT
    )
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="receivables", on_delete=fields.RESTRICT
    )
    due_on: date = fields.DateField()
    gross_cents = fields.BigIntField()
    open_cents = fields.BigIntField()
    credited_cents = fields.BigIntField(default=0)
    disputed_at: datetime | None = fields.DatetimeField(null=True)
    settled_at: datetime | None = fields.DatetimeField(null=True)
    next_dunning_on: date | None = fields.DateField(null=True, db_index=True)

    invoice_id: int
    account_id: int

    class Meta:
        table = "receivable"
        indexes = (("account_id", "open_cents"),)

    @classmethod
    async def resume_dunning(cls, tx: "Transaction", account_id: int) -> None:
        """Let dunning go on from where it was when an account, which is locked, stopped being
        active: the next step of each open invoice isn't due before today.
        """
        today = tx.action.day
        late = cls.filter(account_id=account_id, open_cents__gt=0, next_dunning_on__lt=today)
        for receivable in await tx.lock_rows(late):
            if receivable.next_dunning_on:
                receivable.due_on += today - receivable.next_dunning_on
                receivable.next_dunning_on = today
            await receivable.save(using_db=tx.db, update_fields=["due_on", "next_dunning_on"])

    @property
    def is_credited(self) -> bool:
        """Whether credit notes, or a corrective invoice, have taken back all of the invoice."""
        return bool(self.credited_cents >= self.gross_cents > 0)

    @property
    def state(self) -> InvoiceState:
        """The state of the invoice. An invoice that was settled by credit notes alone is
        CREDITED.
        """
        if self.open_cents <= 0:
            return InvoiceState.CREDITED if self.is_credited else InvoiceState.PAID
        if self.disputed_at:
            return InvoiceState.DISPUTED
        return (
            InvoiceState.PARTIALLY_PAID
            if self.open_cents < self.gross_cents
            else InvoiceState.UNPAID
        )


class Allocation(Model):
    """An amount of a payment or of a credit note that settles a part of an invoice. A negative
    amount takes an earlier allocation back. Exactly one of `payment` and `credit_note` is set.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="allocations", db_index=True, on_delete=fields.RESTRICT
    )
    invoice: fields.ForeignKeyRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice", related_name="allocations", db_index=True, on_delete=fields.RESTRICT
    )
    payment: fields.ForeignKeyNullableRelation["Payment"] = fields.ForeignKeyField(
        "models.Payment",
        null=True,
        related_name="allocations",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    credit_note: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice",
        null=True,
        related_name="credit_allocations",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    amount_cents = fields.BigIntField()
    created_at: datetime = fields.DatetimeField()

    account_id: int
    invoice_id: int
    payment_id: int | None
    credit_note_id: int | None

    class Meta:
        table = "allocation"
