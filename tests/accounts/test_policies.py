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
from tests.accounts.company_fixtures import founded
from tests.outbox import token_to
from tests.people import create_user

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

pytestmark = pytest.mark.usefixtures("db")

FORM: dict[str, Any] = {
    "email": "nadia@verrier.example",
    "password": "corneille sabot pluvier 42",
    "name": "Nadia Verrier",
    "legal_name": "Verrier & Filles",
    "siren": "732 829 320",
    "locale": Locale.EN,
    "peer": "192.0.2.7",
}


async def policy(version: str, day: date, kind: PolicyKind = PolicyKind.TERMS) -> Policy:
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
async def old() -> Policy:
    return await policy("1.0", date(2026, 1, 1))


@pytest.fixture
async def current(old: Policy) -> Policy:
    return await policy("1.1", date(2026, 6, 1))


@pytest.fixture
async def coming(current: Policy) -> Policy:
    return await policy("1.2", date(2026, 11, 24))


async def signed_up(
    action: Action, auth: AuthServices, *accepted: int | None, **changed: Any
) -> SignUp:
    return await sign_up(action, auth, **FORM | changed, accepted_policies=accepted)


async def entries() -> list[AuditEntry]:
    return await AuditEntry.filter(action=ContentAuditAction.POLICY_ACCEPT).order_by("id")


async def test_p4_4_a_sign_up_records_the_accepted_policies(
    action: Action, auth: AuthServices, current: Policy
) -> None:
    privacy = await policy("1.0", date(2026, 1, 1), PolicyKind.PRIVACY)
    sign_up = await signed_up(action, auth, current.pk, privacy.pk, current.pk)
    assert sign_up.user
    assert sign_up.account
    acceptances = await PolicyAcceptance.all().order_by("policy_id")
    expected = [
        (sign_up.user.pk, each.pk, action.at, Locale.EN, AcceptanceChannel.SIGN_UP)
        for each in (current, privacy)
    ]
    assert [
        (each.user_id, each.policy_id, each.accepted_at, each.locale, each.channel)
        for each in acceptances
    ] == expected
    recorded = await entries()
    assert {(each.actor_id, each.account_id, each.object_type) for each in recorded} == {
        (sign_up.user.pk, sign_up.account.pk, "Policy")
    }
    assert {each.details for each in recorded} == {
        '{"channel":"SIGN_UP","kind":"TERMS","version":"1.1"}',
        '{"channel":"SIGN_UP","kind":"PRIVACY","version":"1.0"}',
    }


async def test_p4_4_a_sign_up_without_acceptance_records_nothing(
    action: Action, auth: AuthServices, current: Policy
) -> None:
    """Clients that predate the policies can still sign users up."""
    assert (await signed_up(action, auth)).user
    assert not await PolicyAcceptance.exists()
    assert await entries() == []


async def test_p4_4_a_sign_up_with_an_outdated_version_is_refused(
    action: Action, auth: AuthServices, old: Policy, current: Policy, coming: Policy
) -> None:
    for wrong in (old.pk, coming.pk, 10**12, None):
        with pytest.raises(Refusal) as refused:
            await signed_up(action, auth, current.pk, wrong)
        assert (refused.value.code, refused.value.field) == (
            "POLICY_NOT_IN_FORCE",
            ("input", "acceptedPolicyIds", "1"),
        )
    assert not await User.exists()


async def test_a_sign_up_with_an_existing_users_address_records_no_acceptance(
    action: Action, auth: AuthServices, current: Policy
) -> None:
    await create_user(action, "ada")
    sign_up = await signed_up(action, auth, current.pk, email="ada@fournil.example")
    assert sign_up.existing
    assert not await PolicyAcceptance.exists()


async def test_p4_4_a_later_sign_up_replaces_an_unverified_acceptance(
    action: Action, auth: AuthServices, current: Policy
) -> None:
    privacy = await policy("1.0", date(2026, 1, 1), PolicyKind.PRIVACY)
    first = await signed_up(action, auth, current.pk)
    assert first.user
    await signed_up(action, auth, privacy.pk, locale=Locale.FR)
    acceptances = await PolicyAcceptance.all()
    assert [(each.user_id, each.policy_id, each.locale) for each in acceptances] == [
        (first.user.pk, privacy.pk, Locale.FR)
    ]


