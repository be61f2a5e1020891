"""The analysts' reports against the same figures computed in plain Python, on both databases."""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from math import ceil
from typing import Any, cast

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_engine
from engine import Params, RequestError, encode_json
from models.billing.money import Money
from models.billing.offer import Interval, Segment
from models.errors import BadInput
from models.identity.session import Session
from models.identity.user import Staff, User
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from resolvers.analytics.reports import (
    RevenueDimension,
    TicketDimension,
    TicketReportRow,
    report_cost,
    revenue_report,
    ticket_report,
)
from tests.schema.analytics.report_fixtures import (
    TODAY,
    InvoiceColumns,
    Shop,
    TicketColumns,
    create_shop,
    delete_invoices,
    noon,
    report_info,
    store_invoices,
    store_tickets,
)

LIMIT = 20_000  # of an analyst's operation
WHOLE_RANGE: dict[str, Any] = {
    "since": date(2026, 6, 1),
    "until": TODAY + timedelta(1),
    "first": 1_000,
}
GENERATED_EXAMPLES = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

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


def group_by(rows: Iterable[Any], key: Any) -> list[tuple[tuple[Any, ...], list[Any]]]:
    """The rows grouped by key and sorted: enums in their declared order, days by date."""
    report = defaultdict(list)
    for row in rows:
        report[key(row)].append(row)
    return sorted(report.items(), key=lambda item: [_sort_key(part) for part in item[0]])


def _sort_key(part: Any) -> Any:
    return (
        list(type(part)).index(part)
        if isinstance(part, (Channel, Category, TicketStatus, Segment, Interval))
        else part
    )


def row_measures(row: TicketReportRow) -> tuple[Any, ...]:
    return (
        row.count,
        row.answered,
        row.solved,
        row.median_first_response_seconds,
        row.p90_first_response_seconds,
    )


def expected_measures(tickets: list[TicketColumns]) -> tuple[Any, ...]:
    """The measures of a group, computed by their definitions."""
    response_times = sorted(each.seconds for each in tickets if each.seconds is not None)
    solved_count = sum(
        each.status in (TicketStatus.SOLVED, TicketStatus.CLOSED) for each in tickets
    )
    median = float(statistics.median(response_times)) if response_times else None
    return (
        len(tickets),
        len(response_times),
        solved_count,
        median,
        float(response_times[ceil(len(response_times) * 0.9) - 1]) if response_times else None,
    )


@GENERATED_EXAMPLES
@given(tickets=st.lists(ticket_columns, max_size=40))
async def test_ticket_measures_equal_those_computed_in_python(
    shop: Shop, tickets: list[TicketColumns]
) -> None:
    await Ticket.all().delete()
    await store_tickets(shop, tickets)
    report = await ticket_report(
        report_info(), [TicketDimension.CHANNEL, TicketDimension.MONTH], **WHOLE_RANGE
    )
    assert [((row.channel, row.month), row_measures(row)) for row in report] == [
        (key, expected_measures(group))
        for key, group in group_by(tickets, lambda each: (each.channel, each.day.replace(day=1)))
    ]
    by_status = await ticket_report(
        report_info(),
        [TicketDimension.STATUS, TicketDimension.CATEGORY, TicketDimension.DAY],
        **WHOLE_RANGE,
    )
    assert [((row.status, row.category, row.day), row.count) for row in by_status] == [
        (key, len(group))
        for key, group in group_by(tickets, lambda each: (each.status, each.category, each.day))
    ]


