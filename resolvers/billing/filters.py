"""Filters and orders of the billing lists."""

from enum import Enum

import strawberry

from models.billing.offer import Segment
from resolvers.descriptions import describe_enum
from resolvers.filters import DateFilter, DateTimeFilter, Filter, OrderDirection, StringFilter


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
