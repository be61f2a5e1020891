"""Lines of the vendor's bank statements, each imported once, and what became of them."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.billing.money import Money
from models.identity.user import Staff

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.payment import Payment
    from models.identity.user import User
    from models.viewer import Viewer


class StatementFormat(StrEnum):
    """The format of a statement's file."""

    CAMT_053 = "CAMT_053"
    CSV = "CSV"


class BankLineStatus(StrEnum):
    """What became of a line. NEW lines haven't been matched yet, UNMATCHED ones wait for a
    person.
    """

    NEW = "NEW"
    UNMATCHED = "UNMATCHED"
    MATCHED = "MATCHED"
    DISMISSED = "DISMISSED"
    TO_RETURN = "TO_RETURN"
    REVERSED = "REVERSED"
    REVERSAL = "REVERSAL"
    OUTGOING = "OUTGOING"


class BankLineMatch(StrEnum):
    """The rule by which a line was matched with what it pays."""

    REFERENCE_AND_AMOUNT = "REFERENCE_AND_AMOUNT"
    REFERENCE = "REFERENCE"
    IBAN_AND_AMOUNT = "IBAN_AND_AMOUNT"
    MANUAL = "MANUAL"


class BankLineProblem(StrEnum):
    """Why a line was left to a person."""

    NO_REFERENCE = "NO_REFERENCE"
    UNKNOWN_REFERENCE = "UNKNOWN_REFERENCE"
    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    SEVERAL_CUSTOMERS = "SEVERAL_CUSTOMERS"
    ACCOUNT_ERASED = "ACCOUNT_ERASED"
    POSSIBLE_DUPLICATE = "POSSIBLE_DUPLICATE"
    ORIGINAL_NOT_FOUND = "ORIGINAL_NOT_FOUND"
    UNDONE = "UNDONE"
    PURCHASE_ENDED = "PURCHASE_ENDED"


def _sees_bank(viewer: "Viewer") -> bool:
    return viewer.is_agent or viewer.staff is Staff.OPERATOR


class BankStatement(Model):
    """One imported file. `sha256` is that of its content, so that it is imported once.

    `line_count` counts its booked lines, `new_count` those that no earlier file had.
    """

    id = fields.BigIntField(primary_key=True)
    sha256 = fields.CharField(max_length=64, unique=True)
    name = fields.CharField(max_length=200)
    format = fields.CharEnumField(StatementFormat, max_length=20)
    importer: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    created_at: datetime = fields.DatetimeField()
    line_count = fields.IntField()
    new_count = fields.IntField()
    pending_count = fields.IntField()

    importer_id: int | None

    class Meta:
        table = "bank_statement"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["BankStatement"]:
        """Operators and agents see statements."""
        return QuerySet(cls) if _sees_bank(viewer) else cls.filter(id=None)


class BankLine(Model):
    """One booked movement on one of the vendor's accounts (`iban`).

    `amount_cents` is positive for money that came in. `fingerprint` is unique, so a movement that
    several files contain is stored once. Of money that went out, or that came back after it went
    out, only the day and the amount are stored: the rest is about employees and suppliers.
    `payment` is the payment that the line became, and `original` the line that a reversal took
    back.
    """

    id = fields.BigIntField(primary_key=True)
    statement: fields.ForeignKeyRelation[BankStatement] = fields.ForeignKeyField(
        "models.BankStatement", related_name="lines", db_index=True, on_delete=fields.RESTRICT
    )
    position = fields.IntField()
    fingerprint = fields.CharField(max_length=64, unique=True)
    iban = fields.CharField(max_length=34)
    booked_on: date = fields.DateField()
    value_on: date | None = fields.DateField(null=True)
    amount_cents = fields.BigIntField()
    is_reversal = fields.BooleanField(default=False)
    bank_reference = fields.CharField(max_length=140, default="")
    end_to_end_id = fields.CharField(max_length=140, default="")
    structured_reference = fields.CharField(max_length=140, default="")
    text = fields.CharField(max_length=1000, default="")
    counterparty_name = fields.CharField(max_length=140, default="")
    counterparty_iban = fields.CharField(max_length=34, default="", db_index=True)
    return_reason = fields.CharField(max_length=35, default="")
    status = fields.CharEnumField(BankLineStatus, max_length=20, default=BankLineStatus.NEW)
    problem: Any = fields.CharEnumField(
        BankLineProblem, max_length=20, null=True, description="problem"
    )
    match: Any = fields.CharEnumField(BankLineMatch, max_length=20, null=True)
    account: fields.ForeignKeyNullableRelation["Account"] = fields.ForeignKeyField(
        "models.Account",
        null=True,
        related_name="bank_lines",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    payment: fields.ForeignKeyNullableRelation["Payment"] = fields.ForeignKeyField(
        "models.Payment",
        null=True,
        related_name="bank_lines",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    original: fields.ForeignKeyNullableRelation["BankLine"] = fields.ForeignKeyField(
        "models.BankLine",
        null=True,
        related_name="reversals",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    decider: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    decided_at: datetime | None = fields.DatetimeField(null=True)
    created_at: datetime = fields.DatetimeField()

    statement_id: int
    account_id: int | None
    payment_id: int | None
    original_id: int | None
    decider_id: int | None

    class Meta:
        table = "bank_line"
        indexes = (
            ("status", "booked_on"),
            ("iban", "booked_on", "amount_cents"),
            ("booked_on", "id"),
            ("amount_cents", "id"),
        )

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["BankLine"]:
        """Operators and agents see lines."""
        return QuerySet(cls) if _sees_bank(viewer) else cls.filter(id=None)

    @property
    def amount(self) -> Money:
        return Money(self.amount_cents)
