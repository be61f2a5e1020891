"""Invoices, which are numbered without gaps and immutable once issued."""

import re
from datetime import UTC, date, datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import AccountStatus
from models.action import Transaction
from models.billing.money import Money
from models.billing.tax_rule import TaxCategory, Treatment
from models.clock import local_date
from models.database.sql import execute
from models.identity.user import Staff
from models.locale import Locale
from models.privacy.erasure import ERASED
from models.text import number_text
from models.tracing import TRACEPARENT_LENGTH

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.billing_profile import BillingProfile
    from models.billing.purchase import Purchase
    from models.viewer import Viewer


class Series(StrEnum):
    """A gap-free series of numbers, named by its prefix. Corrective invoices are in the series of
    invoices.
    """

    INVOICE = "FA"
    CREDIT_NOTE = "AV"


class DocumentType(IntEnum):
    """The type of a document in UNTDID 1001 (BT-3). Credit notes have positive amounts: the type
    determines the direction.
    """

    INVOICE = 380
    CREDIT_NOTE = 381
    CORRECTIVE_INVOICE = 384


class Counter(Model):
    """The last number used in a series of invoices or in a journal of the ledger, and when the
    document with that number was issued.
    """

    series = fields.CharField(max_length=8, primary_key=True)
    last_position = fields.BigIntField(default=0)
    last_issued_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "counter"


