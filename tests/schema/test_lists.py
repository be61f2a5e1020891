"""Lists, and root fields for single objects: typed filters, orders whose cursors are valid for that
order only, and objects found by number or ID.
"""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tortoise.transactions import in_transaction

from models.accounts.account import Account
from models.action import Action
from models.billing.invoice import Invoice
from models.billing.purchase import Purchase
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.ids import encode
from tests.schema.test_statements import statements

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

TICKETS_QUERY = """query($f: TicketFilter, $o: TicketOrder, $first: Int, $after: String, $last: Int,
    $before: String) {
    tickets(filter: $f, orderBy: $o, first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { number subject } pageInfo { startCursor endCursor } } }"""
INVOICES_QUERY = (
    "query($f: InvoiceFilter, $o: InvoiceOrder) { invoices(filter: $f, orderBy: $o) { nodes { "
    "number } } }"
)
BY_NUMBER_QUERY = """query($ticket: String!, $invoice: String!, $purchase: ID!, $account: ID!) {
    ticket(number: $ticket) { id } invoice(number: $invoice) { id } purchase(id: $purchase) { id }
    account(id: $account) { id }
    contact { email } }"""


def order_by(field: str, direction: str) -> dict[str, str]:
    return {"field": field, "direction": direction}


@pytest.fixture
async def tickets(dataset: "Dataset", action: Action, clock: "MovableClock") -> list[str]:
    """The numbers of Paul's tickets as they were opened. The first one is the last to change."""
    user = dataset.paul.owner.user
    assert user
    first: Ticket = dataset.paul.row(Ticket)
    numbers = [first.number]
    for subject in "abc":
        clock.advance(timedelta(seconds=1))
        later_action = replace(action, at=clock.now())
        async with later_action.transaction() as tx:
            ticket = await Ticket.open(
                tx,
                dataset.paul.account,
                user,
                subject=subject,
                channel=Channel.WEB,
                category=Category.BUG,
            )
        numbers.append(ticket.number)
    clock.advance(timedelta(seconds=1))
    await first.reply(replace(action, at=clock.now()), user, "Encore", "again")
    return numbers


async def list_numbers(execute: "Execute", viewer: Viewer, **arguments: Any) -> list[str]:
    return [
        each["number"]
        for each in (await execute(viewer, TICKETS_QUERY, **arguments))["data"]["tickets"]["nodes"]
    ]


async def test_tickets_are_returned_in_the_requested_order(
    execute: "Execute", dataset: "Dataset", tickets: list[str]
) -> None:
    first, a, b, c = tickets
    for order, numbers in (
        (None, [first, c, b, a]),
        (order_by("UPDATED_AT", "ASC"), [a, b, c, first]),
        (order_by("CREATED_AT", "DESC"), [c, b, a, first]),
        (order_by("CREATED_AT", "ASC"), [first, a, b, c]),
    ):
        assert await list_numbers(execute, dataset.paul.owner, o=order) == numbers
        page = (await execute(dataset.paul.owner, TICKETS_QUERY, o=order, first=2))["data"][
            "tickets"
        ]
        next_numbers = await list_numbers(
            execute, dataset.paul.owner, o=order, after=page["pageInfo"]["endCursor"]
        )
        assert [each["number"] for each in page["nodes"]] + next_numbers == numbers
        last_page = (await execute(dataset.paul.owner, TICKETS_QUERY, o=order, last=1))["data"][
            "tickets"
        ]
        assert (
            await list_numbers(
                execute, dataset.paul.owner, o=order, before=last_page["pageInfo"]["startCursor"]
            )
            == numbers[:-1]
        )


async def test_a_cursor_of_another_order_is_refused(
    execute: "Execute", dataset: "Dataset", tickets: list[str]
) -> None:
    orders = [
        order_by("UPDATED_AT", "DESC"),
        order_by("UPDATED_AT", "ASC"),
        order_by("CREATED_AT", "DESC"),
        order_by("CREATED_AT", "ASC"),
    ]
    for order in orders:
        page = (await execute(dataset.paul.owner, TICKETS_QUERY, o=order, first=1))["data"][
            "tickets"
        ]
        for other in orders:
            response = await execute(
                dataset.paul.owner, TICKETS_QUERY, o=other, after=page["pageInfo"]["endCursor"]
            )
            codes = [error["extensions"]["code"] for error in response.get("errors", [])]
            assert codes == ([] if other == order else ["BAD_USER_INPUT"])


