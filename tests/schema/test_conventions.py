"""Conventions of the whole schema: pages, ids, errors in the viewer's language, and masked
errors.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from tortoise import connections

from models.action import Action
from models.billing.offer import Offer, Price, Segment
from models.locale import Locale
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.ids import encode
from schema.nodes import NODE_TYPES
from schema.root import schema
from tests.schema.conftest import create_private_rows

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

PAGE_QUERY = """query($first: Int, $after: String, $last: Int, $before: String) {
    tickets(first: $first, after: $after, last: $last, before: $before) {
        nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}"""


@pytest.fixture
async def dataset(dataset: "Dataset", action: "Action") -> "Dataset":
    """The companies, with a row of every type that contains personal data."""
    for company in (dataset.paul, dataset.marie):
        await create_private_rows(action, company)
    return dataset


@pytest.mark.parametrize(
    "window",
    [
        {"first": 101},
        {"last": 101},
        {"first": -1},
        {"first": 1, "last": 1},
        {"after": "nonsense"},
        {"before": ""},
        {"after": "WyJ1cGRhdGVkX2F0Il0"},
        {"after": "é"},
    ],
)
async def test_invalid_pagination_is_refused(
    execute: "Execute", dataset: "Dataset", window: dict[str, Any]
) -> None:
    response = await execute(dataset.alice, PAGE_QUERY, **window)
    assert [error["extensions"]["code"] for error in response["errors"]] == ["BAD_USER_INPUT"]


async def open_tickets(action: Action, dataset: "Dataset", count: int) -> list[str]:
    """Opens tickets at the same time, and returns their ids."""
    user, ids = dataset.paul.owner.user, []
    assert user is not None
    for number in range(count):
        async with action.transaction() as tx:
            ticket = await Ticket.open(
                tx,
                dataset.paul.account,
                user,
                subject=f"Aide {number}",
                channel=Channel.WEB,
                category=Category.BUG,
            )
        ids.append(encode("Ticket", ticket.pk))
    return ids


async def read_all_pages(
    execute: "Execute",
    viewer: Viewer,
    is_backward: bool,
    random: Random,
    between_pages: Callable[[], Awaitable[Any]],
) -> list[str]:
    """All ids, read page by page, with `between_pages` called between the pages."""
    size, cursor, has_more_field, end_field = (
        ("last", "before", "hasPreviousPage", "startCursor")
        if is_backward
        else (
            "first",
            "after",
            "hasNextPage",
            "endCursor",
        )
    )
    seen_ids: list[str] = []
    position = None
    while True:
        page = (
            await execute(viewer, PAGE_QUERY, **{size: random.randint(1, 4), cursor: position})
        )["data"]["tickets"]
        ids = [node["id"] for node in page["nodes"]]
        seen_ids = ids + seen_ids if is_backward else seen_ids + ids
        if not page["pageInfo"][has_more_field]:
            return seen_ids
        position = page["pageInfo"][end_field]
        await between_pages()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_backward", [False, True])
async def test_pages_contain_every_row_exactly_once(
    execute: "Execute",
    dataset: "Dataset",
    action: Action,
    clock: "MovableClock",
    seed: int,
    is_backward: bool,
) -> None:
    random, known_ids = Random(seed), [dataset.paul.id(Ticket)]
    for _ in range(4):
        clock.advance(timedelta(seconds=1))
        known_ids += await open_tickets(
            replace(action, at=clock.now()), dataset, random.randint(1, 3)
        )

    async def add_ticket() -> None:
        clock.advance(timedelta(seconds=random.choice([-9, 1])))
        await open_tickets(replace(action, at=clock.now()), dataset, 1)

    seen_ids = await read_all_pages(execute, dataset.paul.owner, is_backward, random, add_ticket)
    assert len(seen_ids) == len(set(seen_ids))
    assert set(known_ids) <= set(seen_ids)


async def test_every_id_resolves_to_its_object(execute: "Execute", dataset: "Dataset") -> None:
    node = schema._schema.type_map["Node"]
    kinds = {each.name for each in schema._schema.get_possible_types(node)}  # type: ignore[arg-type]
    names = {each.backing_model: each.__name__ for each in NODE_TYPES}
    rows = [*dataset.marie.rows, *dataset.marie.restricted_rows]
    types = {names.get(type(row)) for row in rows}
    assert kinds - types == {"Article", "Offer", "Policy", "Price"}  # which are public
    for row in dataset.marie.rows:
        key = encode(type(row).__name__, row.pk)
        response = await execute(
            dataset.marie.owner, "query($id: ID!) { node(id: $id) { id } }", id=key
        )
        assert response["data"] == {"node": {"id": key}}
        assert not key.isdigit()


@pytest.mark.parametrize(
    "key",
    ["", "1", "Ticket:1", "é", encode("Ticket", 2**62), encode("Session", 1), encode("Stream", 1)],
)
async def test_unknown_ids_are_not_found(execute: "Execute", dataset: "Dataset", key: str) -> None:
    response = await execute(dataset.alice, "query($id: ID!) { node(id: $id) { id } }", id=key)
    assert response["data"] == {"node": None}
    assert "errors" not in response


@pytest.mark.parametrize(
    ("locale", "message"),
    [
        (Locale.FR, "Cet élément n’existe pas, ou vous n’y avez pas accès."),
        (Locale.EN, "This doesn’t exist, or you don’t have access to it."),
    ],
)
async def test_an_error_is_in_the_viewers_language(
    execute: "Execute", dataset: "Dataset", locale: Locale, message: str
) -> None:
    query = (
        "mutation($id: ID!) { ticketClose(input: {ticketId: $id}) { userErrors { code message "
        "field } } }"
    )
    response = await execute(
        replace(dataset.paul.owner, locale=locale), query, id=dataset.marie.id(Ticket)
    )
    expected = {"code": "NOT_FOUND", "message": message, "field": ["input", "ticketId"]}
    assert response["data"]["ticketClose"]["userErrors"] == [expected]


async def test_internal_errors_are_masked(execute: "Execute", dataset: "Dataset") -> None:
    await connections.get("default").execute_script("ALTER TABLE ticket RENAME TO hidden_ticket")
    response = await execute(dataset.alice, PAGE_QUERY)
    assert [error["extensions"]["code"] for error in response["errors"]] == ["INTERNAL"]
    assert "hidden_ticket" not in str(response)
    assert "SELECT" not in str(response)
    assert "no such table" not in str(response)
    assert "does not exist" not in str(response)


OFFER_NAMES_QUERY = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Offer { name } } }"


async def test_an_offer_without_a_translation_does_not_affect_others(
    execute: "Execute", price: Price
) -> None:
    untranslated_offer = await Offer.create(
        slug="spoilt", segment=Segment.TPE, position=9, texts={}
    )
    response = await execute(
        Viewer(),
        OFFER_NAMES_QUERY,
        ids=[encode("Offer", untranslated_offer.pk), encode("Offer", price.offer_id)],
    )
    complete_offer = await Offer.get(pk=price.offer_id)
    assert response["data"]["nodes"] == [None, {"name": complete_offer.text(Locale.FR)["name"]}]
    assert [error["path"] for error in response["errors"]] == [["nodes", 0, "name"]]
