"""The analytics domain's part of the roots."""

import strawberry

from schema.analytics.saved_queries import SavedQueryMutation, SavedQueryQuery
from schema.analytics.tables import TableQuery


@strawberry.type
class AnalyticsQuery(TableQuery, SavedQueryQuery):
    pass


@strawberry.type
class AnalyticsMutation(SavedQueryMutation):
    pass
