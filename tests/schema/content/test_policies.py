"""P4.4: policies in the GraphQL API: everyone can read them, the settings show them, and
acceptances are private.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from models.content.policy import Policy, PolicyAcceptance, PolicyKind
from models.locale import Locale
from models.viewer import Viewer
from resolvers.ids import encode
from seed.policies import PolicyContent, install, read_policies

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

POLICY_QUERY = """query($kind: PolicyKind!, $at: Date, $locale: Locale) {
    policy(kind: $kind, at: $at) {
    id kind version effectiveOn inForce title(locale: $locale) text(locale: $locale)
    url(locale: $locale) sha256 } }"""
VERSIONS_QUERY = """query($kind: PolicyKind, $at: Date) {
    policies(filter: {kind: {eq: $kind}}, at: $at) { totalCount nodes { kind version
    inForce } } }"""
SETTINGS_QUERY = """{ viewer {
    policies { policy { kind version inForce } next { version effectiveOn } acceptanceNeeded
        acceptance { acceptedAt locale channel policy { version } } }
    policyAcceptances { acceptedAt policy { kind version } } } }"""
ACCEPT_MUTATION = """mutation($id: ID!, $locale: Locale) { policyAccept(input: {policyId: $id,
    locale: $locale}) {
    acceptance { acceptedAt locale channel policy { version } }
    userErrors { code message field } } }"""
UPCOMING_DATE = date(2026, 12, 1)


@pytest.fixture
async def installed_policies(db: str, clock: "MovableClock") -> None:
    """Installs the repository's policies, of which the terms take effect on 1 December."""
    upcoming_terms = PolicyContent(
        PolicyKind.TERMS, "2.0", UPCOMING_DATE, "# Conditions\n\nB\n", "# Terms\n\nB\n"
    )
    await install(clock.now(), [*read_policies(), upcoming_terms])


@pytest.mark.usefixtures("installed_policies")
@pytest.mark.parametrize(
    ("viewer", "locale", "title"),
    [
        (Viewer(), None, "Politique de confidentialité"),
        (Viewer(locale=Locale.EN), None, "Privacy policy"),
        (Viewer(), "EN", "Privacy policy"),
    ],
)
async def test_p4_4_everyone_can_read_the_policy_in_force(
    execute: "Execute", viewer: Viewer, locale: str | None, title: str
) -> None:
    policy = (await execute(viewer, POLICY_QUERY, kind="PRIVACY", locale=locale))["data"]["policy"]
    row = await Policy.get(kind=PolicyKind.PRIVACY)
    language = "en" if title[0:2] == "Pr" else "fr"
    assert policy == {
        "id": encode("Policy", row.pk),
        "kind": "PRIVACY",
        "version": "1.0",
        "effectiveOn": "2026-01-01",
        "inForce": True,
        "title": title,
        "text": row.text(Locale(language)),
        "sha256": row.sha256,
        "url": f"https://camcha.example/policies/privacy?version=1.0&locale={language}",
    }


@pytest.mark.usefixtures("installed_policies")
async def test_p4_4_a_client_can_verify_the_hash(execute: "Execute") -> None:
    for kind in ("PRIVACY", "TERMS"):
        policy = [
            (await execute(Viewer(), POLICY_QUERY, kind=kind, locale=locale))["data"]["policy"]
            for locale in ("FR", "EN")
        ]
        assert (
            sha256("".join(each["text"] for each in policy).encode()).hexdigest()
            == policy[0]["sha256"]
        )


@pytest.mark.usefixtures("installed_policies")
async def test_p4_4_versions_are_listed_with_their_status_on_a_day(
    execute: "Execute", clock: "MovableClock"
) -> None:
    async def versions(**arguments: Any) -> list[tuple[Any, ...]]:
        response = (await execute(Viewer(), VERSIONS_QUERY, **arguments))["data"]["policies"]
        assert response["totalCount"] == len(response["nodes"])
        return [tuple(each.values()) for each in response["nodes"]]

    assert sorted(await versions()) == [("PRIVACY", "1.0", True), ("TERMS", "1.0", True)]
    assert await versions(kind="TERMS") == [("TERMS", "1.0", True)]
    assert await versions(kind="TERMS", at="2025-12-31") == []
    assert await versions(kind="TERMS", at="2026-12-01") == [
        ("TERMS", "2.0", False),
        ("TERMS", "1.0", True),
    ]
    clock.advance(timedelta(days=8))
    assert await versions(kind="TERMS") == [("TERMS", "2.0", True), ("TERMS", "1.0", False)]
    upcoming_policy = (await execute(Viewer(), POLICY_QUERY, kind="TERMS", at="2026-11-30"))[
        "data"
    ]["policy"]
    assert (upcoming_policy["version"], upcoming_policy["inForce"]) == ("1.0", False)
    assert (await execute(Viewer(), POLICY_QUERY, kind="TERMS", at="2025-01-01"))["data"][
        "policy"
    ] is None


async def test_without_installed_policies_the_result_is_null(execute: "Execute", db: str) -> None:
    response = (
        await execute(
            Viewer(),
            "{ policy(kind: TERMS) { id } policies { nodes { id } } contact { termsUrl } }",
        )
    )["data"]
    assert response == {
        "policy": None,
        "policies": {"nodes": []},
        "contact": {"termsUrl": "https://camcha.example/policies/terms"},
    }


async def test_p4_4_the_contact_links_to_the_policies(execute: "Execute", db: str) -> None:
    response = (await execute(Viewer(), "{ contact { privacyPolicyUrl } }"))["data"]["contact"]
    assert response == {"privacyPolicyUrl": "https://camcha.example/policies/privacy"}


