"""Filters and orders of the operators' lists."""

from enum import Enum

import strawberry

from models.operations.email import EmailState
from resolvers.descriptions import describe_enum
from resolvers.filters import DateTimeFilter, Filter, IdFilter, OrderDirection
from resolvers.operations.enums import AnyAuditAction


class EmailOrderField(Enum):
    """The columns that emails can be ordered by."""

    CREATED_AT = "id"


describe_enum(
    EmailOrderField,
    "The fields that emails can be ordered by.",
    {"CREATED_AT": "When the email was created."},
)


@strawberry.input(description="The order of emails.")
class EmailOrder:
    field: EmailOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on emails. All given conditions must be met.")
class EmailFilter:
    state: Filter[EmailState] | None = strawberry.field(
        default=None, description="The delivery state of the email."
    )


class AuditEntryOrderField(Enum):
    """The columns that audit entries can be ordered by."""

    SEQUENCE = "id"


describe_enum(
    AuditEntryOrderField,
    "The fields that audit entries can be ordered by.",
    {"SEQUENCE": "The number of the entry in the log."},
)


@strawberry.input(description="The order of audit entries.")
class AuditEntryOrder:
    field: AuditEntryOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on audit entries. All given conditions must be met.")
class AuditEntryFilter:
    action: Filter[AnyAuditAction] | None = strawberry.field(
        default=None, description="The kind of action."
    )
    actor_id: IdFilter | None = strawberry.field(
        default=None, description="The ID of the user who performed the action."
    )
    object_id: strawberry.ID | None = strawberry.field(
        default=None, description="The ID of the object that the action was performed on."
    )
    at: DateTimeFilter | None = strawberry.field(
        default=None, description="When the action was performed."
    )
