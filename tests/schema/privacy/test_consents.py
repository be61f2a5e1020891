"""P4.2: people give and withdraw consents, which a ledger records that nobody can change."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.audit import AuditEntry
from models.content.policy import Policy, PolicyKind
from models.database.sql import execute as execute_sql
from models.privacy.consent import ConsentChange
from models.viewer import Viewer
from privacy.consents import MAX_CHANGES
from seed.policies import install, read_policies
from tests.schema.billing.catalogue_fixtures import codes, mutate
from tests.seed.test_policies import DATABASE_ERRORS

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

CONSENT = """consent { purpose given since
    history { id given at channel policy { kind version } } }"""
CONSENTS = """{ viewer { consents { purpose given since
    history { id purpose given at channel policy { kind version } } } } }"""
NODE = """query($id: ID!) { node(id: $id) { ... on ConsentChange { purpose given } } }"""


async def consents_of(execute: "Execute", viewer: Viewer) -> dict[str, dict[str, Any]]:
    response = await execute(viewer, CONSENTS)
    assert "errors" not in response, response
    return {each["purpose"]: each for each in response["data"]["viewer"]["consents"]}


async def update(
    execute: "Execute", viewer: Viewer, purpose: str, given: bool, channel: str = "WEB"
) -> dict[str, Any]:
    return await mutate(
        execute, viewer, "consentUpdate", CONSENT, purpose=purpose, given=given, channel=channel
    )


async def test_p4_2_each_consent_is_off_until_it_is_given_and_withdrawn_as_easily(
    execute: "Execute", dataset: "Dataset", clock: "MovableClock"
) -> None:
    paul = dataset.paul.owner
    before = await consents_of(execute, paul)
    assert [*before] == ["NEWSLETTER", "OFFERS", "INVITATIONS", "SURVEYS"]
    assert before["NEWSLETTER"] == {
        "purpose": "NEWSLETTER",
        "given": False,
        "since": None,
        "history": [],
    }
    privacy_policies = [each for each in read_policies() if each.kind is PolicyKind.PRIVACY]
    await install(clock.now(), privacy_policies)
    policy = await Policy.get(kind=PolicyKind.PRIVACY)
    given_at = clock.now()
    for _ in range(2):  # a repeat changes nothing
        payload = await update(execute, paul, "NEWSLETTER", True)
        clock.advance(timedelta(minutes=1))
    assert payload["userErrors"] == []
    assert (payload["consent"]["given"], payload["consent"]["since"]) == (
        True,
        given_at.isoformat(),
    )
    withdrawn_at = clock.now()
    payload = await update(execute, paul, "NEWSLETTER", False, "APP")
    last, first = payload["consent"]["history"]
    version = {"kind": "PRIVACY", "version": policy.version}
    assert last | {"id": ""} == {
        "id": "",
        "given": False,
        "at": withdrawn_at.isoformat(),
        "channel": "APP",
        "policy": version,
    }
    assert (first["given"], first["channel"], first["policy"]) == (True, "WEB", version)
    after = await consents_of(execute, paul)
    assert after.pop("NEWSLETTER")["given"] is False
    before.pop("NEWSLETTER")
    assert after == before  # each purpose by itself
    entries = await AuditEntry.filter(action__startswith="consent.").order_by("id")
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        ("consent.give", paul.user_id),
        ("consent.withdraw", paul.user_id),
    ]
    for viewer, expected in (
        (paul, {"purpose": "NEWSLETTER", "given": False}),
        (dataset.marie.owner, None),
    ):
        assert (await execute(viewer, NODE, id=last["id"]))["data"]["node"] == expected


async def test_p4_2_a_client_names_where_it_asked(execute: "Execute", dataset: "Dataset") -> None:
    for channel in ("EMAIL_LINK", "ERASURE"):
        payload = await update(execute, dataset.paul.owner, "OFFERS", True, channel)
        assert codes(payload) == [("VALUE_INVALID", "channel")]
    assert not (await consents_of(execute, dataset.paul.owner))["OFFERS"]["history"]


async def test_p4_2_simultaneous_requests_record_a_consent_once(
    execute: "Execute", dataset: "Dataset"
) -> None:
    await asyncio.gather(*(update(execute, dataset.paul.owner, "OFFERS", True) for _ in range(4)))
    assert len((await consents_of(execute, dataset.paul.owner))["OFFERS"]["history"]) == 1


async def test_p4_2_nobody_fills_the_ledger(
    execute: "Execute", dataset: "Dataset", clock: "MovableClock"
) -> None:
    """Its entries can't be deleted. Withdrawing always works."""
    paul = dataset.paul.owner
    document = """mutation($i: ConsentUpdateInput!) { consentUpdate(input: $i) {
        consent { given } } }"""
    values = {"purpose": "OFFERS", "given": True, "channel": "WEB"}
    for _ in range(MAX_CHANGES // 2):
        await update(execute, paul, "OFFERS", True)
        await update(execute, paul, "OFFERS", False)
    response = await execute(paul, document, i=values)
    assert response["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert (await update(execute, paul, "SURVEYS", True))["consent"]["given"]
    clock.advance(timedelta(days=1))
    assert (await update(execute, paul, "OFFERS", True))["consent"]["given"]
    assert not (await update(execute, paul, "OFFERS", False))["consent"]["given"]


async def test_p4_2_the_database_refuses_to_change_the_ledger(
    execute: "Execute", dataset: "Dataset"
) -> None:
    await update(execute, dataset.paul.owner, "OFFERS", True)
    rows = await ConsentChange.all().order_by("id").values()
    assert rows
    for statement in (
        "UPDATE consent_change SET given = NOT given",
        "UPDATE consent_change SET at = NULL",
        "DELETE FROM consent_change",
    ):
        with pytest.raises(DATABASE_ERRORS):
            await execute_sql(statement)
    assert await ConsentChange.all().order_by("id").values() == rows