async def invited(
    action: Action, auth: AuthServices, clock: "MovableClock", bus: "RecordingBus"
) -> str:
    """The token from an invitation to FORM's address."""
    company = await founded(clock, bus, ada=Role.OWNER)
    given: dict[str, Any] = {
        "email": FORM["email"],
        "role": Role.MEMBER,
        "locale": Locale.FR,
        "key": "k",
    }
    await invite(company.action("ada"), auth, company.account.pk, **given)
    return await token_to(FORM["email"], "invitation")


async def test_p4_4_an_invited_user_does_not_inherit_an_acceptance(
    action: Action, auth: AuthServices, clock: "MovableClock", bus: "RecordingBus", current: Policy
) -> None:
    """Someone else signed up with the address and accepted the policy. The owner of the address did
    not.
    """
    privacy = await policy("1.0", date(2026, 1, 1), PolicyKind.PRIVACY)
    stranger = await signed_up(action, auth, current.pk)
    assert stranger.user
    token = await invited(action, auth, clock, bus)
    newcomer = NewUserDetails("Nadia", FORM["password"], [privacy.pk], Locale.FR)
    place = await join(action, auth, token, newcomer, "192.0.2.8")
    assert place.user_id == stranger.user.pk
    assert [
        (each.policy_id, each.locale, each.channel) for each in await PolicyAcceptance.all()
    ] == [(privacy.pk, Locale.FR, AcceptanceChannel.INVITATION)]
    assert [each.account_id for each in await entries()][-1] == place.account_id


@dataclass
class Scenario:
    """Ada, signed in."""

    user: User
    tokens: sessions.Tokens
    clock: "MovableClock"
    bus: "RecordingBus"

    async def accepts(self, policy: Policy, locale: Locale = Locale.FR) -> PolicyAcceptance:
        return await policies.accept(
            Action(self.user, self.clock.now(), self.bus), self.tokens.session, policy, locale
        )


@pytest.fixture
async def ada(clock: "MovableClock", bus: "RecordingBus") -> Scenario:
    company = await founded(clock, bus, ada=Role.OWNER)
    return Scenario(company.people["ada"], company.tokens["ada"], clock, bus)


async def test_p4_4_accepting_again_changes_nothing_even_after_a_new_version(
    ada: Scenario, clock: "MovableClock", current: Policy, coming: Policy
) -> None:
    first = await ada.accepts(current, Locale.EN)
    assert (first.accepted_at, first.locale, first.channel) == (
        clock.now(),
        Locale.EN,
        AcceptanceChannel.SETTINGS,
    )
    clock.advance(timedelta(minutes=1))
    assert (await ada.accepts(current)).pk == first.pk
    clock.advance(timedelta(days=1))
    assert (await ada.accepts(current)).accepted_at == first.accepted_at
    assert (await ada.accepts(coming)).pk != first.pk
    assert len(await entries()) == 2


async def test_p4_4_only_the_version_in_force_can_be_accepted(
    ada: Scenario, clock: "MovableClock", old: Policy, current: Policy, coming: Policy
) -> None:
    """A policy that takes effect at midnight in Paris can't be accepted a minute earlier."""
    clock.time = clock.time.replace(hour=22, minute=59)
    for wrong in (old, coming):
        with pytest.raises(Refusal) as refused:
            await ada.accepts(wrong)
        assert (refused.value.code, refused.value.field) == (
            "POLICY_NOT_IN_FORCE",
            ("input", "policyId"),
        )
    clock.advance(timedelta(minutes=1))
    assert (await ada.accepts(coming)).policy_id == coming.pk
    assert await entries() == await AuditEntry.filter(object_id=coming.pk)


async def test_p4_4_concurrent_acceptances_are_recorded_once(
    ada: Scenario, current: Policy
) -> None:
    acceptances = await asyncio.gather(*(ada.accepts(current) for _ in range(4)))
    assert len({each.pk for each in acceptances}) == 1
    assert len(await entries()) == 1


async def test_an_ended_session_cannot_accept(ada: Scenario, current: Policy) -> None:
    await sessions.sign_out(ada.tokens.session, Action(ada.user, ada.clock.now(), ada.bus))
    with pytest.raises(Unauthenticated):
        await ada.accepts(current)
    assert not await PolicyAcceptance.exists()
