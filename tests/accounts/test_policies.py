"""P4.4: an acceptance is recorded once, with its time, and only for the user who gave it."""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts import policies
from accounts.invitations import NewUserDetails
from accounts.invitations import accept as join
from accounts.invitations import send as invite
from accounts.registration import SignUp, sign_up
from auth import sessions
from auth.services import AuthServices
from models.accounts.account import Role
from models.action import Action
from models.audit import AuditEntry
from models.content.audit_actions import ContentAuditAction
from models.content.policy import AcceptanceChannel, Policy, PolicyAcceptance, PolicyKind
from models.errors import Refusal, Unauthenticated
from models.identity.user import User
from models.locale import Locale
from tests.accounts.company_fixtures import create_company
from tests.outbox import token_to
from tests.people import create_user

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

pytestmark = pytest.mark.usefixtures("db")

SIGN_UP_FORM: dict[str, Any] = {
    "email": "nadia@verrier.example",
    "password": "corneille sabot pluvier 42",
    "name": "Nadia Verrier",
    "legal_name": "Verrier & Filles",
    "siren": "732 829 320",
    "locale": Locale.EN,
    "client_address": "192.0.2.7",
}


async def create_policy(version: str, day: date, kind: PolicyKind = PolicyKind.TERMS) -> Policy:
    return await Policy.create(
        kind=kind,
        version=version,
        effective_on=day,
        text_fr="# C\n",
        text_en="# T\n",
        sha256="-",
        installed_at=f"{day}T00:00:00Z",
    )


@pytest.fixture
async def old_policy() -> Policy:
    return await create_policy("1.0", date(2026, 1, 1))


@pytest.fixture
async def current_policy(old_policy: Policy) -> Policy:
    return await create_policy("1.1", date(2026, 6, 1))


@pytest.fixture
async def upcoming_policy(current_policy: Policy) -> Policy:
    return await create_policy("1.2", date(2026, 11, 24))


async def submit_sign_up(
    action: Action, auth: AuthServices, *accepted: int | None, **changed: Any
) -> SignUp:
    return await sign_up(action, auth, **SIGN_UP_FORM | changed, accepted_policies=accepted)


async def acceptance_entries() -> list[AuditEntry]:
    return await AuditEntry.filter(action=ContentAuditAction.POLICY_ACCEPT).order_by("id")


async def test_p4_4_a_sign_up_records_the_accepted_policies(
    action: Action, auth: AuthServices, current_policy: Policy
) -> None:
    privacy = await create_policy("1.0", date(2026, 1, 1), PolicyKind.PRIVACY)
    sign_up = await submit_sign_up(action, auth, current_policy.pk, privacy.pk, current_policy.pk)
    assert sign_up.user
    assert sign_up.account
    acceptances = await PolicyAcceptance.all().order_by("policy_id")
    expected = [
        (sign_up.user.pk, each.pk, action.at, Locale.EN, AcceptanceChannel.SIGN_UP)
        for each in (current_policy, privacy)
    ]
    assert [
        (each.user_id, each.policy_id, each.accepted_at, each.locale, each.channel)
        for each in acceptances
    ] == expected
    audit_entries = await acceptance_entries()
    assert {(each.actor_id, each.account_id, each.object_type) for each in audit_entries} == {
        (sign_up.user.pk, sign_up.account.pk, "Policy")
    }
    assert {each.details for each in audit_entries} == {
        '{"channel":"SIGN_UP","kind":"TERMS","version":"1.1"}',
        '{"channel":"SIGN_UP","kind":"PRIVACY","version":"1.0"}',
    }


async def test_p4_4_a_sign_up_without_acceptance_records_nothing(
    action: Action, auth: AuthServices, current_policy: Policy
) -> None:
    """Clients that predate the policies can still sign users up."""
    assert (await submit_sign_up(action, auth)).user
    assert not await PolicyAcceptance.exists()
    assert await acceptance_entries() == []


async def test_p4_4_a_sign_up_with_an_outdated_version_is_refused(
    action: Action,
    auth: AuthServices,
    old_policy: Policy,
    current_policy: Policy,
    upcoming_policy: Policy,
) -> None:
    for policy in (old_policy.pk, upcoming_policy.pk, 10**12, None):
        with pytest.raises(Refusal) as refused:
            await submit_sign_up(action, auth, current_policy.pk, policy)
        assert (refused.value.code, refused.value.field) == (
            "POLICY_NOT_IN_FORCE",
            ("input", "acceptedPolicyIds", "1"),
        )
    assert not await User.exists()


async def test_a_sign_up_with_an_existing_users_address_records_no_acceptance(
    action: Action, auth: AuthServices, current_policy: Policy
) -> None:
    await create_user(action, "ada")
    sign_up = await submit_sign_up(action, auth, current_policy.pk, email="ada@fournil.example")
    assert sign_up.existing
    assert not await PolicyAcceptance.exists()


