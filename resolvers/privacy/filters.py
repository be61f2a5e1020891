"""Orders of the privacy lists."""

from enum import Enum

import strawberry

from resolvers.descriptions import describe_enum
from resolvers.filters import OrderDirection


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
