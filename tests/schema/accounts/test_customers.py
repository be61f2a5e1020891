"""Agents and operators search for customers, with the same results on both databases."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from auth.sessions import token_hash
from models.accounts.account import Account, Membership
from models.action import Action
from models.billing.invoice import Invoice
from models.identity.access_links import EmailChange
from models.identity.user import Staff, User
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.ids import encode, key_of
from tests.people import (
    OTHER_SIREN,
    add_member,
    create_account,
    create_staff,
    create_staff_viewer,
    create_user,
)
from tests.schema.audited_fixtures import Scenario
from tests.schema.conftest import Dataset, outdated_search_texts
from tests.schema.operations.test_audit import EXAMPLES

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

SEARCH_QUERY = """query($s: String!, $after: String, $first: Int) {
    users(search: $s, first: $first, after: $after) { totalCount nodes { name }
    pageInfo { endCursor hasNextPage } } }"""
SearchNames = Callable[[str], Awaitable[set[str]]]


async def create_customer(action: Action, name: str, email: str, *companies: Account) -> User:
    user = await create_user(action, name, email=email)
    for account in companies:
        await add_member(action, account, user)
    return user


@pytest.fixture
async def alice(db: str, action: Action) -> Viewer:
    """An agent, and the customers that she searches for."""
    bakery = await create_account(action, "SARL L'Épi d'Œuvre 100%", trade_name="Chez Élodie")
    quays_account = await create_account(action, "Quais & Cie", OTHER_SIREN)
    await create_customer(action, "Élodie Gâteau", "e.gateau@epi.example", bakery)
    await create_customer(action, "Zoé Müller", "zoe_m@quais.example", quays_account, bakery)
    await create_customer(action, "Théo Nulle-Part", "theo@nulle-part.example")
    await create_staff(action, "Amélie", Staff.SUPERVISOR)
    return await create_staff_viewer(action, "Alice", Staff.AGENT)


@pytest.fixture
def search_names(execute: "Execute", alice: Viewer) -> SearchNames:
    async def search_names(search: str) -> set[str]:
        users = (await execute(alice, SEARCH_QUERY, s=search))["data"]["users"]
        assert users["totalCount"] == len(users["nodes"])
        return {each["name"].split()[0] for each in users["nodes"]}

    return search_names


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("gateau", {"Élodie"}),  # ignoring accents and case on both sides
        ("GÂTEAU", {"Élodie"}),
        ("élod", {"Élodie", "Zoé"}),  # a name, and a company's trade name
        ("oeuvre", {"Élodie", "Zoé"}),
        ("ŒUVRE", {"Élodie", "Zoé"}),
        ("l'épi", {"Élodie", "Zoé"}),
        ("zoe_m@quais.example", {"Zoé"}),
        ("@quais", {"Zoé"}),
        ("404 833 048", {"Élodie", "Zoé"}),
        ("83304", {"Élodie", "Zoé"}),
        ("muller épi", {"Zoé"}),  # one word matches the user, the other one of her companies
        ("quais épi", {"Zoé"}),
        ("gateau quais", set()),
        ("nulle part", {"Théo"}),
        ("100%", {"Élodie", "Zoé"}),
        ("nullepart", {"Théo"}),
        ("theo@nulle-part.example", {"Théo"}),
        ("lepi", {"Élodie", "Zoé"}),
        ("404.833.048", {"Élodie", "Zoé"}),
        ("?*'\"\\[]", None),
        ("zoe_m%", {"Zoé"}),
        ("%%", None),  # wildcards are removed
        ("__", None),
        ("z%", None),
        ("zo_", {"Zoé"}),
        ("amelie", set()),  # staff are not customers
        ("é", None),
        ("", None),
        ("a b c d e f", None),
        ("x" * 101, None),
    ],
)
async def test_p6_2_a_search_finds_the_customer(
    execute: "Execute",
    alice: Viewer,
    search_names: SearchNames,
    search: str,
    names: set[str] | None,
) -> None:
    if names is not None:
        assert await search_names(search) == names
        return
    response = await execute(alice, SEARCH_QUERY, s=search)
    assert [each["extensions"]["code"] for each in response["errors"]] == ["BAD_USER_INPUT"]


async def test_p6_2_a_result_has_the_fields_that_agents_need(
    execute: "Execute", alice: Viewer, action: Action
) -> None:
    document = """{ users(search: "zoe") { nodes {
        id name email secondFactor memberships { role account { id legalName siren } } } } }"""
    (zoe,) = (await execute(alice, document))["data"]["users"]["nodes"]
    user = await User.get(name="Zoé Müller")
    assert zoe["id"] == encode("User", user.pk)
    assert (zoe["email"], zoe["secondFactor"]) == ("zoe_m@quais.example", False)
    assert [each["account"]["siren"] for each in zoe["memberships"]] == ["732829320", "404833048"]


async def test_results_are_paginated(execute: "Execute", alice: Viewer) -> None:
    first = (await execute(alice, SEARCH_QUERY, s="example", first=2))["data"]["users"]
    second = (
        await execute(
            alice, SEARCH_QUERY, s="example", first=2, after=first["pageInfo"]["endCursor"]
        )
    )["data"]["users"]
    names = [each["name"].split()[0] for each in [*first["nodes"], *second["nodes"]]]
    assert (names, first["totalCount"], second["pageInfo"]["hasNextPage"]) == (
        ["Théo", "Zoé", "Élodie"],
        3,
        False,
    )


async def test_only_agents_and_operators_can_search(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    """Operators can search as well. Analysts see no personal data."""
    omar = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    for viewer in (dataset.alice, omar):
        assert (await execute(viewer, SEARCH_QUERY, s="paulmark"))["data"]["users"][
            "totalCount"
        ] == 2
    for viewer in (
        Viewer(),
        dataset.paul.owner,
        dataset.paul.member,
        dataset.nadia,
        dataset.alice_without_factor,
    ):
        response = await execute(viewer, SEARCH_QUERY, s="paulmark")
        assert response["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")
        assert response["data"] == {"users": None}


# Every action that changes a name or an address.
@pytest.mark.parametrize(
    "name", ["accountSignUp", "invitationAccept", "staffHire", "emailConfirmChange"]
)
async def test_the_search_text_follows_the_names(
    dataset: Dataset, services: Any, engine: Any, price: Any, action: Action, name: str
) -> None:
    scenario = Scenario(dataset, services, engine, price, action)
    await EXAMPLES[name](scenario)
    if await EmailChange.all().update(old_token_hash=token_hash("cam_ec_old")):
        await scenario.mutate(Viewer(), name, token="cam_ec_old")
    assert await outdated_search_texts() == []
    changed_text = {"emailConfirmChange": "moved mark example", "staffHire": "marked hired"}.get(
        name, "marked name"
    )
    assert await User.filter(search_text__contains=changed_text).exists()


async def test_a_partial_save_keeps_the_search_text(alice: Viewer) -> None:
    user, account = await User.get(name="Théo Nulle-Part"), await Account.get(siren="732829320")
    user.name, account.legal_name = "Léo", "Les Quais"
    await user.save(update_fields=["password_hash"])
    await user.save(update_fields=["name"])
    await account.save(update_fields=["legal_name"])
    assert (await User.get(pk=user.pk)).search_text == (
        "leo theo nulle part example theonullepartexample"
    )
    assert ((await Account.get(pk=account.pk)).search_text or "").split() == [
        "les",
        "quais",
        "732829320",
    ]


PLAIN_SPELLINGS = [
    ("Łukasz", "lukasz"),
    ("Żółć", "zolc"),
    ("Søren", "soren"),
    ("Kjær", "kjaer"),
    ("Straße", "strasse"),
    ("STRAẞE", "straße"),
    ("Œuvrard", "oeuvrard"),
    ("Ævar", "aevar"),
    ("Đorđe", "dorde"),
    ("Ðóra", "dora"),
    ("Þór", "thor"),
    ("Işık", "isik"),
    ("Ħamrun", "hamrun"),
    ("Müller-Lüdenscheidt", "mullerludenscheidt"),
    ("Jean-Luc", "jeanluc"),
    ("O’Brien", "o'brien"),
    ("O’Brien", "obrien"),
    ("علی\u200cرضا", "علیرضا"),
    ("शर्मा", "शर्मा"),
    ("Ελένη", "ΕΛΕΝΗ"),
    ("Иван", "ИВАН"),
    ("Ｆｕｌｌ", "full"),
]


@pytest.mark.parametrize(("name", "plain"), PLAIN_SPELLINGS)
async def test_p6_2_names_are_found_by_plain_spellings_and_the_reverse(
    search_names: SearchNames, alice: Viewer, action: Action, name: str, plain: str
) -> None:
    await create_customer(action, f"A {name}", "a@plain.example")
    await create_customer(action, f"B {plain}", "b@plain.example")
    for search in (name, plain, name.upper(), plain.upper(), name[1:]):
        assert await search_names(f"{search} plain") == {"A", "B"}, search


async def test_p6_2_the_number_of_a_ticket_or_an_invoice_finds_its_customers(
    execute: "Execute", dataset: Dataset
) -> None:
    marie = dataset.marie
    ticket, invoice = marie.row(Ticket), marie.row(Invoice)

    async def ids_of(search: str) -> set[int]:
        users = (
            await execute(
                dataset.alice, "query($s: String!) { users(search: $s) { nodes { id } } }", s=search
            )
        )["data"]["users"]["nodes"]
        return {key for each in users if (key := key_of(User, each["id"]))}

    members = {each.user_id for each in await Membership.filter(account=marie.account)}
    year, ticket_id = ticket.number.split("-")[1:]
    for search in (
        ticket.number,
        ticket.number.lower(),
        f" {ticket.number} ",
        f"cam-{year}-{int(ticket_id)}",
        ticket.number.replace("-", "\u2011"),
        ticket.number.replace("-", " "),
        ticket.number.replace("-", ""),
    ):
        assert await ids_of(search) == {ticket.requester_id}, search
    prefix, year, position = invoice.number.split("-")
    for search in (
        invoice.number,
        invoice.number.lower(),
        f"{prefix}-{year}-{int(position)}",
        invoice.number.replace("-", " "),
    ):
        assert await ids_of(search) == members, search
    for search in ("CAM-2026-999999", "FA-2026-999999"):
        assert not await ids_of(search)
