"""Every mutation is audited or declares why it isn't, and viewers read only their part of the audit
log.
"""

import ast
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from strawberry.utils.str_converters import to_camel_case
from structlog.testing import capture_logs

from auth import sessions
from engine import Engine
from models.accounts.account import Account
from models.action import Action
from models.audit import HASHED_COLUMNS, AuditEntry
from models.billing.offer import Price
from models.database.sql import dialect
from models.database.sql import execute as execute_sql
from models.identity.user import Staff, User
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from resolvers.operations.enums import AnyAuditAction
from schema.fields import Unaudited
from tests.people import PASSWORD, create_staff_viewer
from tests.schema.audited_fixtures import MUTATIONS, PEER, Scenario, declared_audit
from tests.schema.conftest import Company, Dataset, outdated_search_texts
from tests.schema.support.audited import ticket_claim, ticket_close

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Execute


ROOT = Path(__file__).parents[3]


@pytest.fixture
def scenario(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Scenario:
    return Scenario(dataset, services, engine, price, action)


def _examples() -> dict[str, Callable[[Scenario], Awaitable[Any]]]:
    """The examples of all domains, by the names of their mutations."""
    examples: dict[str, Callable[[Scenario], Awaitable[Any]]] = {}
    for path in sorted((ROOT / "tests" / "schema").glob("*/audited.py")):
        module = import_module(f"tests.schema.{path.parent.name}.audited")
        for name, example in vars(module).items():
            if (
                iscoroutinefunction(example)
                and example.__module__ == module.__name__
                and to_camel_case(name) in MUTATIONS
            ):
                examples[to_camel_case(name)] = example
    return examples


EXAMPLES = _examples()


def test_every_mutation_is_audited_or_declares_why_not() -> None:
    unaudited_mutations = {
        name: declared_audit(name)
        for name in MUTATIONS
        if isinstance(declared_audit(name), Unaudited)
    }
    assert all(
        len(each.reason) > 10
        for each in unaudited_mutations.values()
        if isinstance(each, Unaudited)
    )
    assert MUTATIONS.keys() - unaudited_mutations.keys() == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_mutation_is_audited_once_without_secrets(scenario: Scenario, name: str) -> None:
    before = await AuditEntry.all().count()
    await EXAMPLES[name](scenario)
    entries = await AuditEntry.filter(id__gt=before).order_by("id")
    action = declared_audit(name)
    matching_entries = [entry for entry in entries if entry.action == action]
    # The payment was pending, then settled or left.
    assert len(matching_entries) == (2 if name in ("paymentRefresh", "paymentCancel") else 1)
    assert matching_entries[0].address == PEER
    assert matching_entries[0].object_id or name in ("clockAdvance", "fecExport", "offerReorder")
    text = str([[getattr(entry, column) for column in HASHED_COLUMNS] for entry in entries])
    assert [
        secret for secret in ("MARK", PASSWORD, "@", "cam_", "pm_sandbox") if secret in text
    ] == []
    assert await outdated_search_texts() == []  # imports under another name are found by that name


def recorded_actions(path: Path) -> Iterator[str]:
    """The audit actions that a file records."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id.endswith("AuditAction")
        ):
            yield node.attr


def test_every_action_is_recorded_somewhere() -> None:
    layers = (
        "models",
        "storage",
        "auth",
        "support",
        "accounts",
        "billing",
        "privacy",
        "operations",
        "resolvers",
    )
    paths = [path for layer in layers for path in (ROOT / layer).rglob("*.py")]
    assert {name for path in paths for name in recorded_actions(path)} == set(
        AnyAuditAction.__members__
    )


ENTRIES = """query($action: [AuditAction!], $actor: ID, $object: ID, $since: DateTime,
    $until: DateTime,
                   $first: Int, $after: String) {
    auditEntries(filter: {action: {in: $action}, actorId: {eq: $actor}, objectId: $object,
    at: {gte: $since, lt: $until}},
                 first: $first, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { sequence at action fromStaff staff objectType objectId address hash
                actor { name } account { legalName } details { name value } } } }"""


async def list_entries(execute: "Execute", viewer: Viewer, **filters: Any) -> list[dict[str, Any]]:
    response = await execute(viewer, ENTRIES, **{"first": 100, **filters})
    assert "errors" not in response, response
    return list(response["data"]["auditEntries"]["nodes"])


@pytest.fixture
async def oscar(scenario: Scenario) -> Viewer:
    return await create_staff_viewer(scenario.action, "Oscar", Staff.OPERATOR)


async def test_operators_read_all_entries_and_owners_those_of_their_company(
    execute: "Execute", scenario: Scenario, oscar: Viewer
) -> None:
    paul = scenario.dataset.paul
    await ticket_claim(scenario)
    await ticket_close(scenario)
    all_entries, pauls = await list_entries(execute, oscar), await list_entries(execute, paul.owner)
    assert [entry["sequence"] for entry in all_entries] == list(range(len(all_entries), 0, -1))
    assert {entry["account"]["legalName"] for entry in pauls} == {paul.account.legal_name}
    assert [e["sequence"] for e in pauls] == [
        e["sequence"] for e in all_entries if e["account"] and "PAUL" in e["account"]["legalName"]
    ]
    close_entry, claim_entry = pauls[:2]
    assert (claim_entry["action"], claim_entry["fromStaff"], claim_entry["objectId"]) == (
        "TICKET_CLAIM",
        True,
        paul.id(Ticket),
    )
    assert (claim_entry["actor"], claim_entry["staff"], claim_entry["address"]) == (
        None,
        None,
        None,
    )
    assert (close_entry["action"], close_entry["fromStaff"], close_entry["address"]) == (
        "TICKET_MOVE",
        False,
        PEER,
    )
    assert close_entry["actor"] == {"name": "PAULMARK OWNER"}
    assert close_entry["details"] == [
        {"name": "before", "value": "OPEN"},
        {"name": "status", "value": "CLOSED"},
    ]
    same_entry = next(
        entry for entry in all_entries if entry["sequence"] == claim_entry["sequence"]
    )
    assert (same_entry["actor"], same_entry["staff"], same_entry["address"]) == (
        {"name": "Alice"},
        "AGENT",
        PEER,
    )


async def test_only_operators_and_owners_read_the_audit_log(
    execute: "Execute", scenario: Scenario, oscar: Viewer
) -> None:
    dataset = scenario.dataset
    admin_viewer = replace(dataset.paul.owner, role=dataset.paul.member.role)
    operator_without_factor = replace(
        oscar, session=dataset.paul.owner.session
    )  # without the second factor
    for viewer in (
        dataset.paul.member,
        admin_viewer,
        dataset.alice,
        dataset.nadia,
        dataset.alice_without_factor,
        operator_without_factor,
    ):
        response = await execute(viewer, "{ auditEntries { totalCount } }")
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    for viewer in (dataset.paul.owner, dataset.alice):
        response = await execute(viewer, "{ auditProof { error } }")
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    response = await execute(Viewer(), "{ auditEntries { totalCount } auditProof { error } }")
    assert {error["extensions"]["code"] for error in response["errors"]} == {"UNAUTHENTICATED"}


async def test_a_denied_access_is_logged(execute: "Execute", scenario: Scenario) -> None:
    member = scenario.dataset.paul.member
    with capture_logs() as logged:
        await execute(member, "{ auditEntries { totalCount } }")
        # An anonymous viewer can still sign in.
        await execute(Viewer(), "{ auditEntries { totalCount } }")
    assert logged == [
        {
            "event": "access.denied",
            "log_level": "warning",
            "to": "resolvers.operations.audit.entries",
            "user": member.user_id,
        }
    ]


async def test_the_audit_log_is_filtered_and_paginated(
    execute: "Execute", scenario: Scenario, oscar: Viewer, clock: "MovableClock"
) -> None:
    clock.advance(timedelta(hours=1))
    await ticket_claim(scenario)
    await ticket_close(scenario)
    alice, ticket = scenario.dataset.alice.user, scenario.dataset.paul.id(Ticket)
    assert alice is not None
    assert [e["action"] for e in await list_entries(execute, oscar, object=ticket)] == [
        "TICKET_MOVE",
        "TICKET_CLAIM",
    ]
    assert [
        e["action"] for e in await list_entries(execute, oscar, actor=encode("User", alice.pk))
    ] == [
        "TICKET_CLAIM",
        *["SESSION_SIGN_IN"] * 2,
    ]
    assert {
        e["action"]
        for e in await list_entries(execute, oscar, action=["TICKET_MOVE", "INVOICE_ISSUE"])
    } == {
        "TICKET_MOVE",
        "INVOICE_ISSUE",
    }
    later_entries = await list_entries(execute, oscar, since=clock.now().isoformat())
    assert [e["action"] for e in later_entries] == ["TICKET_MOVE", "TICKET_CLAIM"]
    earlier_entries = await list_entries(execute, oscar, until=clock.now().isoformat())
    assert len(earlier_entries) + len(later_entries) == len(await list_entries(execute, oscar))
    pages, after, has_more = [], None, True
    while has_more:
        page = (await execute(oscar, ENTRIES, first=3, after=after))["data"]["auditEntries"]
        pages += [node["sequence"] for node in page["nodes"]]
        after, has_more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert pages == list(range(page["totalCount"], 0, -1))


@pytest.mark.parametrize(
    "filters",
    [
        {"actor": encode("Ticket", 1)},
        {"object": "x"},
    ],
)
async def test_an_invalid_filter_is_refused(
    execute: "Execute", oscar: Viewer, filters: dict[str, Any]
) -> None:
    response = await execute(oscar, ENTRIES, **filters)
    assert response["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_filter_does_not_reveal_to_owners_which_staff_user_acted(
    execute: "Execute", scenario: Scenario
) -> None:
    await ticket_claim(scenario)
    alice, marie = scenario.dataset.alice.user, scenario.dataset.marie.owner.user
    assert alice is not None
    assert marie is not None
    for other in (alice, marie):
        assert await list_entries(execute, scenario.owner, actor=encode("User", other.pk)) == []


async def attempt_sign_in(scenario: Scenario, viewer: Viewer, email: str) -> None:
    await scenario.mutate(viewer, "sessionSignIn", email=email, password="wrong")


def without_numbers(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an owner reads, with the numbers removed."""
    return [
        {name: value for name, value in entry.items() if name not in ("sequence", "hash")}
        for entry in entries
    ]


async def test_owners_read_failed_sign_ins_of_members_only(
    execute: "Execute", scenario: Scenario, oscar: Viewer
) -> None:
    marie, alice = scenario.dataset.marie, scenario.dataset.alice.user
    assert marie.owner.user is not None
    assert alice is not None
    addresses = (marie.owner.user.email, alice.email, "nobody@camcha.example")
    before = await list_entries(execute, scenario.owner)
    for email in addresses:
        await attempt_sign_in(scenario, scenario.owner, email)
        form = {"name": "N", "legalName": "L", "siren": "404833048", "password": PASSWORD}
        if email != "nobody@camcha.example":
            await scenario.mutate(scenario.owner, "accountSignUp", email=email, **form)
        assert await list_entries(execute, scenario.owner) == before
    (failure_entry,) = await list_entries(execute, marie.owner, action=["SESSION_SIGN_IN_FAILED"])
    assert failure_entry["details"] == [{"name": "reason", "value": "CREDENTIALS_INVALID"}]
    assert (
        failure_entry["objectId"],
        failure_entry["actor"],
        failure_entry["address"],
    ) == (
        encode("User", marie.owner.user.pk),
        None,
        PEER,
    )
    failures = await list_entries(execute, oscar, action=["SESSION_SIGN_IN_FAILED"])
    people = [encode("User", alice.pk), encode("User", marie.owner.user.pk)]
    assert [failure["objectId"] for failure in failures] == [None, *people]
    # The user signed in during the attempt.
    assert {failure["actor"]["name"] for failure in failures} == {"PAULMARK OWNER"}


async def test_a_sign_in_as_another_user_is_recorded_for_that_user(
    execute: "Execute", scenario: Scenario, oscar: Viewer
) -> None:
    """This covers a customer who uses the credentials or the refresh token of a staff user."""
    before = len(await list_entries(execute, scenario.owner))
    alice = scenario.dataset.alice.user
    assert alice is not None
    await User.filter(pk=alice.pk).update(
        password_hash=await scenario.services.auth.passwords.hash(PASSWORD)
    )
    await scenario.mutate(scenario.owner, "sessionSignIn", email=alice.email, password=PASSWORD)
    tokens = await sessions.sign_in(await User.get(pk=alice.pk), None, True, scenario.action)
    new_tokens = await sessions.refresh(tokens.refresh, scenario.action)
    for token in (new_tokens.refresh, tokens.refresh):
        await scenario.mutate(scenario.owner, "sessionRefresh", refreshToken=token)
    assert [entry["action"] for entry in await list_entries(execute, oscar)][:1] == [
        "SESSION_REFRESH_REUSED"
    ]
    assert len(await list_entries(execute, scenario.owner)) == before


async def test_an_operator_verifies_the_log_and_gets_the_first_error(
    execute: "Execute", scenario: Scenario, oscar: Viewer
) -> None:
    query = "{ auditProof { entries lastSequence lastHash firstInvalidSequence error } }"
    count = await AuditEntry.all().count()
    last_entry = await AuditEntry.get(id=count)
    examples = (await execute(oscar, query))["data"]["auditProof"]
    assert examples == {
        "entries": count,
        "lastSequence": count,
        "lastHash": last_entry.hash,
        "firstInvalidSequence": None,
        "error": None,
    }
    drop_trigger = (
        "ALTER TABLE audit_entry DISABLE TRIGGER USER"
        if dialect() == "postgres"
        else "DROP TRIGGER audit_entry_unchanged"
    )
    await execute_sql(drop_trigger)
    await execute_sql("UPDATE audit_entry SET account_id = 1 WHERE account_id = 2")
    broken_proof = (await execute(oscar, query))["data"]["auditProof"]
    assert broken_proof["error"] == f"entry {broken_proof['firstInvalidSequence']} was changed"


async def test_owners_read_only_entries_of_their_own_company(
    execute: "Execute", scenario: Scenario
) -> None:
    """After every audited mutation in both companies, an owner reads entries of their own company
    only.
    """
    for company in (scenario.dataset.paul, scenario.dataset.marie):
        await claim_and_close(scenario, company)
    for own_company, other in ((scenario.dataset.paul, "MARIE"), (scenario.dataset.marie, "PAUL")):
        assert other not in orjson.dumps(await list_entries(execute, own_company.owner)).decode()


async def claim_and_close(scenario: Scenario, company: Company) -> None:
    assert await Account.filter(pk=company.account.pk).exists()
    await scenario.mutate(scenario.dataset.alice, "ticketClaim", ticketId=company.id(Ticket))
    await scenario.mutate(company.owner, "ticketClose", ticketId=company.id(Ticket))
