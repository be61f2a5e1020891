"""Inputs, filters and enums of the delivery of invoices."""

from enum import Enum

import strawberry

from models.billing.delivery import DeliveryChannel, DeliveryState
from models.billing.platform_status import PlatformStatusCode
from resolvers.descriptions import describe_enum
from resolvers.filters import Filter, OrderDirection

describe_enum(
    DeliveryChannel,
    "How an invoice is delivered.",
    {
        "MAIL": "By email.",
        "PLATFORM": "Through the invoicing platform. A copy is sent by email.",
    },
)


describe_enum(
    DeliveryState,
    "Whether something was handed over.",
    {
        "WAITING": "It is handed over as soon as possible, and tried again until that succeeds.",
        "SENT": "It was handed over.",
        "FAILED": "The platform refused it. An operator can have it handed over again.",
    },
)


describe_enum(
    PlatformStatusCode,
    "The status of an invoice at the platforms (AFNOR XP Z12-012).",
    {
        "DEPOSITED": "The vendor's platform accepted it (200).",
        "ISSUED": "The vendor's platform sent it (201).",
        "RECEIVED": "The buyer's platform received it (202).",
        "AVAILABLE": "The buyer can read it (203).",
        "TAKEN_OVER": "The buyer has begun to process it (204).",
        "APPROVED": "The buyer approved it (205).",
        "PARTIALLY_APPROVED": "The buyer approved a part of it (206).",
        "DISPUTED": "The buyer disputes it (207).",
        "SUSPENDED": "The buyer needs further documents (208).",
        "COMPLETED": "The vendor sent the further documents (209).",
        "REFUSED": "The buyer refused it (210). Another document is needed.",
        "PAYMENT_SENT": "The buyer ordered the payment (211).",
        "COLLECTED": "The vendor collected a payment (212). Never the current status.",
        "REJECTED": "A platform rejected it (213). Another document is needed.",
        "ROUTING_ERROR": "The buyer's platform couldn't be reached (221).",
        "INADMISSIBLE": "The file can't be read (501). Another document is needed.",
    },
)


class InvoiceDeliveryOrderField(Enum):
    """The columns that deliveries can be ordered by."""

    CREATED_AT = "id"


describe_enum(
    InvoiceDeliveryOrderField,
    "The fields that deliveries of invoices can be ordered by.",
    {"CREATED_AT": "When the delivery began."},
)


@strawberry.input(description="The order of deliveries of invoices.")
class InvoiceDeliveryOrder:
    field: InvoiceDeliveryOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(
    description="Conditions on deliveries of invoices. All given conditions must be met."
)
class InvoiceDeliveryFilter:
    state: Filter[DeliveryState] | None = strawberry.field(
        default=None, description="Whether the invoice was handed over."
    )
    status: Filter[PlatformStatusCode] | None = strawberry.field(
        default=None, description="The current status at the platforms."
    )
    report_state: Filter[DeliveryState] | None = strawberry.field(
        default=None,
        description="Whether the reports of payments were handed over: deliveries with at least "
        "one such report.",
    )


@strawberry.input(description="The delivery to repeat.")
class InvoiceDeliveryRetryInput:
    invoice_delivery_id: strawberry.ID = strawberry.field(
        description="The ID of a delivery that is waiting or has failed, or that has a report of "
        "a payment in one of these states."
    )
