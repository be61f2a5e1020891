"""Orders of the privacy lists."""

from enum import Enum

import strawberry

from models.privacy.incident import IncidentSeverity, IncidentStatus
from resolvers.descriptions import describe_enum
from resolvers.filters import DateTimeFilter, Filter, OrderDirection


class ErasureOrderField(Enum):
    """The columns that erasures can be ordered by."""

    SCHEDULED_AT = "id"
    DUE_AT = "due_at"


describe_enum(
    ErasureOrderField,
    "The fields that erasures can be ordered by.",
    {"SCHEDULED_AT": "When the erasure was scheduled.", "DUE_AT": "When the grace period ends."},
)


@strawberry.input(description="The order of erasures.")
class ErasureOrder:
    field: ErasureOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


class BuyerErasureOrderField(Enum):
    """The columns that runs can be ordered by."""

    CREATED_AT = "id"
    UNTIL = "until"


describe_enum(
    BuyerErasureOrderField,
    "The fields that runs can be ordered by.",
    {
        "CREATED_AT": "When the run was confirmed.",
        "UNTIL": "The last day of issue that it concerned.",
    },
)


@strawberry.input(description="The order of runs that remove the buyers from old invoices.")
class BuyerErasureOrder:
    field: BuyerErasureOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


class IncidentOrderField(Enum):
    """The columns that incidents can be ordered by."""

    REPORTED_AT = "id"
    DEADLINE_AT = "deadline_at"


describe_enum(
    IncidentOrderField,
    "The fields that incidents can be ordered by.",
    {
        "REPORTED_AT": "When the incident was reported.",
        "DEADLINE_AT": "When the authority has to be notified at the latest.",
    },
)


@strawberry.input(description="The order of incidents.")
class IncidentOrder:
    field: IncidentOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on incidents. All given conditions must be met.")
class IncidentFilter:
    status: Filter[IncidentStatus] | None = strawberry.field(
        default=None, description="The status of the incident."
    )
    severity: Filter[IncidentSeverity] | None = strawberry.field(
        default=None, description="The risk to the people whose data it concerns."
    )
    deadline_at: DateTimeFilter | None = strawberry.field(
        default=None, description="When the authority has to be notified at the latest."
    )
