"""A user who lost both phone and recovery codes signs in with the password alone once an owner or
operator resets the second factor.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts import second_factor_reset, staff
from auth import sessions
from auth.authentication import authenticate
from auth.caller import still_valid
from auth.factors import enrolment
from auth.passwords import change
from auth.services import AuthServices
from models.accounts.account import Account, Membership, Role
from models.action import Action
from models.audit import AuditEntry
from models.errors import Forbidden, Refusal, Unauthenticated
from models.identity.access_links import PasswordReset
from models.identity.audit_actions import IdentityAuditAction
from models.identity.authenticator import Authenticator, AuthenticatorKind, WebauthnChallenge
from models.identity.session import Session
from models.identity.user import RecoveryCode, Staff, User
from tests.accounts.company_fixtures import Company, founded, outcome
from tests.auth.conftest import code_of
from tests.outbox import templates_to, written
from tests.people import PASSWORD, add_member, create_staff, viewer_of

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

    Now = Callable[[], Action]
    Enrolled = Callable[[User], Awaitable[tuple[str, list[str], sessions.Tokens]]]

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
async def company(
    clock: "MovableClock", bus: "RecordingBus", auth: AuthServices, enrolled: "Enrolled"
) -> Company:
    """A company with two owners (Odile and Olivier), an administrator (Ada), and Max, who lost his
    second factor.
    """
    company_ = await founded(
        clock, bus, odile=Role.OWNER, olivier=Role.OWNER, ada=Role.ADMIN, max=Role.MEMBER
    )
    await User.all().update(password_hash=await auth.passwords.hash(PASSWORD))
    for name in ("max", "olivier"):
        await company_.people[name].refresh_from_db()
        await enrolled(company_.people[name])
    return company_


def by(company: Company, name: str, whom: str) -> Awaitable[Membership]:
    """Resets the second factor of `whom` on behalf of `name`."""
    session, key = company.tokens[name].session, company.people[whom].pk
    return second_factor_reset.reset_member(company.action(name), session, company.account.pk, key)


async def test_p4_3_an_owner_resets_a_members_second_factor(
    company: Company, auth: AuthServices, now: "Now"
) -> None:
    """The old factor and the sessions it started are gone, the password stays, and the user sets up
    a new factor.
    """
    lost = company.people["max"]
    await Authenticator.create(
        user=lost, kind=AuthenticatorKind.TOTP, name="waits", created_at=now().at, secret="-"
    )
    await WebauthnChallenge.create(challenge_hash="x", registers=lost, expires_at=now().at)
    await PasswordReset.create(user=lost, token_hash="x", expires_at=now().at + timedelta(days=1))
    running = await sessions.sign_in(await User.get(pk=lost.pk), company.account, True, now())
    with pytest.raises(Refusal, match="SECOND_FACTOR_REQUIRED"):
        await authenticate(now(), auth, email=lost.email, password=PASSWORD, code=None, peer="::1")
    place = await by(company, "odile", "max")
    assert place.user_id == lost.pk
    assert "second_factor_reset" in await templates_to(lost.email)
    for model in (Authenticator, RecoveryCode, PasswordReset):
        assert not await model.filter(user_id=lost.pk).exists()
    assert not await WebauthnChallenge.exists()
    assert await still_valid([running.session.pk], now().at) == set()
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await authenticate(
            now(), auth, email=lost.email, password="another one 42 42", code=None, peer="::1"
        )
    user = await authenticate(
        now(), auth, email=lost.email, password=PASSWORD, code=None, peer="::1"
    )
    tokens = await sessions.sign_in(user, company.account, False, now())
    secret = await enrolment.begin_totp(now(), auth, tokens.session, PASSWORD)
    await enrolment.confirm_totp(now(), auth, tokens.session, code_of(secret, now()))
    assert await Authenticator.filter(user_id=lost.pk).count() == 1


async def test_second_factors_that_an_owner_cannot_reset(
    company: Company, now: "Now", clock: "MovableClock", bus: "RecordingBus"
) -> None:
    """Another owner's, their own, and those of a user with a second company, of staff, and of users
    of other companies.
    """
    others = await founded(clock, bus, "732829320", nora=Role.OWNER)
    for whom in ("olivier", "odile"):
        assert await outcome(by(company, "odile", whom)) == "SECOND_FACTOR_RESERVED"
    company.people["nora"] = others.people["nora"]
    assert await outcome(by(company, "odile", "nora")) == "NOT_FOUND"
    assert await outcome(by(company, "odile", "ada")) == "NOT_ACTIVE"
    await User.filter(pk=company.people["max"].pk).update(staff=Staff.AGENT)
    assert await outcome(by(company, "odile", "max")) == "SECOND_FACTOR_RESERVED"
    await User.filter(pk=company.people["max"].pk).update(staff=None)
    await add_member(now(), others.account, company.people["max"])
    assert await outcome(by(company, "odile", "max")) == "SECOND_FACTOR_RESERVED"
    assert await written("second_factor_reset") == []
    assert await Authenticator.filter(user_id=company.people["max"].pk).exists()


async def test_a_reset_requires_an_owner_and_a_step_up(company: Company, now: "Now") -> None:
    await Session.all().update(ended_at=None)
    for name in ("ada", "max"):
        with pytest.raises(Forbidden):
            await by(company, name, "max")
    await Session.filter(pk=company.tokens["odile"].session.pk).update(fresh_until=now().at)
    with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
        await by(company, "odile", "max")
    assert await written("second_factor_reset") == []


async def operator(now: "Now", name: str) -> tuple[User, sessions.Tokens]:
    """A staff operator with a recent step-up."""
    user = await create_staff(
        now(), name, Staff.OPERATOR, email=f"{name}@camcha.example", second_factor_at=now().at
    )
    tokens = await sessions.sign_in(user, None, True, now())
    await Session.filter(pk=tokens.session.pk).update(fresh_until=now().at + timedelta(minutes=5))
    return user, tokens


async def test_an_operator_resets_any_second_factor_except_their_own(
    company: Company, agent: User, enrolled: "Enrolled", now: "Now"
) -> None:
    """Including an owner's and another staff user's. Staff have no role until they have set up a
    new factor.
    """
    omar, tokens = await operator(now, "omar")
    for user in (company.people["olivier"], await _enrolled(agent, enrolled)):
        await second_factor_reset.reset_user(now(), tokens.session, user.pk)
        assert not (await User.get(pk=user.pk)).second_factor
    recipients = [recipient for recipient, _ in await written("second_factor_reset")]
    assert recipients == ["olivier@fournil.example", "amadou@camcha.example"]
    again = await sessions.sign_in(await User.get(pk=agent.pk), None, False, now())
    assert (await viewer_of(again.access, now().at)).staff is None
    cases: list[tuple[int | None, str]] = [
        (omar.pk, "RESERVED"),
        (999_999, "NOT_FOUND"),
        (None, "NOT_FOUND"),
    ]
    for key, code in [*cases, (agent.pk, "NOT_ACTIVE")]:
        with pytest.raises(Refusal, match=code):
            await second_factor_reset.reset_user(now(), tokens.session, key)
    await Session.filter(pk=tokens.session.pk).update(fresh_until=None)
    with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
        await second_factor_reset.reset_user(now(), tokens.session, company.people["max"].pk)


async def _enrolled(user: User, enrolled: "Enrolled") -> User:
    await enrolled(user)
    return user


async def test_every_company_of_the_user_reads_the_audit_entry(
    company: Company,
    now: "Now",
    clock: "MovableClock",
    bus: "RecordingBus",
    agent: User,
    enrolled: "Enrolled",
) -> None:
    """The operator alone is notified about a user without a company."""
    others = await founded(clock, bus, "732829320", nora=Role.OWNER)
    await add_member(now(), others.account, company.people["max"])
    omar, tokens = await operator(now, "omar")
    for user in (company.people["max"], await _enrolled(agent, enrolled)):
        await second_factor_reset.reset_user(Action(omar, now().at, bus), tokens.session, user.pk)
    audit_entries = await AuditEntry.filter(
        action=IdentityAuditAction.SECOND_FACTOR_RESET.value
    ).order_by("id")
    assert [(each.account_id, each.object_id, each.staff) for each in audit_entries] == [
        (company.account.pk, company.people["max"].pk, "OPERATOR"),
        (others.account.pk, company.people["max"].pk, "OPERATOR"),
        (None, agent.pk, "OPERATOR"),
    ]


@pytest.mark.parametrize("how", ["reset", "end"])
async def test_operators_acting_on_each_other_do_not_deadlock(now: "Now", how: str) -> None:
    """The slower operator's session has already ended."""
    (omar, omar_tokens), (olga, olga_tokens) = (
        await operator(now, "omar"),
        await operator(now, "olga"),
    )

    def acts(tokens: sessions.Tokens, on: User) -> Awaitable[Any]:
        if how == "reset":
            return second_factor_reset.reset_user(now(), tokens.session, on.pk)
        return staff.end_sessions(now(), tokens.session, on.pk)

    for _ in range(5):
        both = await asyncio.gather(
            acts(omar_tokens, olga), acts(olga_tokens, omar), return_exceptions=True
        )
        (refused,) = [each for each in both if isinstance(each, Exception)]
        # Detected under the lock, or before.
        assert isinstance(refused, Unauthenticated) or str(refused) == "STEP_UP_REQUIRED"
        await Session.all().update(ended_at=None)
        await User.all().update(second_factor_at=now().at)


async def test_a_password_reset_keeps_the_second_factor(
    company: Company, auth: AuthServices, now: "Now"
) -> None:
    """Signing in without the second factor takes two separate recoveries, each of which is
    confirmed.
    """
    lost = company.people["max"]
    await PasswordReset.create(
        user=lost, token_hash=sessions.token_hash("t"), expires_at=now().at + timedelta(days=1)
    )
    with pytest.raises(Refusal, match="SECOND_FACTOR_REQUIRED"):
        await change.reset(now(), auth, token="t", password="mouette phare ardoise 77", code=None)
    assert await Account.filter(memberships__user_id=lost.pk).count() == 1