@GENERATED_EXAMPLES
@given(invoices=st.lists(invoice_columns, max_size=40))
async def test_revenue_equals_the_sum_computed_in_python(
    shop: Shop, invoices: list[InvoiceColumns]
) -> None:
    await delete_invoices()
    await store_invoices(shop, invoices)
    dimensions = [RevenueDimension.SEGMENT, RevenueDimension.INTERVAL, RevenueDimension.MONTH]
    report = await revenue_report(report_info(), dimensions, **WHOLE_RANGE)

    def key(each: InvoiceColumns) -> tuple[Any, ...]:
        return (
            list(Segment)[each.product // 2],
            list(Interval)[each.product % 2],
            each.day.replace(day=1),
        )

    assert [
        ((row.segment, row.interval, row.month), row.invoices, row.net, row.vat, row.gross)
        for row in report
    ] == [
        (
            keys,
            len(group),
            Money(sum(each.net for each in group)),
            Money(sum(each.vat for each in group)),
            Money(sum(each.net + each.vat for each in group)),
        )
        for keys, group in group_by(invoices, key)
    ]


def chat_tickets(
    *days_ago: int, channel: Channel = Channel.CHAT, category: Category = Category.BUG
) -> list[TicketColumns]:
    return [
        TicketColumns(channel, category, TicketStatus.NEW, TODAY + timedelta(1 - ago), None)
        for ago in days_ago
    ]


async def test_the_default_range_is_the_last_thirty_days_in_paris(shop: Shop) -> None:
    await store_tickets(shop, chat_tickets(-1, 0, 29, 30))  # already the 24th by the test's clock
    report = await ticket_report(report_info(), [TicketDimension.DAY])
    assert [row.day for row in report] == [date(2026, 10, 26), date(2026, 11, 24)]


async def test_a_range_includes_its_first_day_and_excludes_its_last(shop: Shop) -> None:
    await store_tickets(shop, chat_tickets(1, 2, 3, 4))
    report = await ticket_report(
        report_info(), [TicketDimension.DAY], since=TODAY - timedelta(2), until=TODAY
    )
    assert [row.day for row in report] == [TODAY - timedelta(2), TODAY - timedelta(1)]


async def test_filters_select_their_values_and_an_empty_filter_selects_nothing(shop: Shop) -> None:
    await store_tickets(
        shop,
        chat_tickets(1, 1)
        + chat_tickets(1, channel=Channel.WEB)
        + chat_tickets(1, channel=Channel.WEB, category=Category.BILLING),
    )

    async def ticket_counts(**filters: Any) -> dict[Channel | None, int]:
        return {
            row.channel: row.count
            for row in await ticket_report(report_info(), [TicketDimension.CHANNEL], **filters)
        }

    assert await ticket_counts() == {Channel.CHAT: 2, Channel.WEB: 2}
    assert await ticket_counts(channel=[Channel.WEB, Channel.WEB]) == {Channel.WEB: 2}
    assert await ticket_counts(
        channel=[Channel.CHAT, Channel.WEB], category=[Category.BILLING]
    ) == {Channel.WEB: 1}
    assert await ticket_counts(channel=[]) == {}


async def test_a_limit_returns_the_first_rows_in_order(shop: Shop) -> None:
    await store_tickets(shop, chat_tickets(1, 2, 3))
    report = await ticket_report(report_info(), [TicketDimension.DAY, TicketDimension.DAY], first=2)
    assert [row.day for row in report] == [TODAY - timedelta(2), TODAY - timedelta(1)]


@pytest.mark.parametrize(
    ("argument", "arguments"),
    [
        ("groupBy", {"group_by": []}),
        ("groupBy", {"group_by": list(TicketDimension)}),
        ("first", {"first": 0}),
        ("first", {"first": 1_001}),
        ("since", {"since": date(2023, 1, 1)}),
        ("since", {"since": TODAY, "until": TODAY}),
        ("since", {"until": date.min}),
        ("since", {"since": date.max}),
    ],
)
async def test_a_report_out_of_range_is_refused(argument: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as refusal:
        await ticket_report(report_info(), **{"group_by": [TicketDimension.CHANNEL], **arguments})
    assert refusal.value.argument == argument


def test_the_cost_of_a_report_depends_on_its_dimensions_and_range() -> None:
    week_arguments = {
        "groupBy": [TicketDimension.CHANNEL, TicketDimension.DAY],
        "since": TODAY,
        "until": TODAY + timedelta(7),
    }
    year_arguments = {
        "groupBy": [RevenueDimension.OFFER, RevenueDimension.MONTH],
        "since": date(2026, 1, 1),
        "until": date(2027, 1, 1),
    }
    assert report_cost(week_arguments) < 500
    assert report_cost(year_arguments) < LIMIT / 4
    for dimensions in (list(TicketDimension)[:4], list(TicketDimension)):
        years_arguments = {
            "groupBy": dimensions,
            "since": date(2023, 11, 20),
            "until": date(2026, 11, 23),
            "first": 1_000,
        }
        assert report_cost(years_arguments) > LIMIT


def test_an_open_range_costs_as_much_as_its_days() -> None:
    assert report_cost({"groupBy": [TicketDimension.DAY]}) == report_cost(
        {"groupBy": [TicketDimension.DAY], "since": date(2026, 1, 1), "until": date(2026, 1, 31)}
    )
    assert report_cost({"groupBy": list(TicketDimension)[:4], "since": date(1990, 1, 1)}) > LIMIT
    assert report_cost({}) > 0  # its arguments were wrong


REPORTS = """
    query ($since: Date) {
        ticketReport(groupBy: [CHANNEL, DAY], since: $since) { channel day status count
        medianFirstResponseSeconds }
        revenueReport(groupBy: [OFFER, MONTH]) { offer { slug } month invoices net { amountCents }
        gross { formatted } }
        segments: revenueReport(groupBy: [SEGMENT]) { segment offer { slug } }
    }"""


def staff_viewer(staff: Staff | None) -> Viewer:
    user = User(
        id=1, email="nadia@camcha.example", name="Nadia", staff=staff, created_at=noon(TODAY)
    )
    return Viewer(user, session=Session(id=1, user_id=1, second_factor=True))


async def run_report(source: str, viewer: Viewer, **variables: Any) -> dict[str, Any]:
    engine, context = create_engine(None), report_info(viewer).context
    report = await engine.execute(
        engine.prepare(Params(source, variables=variables), cost_limit=LIMIT), context
    )
    return cast("dict[str, Any]", orjson.loads(encode_json(report)))


async def test_an_analyst_can_query_reports(shop: Shop) -> None:
    await store_tickets(
        shop,
        [
            TicketColumns(Channel.CHAT, Category.BUG, TicketStatus.OPEN, TODAY, seconds)
            for seconds in (10, 15)
        ],
    )
    await store_invoices(
        shop,
        [
            InvoiceColumns(0, TODAY, 2_900, 580),
            InvoiceColumns(1, TODAY, 100, 20),
            InvoiceColumns(2, TODAY, 50, 10),
        ],
    )
    data = (await run_report(REPORTS, staff_viewer(Staff.ANALYST), since="2026-11-01"))["data"]
    assert data["ticketReport"] == [
        {
            "channel": "CHAT",
            "day": "2026-11-23",
            "status": None,
            "count": 2,
            "medianFirstResponseSeconds": 12.5,
        }
    ]
    assert [
        (row["offer"]["slug"], row["month"], row["invoices"], row["net"]["amountCents"])
        for row in data["revenueReport"]
    ] == [
        ("PME", "2026-11-01", 1, 50),
        ("TPE", "2026-11-01", 2, 3_000),
    ]
    assert data["revenueReport"][1]["gross"]["formatted"] == "36,00\u00a0€"
    assert data["segments"] == [
        {"segment": "TPE", "offer": None},
        {"segment": "PME", "offer": None},
    ]


@pytest.mark.parametrize("staff", [None, Staff.AGENT, Staff.SUPERVISOR, Staff.OPERATOR])
async def test_only_analysts_can_query_reports(staff: Staff | None) -> None:
    report = await run_report("{ ticketReport(groupBy: [DAY]) { count } }", staff_viewer(staff))
    assert [error["extensions"]["code"] for error in report["errors"]] == ["FORBIDDEN"]


async def test_a_query_that_is_too_expensive_is_refused_with_its_cost_and_the_limit() -> None:
    expensive_arguments = (
        '(groupBy: [CHANNEL, CATEGORY, STATUS, DAY], since: "2023-11-20", until: "2026-11-23", '
        "first: "
        "1000)"
    )
    with pytest.raises(RequestError) as refusal:
        await run_report(
            f"{{ ticketReport{expensive_arguments} {{ count }} }}", staff_viewer(Staff.ANALYST)
        )
    (error,) = refusal.value.errors
    assert error["extensions"]["code"] == "QUERY_TOO_COSTLY"
    assert error["extensions"]["cost"] > error["extensions"]["limit"] == LIMIT