async def test_all_filters_must_match(
    execute: "Execute", dataset: "Dataset", tickets: list[str], clock: "MovableClock"
) -> None:
    first, a, b, c = tickets
    now = clock.now()
    for arguments, numbers in (
        ({"channel": {"eq": "CHAT"}}, [first]),
        ({"channel": {"in": ["CHAT", "WEB", "WEB"]}}, [first, c, b, a]),
        ({"channel": {"in": []}}, []),
        ({"channel": {"eq": "CHAT", "in": ["WEB"]}}, []),
        ({"channel": {"eq": None, "in": None}}, [first, c, b, a]),
        ({"status": {"eq": "OPEN"}}, []),
        ({"status": {"in": ["NEW", "CLOSED"]}, "channel": {"eq": "WEB"}}, [c, b, a]),
        (
            {"updatedAt": {"gte": (now - timedelta(seconds=2)).isoformat(), "lt": now.isoformat()}},
            [c, b],
        ),
        ({"number": {"eq": b}}, [b]),
        ({"number": {"in": [a, c, "CAM-2026-999999", "x"]}}, [c, a]),
        ({"number": {"in": []}}, []),
    ):
        assert await list_numbers(execute, dataset.paul.owner, f=arguments) == numbers, arguments


async def test_a_nested_list_can_be_ordered(
    execute: "Execute", dataset: "Dataset", tickets: list[str]
) -> None:
    query = """query($ids: [ID!]!, $o: TicketOrder, $after: String) { nodes(ids: $ids) { ... on
        Account {
        tickets(orderBy: $o, first: 3, after: $after) { nodes { number }
        pageInfo { endCursor } } } } }"""
    first, a, b, c = tickets
    paul, marie = dataset.paul.id(Account), dataset.marie.id(Account)
    order = order_by("CREATED_AT", "ASC")
    pages = [
        each["tickets"]
        for each in (await execute(dataset.alice, query, ids=[paul, marie], o=order))["data"][
            "nodes"
        ]
    ]
    assert [[each["number"] for each in page["nodes"]] for page in pages] == [
        [first, a, b],
        [dataset.marie.row(Ticket).number],
    ]
    after = pages[0]["pageInfo"]["endCursor"]
    [next_numbers] = (await execute(dataset.alice, query, ids=[paul], o=order, after=after))[
        "data"
    ]["nodes"]
    assert [each["number"] for each in next_numbers["tickets"]["nodes"]] == [c]
    response = await execute(dataset.alice, query, ids=[paul], after=after)
    assert [error["extensions"]["code"] for error in response["errors"]] == ["BAD_USER_INPUT"]


async def test_staff_find_objects_by_number(execute: "Execute", dataset: "Dataset") -> None:
    ticket, invoice = dataset.marie.row(Ticket).number, dataset.marie.row(Invoice).number
    assert await list_numbers(execute, dataset.alice, f={"number": {"eq": ticket.lower()}}) == [
        ticket
    ]
    for arguments in ({"number": {"eq": invoice}}, {"number": {"in": [invoice, "FA-1", "\x00"]}}):
        response = await execute(dataset.alice, INVOICES_QUERY, f=arguments)
        assert response["data"]["invoices"]["nodes"] == [{"number": invoice}]
        assert (await execute(dataset.paul.owner, INVOICES_QUERY, f=arguments))["data"]["invoices"][
            "nodes"
        ] == []
    numbers_filter = {
        "number": {"in": [invoice] * 50 + [f"FA-2026-{number:06d}" for number in range(101)]}
    }
    for query in (INVOICES_QUERY, TICKETS_QUERY):
        assert (await execute(dataset.alice, query, f=numbers_filter))["errors"][0]["extensions"][
            "code"
        ] == "BAD_USER_INPUT"


async def test_invoices_can_be_ordered_by_number_or_date(
    execute: "Execute", dataset: "Dataset"
) -> None:
    numbers = sorted(company.row(Invoice).number for company in (dataset.paul, dataset.marie))
    for order in ("NUMBER", "ISSUED_ON"):
        for direction, expected in (("ASC", numbers), ("DESC", numbers[::-1])):
            response = await execute(dataset.alice, INVOICES_QUERY, o=order_by(order, direction))
            assert [each["number"] for each in response["data"]["invoices"]["nodes"]] == expected
    for arguments, count in (
        ({"gte": "2026-11-23"}, 2),
        ({"lt": "2026-11-23"}, 0),
        ({"gte": "2026-11-23", "lt": "2026-11-24"}, 2),
    ):
        response = await execute(dataset.alice, INVOICES_QUERY, f={"issuedOn": arguments})
        assert len(response["data"]["invoices"]["nodes"]) == count


