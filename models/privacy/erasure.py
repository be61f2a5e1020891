"""The erasure of accounts: when it is due, what was erased, and what the law requires to keep."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import Staff

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.identity.user import User
    from models.support.ticket import Ticket
    from models.viewer import Viewer

ERASED = "[effacé]"


@dataclass(frozen=True)
class Retention:
    """Retention periods that apply from a day on, as configured by the operator
    (billing/seller.toml).
    """

    since: date
    grace_period: timedelta
    invoice_years: int
    unused_years: int = 2
    # How long before the erasure of an unused account the first and the last warning are sent.
    unused_warnings: tuple[timedelta, timedelta] = (timedelta(days=30), timedelta(days=7))

    def invoices_kept_until(self, last_issued_on: date) -> date:
        """The last day on which invoices must be kept when the last one was issued on
        `last_issued_on`: a number of years from the end of its year (Code de commerce, art.
        L123-22).
        """
        return date(last_issued_on.year + self.invoice_years, 12, 31)


class Erasure(Model):
    """One scheduled deletion of an account. removed_counts holds how many items were
    deleted, by kind. deadline is that of the GDPR (art. 12, 3). ticket and scheduler are null when
    nobody asked for the deletion, because the account wasn't used.

    Until due_at it can be canceled (canceled_at). It runs from started_at to finished_at.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="erasures", db_index=True
    )
    ticket: fields.ForeignKeyNullableRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", null=True, related_name=False
    )
    scheduler: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False
    )
    requested_at: datetime = fields.DatetimeField()
    deadline: date = fields.DateField()
    scheduled_at: datetime = fields.DatetimeField()
    due_at: datetime = fields.DatetimeField(db_index=True)
    canceled_at: datetime | None = fields.DatetimeField(null=True)
    started_at: datetime | None = fields.DatetimeField(null=True)
    finished_at: datetime | None = fields.DatetimeField(null=True)
    invoices_kept = fields.IntField(default=0)
    kept_until: date | None = fields.DateField(null=True)
    removed_counts: dict[str, Any] = fields.JSONField(default=dict)

    account_id: int
    ticket_id: int | None
    scheduler_id: int | None

    class Meta:
        table = "erasure"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Erasure"]:
        """Operators see all erasures."""
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(id=None)
