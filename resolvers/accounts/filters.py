"""Filters and orders of the accounts lists."""

from enum import Enum

import strawberry

from models.accounts.legal_name import LegalNameStatus
from resolvers.descriptions import describe_enum
from resolvers.filters import Filter, OrderDirection


class UserOrderField(Enum):
    """The columns that users can be ordered by."""

    CREATED_AT = "id"


describe_enum(
    UserOrderField,
    "The fields that users can be ordered by.",
    {"CREATED_AT": "When the person signed up or was hired."},
)


@strawberry.input(description="The order of users.")
class UserOrder:
    field: UserOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


class LegalNameChangeOrderField(Enum):
    """The columns that changes of legal name can be ordered by."""

    UPDATED_AT = "updated_at"


describe_enum(
    LegalNameChangeOrderField,
    "The fields that changes of legal name can be ordered by.",
    {"UPDATED_AT": "When the change last moved to another status."},
)


@strawberry.input(description="The order of changes of legal name.")
class LegalNameChangeOrder:
    field: LegalNameChangeOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(
    description="Conditions on changes of legal name. All given conditions must be met."
)
class LegalNameChangeFilter:
    status: Filter[LegalNameStatus] | None = strawberry.field(
        default=None, description="The status of the change."
    )
