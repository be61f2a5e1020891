"""`read` returns what the ORM returns, with the requested columns only, and its connections are
reused safely.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tortoise.expressions import Q
from tortoise.functions import Count
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Account
from models.action import Action
from models.billing.offer import Interval, Offer, Price, Segment
from models.content.article import Article, ArticleCategory, ArticleKind, article_search_text
from models.database import statement
from models.database.reading import all_columns, read
from models.support.classification import Category, Channel
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from tests.people import create_account, create_user

AnyQuerySet = QuerySet[Any]
TEXTS: Any = {
    "fr": {"title": "L'été", "summary": "s", "body": "b"},
    "en": {"title": "Summer", "summary": "s", "body": "b"},
}


@dataclass
class ExampleData:
    """Three tickets of two companies, with 1, 2 and 3 messages, an offer with two prices, and an
    article.
    """

    action: Action
    tickets: list[Ticket]


@pytest.fixture
async def data(db: str, action: Action) -> ExampleData:
    user = await create_user(action, "Paul", email="paul@example.fr")
    accounts = [await create_account(action, name) for name in ("Paul", "Marie")]
    data = ExampleData(action, [])
    for number in range(3):
        async with action.transaction() as tx:
            ticket = await Ticket.open(
                tx,
                accounts[number % 2],
                user,
                subject=f"Aide {number}",
                channel=Channel.CHAT,
                category=Category.BUG,
            )
            for index in range(number + 1):
                await ticket.post(tx, user, f"{number}.{index}", f"c{number}.{index}")
        data.tickets.append(ticket)
    offer = await Offer.create(
        slug="essentiel", segment=Segment.TPE, position=1, texts={"fr": {"name": "É"}}
    )
    for interval, net in ((Interval.MONTH, 2900), (Interval.YEAR, 29000)):
        await Price.create(
            offer=offer, interval=interval, net_cents=net, vat_rate=2000, valid_from=action.at
        )
    await Article.create(
        slug="ete",
        kind=ArticleKind.FAQ,
        category=ArticleCategory.SUPPORT,
        texts=TEXTS,
        starts_at=action.at,
        search_text_fr=article_search_text(TEXTS["fr"]),
        search_text_en=article_search_text(TEXTS["en"]),
    )
    return data


def column_values(row: Model) -> dict[str, Any]:
    return {name: getattr(row, name) for name in all_columns(type(row))}


QUERIES: dict[str, Callable[[ExampleData], AnyQuerySet]] = {
    "all": lambda data: Ticket.all(),
    "none": lambda data: Ticket.filter(id=None),
    "equal": lambda data: Ticket.filter(subject="Aide 1"),
    "several": lambda data: Ticket.filter(channel=Channel.CHAT, category=Category.BUG).filter(
        status=TicketStatus.NEW
    ),
    "null": lambda data: Ticket.filter(
        closed_at=None, assignee_id__isnull=True, requester_id__not_isnull=True
    ),
    "moment": lambda data: Ticket.filter(
        created_at__lte=data.action.at, created_at__gt=data.action.at - timedelta(days=1)
    ),
    "day": lambda data: Ticket.filter(opened_on__gte=data.action.day),
    "list": lambda data: Ticket.filter(id__in={data.tickets[0].pk, data.tickets[2].pk}),
    "enums": lambda data: Ticket.filter(status__in=[TicketStatus.NEW, TicketStatus.OPEN]),
    "empty list": lambda data: Ticket.filter(id__in=[]),
    "list and one": lambda data: Ticket.filter(id__in=[1, 2], id=2),
    "either": lambda data: Ticket.filter(
        Q(subject="Aide 0") | Q(subject="Aide 1", id__gt=data.tickets[0].pk)
    ),
    "not": lambda data: Ticket.exclude(subject="Aide 0").filter(~Q(id=data.tickets[1].pk)),
    "other": lambda data: Ticket.filter(subject__not="Aide 0"),
    "same value twice": lambda data: Message.filter(Q(id=2) | Q(sequence=2)),
    "boolean": lambda data: Message.filter(from_staff=False),
    "related": lambda data: Message.filter(ticket__account_id=data.tickets[0].account_id),
    "related and distinct": lambda data: Ticket.filter(messages__from_staff=False).distinct(),
    "text": lambda data: Article.filter(search_text_fr__contains="ete"),
    "row": lambda data: Message.filter(ticket=data.tickets[1]),
    "json and prices": lambda data: Offer.filter(slug="essentiel"),
    "current": lambda data: Price.current(data.action.at),
}


@pytest.mark.parametrize("name", QUERIES)
async def test_reading_returns_the_same_rows_as_the_orm(data: ExampleData, name: str) -> None:
    for _ in range(2):  # compiled, then from the cache
        queryset = QUERIES[name](data)
        assert [column_values(row) for row in await read(queryset, None, "-id")] == [
            column_values(row) for row in await queryset.order_by("-id")
        ]


async def test_a_statement_is_compiled_once_for_any_values(data: ExampleData) -> None:
    await read(Ticket.filter(id__in=[1], subject="a"), ("id",))
    statement_count = len(statement._statements)
    assert await read(Ticket.filter(id__in=[], subject="b"), ("id",)) == []
    first_ticket, _, third_ticket = data.tickets
    rows = await read(
        Ticket.filter(id__in=[first_ticket.pk, third_ticket.pk], subject="Aide 2"), ("id",)
    )
    assert [row.pk for row in rows] == [third_ticket.pk]
    assert len(statement._statements) == statement_count


async def test_the_number_of_cached_statements_is_limited(
    data: ExampleData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement, "MAX_STATEMENTS", 5)
    statement._statements.clear()
    for column in all_columns(Ticket):
        assert len(await read(Ticket.all(), ("id", column) if column != "id" else ("id",))) == 3
    assert len(statement._statements) == 5


async def test_columns_that_were_not_read_raise_attribute_error(data: ExampleData) -> None:
    row = (await read(Ticket.all(), ("id", "created_at"), "id"))[0]
    assert (row.pk, row.number) == (data.tickets[0].pk, data.tickets[0].number)
    assert row == data.tickets[0]
    for missing in ("subject", "status", "account_id"):
        with pytest.raises(AttributeError, match=missing):
            getattr(row, missing)
    with pytest.raises(AttributeError, match="account_id"):
        _ = row.account


@pytest.mark.parametrize("descending", [True, False])
async def test_the_first_rows_of_each_key_can_be_read(data: ExampleData, descending: bool) -> None:
    keys = [ticket.pk for ticket in data.tickets]
    order = "-sequence" if descending else "sequence"
    rows = await read(
        Message.filter(from_staff=False),
        ("id", "ticket_id", "sequence", "body"),
        order,
        where_in=("ticket_id", keys),
        limit=2,
        per_key=True,
    )
    for number, key in enumerate(keys):
        expected = [f"{number}.{index}" for index in range(number + 1)]
        assert [row.body for row in rows if row.ticket_id == key] == (
            expected[::-1] if descending else expected
        )[:2]


async def test_querysets_with_more_than_filters_are_refused(data: ExampleData) -> None:
    querysets: list[AnyQuerySet] = [
        Ticket.all().limit(1),
        Ticket.annotate(n=Count("messages")),
        Message.all().select_related("ticket"),
    ]
    for queryset in querysets:
        with pytest.raises(TypeError, match="filters only"):
            await read(queryset)


async def test_reading_joins_the_transaction(data: ExampleData) -> None:
    async with data.action.transaction() as tx:
        await Ticket.filter(pk=data.tickets[0].pk).using_db(tx.db).update(subject="changed")
        assert [row.subject for row in await read(Ticket.filter(subject="changed"))] == ["changed"]
        assert [
            row.subject for row in await read(Ticket.filter(subject="changed").using_db(tx.db))
        ] == ["changed"]


async def test_concurrent_reads_and_writes_are_consistent(data: ExampleData) -> None:
    async def change(number: int) -> None:
        async with data.action.transaction() as tx:
            await Ticket.filter(pk=data.tickets[0].pk).using_db(tx.db).update(subject=f"{number}")

    read_calls = [read(Ticket.all(), ("id", "subject")) for _ in range(60)]
    results = await asyncio.gather(*read_calls, *(change(number) for number in range(20)))
    assert [len(rows) for rows in results[:60] if rows is not None] == [3] * 60


async def test_incomplete_rows_behave_like_the_model(data: ExampleData) -> None:
    [incomplete] = await read(Ticket.filter(pk=data.tickets[0].pk), ("id", "subject"))
    complete = await Ticket.get(pk=incomplete.pk)
    assert isinstance(incomplete, Ticket)
    assert (type(incomplete).__name__, repr(incomplete)) == ("Ticket", repr(complete))
    assert incomplete == complete == incomplete
    assert incomplete != data.tickets[1]
    assert incomplete != Account(id=incomplete.pk)
    assert {incomplete: 1}[complete] == 1
    incomplete.subject = "changed"
    assert (incomplete.subject, incomplete._partial, incomplete._saved_in_db) == (
        "changed",
        True,
        True,
    )
    [full] = await read(Ticket.filter(pk=incomplete.pk))
    assert type(full) is Ticket
    assert not full._partial
    full.subject = "changed"
    await full.save(update_fields=["subject"])
    assert (await Ticket.get(pk=incomplete.pk)).subject == "changed"