class Invoice(Model):
    """An issued invoice, corrective invoice or credit note. The database refuses to change or
    delete it: what changes, such as its payment, is in Receivable. After ten years an operator's
    run removes the buyer (privacy/buyer_erasures.py).

    `facts` is the complete content as issued, and `xml` the structured invoice, null for an invoice
    issued before it was stored: there, the PDF contains it. `original` is the invoice that a credit
    note or a corrective invoice cites. `reference` identifies the invoice in a bank transfer (ISO
    11649).
    """

    id = fields.BigIntField(primary_key=True)
    type = fields.IntEnumField(
        DocumentType, default=DocumentType.INVOICE, description="UNTDID 1001"
    )
    series = fields.CharEnumField(
        Series, max_length=8, default=Series.INVOICE, description="prefix of the numbers"
    )
    position = fields.BigIntField()
    number = fields.CharField(max_length=35, unique=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="invoices", on_delete=fields.RESTRICT
    )
    billing_profile: fields.ForeignKeyRelation["BillingProfile"] = fields.ForeignKeyField(
        "models.BillingProfile", related_name="invoices", db_index=True, on_delete=fields.RESTRICT
    )
    purchase: fields.ForeignKeyNullableRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase",
        null=True,
        related_name="invoices",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    original: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice",
        null=True,
        related_name="corrections",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    issued_at: datetime = fields.DatetimeField()
    issued_on: date = fields.DateField(db_index=True)
    due_on: date = fields.DateField()
    net_cents = fields.BigIntField()
    vat_cents = fields.BigIntField()
    gross_cents = fields.BigIntField()
    currency = fields.CharField(max_length=3, default="EUR")
    treatment = fields.CharEnumField(
        Treatment, max_length=20, default=Treatment.STANDARD, description="treatment of VAT"
    )
    reference = fields.CharField(max_length=25, null=True, unique=True)
    locale = fields.CharEnumField(Locale, max_length=2, default=Locale.FR)
    facts: dict[str, Any] = fields.JSONField()
    xml: bytes | None = fields.BinaryField(null=True)

    account_id: int
    billing_profile_id: int
    purchase_id: int | None
    original_id: int | None
    lines: fields.ReverseRelation["InvoiceLine"]

    class Meta:
        table = "invoice"
        unique_together = (("series", "position"),)
        indexes = (("account_id", "issued_at"), ("issued_at", "id"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Invoice"]:
        """Agents see all invoices except those of erased accounts, which the law requires to keep,
        and which operators see. Buyers see their account's.
        """
        if viewer.is_agent:
            return cls.filter(account__status__not=AccountStatus.ERASED)
        if viewer.staff is Staff.OPERATOR:
            return cls.filter(account__status=AccountStatus.ERASED)
        return (
            cls.filter(account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )

    @property
    def is_without_buyer(self) -> bool:
        """Whether the buyer was removed, with the structured file and the PDF."""
        # A company may have the name alone.
        buyer = self.facts.get("buyer", {})
        is_named_so = buyer.get("name") == ERASED
        return bool(is_named_so and buyer.get("address", {}).get("lines") == [ERASED])

    async def current(self, db: BaseDBAsyncClient | None) -> "Invoice":
        """The invoice, or the corrective one that has replaced it."""
        corrections = Invoice.filter(original_id=self.pk, type=DocumentType.CORRECTIVE_INVOICE)
        corrective = await corrections.using_db(db).first()
        return await corrective.current(db) if corrective else self

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
    """One line of an issued invoice, which never changes either. A credit has a negative quantity.

    `unit` is a code of UN/ECE Recommendation 20. The period of the supply lasts from `starts_on` up
    to, but not including, `ends_on`.
    """

    id = fields.BigIntField(primary_key=True)
    invoice: fields.ForeignKeyRelation[Invoice] = fields.ForeignKeyField(
        "models.Invoice", related_name="lines", on_delete=fields.RESTRICT
    )
    position = fields.IntField()
    label = fields.CharField(max_length=300)
    quantity = fields.IntField()
    unit = fields.CharField(max_length=3, default="C62")
    unit_net_cents = fields.BigIntField()
    net_cents = fields.BigIntField()
    vat_rate = fields.IntField()
    tax_category = fields.CharEnumField(
        TaxCategory, max_length=20, default=TaxCategory.STANDARD, description="category of VAT"
    )
    treatment = fields.CharEnumField(
        Treatment, max_length=20, default=Treatment.STANDARD, description="treatment of VAT"
    )
    starts_on: date | None = fields.DateField(null=True)
    ends_on: date | None = fields.DateField(null=True)

    invoice_id: int

    class Meta:
        table = "invoice_line"
        unique_together = (("invoice", "position"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["InvoiceLine"]:
        """Whoever sees an invoice sees its lines."""
        if viewer.is_agent:
            return cls.filter(invoice__account__status__not=AccountStatus.ERASED)
        if viewer.staff is Staff.OPERATOR:
            return cls.filter(invoice__account__status=AccountStatus.ERASED)
        return (
            cls.filter(invoice__account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )

    @property
    def unit_net(self) -> Money:
        return Money(self.unit_net_cents)

    @property
    def net(self) -> Money:
        return Money(self.net_cents)


class InvoiceDocument(Model):
    """The PDF of an invoice and its SHA-256, made once after the invoice was issued and never
    changed.
    """

    invoice: fields.OneToOneRelation[Invoice] = fields.OneToOneField(
        "models.Invoice", related_name="document", primary_key=True, on_delete=fields.RESTRICT
    )
    pdf = fields.BinaryField()
    sha256 = fields.CharField(max_length=64)
    created_at: datetime = fields.DatetimeField()

    invoice_id: int

    class Meta:
        table = "invoice_document"


class DocumentRequest(Model):
    """A document that is still to be made and sent: inserted with the invoice, and deleted in the
    transaction that stores the PDF and writes the emails. `next_attempt_at` is when a job may claim
    it. `traceparent` identifies the span in which it was stored, when that was traced: see
    models/tracing.py.
    """

    invoice: fields.OneToOneRelation[Invoice] = fields.OneToOneField(
        "models.Invoice",
        related_name="document_request",
        primary_key=True,
        on_delete=fields.RESTRICT,
    )
    next_attempt_at: datetime = fields.DatetimeField(db_index=True)
    attempts = fields.IntField(default=0)
    traceparent = fields.CharField(max_length=TRACEPARENT_LENGTH, null=True)

    invoice_id: int

    class Meta:
        table = "document_request"


async def next_position(tx: Transaction, series: str) -> tuple[int, datetime]:
    """Take the next position of a series of invoices or of a journal of the ledger, with its time.
    The row of the series stays locked until the transaction ends, and a rollback gives the position
    back.

    The time is that of the action, or that of the previous position if that is later: transactions
    wait for the row in any order, but numbers and dates ascend together (CGI, annexe II, art. 242
    nonies A). A transaction takes series in the order of models/lock_order.py.
    """
    (row,) = await execute(
        "INSERT INTO counter (series, last_position, last_issued_at) VALUES (?, 1, ?) "
        "ON CONFLICT (series) DO UPDATE SET last_position = counter.last_position + 1, "
        "last_issued_at = CASE WHEN counter.last_issued_at > excluded.last_issued_at "
        "THEN counter.last_issued_at ELSE excluded.last_issued_at END "
        "RETURNING last_position, last_issued_at",
        series,
        tx.action.at.astimezone(UTC),
        db=tx.db,
    )
    at = row["last_issued_at"]
    # SQLite has no type for times.
    return int(row["last_position"]), datetime.fromisoformat(at) if isinstance(at, str) else at


class IssuedNumber(NamedTuple):
    """A number of a series, with the time and the day in Europe/Paris when it was taken."""

    position: int
    number: str
    at: datetime
    day: date


async def next_number(tx: Transaction, series: Series) -> IssuedNumber:
    """Take the next number of a series of invoices."""
    position, at = await next_position(tx, series.value)
    day = local_date(at)
    return IssuedNumber(position, invoice_number(series, day, position), at, day)


def invoice_number(series: Series, day: date, position: int) -> str:
    """The number printed on the document, such as FA-2026-000042: at most 35 characters, unique and
    chronological.
    """
    return f"{series.value}-{day.year}-{position:06d}"


_NUMBER = re.compile(rf"({'|'.join(Series)})-?(\d{{4}})-?(\d{{1,18}})", re.ASCII)


def canonical_invoice_number(text: str) -> str | None:
    """Return an invoice's number as it is printed, from what people type: in any case, without the
    zeros, with spaces or with other dashes. None when it can't be one.
    """
    match = _NUMBER.fullmatch(number_text(text))
    return f"{match[1]}-{match[2]}-{int(match[3]):06d}" if match else None