async def test_p4_4_a_later_sign_up_replaces_an_unverified_acceptance(
    action: Action, auth: AuthServices, current_policy: Policy
) -> None:
    privacy = await create_policy("1.0", date(2026, 1, 1), PolicyKind.PRIVACY)
    first = await submit_sign_up(action, auth, current_policy.pk)
    assert first.user
    await submit_sign_up(action, auth, privacy.pk, locale=Locale.FR)
    acceptances = await PolicyAcceptance.all()
    assert [(each.user_id, each.policy_id, each.locale) for each in acceptances] == [
        (first.user.pk, privacy.pk, Locale.FR)
    ]


async def invite_by_email(
    action: Action, auth: AuthServices, clock: "MovableClock", bus: "RecordingBus"
) -> str:
    """The token from an invitation to FORM's address."""
    company = await create_company(clock, bus, ada=Role.OWNER)
    invitation: dict[str, Any] = {
        "email": SIGN_UP_FORM["email"],
        "role": Role.MEMBER,
        "locale": Locale.FR,
        "key": "k",
    }
    await invite(company.action("ada"), auth, company.account.pk, **invitation)
    return await token_to(SIGN_UP_FORM["email"], "invitation")


async def test_p4_4_an_invited_user_does_not_inherit_an_acceptance(
    action: Action,
    auth: AuthServices,
    clock: "MovableClock",
    bus: "RecordingBus",
    current_policy: Policy,
) -> None:
    """Someone else signed up with the address and accepted the policy. The owner of the address did
    not.
    """
    privacy = await create_policy("1.0", date(2026, 1, 1), PolicyKind.PRIVACY)
    earlier_sign_up = await submit_sign_up(action, auth, current_policy.pk)
    assert earlier_sign_up.user
    token = await invite_by_email(action, auth, clock, bus)
    new_user = NewUserDetails("Nadia", SIGN_UP_FORM["password"], [privacy.pk], Locale.FR)
    membership = await join(action, auth, token, new_user, "192.0.2.8")
    assert membership.user_id == earlier_sign_up.user.pk
    assert [
        (each.policy_id, each.locale, each.channel) for each in await PolicyAcceptance.all()
    ] == [(privacy.pk, Locale.FR, AcceptanceChannel.INVITATION)]
    assert [each.account_id for each in await acceptance_entries()][-1] == membership.account_id


@dataclass
class Scenario:
    """Ada, signed in."""

    user: User
    tokens: sessions.Tokens
    clock: "MovableClock"
    bus: "RecordingBus"

    async def accept(self, create_policy: Policy, locale: Locale = Locale.FR) -> PolicyAcceptance:
        return await policies.accept(
            Action(self.user, self.clock.now(), self.bus),
            self.tokens.session,
            create_policy,
            locale,
        )


@pytest.fixture
async def ada(clock: "MovableClock", bus: "RecordingBus") -> Scenario:
    company = await create_company(clock, bus, ada=Role.OWNER)
    return Scenario(company.people["ada"], company.tokens["ada"], clock, bus)


async def test_p4_4_accepting_again_changes_nothing_even_after_a_new_version(
    ada: Scenario, clock: "MovableClock", current_policy: Policy, upcoming_policy: Policy
) -> None:
    first = await ada.accept(current_policy, Locale.EN)
    assert (first.accepted_at, first.locale, first.channel) == (
        clock.now(),
        Locale.EN,
        AcceptanceChannel.SETTINGS,
    )
    clock.advance(timedelta(minutes=1))
    assert (await ada.accept(current_policy)).pk == first.pk
    clock.advance(timedelta(days=1))
    assert (await ada.accept(current_policy)).accepted_at == first.accepted_at
    assert (await ada.accept(upcoming_policy)).pk != first.pk
    assert len(await acceptance_entries()) == 2


async def test_p4_4_only_the_version_in_force_can_be_accepted(
    ada: Scenario,
    clock: "MovableClock",
    old_policy: Policy,
    current_policy: Policy,
    upcoming_policy: Policy,
) -> None:
    """A policy that takes effect at midnight in Paris can't be accepted a minute earlier."""
    clock.time = clock.time.replace(hour=22, minute=59)
    for policy in (old_policy, upcoming_policy):
        with pytest.raises(Refusal) as refused:
            await ada.accept(policy)
        assert (refused.value.code, refused.value.field) == (
            "POLICY_NOT_IN_FORCE",
            ("input", "policyId"),
        )
    clock.advance(timedelta(minutes=1))
    assert (await ada.accept(upcoming_policy)).policy_id == upcoming_policy.pk
    assert await acceptance_entries() == await AuditEntry.filter(object_id=upcoming_policy.pk)


async def test_p4_4_concurrent_acceptances_are_recorded_once(
    ada: Scenario, current_policy: Policy
) -> None:
    acceptances = await asyncio.gather(*(ada.accept(current_policy) for _ in range(4)))
    assert len({each.pk for each in acceptances}) == 1
    assert len(await acceptance_entries()) == 1


async def test_an_ended_session_cannot_accept(ada: Scenario, current_policy: Policy) -> None:
    await sessions.sign_out(ada.tokens.session, Action(ada.user, ada.clock.now(), ada.bus))
    with pytest.raises(Unauthenticated):
        await ada.accept(current_policy)
    assert not await PolicyAcceptance.exists()