async def test_viewers_with_access_find_objects_by_name(
    execute: "Execute", dataset: "Dataset"
) -> None:
    marie = dataset.marie
    names: dict[str, str] = {
        "ticket": marie.row(Ticket).number,
        "invoice": marie.row(Invoice).number,
        "purchase": marie.id(Purchase),
        "account": marie.id(Account),
    }
    result = {"ticket": {"id": marie.id(Ticket)}, "invoice": {"id": marie.id(Invoice)}}
    result |= {name: {"id": names[name]} for name in ("purchase", "account")}
    prefix, year, position = names["invoice"].split("-")
    spellings = {"ticket": names["ticket"].lower(), "invoice": f" {prefix}-{year}-{int(position)}"}
    for viewer, given in ((marie.owner, names), (dataset.alice, names | spellings)):
        response = await execute(viewer, BY_NUMBER_QUERY, **given)
        contact = response["data"].pop("contact")
        assert contact["email"]
        assert response["data"] == result
    missing_objects = {
        "ticket": "CAM-2026-999999",
        "invoice": "FA-2026-999999",
        "purchase": encode("Purchase", 99),
        "account": encode("Account", 99),
    }
    wrong_filter = {
        "ticket": "CAM-2026-2",
        "invoice": "\x00" * 50,
        "purchase": "x",
        "account": names["purchase"],
    }
    for arguments in (
        names,
        missing_objects,
        wrong_filter,
        {**names, "ticket": names["ticket"].replace("2026", "2025")},
    ):
        response = await execute(dataset.paul.owner, BY_NUMBER_QUERY, **arguments)
        assert "errors" not in response
        assert {name: response["data"][name] for name in result} == dict.fromkeys(result)


async def test_a_refused_list_does_not_affect_other_fields(
    execute: "Execute", dataset: "Dataset"
) -> None:
    response = await execute(
        dataset.paul.member,
        "{ tickets { totalCount } invoices { totalCount } offers(first: -1) { totalCount } }",
    )
    assert response["data"] == {"tickets": {"totalCount": 1}, "invoices": None, "offers": None}
    assert [error["extensions"]["code"] for error in response["errors"]] == [
        "FORBIDDEN",
        "BAD_USER_INPUT",
    ]


async def test_a_total_is_counted_up_to_a_limit(
    execute: "Execute",
    dataset: "Dataset",
    tickets: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    query = """{ tickets { totalCount isTotalCountExact }
        node(id: "%s") { ... on Account { tickets { totalCount isTotalCountExact } } } }"""
    query %= dataset.paul.id(Account)
    for limit, total, is_exact in ((10_000, 4, True), (4, 4, True), (3, 3, False)):
        monkeypatch.setattr("resolvers.paging.MAX_TOTAL", limit)
        with caplog.at_level(logging.DEBUG, "tortoise.db_client"):
            caplog.clear()
            data = (await execute(dataset.paul.owner, query))["data"]
            counts = [each for each in statements(caplog) if "COUNT(" in each]
        expected = {"totalCount": total, "isTotalCountExact": is_exact}
        assert data == {"tickets": expected, "node": {"tickets": expected}}
        assert len(counts) == 2  # one for each list, although both fields need it
        assert all(" LIMIT " in each for each in counts)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_page_in_the_middle_starts_in_the_index(
    execute: "Execute",
    dataset: "Dataset",
    tickets: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Otherwise the database reads all rows before the page, and a later page takes longer."""
    first = await execute(dataset.alice, TICKETS_QUERY, first=1)
    cursor = first["data"]["tickets"]["pageInfo"]["endCursor"]
    with caplog.at_level(logging.DEBUG, "tortoise.db_client"):
        caplog.clear()
        await execute(dataset.alice, TICKETS_QUERY.replace("totalCount", ""), first=1, after=cursor)
        (statement,) = statements(caplog)
    async with in_transaction() as db:
        await db.execute_script("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        at = "TIMESTAMPTZ '2026-11-24 10:00Z'"
        values = f"({at}, {at}, {at}, 3, 2)"
        await db.execute_script(f"PREPARE page AS {statement}")
        plan = await db.execute_query_dict(f"EXPLAIN EXECUTE page{values}")
    lines = [row["QUERY PLAN"].strip() for row in plan]
    assert any(line.startswith("Index Cond: (updated_at <=") for line in lines), lines
