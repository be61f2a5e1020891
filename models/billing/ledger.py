"""The ledger: double entry, append-only, always balanced."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import AccountStatus

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.invoice import Invoice
    from models.billing.payment import Payment
    from models.billing.refund import Refund
    from models.viewer import Viewer


class Journal(StrEnum):
    """A journal, named by its code in the file for the tax office (FEC)."""

    SALES = "VE"
    BANK = "BQ"
    GENERAL = "OD"


class LedgerEntry(Model):
    """One entry of a journal. Its lines balance. `number` has no gaps within a journal.

    `label_key` names the text of the entry, and `piece` is the number of the document that proves
    it.
    """

    id = fields.BigIntField(primary_key=True)
    journal = fields.CharEnumField(Journal, max_length=2, description="journal")
    number = fields.BigIntField()
    day: date = fields.DateField(db_index=True)
    at: datetime = fields.DatetimeField()
    account: fields.ForeignKeyNullableRelation["Account"] = fields.ForeignKeyField(
        "models.Account",
        null=True,
        related_name="ledger_entries",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    label_key = fields.CharField(max_length=60)
    piece = fields.CharField(max_length=64)
    invoice: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice",
        null=True,
        related_name="ledger_entries",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    payment: fields.ForeignKeyNullableRelation["Payment"] = fields.ForeignKeyField(
        "models.Payment",
        null=True,
        related_name="ledger_entries",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    refund: fields.ForeignKeyNullableRelation["Refund"] = fields.ForeignKeyField(
        "models.Refund",
        null=True,
        related_name="ledger_entries",
        db_index=True,
        on_delete=fields.RESTRICT,
    )

    account_id: int | None
    invoice_id: int | None
    payment_id: int | None
    refund_id: int | None
    lines: fields.ReverseRelation["LedgerLine"]

    class Meta:
        table = "ledger_entry"
        unique_together = (("journal", "number"),)
        indexes = (("label_key", "id"), ("account_id", "id"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["LedgerEntry"]:
        """Agents see the entries of all customers except erased ones, buyers those of their
        account.
        """
        if viewer.is_agent:
            return cls.filter(account__status__not=AccountStatus.ERASED)
        return (
            cls.filter(account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )


class LedgerLine(Model):
    """One line of an entry. `code` is an account of the French chart of accounts (PCG), and
    `account` the customer on a line of 411. One of the two amounts is zero.
    """

    id = fields.BigIntField(primary_key=True)
    entry: fields.ForeignKeyRelation[LedgerEntry] = fields.ForeignKeyField(
        "models.LedgerEntry", related_name="lines", on_delete=fields.RESTRICT
    )
    position = fields.IntField()
    code = fields.CharField(max_length=8)
    account: fields.ForeignKeyNullableRelation["Account"] = fields.ForeignKeyField(
        "models.Account", null=True, related_name="ledger_lines", on_delete=fields.RESTRICT
    )
    debit_cents = fields.BigIntField(default=0)
    credit_cents = fields.BigIntField(default=0)

    entry_id: int
    account_id: int | None

    class Meta:
        table = "ledger_line"
        unique_together = (("entry", "position"),)
        indexes = (("account_id", "code"),)
