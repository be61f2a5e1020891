"""Filters and orders of the content lists."""

from enum import Enum

import strawberry

from models.content.article import ArticleCategory, ArticleKind
from models.content.policy import PolicyKind
from resolvers.descriptions import describe_enum
from resolvers.filters import Filter, OrderDirection


class ArticleOrderField(Enum):
    """The columns that articles can be ordered by."""

    POSITION = "position"


describe_enum(
    ArticleOrderField,
    "The fields that articles can be ordered by.",
    {"POSITION": "The vendor's own order of the library."},
)


@strawberry.input(description="The order of articles.")
class ArticleOrder:
    field: ArticleOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on articles. All given conditions must be met.")
class ArticleFilter:
    kind: Filter[ArticleKind] | None = strawberry.field(
        default=None, description="The kind of article."
    )
    category: Filter[ArticleCategory] | None = strawberry.field(
        default=None, description="The part of the service that the article is about."
    )
    is_published: bool | None = strawberry.field(
        default=None,
        description="Whether readers see the article. Only supervisors and operators see others.",
    )


class PolicyOrderField(Enum):
    """The columns that versions of policies can be ordered by."""

    EFFECTIVE_ON = "effective_on"


describe_enum(
    PolicyOrderField,
    "The fields that versions of policies can be ordered by.",
    {"EFFECTIVE_ON": "The day the version takes effect."},
)


@strawberry.input(description="The order of versions of policies.")
class PolicyOrder:
    field: PolicyOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(
    description="Conditions on versions of policies. All given conditions must be met."
)
class PolicyFilter:
    kind: Filter[PolicyKind] | None = strawberry.field(
        default=None, description="The kind of policy."
    )
