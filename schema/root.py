"""The roots of the graph, composed from the domains."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from resolvers.scalars import SCALARS
from schema.accounts.root import AccountsMutation, AccountsQuery
from schema.analytics.root import AnalyticsMutation, AnalyticsQuery
from schema.billing.root import BillingMutation, BillingQuery
from schema.common.root import CommonQuery
from schema.content.root import ContentMutation, ContentQuery
from schema.identity.root import IdentityMutation, IdentityQuery
from schema.nodes import NODE_TYPES
from schema.operations.root import OperationsMutation, OperationsQuery
from schema.privacy.root import PrivacyMutation, PrivacyQuery
from schema.support.root import SupportMutation, SupportQuery, SupportSubscription


@strawberry.type(description="Everything that can be read.")
class Query(
    IdentityQuery,
    AccountsQuery,
    ContentQuery,
    BillingQuery,
    SupportQuery,
    PrivacyQuery,
    AnalyticsQuery,
    OperationsQuery,
    CommonQuery,
):
    pass


@strawberry.type(
    description="Mutations. Errors that the user can correct are returned in `userErrors`."
)
class Mutation(
    IdentityMutation,
    AccountsMutation,
    ContentMutation,
    BillingMutation,
    SupportMutation,
    PrivacyMutation,
    AnalyticsMutation,
    OperationsMutation,
):
    pass


@strawberry.type(
    description="Live events. Pass `after` to resume without missing or repeating an event."
)
class Subscription(SupportSubscription):
    pass


schema = strawberry.Schema(
    Query,
    Mutation,
    Subscription,
    types=NODE_TYPES,
    config=StrawberryConfig(scalar_map=SCALARS),
)
