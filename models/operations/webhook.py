"""Webhooks: the addresses to which a company has its events sent, and what is sent there."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.event import EventKind

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.identity.user import User
    from models.viewer import Viewer

URL_LENGTH = 1_000
DESCRIPTION_LENGTH = 100
TEST_TYPE = "webhook.test"


class WebhookKind(StrEnum):
    """What a company can be sent webhooks about: the kinds of events of its stream."""

    TICKET_OPENED = "TICKET_OPENED"
    MESSAGE_POSTED = "MESSAGE_POSTED"
    MESSAGE_EDITED = "MESSAGE_EDITED"
    MESSAGE_DELETED = "MESSAGE_DELETED"
    STATUS_CHANGED = "STATUS_CHANGED"
    CATEGORY_CHANGED = "CATEGORY_CHANGED"
    TICKET_MERGED = "TICKET_MERGED"
    TICKET_SPLIT = "TICKET_SPLIT"
    TICKET_UNMERGED = "TICKET_UNMERGED"
    RATING_REQUESTED = "RATING_REQUESTED"
    TICKET_RATED = "TICKET_RATED"
    PURCHASE_CHANGED = "PURCHASE_CHANGED"
    PAYMENT_CHANGED = "PAYMENT_CHANGED"
    PAYMENT_METHOD_CHANGED = "PAYMENT_METHOD_CHANGED"
    INVOICE_ISSUED = "INVOICE_ISSUED"
    INVOICE_DELIVERY_CHANGED = "INVOICE_DELIVERY_CHANGED"
    LEGAL_NAME_CHANGED = "LEGAL_NAME_CHANGED"

    @property
    def type(self) -> str:
        """The `type` of such a webhook, as Standard Webhooks write it."""
        return _TYPES[self]

    @classmethod
    def of_event(cls, kind: EventKind) -> "WebhookKind | None":
        """The kind of an event, None for one that no webhook is sent about."""
        return cls(kind.value) if kind.value in cls.__members__ else None


_TYPES = {
    WebhookKind.TICKET_OPENED: "ticket.opened",
    WebhookKind.MESSAGE_POSTED: "message.posted",
    WebhookKind.MESSAGE_EDITED: "message.edited",
    WebhookKind.MESSAGE_DELETED: "message.deleted",
    WebhookKind.STATUS_CHANGED: "ticket.status_changed",
    WebhookKind.CATEGORY_CHANGED: "ticket.category_changed",
    WebhookKind.TICKET_MERGED: "ticket.merged",
    WebhookKind.TICKET_SPLIT: "ticket.split",
    WebhookKind.TICKET_UNMERGED: "ticket.unmerged",
    WebhookKind.RATING_REQUESTED: "ticket.rating_requested",
    WebhookKind.TICKET_RATED: "ticket.rated",
    WebhookKind.PURCHASE_CHANGED: "purchase.changed",
    WebhookKind.PAYMENT_CHANGED: "payment.changed",
    WebhookKind.PAYMENT_METHOD_CHANGED: "payment_method.changed",
    WebhookKind.INVOICE_ISSUED: "invoice.issued",
    WebhookKind.INVOICE_DELIVERY_CHANGED: "invoice.delivery_changed",
    WebhookKind.LEGAL_NAME_CHANGED: "account.legal_name_changed",
}


class WebhookDisabling(StrEnum):
    """Why nothing is sent to an endpoint any more."""

    BY_MEMBER = "BY_MEMBER"
    GONE = "GONE"
    FAILING = "FAILING"


class WebhookDeliveryState(StrEnum):
    """The state of a delivery."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class WebhookEndpoint(Model):
    """An address to which a company has its events sent.

    `secret` and, for a day after a rotation, `previous_secret` are encrypted. `sequence` is the
    last event of the account's stream for which a delivery was stored, or didn't need to be.
    `failing_since` is the time of the first failure since the last success.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name=False, db_index=True
    )
    creator: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    url = fields.CharField(max_length=URL_LENGTH)
    description = fields.CharField(max_length=DESCRIPTION_LENGTH, null=True)
    kinds: list[str] = fields.JSONField(default=list)
    secret = fields.CharField(max_length=300)
    previous_secret = fields.CharField(max_length=300, null=True)
    previous_secret_until: datetime | None = fields.DatetimeField(null=True)
    stream = fields.CharField(max_length=64)
    sequence = fields.BigIntField()
    created_at: datetime = fields.DatetimeField()
    failing_since: datetime | None = fields.DatetimeField(null=True)
    disabled_at: datetime | None = fields.DatetimeField(null=True)
    disabled_reason: Any = fields.CharEnumField(WebhookDisabling, max_length=9, null=True)

    account_id: int
    creator_id: int | None

    class Meta:
        table = "webhook_endpoint"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["WebhookEndpoint"]:
        """Those who manage a company see its endpoints."""
        return (
            cls.filter(account_id=viewer.account.pk)
            if viewer.account and viewer.is_manager
            else cls.filter(id=None)
        )


class WebhookDelivery(Model):
    """One event that is sent to one endpoint.

    `message_id` is the `webhook-id`, the same at every attempt. `subject` is the object that the
    event is about: its deliveries are made in order. `next_attempt_at` is null once the delivery
    has succeeded or was given up. `attempts` are counted since `started_at`, when the delivery was
    stored or last replayed. `failure` names what went wrong at the last attempt.
    """

    id = fields.BigIntField(primary_key=True)
    endpoint: fields.ForeignKeyRelation[WebhookEndpoint] = fields.ForeignKeyField(
        "models.WebhookEndpoint", related_name=False
    )
    sequence: int | None = fields.BigIntField(null=True)
    message_id = fields.CharField(max_length=40, unique=True)
    type = fields.CharField(max_length=40)
    subject = fields.CharField(max_length=40)
    body = fields.TextField()
    created_at: datetime = fields.DatetimeField(db_index=True)
    started_at: datetime = fields.DatetimeField()
    next_attempt_at: datetime | None = fields.DatetimeField(null=True)
    attempts = fields.IntField(default=0)
    last_attempt_at: datetime | None = fields.DatetimeField(null=True)
    response_status: int | None = fields.IntField(null=True)
    failure = fields.CharField(max_length=60, null=True)
    succeeded_at: datetime | None = fields.DatetimeField(null=True)

    endpoint_id: int

    class Meta:
        table = "webhook_delivery"
        unique_together = (("endpoint", "sequence"),)
        indexes = (
            ("endpoint_id", "next_attempt_at"),  # for what is due
            ("endpoint_id", "subject", "next_attempt_at"),  # for what has to wait for it
            ("endpoint_id", "id"),  # for the list
        )

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["WebhookDelivery"]:
        """Those who manage a company see what is sent to its endpoints."""
        return (
            cls.filter(endpoint__account_id=viewer.account.pk)
            if viewer.account and viewer.is_manager
            else cls.filter(id=None)
        )

    @property
    def state(self) -> WebhookDeliveryState:
        """The state of the delivery."""
        if self.succeeded_at:
            return WebhookDeliveryState.SUCCEEDED
        return WebhookDeliveryState.PENDING if self.next_attempt_at else WebhookDeliveryState.FAILED
