"""The answers to analysts' queries."""

from datetime import date

import strawberry

from auth.rules import analyst
from operations.analytics.facts import Unit
from resolvers.analytics import queries as query_resolvers
from schema.billing.money import Money
from schema.fields import field, localized_field, query, viewer_field

_FORMATTED = (
    "The number as people read it, with its unit: `1 234,50 €`, `12,3 %`, `2 h 05`. Null when it "
    "is hidden, and `–` when there is none."
)


@strawberry.type(description="A number, or an amount of money.")
class AnalyticsNumber:
    number: float | None = field(
        "The number. Null when the measure is an amount, when the number is hidden, and when "
        "there is nothing to compute it from."
    )
    amount: Money | None = field("The amount, when the measure is one.")
    is_hidden: bool = field(
        "Whether the number is hidden: because it is based on too few companies, or because such "
        "a number could be computed from it."
    )
    formatted: str | None = localized_field(
        query_resolvers.number_labels, description=_FORMATTED, needs=()
    )


@strawberry.type(description="A number of a row, with what it is compared with.")
class AnalyticsCell:
    number: float | None = field(
        "The number. Null when the measure is an amount, when the number is hidden, and when "
        "there is nothing to compute it from."
    )
    amount: Money | None = field("The amount, when the measure is one.")
    is_hidden: bool = field(
        "Whether the number is hidden: because it is based on too few companies, or because such "
        "a number could be computed from it."
    )
    formatted: str | None = localized_field(
        query_resolvers.number_labels, description=_FORMATTED, needs=()
    )
    previous: AnalyticsNumber | None = field(
        "The number in the earlier range. Null unless the query has `compare`."
    )
    change: float | None = field(
        "The relative change since the earlier range: 0.5 is an increase of 50%."
    )
    running_total: AnalyticsNumber | None = field(
        "The sum up to this row over time, without hidden numbers. Null unless it was requested."
    )


@strawberry.type(description="A group of facts.")
class AnalyticsRow:
    keys: list[str | None] = field(
        "The values of the dimensions, in their order: names of enum values, ISO 8601 days and "
        "times, numbers, names. Null for facts without a value."
    )
    labels: list[str] = localized_field(
        query_resolvers.key_labels,
        description="The values of the dimensions as people read them, such as `nov. 2026`.",
        needs=(),
    )
    cells: list[AnalyticsCell] = field("The numbers, in the order of the measures.")


@strawberry.type(description="A measure of a table.")
class AnalyticsMeasure:
    name: str = field("The function and the value that it applies to, such as `SUM_NET`.")
    unit: Unit = field("The unit of the numbers.")
    label: str = localized_field(
        query_resolvers.measure_labels, description="What people call the measure.", needs=()
    )


@strawberry.type(description="The answer to a query.")
class AnalyticsTable:
    since: date = field("The first day.")
    until: date = field("The day after the last day.")
    dimensions: list[str] = field("The dimensions, in the order of the query.")
    dimension_labels: list[str] = localized_field(
        query_resolvers.dimension_labels,
        description="What people call the dimensions.",
        needs=(),
    )
    measures: list[AnalyticsMeasure] = field("The measures, in the order of the query.")
    rows: list[AnalyticsRow] = field(
        "The rows, ordered by the dimensions or by the measure that the query names. Rows whose "
        "number is hidden come last in the order of a measure."
    )
    row_count: int = field("The number of rows before `first` was applied.")
    truncated: bool = field("Whether rows were left out because of `first`.")
    hidden_count: int = field("How many numbers of these rows are hidden.")
    minimum_companies: int = field(
        "The minimum number of companies that a number must be based on to be shown."
    )
    csv_url: str = viewer_field(
        query_resolvers.csv_urls,
        description="A link to the answer as a CSV file (RFC 4180, UTF-8), valid for 5 minutes. It "
        "has all rows, whatever `first` is, amounts in euros, and a column for each measure that "
        "says whether its number is hidden.",
        needs=(),
    )
    parquet_url: str = viewer_field(
        query_resolvers.parquet_urls,
        description="A link to the same rows as an Apache Parquet file, valid for 5 minutes. "
        "Columns have types: days and times, integers, floating-point numbers. Amounts are "
        "integers in cents, each with a column for the currency.",
        needs=(),
    )


@strawberry.type
class TableQuery:
    analytics: AnalyticsTable | None = query(
        query_resolvers.analytics,
        allow=analyst,
        cost=query_resolvers.query_cost,
        description="The answer to a query of one fact table, without personal data: counts, sums, "
        "means and percentiles by any dimensions. Numbers about few companies are hidden.",
    )
