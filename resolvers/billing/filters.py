"""Filters and orders of the billing lists."""

from enum import Enum

import strawberry

from billing.movements import MovementKind
from models.billing.bank import BankLineStatus
from models.billing.dispute import DisputeStatus
from models.billing.offer import OfferStatus, Segment
from models.billing.provider_event import ProviderEventStatus
from models.billing.refund import RefundStatus
from resolvers.descriptions import describe_enum
from resolvers.filters import (
    DateFilter,
    DateTimeFilter,
    Filter,
    IdFilter,
    OrderDirection,
    StringFilter,
)


class OfferOrderField(Enum):
    """The columns that offers can be ordered by."""

    POSITION = "position"


describe_enum(
    OfferOrderField,
    "The fields that offers can be ordered by.",
    {"POSITION": "The vendor's own order of the catalogue."},
)


@strawberry.input(description="The order of offers.")
class OfferOrder:
    field: OfferOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on offers. All given conditions must be met.")
class OfferFilter:
    segment: Filter[Segment] | None = strawberry.field(
        default=None, description="The size of business that the offer is for."
    )
    status: Filter[OfferStatus] | None = strawberry.field(
        default=None,
        description="Whether the offer can be bought. Offers on sale when omitted; only operators "
        "see others.",
    )


class PurchaseOrderField(Enum):
    """The columns that purchases can be ordered by."""

    CREATED_AT = "created_at"


describe_enum(
    PurchaseOrderField,
    "The fields that purchases can be ordered by.",
    {"CREATED_AT": "When the purchase was drafted."},
)


@strawberry.input(description="The order of purchases.")
class PurchaseOrder:
    field: PurchaseOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on purchases. All given conditions must be met.")
class PurchaseFilter:
    created_at: DateTimeFilter | None = strawberry.field(
        default=None, description="When the purchase was drafted."
    )


class InvoiceOrderField(Enum):
    """The columns that invoices can be ordered by."""

    ISSUED_ON = "issued_at"
    NUMBER = "number"


describe_enum(
    InvoiceOrderField,
    "The fields that invoices can be ordered by.",
    {"ISSUED_ON": "When the invoice was issued.", "NUMBER": "The invoice number."},
)


@strawberry.input(description="The order of invoices.")
class InvoiceOrder:
    field: InvoiceOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on invoices. All given conditions must be met.")
class InvoiceFilter:
    number: StringFilter | None = strawberry.field(
        default=None, description="The number printed on the invoice, such as FA-2026-000042."
    )
    issued_on: DateFilter | None = strawberry.field(
        default=None, description="The day of issue in Paris."
    )


class DisputeOrderField(Enum):
    """The columns that disputes can be ordered by."""

    CREATED_AT = "created_at"


describe_enum(
    DisputeOrderField,
    "The fields that disputes can be ordered by.",
    {"CREATED_AT": "When the invoice was disputed."},
)


@strawberry.input(description="The order of disputes.")
class DisputeOrder:
    field: DisputeOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on disputes. All given conditions must be met.")
class DisputeFilter:
    status: Filter[DisputeStatus] | None = strawberry.field(
        default=None, description="The status of the dispute: OPEN until the staff has decided."
    )
    created_at: DateTimeFilter | None = strawberry.field(
        default=None, description="When the invoice was disputed."
    )


class BankLineOrderField(Enum):
    """The columns that lines of bank statements can be ordered by."""

    BOOKED_ON = "booked_on"
    AMOUNT = "amount_cents"


describe_enum(
    BankLineOrderField,
    "The fields that lines of bank statements can be ordered by.",
    {"BOOKED_ON": "The day of the booking.", "AMOUNT": "The signed amount."},
)


@strawberry.input(description="The order of lines of bank statements.")
class BankLineOrder:
    field: BankLineOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(
    description="Conditions on lines of bank statements. All given conditions must be met."
)
class BankLineFilter:
    status: Filter[BankLineStatus] | None = strawberry.field(
        default=None, description="The status of the line. UNMATCHED lines wait for an operator."
    )
    account_id: IdFilter | None = strawberry.field(
        default=None, description="The ID of the company that made the payment."
    )
    booked_on: DateFilter | None = strawberry.field(
        default=None, description="The day on which the bank booked the line."
    )


class MoneyMovementOrderField(Enum):
    """The columns that movements can be ordered by."""

    DAY = "id"


describe_enum(
    MoneyMovementOrderField,
    "The fields that movements of money can be ordered by.",
    {"DAY": "The order in which they happened."},
)


@strawberry.input(description="The order of movements of money.")
class MoneyMovementOrder:
    field: MoneyMovementOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on movements of money. All given conditions must be met.")
class MoneyMovementFilter:
    account_id: IdFilter | None = strawberry.field(
        default=None, description="The ID of the company."
    )
    day: DateFilter | None = strawberry.field(
        default=None, description="The day of the movement, in Europe/Paris."
    )
    kind: Filter[MovementKind] | None = strawberry.field(default=None, description="What happened.")
    is_open: bool | None = strawberry.field(
        default=None,
        description="True for the invoices that aren't fully paid, false for those that are.",
    )


class ProviderEventOrderField(Enum):
    """The columns that notifications can be ordered by."""

    RECEIVED_AT = "id"


describe_enum(
    ProviderEventOrderField,
    "The fields that payment providers' notifications can be ordered by.",
    {"RECEIVED_AT": "When the notification was received."},
)


@strawberry.input(description="The order of payment providers' notifications.")
class ProviderEventOrder:
    field: ProviderEventOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(
    description="Conditions on payment providers' notifications. All given conditions must be met."
)
class ProviderEventFilter:
    status: Filter[ProviderEventStatus] | None = strawberry.field(
        default=None, description="The status of the notification."
    )


@strawberry.input(description="Conditions on refunds. All given conditions must be met.")
class RefundFilter:
    status: Filter[RefundStatus] | None = strawberry.field(
        default=None, description="The status of the refund."
    )
