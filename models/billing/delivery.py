"""The delivery of invoices: by email, or through an approved platform, with the statuses that
platforms report and the collected amounts that are reported to them.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import AccountStatus
from models.billing.money import Money
from models.billing.platform_status import PlatformStatusCode
from models.identity.user import Staff

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.invoice import Invoice
    from models.billing.receivable import Allocation
    from models.viewer import Viewer


class DeliveryChannel(StrEnum):
    """How invoices are delivered."""

    MAIL = "MAIL"
    PLATFORM = "PLATFORM"


class DeliveryState(StrEnum):
    """Whether something was handed over. WAITING deliveries are tried again until they are SENT.
    FAILED ones were refused, and wait for an operator.
    """

    WAITING = "WAITING"
    SENT = "SENT"
    FAILED = "FAILED"


class InvoiceDelivery(Model):
    """The delivery of one document: one flow at the platform (XP Z12-013), whose `trackingId` is
    the number of the document. `status` is the current one at the platforms, with its time and
    reason; all of them are in PlatformStatus. `error` is why the last attempt failed.
    """

    id = fields.BigIntField(primary_key=True)
    invoice: fields.OneToOneRelation["Invoice"] = fields.OneToOneField(
        "models.Invoice", related_name="delivery", on_delete=fields.RESTRICT
    )
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="deliveries", db_index=True, on_delete=fields.RESTRICT
    )
    channel = fields.CharEnumField(DeliveryChannel, max_length=20, description="channel")
    state = fields.CharEnumField(
        DeliveryState, max_length=20, default=DeliveryState.WAITING, description="state"
    )
    flow_id = fields.CharField(max_length=36, null=True, unique=True)
    status: Any = fields.CharEnumField(
        PlatformStatusCode, max_length=20, null=True, description="status at the platforms"
    )
    status_at: datetime | None = fields.DatetimeField(null=True)
    reason_code = fields.CharField(max_length=40, null=True)
    reason = fields.CharField(max_length=500, null=True)
    attempts = fields.IntField(default=0)
    next_attempt_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    error = fields.CharField(max_length=60, null=True)
    created_at: datetime = fields.DatetimeField()
    sent_at: datetime | None = fields.DatetimeField(null=True)

    invoice_id: int
    account_id: int

    class Meta:
        table = "invoice_delivery"
        indexes = (("state", "id"), ("status", "id"), ("channel", "id"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["InvoiceDelivery"]:
        """Operators and agents see the deliveries of all invoices except those of erased accounts,
        buyers those of their account.
        """
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return cls.filter(account__status__not=AccountStatus.ERASED)
        return (
            cls.filter(account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )


class PlatformStatus(Model):
    """A status of an invoice that the platform reported, or that was reported to it. Each message
    of a flow is stored once, and never changed.
    """

    id = fields.BigIntField(primary_key=True)
    delivery: fields.ForeignKeyRelation[InvoiceDelivery] = fields.ForeignKeyField(
        "models.InvoiceDelivery",
        related_name="statuses",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    flow_id = fields.CharField(max_length=36)
    status = fields.CharEnumField(
        PlatformStatusCode, max_length=20, description="status at the platforms"
    )
    at: datetime = fields.DatetimeField()
    reason_code = fields.CharField(max_length=40, null=True)
    reason = fields.CharField(max_length=500, null=True)
    stored_at: datetime = fields.DatetimeField()

    delivery_id: int

    class Meta:
        table = "platform_status"
        unique_together = (("flow_id", "delivery", "status"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["PlatformStatus"]:
        """Whoever sees a delivery sees its statuses."""
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return cls.filter(delivery__account__status__not=AccountStatus.ERASED)
        return (
            cls.filter(delivery__account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )


class CollectionReport(Model):
    """A payment of an invoice that is reported to the platform (status 212), negative when it is
    taken back. `bands` are its amounts in cents with VAT, by VAT rate in basis points.
    """

    id = fields.BigIntField(primary_key=True)
    allocation: fields.OneToOneRelation["Allocation"] = fields.OneToOneField(
        "models.Allocation", related_name="collection_report", on_delete=fields.RESTRICT
    )
    delivery: fields.ForeignKeyRelation[InvoiceDelivery] = fields.ForeignKeyField(
        "models.InvoiceDelivery",
        related_name="collection_reports",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    amount_cents = fields.BigIntField()
    bands: dict[str, Any] | None = fields.JSONField(null=True)
    state = fields.CharEnumField(
        DeliveryState, max_length=20, default=DeliveryState.WAITING, description="state"
    )
    flow_id = fields.CharField(max_length=36, null=True)
    attempts = fields.IntField(default=0)
    next_attempt_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    error = fields.CharField(max_length=60, null=True)
    collected_at: datetime = fields.DatetimeField()

    allocation_id: int
    delivery_id: int

    class Meta:
        table = "collection_report"

    @property
    def amount(self) -> Money:
        return Money(self.amount_cents)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["CollectionReport"]:
        """Operators and agents see reports, as they do deliveries."""
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return cls.filter(delivery__account__status__not=AccountStatus.ERASED)
        return cls.filter(id=None)


class PlatformCursor(Model):
    """How far the statuses of a platform were read: the time of the last flow. One process reads at
    a time, and its claim expires by itself. `failing_since` is when the next flow was first found
    to be unusable.
    """

    platform = fields.CharField(max_length=20, primary_key=True)
    updated_after: datetime = fields.DatetimeField()
    claimed_until: datetime = fields.DatetimeField()
    failing_since: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "platform_cursor"