async def install_next_version(clock: "MovableClock", kind: PolicyKind = PolicyKind.TERMS) -> str:
    """Creates a version that takes effect on 1 December, and returns its id."""
    text = "# Texte\n\nC\n"
    await install(clock.now(), [PolicyContent(kind, "2.0", UPCOMING_DATE, text, text)])
    return encode("Policy", (await Policy.get(version="2.0")).pk)


async def test_p4_4_the_settings_show_policies_in_force_and_pending_ones(
    execute: "Execute", dataset: "Dataset", clock: "MovableClock"
) -> None:
    paul = dataset.paul.owner
    (status,) = (await execute(paul, SETTINGS_QUERY))["data"]["viewer"]["policies"]
    assert status["policy"] == {"kind": "TERMS", "version": "1.0", "inForce": True}
    assert (status["acceptanceNeeded"], status["acceptance"]["policy"]) == (
        False,
        {"version": "1.0"},
    )
    new_policy_id = await install_next_version(clock)
    assert status["next"] is None
    announced_status = status | {"next": {"version": "2.0", "effectiveOn": "2026-12-01"}}
    assert (await execute(paul, SETTINGS_QUERY))["data"]["viewer"]["policies"] == [announced_status]
    refused_payload = (
        await execute(replace(paul, locale=Locale.EN), ACCEPT_MUTATION, id=new_policy_id)
    )["data"]["policyAccept"]
    assert refused_payload == {
        "acceptance": None,
        "userErrors": [
            {
                "code": "POLICY_NOT_IN_FORCE",
                "field": ["input", "policyId"],
                "message": "This isn’t the version in force. Read the current version, then accept "
                "it.",
            }
        ],
    }
    clock.advance(timedelta(days=8))
    (status,) = (await execute(paul, SETTINGS_QUERY))["data"]["viewer"]["policies"]
    assert (
        status["policy"]["version"],
        status["acceptanceNeeded"],
        status["acceptance"],
    ) == ("2.0", True, None)
    assert status["next"] is None
    accept_payload = (await execute(paul, ACCEPT_MUTATION, id=new_policy_id, locale="EN"))["data"][
        "policyAccept"
    ]
    at = clock.now().isoformat().replace("+00:00", "Z")
    assert accept_payload["userErrors"] == []
    acceptance = accept_payload["acceptance"]
    assert (acceptance["locale"], acceptance["channel"], acceptance["policy"]["version"]) == (
        "EN",
        "SETTINGS",
        "2.0",
    )
    assert acceptance["acceptedAt"].replace("+00:00", "Z") == at
    clock.advance(timedelta(hours=1))
    assert (await execute(paul, ACCEPT_MUTATION, id=new_policy_id))["data"][
        "policyAccept"
    ] == accept_payload
    settings = (await execute(paul, SETTINGS_QUERY))["data"]["viewer"]
    assert [each["acceptanceNeeded"] for each in settings["policies"]] == [False]
    assert [each["policy"]["version"] for each in settings["policyAcceptances"]] == ["2.0", "1.0"]


async def test_p4_4_an_acceptance_applies_to_one_member_only(
    execute: "Execute", dataset: "Dataset", clock: "MovableClock"
) -> None:
    new_policy_id = await install_next_version(clock)
    clock.advance(timedelta(days=8))
    await execute(dataset.paul.owner, ACCEPT_MUTATION, id=new_policy_id)
    for viewer in (dataset.paul.member, dataset.marie.owner):
        (status,) = (await execute(viewer, SETTINGS_QUERY))["data"]["viewer"]["policies"]
        assert (status["acceptanceNeeded"], status["acceptance"]) == (True, None)
    assert await PolicyAcceptance.filter(policy__version="2.0").count() == 1


async def test_p4_4_staff_and_anonymous_viewers_have_nothing_to_accept(
    execute: "Execute", dataset: "Dataset"
) -> None:
    for viewer in (dataset.alice, dataset.alice_without_factor, dataset.nadia):
        (status,) = (await execute(viewer, SETTINGS_QUERY))["data"]["viewer"]["policies"]
        assert (status["acceptanceNeeded"], status["acceptance"]) == (False, None)
    policy = encode("Policy", (await Policy.get()).pk)
    response = await execute(Viewer(), ACCEPT_MUTATION, id=policy)
    assert [error["extensions"]["code"] for error in response["errors"]] == ["UNAUTHENTICATED"]


async def test_an_id_of_another_type_is_not_a_policy(
    execute: "Execute", dataset: "Dataset"
) -> None:
    for key in (dataset.marie.ids[0], encode("Policy", 10**12), "x", encode("PolicyAcceptance", 1)):
        payload = (await execute(dataset.paul.owner, ACCEPT_MUTATION, id=key))["data"][
            "policyAccept"
        ]
        assert [error["code"] for error in payload["userErrors"]] == ["NOT_FOUND"]
    acceptances = await PolicyAcceptance.all()
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    ids = [encode("PolicyAcceptance", each.pk) for each in acceptances]
    own_nodes = [
        {"id": key} if each.user_id == dataset.marie.owner.user_id else None
        for key, each in zip(ids, acceptances, strict=True)
    ]
    assert (await execute(dataset.marie.owner, query, ids=ids))["data"]["nodes"] == own_nodes


@pytest.mark.usefixtures("installed_policies")
async def test_p4_4_days_begin_at_midnight_in_paris(
    execute: "Execute", clock: "MovableClock"
) -> None:
    for minutes, version in ((59, "1.0"), (60, "2.0")):  # after 22:00 UTC on the day before
        clock.time = datetime(2026, 11, 30, 22, tzinfo=UTC) + timedelta(minutes=minutes)
        assert (await execute(Viewer(), POLICY_QUERY, kind="TERMS"))["data"]["policy"][
            "version"
        ] == version
