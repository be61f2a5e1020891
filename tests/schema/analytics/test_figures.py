"""Analysts' figures against the same ones computed in plain Python, on both databases."""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from math import ceil
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.billing.offer import Interval, Segment
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from operations.analytics.facts import Function
from operations.analytics.query import MAX_ROWS, AnalyticsQuery, Measure
from operations.analytics.table import answer
from tests.schema.analytics.figure_fixtures import (
    TODAY,
    InvoiceColumns,
    Shop,
    TicketColumns,
    create_shop,
    delete_invoices,
    store_invoices,
    store_tickets,
)

GENERATED_EXAMPLES = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Figures = list[tuple[tuple[Any, ...], tuple[Any, ...]]]

days = st.dates(date(2026, 8, 30), TODAY)
ticket_columns = st.builds(
    TicketColumns,
    st.sampled_from([Channel.CHAT, Channel.WEB]),
    st.sampled_from([Category.BUG, Category.BILLING]),
    st.sampled_from(TicketStatus),
    days,
    st.none() | st.integers(0, 90_000),
)
cent_amounts = st.integers(-(2**40), 2**40)
invoice_columns = st.builds(InvoiceColumns, st.integers(0, 3), days, cent_amounts, cent_amounts)


@pytest.fixture
async def shop(db: str) -> Shop:
    return await create_shop()


async def figures(fact: str, dimensions: tuple[str, ...], *measures: Measure) -> Figures:
    """The keys and the numbers of each row, about however few companies."""
    query = AnalyticsQuery(fact, measures, dimensions, since=date(2026, 6, 1), first=MAX_ROWS)
    table = await answer(query, TODAY, minimum_companies=1)
    return [(row.keys, tuple(cell.number for cell in row.cells)) for row in table.rows]


def group_by(rows: Iterable[Any], key: Any) -> list[tuple[tuple[str, ...], list[Any]]]:
    """The rows grouped by key and sorted: enums in their declared order, days by date."""
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    ordered = sorted(groups.items(), key=lambda item: [_sort_key(part) for part in item[0]])
    return [(tuple(map(str, key)), group) for key, group in ordered]


def _sort_key(part: Any) -> Any:
    if isinstance(part, date):
        return part
    members: Any = type(part)
    return [*members].index(part)


def expected_numbers(tickets: list[TicketColumns]) -> tuple[Any, ...]:
    """The numbers of a group, computed by their definitions."""
    times = sorted(each.seconds for each in tickets if each.seconds is not None)
    finished = (TicketStatus.SOLVED, TicketStatus.CLOSED)
    return (
        len(tickets),
        len(times),
        sum(each.status in finished for each in tickets),
        statistics.median(times) if times else None,
        times[ceil(len(times) * 0.9) - 1] if times else None,
    )


@GENERATED_EXAMPLES
@given(tickets=st.lists(ticket_columns, max_size=40))
async def test_the_figures_of_tickets_equal_those_computed_in_python(
    shop: Shop, tickets: list[TicketColumns]
) -> None:
    await Ticket.all().delete()
    await store_tickets(shop, tickets)
    by_channel = await figures(
        "tickets",
        ("CHANNEL", "MONTH"),
        Measure(Function.COUNT),
        Measure(Function.SUM, "ANSWERED"),
        Measure(Function.SUM, "SOLVED"),
        Measure(Function.MEDIAN, "FIRST_RESPONSE"),
        Measure(Function.P90, "FIRST_RESPONSE"),
    )
    assert by_channel == [
        (key, expected_numbers(group))
        for key, group in group_by(tickets, lambda each: (each.channel, each.day.replace(day=1)))
    ]
    by_status = await figures("tickets", ("STATUS", "CATEGORY", "DAY"), Measure(Function.COUNT))
    assert by_status == [
        (key, (len(group),))
        for key, group in group_by(tickets, lambda each: (each.status, each.category, each.day))
    ]


@GENERATED_EXAMPLES
@given(invoices=st.lists(invoice_columns, max_size=40))
async def test_revenue_equals_the_sum_computed_in_python(
    shop: Shop, invoices: list[InvoiceColumns]
) -> None:
    await delete_invoices()
    await store_invoices(shop, invoices)
    revenue = await figures(
        "revenue",
        ("SEGMENT", "INTERVAL", "MONTH"),
        Measure(Function.DISTINCT, "INVOICE"),
        Measure(Function.SUM, "NET"),
        Measure(Function.SUM, "VAT"),
        Measure(Function.SUM, "GROSS"),
    )

    def key(each: InvoiceColumns) -> tuple[Any, ...]:
        product = (list(Segment)[each.product // 2], list(Interval)[each.product % 2])
        return (*product, each.day.replace(day=1))

    assert revenue == [
        (
            keys,
            (
                len(group),
                sum(each.net for each in group),
                sum(each.vat for each in group),
                sum(each.net + each.vat for each in group),
            ),
        )
        for keys, group in group_by(invoices, key)
    ]
