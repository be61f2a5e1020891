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
from models.database.sql import dialect, execute
from models.identity.user import Staff, User
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from resolvers.operations.enums import AnyAuditAction
from schema.fields import Unaudited
from tests.people import PASSWORD, create_staff_viewer
from tests.schema.audited_fixtures import MUTATIONS, PEER, Stage, declared
from tests.schema.conftest import Company, Dataset, out_of_date
from tests.schema.support.audited import ticket_claim, ticket_close

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Ask


ROOT = Path(__file__).parents[3]


@pytest.fixture
def stage(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Stage:
    return Stage(dataset, services, engine, price, action)


def _examples() -> dict[str, Callable[[Stage], Awaitable[Any]]]:
    """The examples of all domains, by the names of their mutations."""
    proof: dict[str, Callable[[Stage], Awaitable[Any]]] = {}
    for path in sorted((ROOT / "tests" / "schema").glob("*/audited.py")):
        module = import_module(f"tests.schema.{path.parent.name}.audited")
        for name, example in vars(module).items():
            if (
                iscoroutinefunction(example)
                and example.__module__ == module.__name__
                and to_camel_case(name) in MUTATIONS
            ):
                proof[to_camel_case(name)] = example
    return proof


EXAMPLES = _examples()


def test_every_mutation_is_audited_or_declares_why_not() -> None:
    unaudited = {
        name: declared(name) for name in MUTATIONS if isinstance(declared(name), Unaudited)
    }
    assert all(len(each.reason) > 10 for each in unaudited.values() if isinstance(each, Unaudited))
    assert MUTATIONS.keys() - unaudited.keys() == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_mutation_is_audited_once_without_secrets(stage: Stage, name: str) -> None:
    before = await AuditEntry.all().count()
    await EXAMPLES[name](stage)
    entries = await AuditEntry.filter(id__gt=before).order_by("id")
    action = declared(name)
    matching = [entry for entry in entries if entry.action == action]
    # The payment was pending, then settled.
    assert len(matching) == (2 if name == "paymentRefresh" else 1)
    assert matching[0].address == PEER
    assert matching[0].object_id or name == "clockAdvance"
    text = str([[getattr(entry, column) for column in HASHED_COLUMNS] for entry in entries])
    assert [
        secret for secret in ("MARK", PASSWORD, "@", "cam_", "pm_sandbox") if secret in text
    ] == []
    assert await out_of_date() == []  # imports under another name are found by that name


def used(path: Path) -> Iterator[str]:
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
    assert {name for path in paths for name in used(path)} == set(AnyAuditAction.__members__)


ENTRIES = """query($action: [AuditAction!], $actor: ID, $object: ID, $since: DateTime,
    $until: DateTime,
                   $first: Int, $after: String) {
    auditEntries(filter: {action: {in: $action}, actorId: {eq: $actor}, objectId: $object,
    at: {gte: $since, lt: $until}},
                 first: $first, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { sequence at action fromStaff staff objectType objectId address hash
                actor { name } account { legalName } details { name value } } } }"""


async def listed(ask: "Ask", viewer: Viewer, **given: Any) -> list[dict[str, Any]]:
    response = await ask(viewer, ENTRIES, **{"first": 100, **given})
    assert "errors" not in response, response
    return list(response["data"]["auditEntries"]["nodes"])


@pytest.fixture
async def oscar(stage: Stage) -> Viewer:
    return await create_staff_viewer(stage.action, "Oscar", Staff.OPERATOR)


async def test_operators_read_all_entries_and_owners_those_of_their_company(
    ask: "Ask", stage: Stage, oscar: Viewer
) -> None:
    paul = stage.dataset.paul
    await ticket_claim(stage)
    await ticket_close(stage)
    everything, pauls = await listed(ask, oscar), await listed(ask, paul.owner)
    assert [entry["sequence"] for entry in everything] == list(range(len(everything), 0, -1))
    assert {entry["account"]["legalName"] for entry in pauls} == {paul.account.legal_name}
    assert [e["sequence"] for e in pauls] == [
        e["sequence"] for e in everything if e["account"] and "PAUL" in e["account"]["legalName"]
    ]
    closed, claimed = pauls[:2]
    assert (claimed["action"], claimed["fromStaff"], claimed["objectId"]) == (
        "TICKET_CLAIM",
        True,
        paul.id(Ticket),
    )
    assert (claimed["actor"], claimed["staff"], claimed["address"]) == (None, None, None)
    assert (closed["action"], closed["fromStaff"], closed["address"]) == (
        "TICKET_MOVE",
        False,
        PEER,
    )
    assert closed["actor"] == {"name": "PAULMARK OWNER"}
    assert closed["details"] == [
        {"name": "before", "value": "OPEN"},
        {"name": "status", "value": "CLOSED"},
    ]
    seen = next(entry for entry in everything if entry["sequence"] == claimed["sequence"])
    assert (seen["actor"], seen["staff"], seen["address"]) == ({"name": "Alice"}, "AGENT", PEER)


async def test_only_operators_and_owners_read_the_audit_log(
    ask: "Ask", stage: Stage, oscar: Viewer
) -> None:
    dataset = stage.dataset
    admin = replace(dataset.paul.owner, role=dataset.paul.member.role)
    bare = replace(oscar, session=dataset.paul.owner.session)  # without the second factor
    for viewer in (
        dataset.paul.member,
        admin,
        dataset.alice,
        dataset.nadia,
        dataset.alice_without_factor,
        bare,
    ):
        response = await ask(viewer, "{ auditEntries { totalCount } }")
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    for viewer in (dataset.paul.owner, dataset.alice):
        response = await ask(viewer, "{ auditProof { fault } }")
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    stranger = await ask(Viewer(), "{ auditEntries { totalCount } auditProof { fault } }")
    assert {error["extensions"]["code"] for error in stranger["errors"]} == {"UNAUTHENTICATED"}


async def test_a_denied_access_is_logged(ask: "Ask", stage: Stage) -> None:
    member = stage.dataset.paul.member
    with capture_logs() as logged:
        await ask(member, "{ auditEntries { totalCount } }")
        # An anonymous viewer can still sign in.
        await ask(Viewer(), "{ auditEntries { totalCount } }")
    assert logged == [
        {
            "event": "access.denied",
            "log_level": "warning",
            "to": "resolvers.operations.audit.entries",
            "user": member.user_id,
        }
    ]


async def test_the_audit_log_is_filtered_and_paginated(
    ask: "Ask", stage: Stage, oscar: Viewer, clock: "MovableClock"
) -> None:
    clock.advance(timedelta(hours=1))
    await ticket_claim(stage)
    await ticket_close(stage)
    alice, ticket = stage.dataset.alice.user, stage.dataset.paul.id(Ticket)
    assert alice is not None
    assert [e["action"] for e in await listed(ask, oscar, object=ticket)] == [
        "TICKET_MOVE",
        "TICKET_CLAIM",
    ]
    assert [e["action"] for e in await listed(ask, oscar, actor=encode("User", alice.pk))] == [
        "TICKET_CLAIM",
        *["SESSION_SIGN_IN"] * 2,
    ]
    assert {
        e["action"] for e in await listed(ask, oscar, action=["TICKET_MOVE", "INVOICE_ISSUE"])
    } == {
        "TICKET_MOVE",
        "INVOICE_ISSUE",
    }
    late = await listed(ask, oscar, since=clock.now().isoformat())
    assert [e["action"] for e in late] == ["TICKET_MOVE", "TICKET_CLAIM"]
    early = await listed(ask, oscar, until=clock.now().isoformat())
    assert len(early) + len(late) == len(await listed(ask, oscar))
    pages, after, more = [], None, True
    while more:
        page = (await ask(oscar, ENTRIES, first=3, after=after))["data"]["auditEntries"]
        pages += [node["sequence"] for node in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert pages == list(range(page["totalCount"], 0, -1))


@pytest.mark.parametrize(
    "given",
    [
        {"actor": encode("Ticket", 1)},
        {"object": "x"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-14:00"},
    ],
)
async def test_an_invalid_filter_is_refused(
    ask: "Ask", oscar: Viewer, given: dict[str, Any]
) -> None:
    response = await ask(oscar, ENTRIES, **given)
    assert response["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_filter_does_not_reveal_to_owners_which_staff_user_acted(
    ask: "Ask", stage: Stage
) -> None:
    await ticket_claim(stage)
    alice, marie = stage.dataset.alice.user, stage.dataset.marie.owner.user
    assert alice is not None
    assert marie is not None
    for other in (alice, marie):
        assert await listed(ask, stage.owner, actor=encode("User", other.pk)) == []


async def tried(stage: Stage, viewer: Viewer, email: str) -> None:
    await stage.do(viewer, "sessionSignIn", email=email, password="wrong")


def shape(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an owner reads, with the numbers removed."""
    return [
        {name: value for name, value in entry.items() if name not in ("sequence", "hash")}
        for entry in entries
    ]


async def test_owners_read_failed_sign_ins_of_members_only(
    ask: "Ask", stage: Stage, oscar: Viewer
) -> None:
    marie, alice = stage.dataset.marie, stage.dataset.alice.user
    assert marie.owner.user is not None
    assert alice is not None
    addresses = (marie.owner.user.email, alice.email, "nobody@camcha.example")
    before = await listed(ask, stage.owner)
    for email in addresses:
        await tried(stage, stage.owner, email)
        form = {"name": "N", "legalName": "L", "siren": "404833048", "password": PASSWORD}
        if email != "nobody@camcha.example":
            await stage.do(stage.owner, "accountSignUp", email=email, **form)
        assert await listed(ask, stage.owner) == before
    (matching,) = await listed(ask, marie.owner, action=["SESSION_SIGN_IN_FAILED"])
    assert matching["details"] == [{"name": "reason", "value": "CREDENTIALS_INVALID"}]
    assert (matching["objectId"], matching["actor"], matching["address"]) == (
        encode("User", marie.owner.user.pk),
        None,
        PEER,
    )
    failures = await listed(ask, oscar, action=["SESSION_SIGN_IN_FAILED"])
    people = [encode("User", alice.pk), encode("User", marie.owner.user.pk)]
    assert [failure["objectId"] for failure in failures] == [None, *people]
    # The user signed in during the attempt.
    assert {failure["actor"]["name"] for failure in failures} == {"PAULMARK OWNER"}


async def test_a_sign_in_as_another_user_is_recorded_for_that_user(
    ask: "Ask", stage: Stage, oscar: Viewer
) -> None:
    """A customer who uses the credentials or the refresh token of a staff user."""
    before = len(await listed(ask, stage.owner))
    alice = stage.dataset.alice.user
    assert alice is not None
    await User.filter(pk=alice.pk).update(
        password_hash=await stage.services.auth.passwords.hash(PASSWORD)
    )
    await stage.do(stage.owner, "sessionSignIn", email=alice.email, password=PASSWORD)
    tokens = await sessions.sign_in(await User.get(pk=alice.pk), None, True, stage.action)
    for _ in range(2):
        await stage.do(stage.owner, "sessionRefresh", refreshToken=tokens.refresh)
    assert [entry["action"] for entry in await listed(ask, oscar)][:1] == ["SESSION_REFRESH_REUSED"]
    assert len(await listed(ask, stage.owner)) == before


async def test_an_operator_verifies_the_log_and_gets_the_first_error(
    ask: "Ask", stage: Stage, oscar: Viewer
) -> None:
    query = "{ auditProof { entries lastSequence lastHash brokenAt fault } }"
    count = await AuditEntry.all().count()
    last = await AuditEntry.get(id=count)
    proof = (await ask(oscar, query))["data"]["auditProof"]
    assert proof == {
        "entries": count,
        "lastSequence": count,
        "lastHash": last.hash,
        "brokenAt": None,
        "fault": None,
    }
    drop = (
        "ALTER TABLE audit_entry DISABLE TRIGGER USER"
        if dialect() == "postgres"
        else "DROP TRIGGER audit_entry_unchanged"
    )
    await execute(drop)
    await execute("UPDATE audit_entry SET account_id = 1 WHERE account_id = 2")
    broken = (await ask(oscar, query))["data"]["auditProof"]
    assert broken["fault"] == f"entry {broken['brokenAt']} was changed"


async def test_owners_read_only_entries_of_their_own_company(ask: "Ask", stage: Stage) -> None:
    """After every audited mutation in both companies, an owner reads entries of their own company
    only.
    """
    for company in (stage.dataset.paul, stage.dataset.marie):
        await both(stage, company)
    for own_company, other in ((stage.dataset.paul, "MARIE"), (stage.dataset.marie, "PAUL")):
        assert other not in orjson.dumps(await listed(ask, own_company.owner)).decode()


async def both(stage: Stage, company: Company) -> None:
    assert await Account.filter(pk=company.account.pk).exists()
    await stage.do(stage.dataset.alice, "ticketClaim", ticketId=company.id(Ticket))
    await stage.do(company.owner, "ticketClose", ticketId=company.id(Ticket))
