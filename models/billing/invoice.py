"""Invoices, which are numbered without gaps and immutable once issued."""

import re
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import AccountStatus
from models.action import Transaction
from models.billing.money import Money
from models.database.sql import execute
from models.text import number_text

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.offer import Offer
    from models.billing.payment import Payment
    from models.billing.purchase import Purchase
    from models.viewer import Viewer


class Series(StrEnum):
    """A gap-free series of numbers, named by its prefix."""

    INVOICE = "FA"


class Counter(Model):
    """The last number used in a series."""

    series = fields.CharField(max_length=8, primary_key=True)
    last_position = fields.BigIntField(default=0)

    class Meta:
        table = "counter"


class Invoice(Model):
    """An issued invoice. Seller, buyer, lines, totals and PDF never change; `facts` is the complete
    content as issued.
    """

    id = fields.BigIntField(primary_key=True)
    series = fields.CharEnumField(Series, max_length=8, default=Series.INVOICE)
    position = fields.BigIntField()
    number = fields.CharField(max_length=35, unique=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="invoices"
    )
    purchase: fields.ForeignKeyRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase", related_name="invoices"
    )
    payment: fields.ForeignKeyRelation["Payment"] = fields.ForeignKeyField(
        "models.Payment", related_name="invoices", db_index=True
    )
    offer: fields.ForeignKeyRelation["Offer"] = fields.ForeignKeyField(
        "models.Offer", related_name=False
    )
    period_index = fields.IntField()
    issued_at: datetime = fields.DatetimeField()
    issued_on: date = fields.DateField(db_index=True)
    due_on: date = fields.DateField()
    net_cents = fields.BigIntField()
    vat_cents = fields.BigIntField()
    gross_cents = fields.BigIntField()
    facts: dict[str, Any] = fields.JSONField()
    sha256 = fields.CharField(max_length=64)

    account_id: int
    purchase_id: int
    payment_id: int
    offer_id: int
    lines: fields.ReverseRelation["InvoiceLine"]

    class Meta:
        table = "invoice"
        unique_together = (("purchase", "period_index"), ("series", "position"))
        indexes = (("account_id", "issued_at"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Invoice"]:
        """Agents see all invoices except those of erased accounts, which the law requires to keep.
        Buyers see their account's.
        """
        if viewer.is_agent:
            return cls.filter(account__status__not=AccountStatus.ERASED)
        return (
            cls.filter(account_id=viewer.account.pk)
            if viewer.account and viewer.is_buyer
            else cls.filter(id=None)
        )

    @property
    def net(self) -> Money:
        return Money(self.net_cents)

    @property
    def vat(self) -> Money:
        return Money(self.vat_cents)

    @property
    def gross(self) -> Money:
        return Money(self.gross_cents)


class InvoiceLine(Model):
    """One line of an issued invoice."""

    id = fields.BigIntField(primary_key=True)
    invoice: fields.ForeignKeyRelation[Invoice] = fields.ForeignKeyField(
        "models.Invoice", related_name="lines"
    )
    position = fields.IntField()
    label = fields.CharField(max_length=300)
    quantity = fields.IntField()
    unit_net_cents = fields.BigIntField()
    net_cents = fields.BigIntField()
    vat_rate = fields.IntField()

    invoice_id: int

    class Meta:
        table = "invoice_line"
        unique_together = (("invoice", "position"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["InvoiceLine"]:
        """Whoever sees the invoice."""
        if viewer.is_agent:
            return cls.filter(invoice__account__status__not=AccountStatus.ERASED)
        return (
            cls.filter(invoice__account_id=viewer.account.pk)
            if viewer.account and viewer.is_buyer
            else cls.filter(id=None)
        )

    @property
    def unit_net(self) -> Money:
        return Money(self.unit_net_cents)

    @property
    def net(self) -> Money:
        return Money(self.net_cents)


class InvoiceDocument(Model):
    """The PDF of an invoice, in a table of its own so that lists don't load it."""

    invoice: fields.OneToOneRelation[Invoice] = fields.OneToOneField(
        "models.Invoice", related_name="document", primary_key=True
    )
    pdf = fields.BinaryField()

    class Meta:
        table = "invoice_document"


async def next_position(tx: Transaction, series: Series) -> int:
    """Take the next number of a series. Its row stays locked until the transaction ends, and a
    rollback returns the number.
    """
    rows = await execute(
        "INSERT INTO counter (series, last_position) VALUES (?, 1) ON CONFLICT (series) DO UPDATE "
        "SET last_position = counter.last_position + 1 RETURNING last_position",
        series.value,
        db=tx.db,
    )
    return int(rows[0]["last_position"])


def invoice_number(series: Series, day: date, position: int) -> str:
    """The number printed on the document, such as FA-2026-000042: at most 35 characters, unique and
    chronological.
    """
    return f"{series.value}-{day.year}-{position:06d}"


_NUMBER = re.compile(rf"({'|'.join(Series)})-?(\d{{4}})-?(\d{{1,18}})", re.ASCII)


def canonical_invoice_number(text: str) -> str | None:
    """Return an invoice's number as it is printed, from what people type: in any case, without the
    zeros, with spaces or other dashes. None when it can't be one.
    """
    match = _NUMBER.fullmatch(number_text(text))
    return f"{match[1]}-{match[2]}-{int(match[3]):06d}" if match else None
