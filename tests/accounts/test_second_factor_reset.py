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
from auth.factors import enrolment
from auth.passwords import change
from auth.services import AuthServices
from auth.session_checks import valid_session_ids
from models.accounts.account import Account, Membership, Role
from models.accounts.intervention import InterventionReason
from models.action import Action
from models.audit import AuditEntry
from models.errors import Forbidden, Refusal, Unauthenticated
from models.identity.access_links import PasswordReset
from models.identity.audit_actions import IdentityAuditAction
from models.identity.authenticator import Authenticator, AuthenticatorKind, WebauthnChallenge
from models.identity.session import Session
from models.identity.user import RecoveryCode, Staff, User
from models.locale import Locale
from models.operations.email import Email
from models.translations import text as translate
from tests.accounts.company_fixtures import Company, create_company, outcome
from tests.auth.conftest import code_of
from tests.outbox import recipients_and_subjects, templates_to
from tests.people import PASSWORD, add_member, create_staff, viewer_of

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

    NewAction = Callable[[], Action]
    Enrol = Callable[[User], Awaitable[tuple[str, list[str], sessions.Tokens]]]

pytestmark = pytest.mark.usefixtures("db")

REASON = InterventionReason.SECURITY


@pytest.fixture
async def company(
    clock: "MovableClock", bus: "RecordingBus", auth: AuthServices, enrol: "Enrol"
) -> Company:
    """A company with two owners (Odile and Olivier), an administrator (Ada), and Max, who lost his
    second factor.
    """
    company = await create_company(
        clock, bus, odile=Role.OWNER, olivier=Role.OWNER, ada=Role.ADMIN, max=Role.MEMBER
    )
    await User.all().update(password_hash=await auth.passwords.hash(PASSWORD))
    for name in ("max", "olivier"):
        await company.people[name].refresh_from_db()
        await enrol(company.people[name])
    return company


def reset_member(company: Company, name: str, member: str) -> Awaitable[Membership]:
    """Resets the second factor of `member` on behalf of `name`."""
    session, key = company.tokens[name].session, company.people[member].pk
    return second_factor_reset.reset_member(company.action(name), session, company.account.pk, key)


async def test_p4_3_an_owner_resets_a_members_second_factor(
    company: Company, auth: AuthServices, new_action: "NewAction"
) -> None:
    """The old factor and the sessions it started are gone, the password stays, and the user sets up
    a new factor.
    """
    user_without_factor = company.people["max"]
    await Authenticator.create(
        user=user_without_factor,
        kind=AuthenticatorKind.TOTP,
        name="waits",
        created_at=new_action().at,
        secret="-",
    )
    await WebauthnChallenge.create(
        challenge_hash="x", registers=user_without_factor, expires_at=new_action().at
    )
    await PasswordReset.create(
        user=user_without_factor, token_hash="x", expires_at=new_action().at + timedelta(days=1)
    )
    old_tokens = await sessions.sign_in(
        await User.get(pk=user_without_factor.pk), company.account, True, new_action()
    )
    with pytest.raises(Refusal, match="SECOND_FACTOR_REQUIRED"):
        await authenticate(
            new_action(),
            auth,
            email=user_without_factor.email,
            password=PASSWORD,
            code=None,
            peer="::1",
        )
    membership = await reset_member(company, "odile", "max")
    assert membership.user_id == user_without_factor.pk
    assert "second_factor_reset" in await templates_to(user_without_factor.email)
    for model in (Authenticator, RecoveryCode, PasswordReset):
        assert not await model.filter(user_id=user_without_factor.pk).exists()
    assert not await WebauthnChallenge.exists()
    assert await valid_session_ids([old_tokens.session.pk], new_action().at) == set()
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await authenticate(
            new_action(),
            auth,
            email=user_without_factor.email,
            password="another one 42 42",
            code=None,
            peer="::1",
        )
    user = await authenticate(
        new_action(),
        auth,
        email=user_without_factor.email,
        password=PASSWORD,
        code=None,
        peer="::1",
    )
    tokens = await sessions.sign_in(user, company.account, False, new_action())
    secret = await enrolment.begin_totp(new_action(), auth, tokens.session, PASSWORD)
    await enrolment.confirm_totp(new_action(), auth, tokens.session, code_of(secret, new_action()))
    assert await Authenticator.filter(user_id=user_without_factor.pk).count() == 1


async def test_an_owner_cannot_reset_protected_second_factors(
    company: Company, new_action: "NewAction", clock: "MovableClock", bus: "RecordingBus"
) -> None:
    """These are another owner's, their own, and those of a user with a second company, of staff,
    and of users of other companies.
    """
    other_company = await create_company(clock, bus, "732829320", nora=Role.OWNER)
    for member in ("olivier", "odile"):
        assert await outcome(reset_member(company, "odile", member)) == "SECOND_FACTOR_RESERVED"
    company.people["nora"] = other_company.people["nora"]
    assert await outcome(reset_member(company, "odile", "nora")) == "NOT_FOUND"
    assert await outcome(reset_member(company, "odile", "ada")) == "NOT_ACTIVE"
    await User.filter(pk=company.people["max"].pk).update(staff=Staff.AGENT)
    assert await outcome(reset_member(company, "odile", "max")) == "SECOND_FACTOR_RESERVED"
    await User.filter(pk=company.people["max"].pk).update(staff=None)
    await add_member(new_action(), other_company.account, company.people["max"])
    assert await outcome(reset_member(company, "odile", "max")) == "SECOND_FACTOR_RESERVED"
    assert await recipients_and_subjects("second_factor_reset") == []
    assert await Authenticator.filter(user_id=company.people["max"].pk).exists()


async def test_a_reset_requires_an_owner_and_a_step_up(
    company: Company, new_action: "NewAction"
) -> None:
    await Session.all().update(ended_at=None)
    for name in ("ada", "max"):
        with pytest.raises(Forbidden):
            await reset_member(company, name, "max")
    await Session.filter(pk=company.tokens["odile"].session.pk).update(
        step_up_expires_at=new_action().at
    )
    with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
        await reset_member(company, "odile", "max")
    assert await recipients_and_subjects("second_factor_reset") == []


async def create_operator(new_action: "NewAction", name: str) -> tuple[User, sessions.Tokens]:
    """A staff operator with a recent step-up."""
    user = await create_staff(
        new_action(),
        name,
        Staff.OPERATOR,
        email=f"{name}@camcha.example",
        second_factor_at=new_action().at,
    )
    tokens = await sessions.sign_in(user, None, True, new_action())
    await Session.filter(pk=tokens.session.pk).update(
        step_up_expires_at=new_action().at + timedelta(minutes=5)
    )
    return user, tokens


async def test_an_operator_resets_any_second_factor_except_their_own(
    company: Company, agent: User, enrol: "Enrol", new_action: "NewAction"
) -> None:
    """This includes an owner's and another staff user's. Staff have no role until they have set up
    a new factor.
    """
    omar, tokens = await create_operator(new_action, "omar")
    for user in (company.people["olivier"], await with_second_factor(agent, enrol)):
        await second_factor_reset.reset_user(new_action(), tokens.session, user.pk, REASON)
        assert not (await User.get(pk=user.pk)).second_factor
    recipients = [
        recipient for recipient, _ in await recipients_and_subjects("second_factor_reset")
    ]
    assert recipients == ["olivier@fournil.example", "amadou@camcha.example"]
    for email in await Email.filter(template__startswith="second_factor_reset."):
        label = translate(REASON.label, Locale(email.template.rpartition(".")[2]))
        for content in (" ".join(email.text.split()), email.html):  # lines of text are wrapped
            assert label in content
            assert "perdu" not in content
    new_tokens = await sessions.sign_in(await User.get(pk=agent.pk), None, False, new_action())
    assert (await viewer_of(new_tokens.access, new_action().at)).staff is None
    refused_keys: list[tuple[int | None, str]] = [
        (omar.pk, "RESERVED"),
        (999_999, "NOT_FOUND"),
        (None, "NOT_FOUND"),
    ]
    for key, code in [*refused_keys, (agent.pk, "NOT_ACTIVE")]:
        with pytest.raises(Refusal, match=code):
            await second_factor_reset.reset_user(new_action(), tokens.session, key, REASON)
    await Session.filter(pk=tokens.session.pk).update(step_up_expires_at=None)
    with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
        await second_factor_reset.reset_user(
            new_action(), tokens.session, company.people["max"].pk, REASON
        )


async def with_second_factor(user: User, enrol: "Enrol") -> User:
    await enrol(user)
    return user


async def test_every_company_of_the_user_reads_the_audit_entry(
    company: Company,
    new_action: "NewAction",
    clock: "MovableClock",
    bus: "RecordingBus",
    agent: User,
    enrol: "Enrol",
) -> None:
    """The operator alone is notified about a user without a company."""
    other_company = await create_company(clock, bus, "732829320", nora=Role.OWNER)
    await add_member(new_action(), other_company.account, company.people["max"])
    omar, tokens = await create_operator(new_action, "omar")
    for user in (company.people["max"], await with_second_factor(agent, enrol)):
        await second_factor_reset.reset_user(
            Action(omar, new_action().at, bus), tokens.session, user.pk, REASON
        )
    audit_entries = await AuditEntry.filter(
        action=IdentityAuditAction.SECOND_FACTOR_RESET.value
    ).order_by("id")
    assert [(each.account_id, each.object_id, each.staff) for each in audit_entries] == [
        (company.account.pk, company.people["max"].pk, "OPERATOR"),
        (other_company.account.pk, company.people["max"].pk, "OPERATOR"),
        (None, agent.pk, "OPERATOR"),
    ]


@pytest.mark.parametrize("operation", ["reset", "end"])
async def test_operators_acting_on_each_other_do_not_deadlock(
    new_action: "NewAction", operation: str
) -> None:
    """The slower operator's session has already ended."""
    (omar, omar_tokens), (olga, olga_tokens) = (
        await create_operator(new_action, "omar"),
        await create_operator(new_action, "olga"),
    )

    def reset(tokens: sessions.Tokens, target: User) -> Awaitable[Any]:
        if operation == "reset":
            return second_factor_reset.reset_user(new_action(), tokens.session, target.pk, REASON)
        return staff.end_sessions(new_action(), tokens.session, target.pk, REASON)

    for _ in range(5):
        results = await asyncio.gather(
            reset(omar_tokens, olga), reset(olga_tokens, omar), return_exceptions=True
        )
        (refusal,) = [each for each in results if isinstance(each, Exception)]
        # Detected under the lock, or before.
        assert isinstance(refusal, Unauthenticated) or str(refusal) == "STEP_UP_REQUIRED"
        await Session.all().update(ended_at=None)
        await User.all().update(second_factor_at=new_action().at)


async def test_a_password_reset_keeps_the_second_factor(
    company: Company, auth: AuthServices, new_action: "NewAction"
) -> None:
    """Signing in without the second factor takes two separate recoveries, each of which is
    confirmed.
    """
    user_without_factor = company.people["max"]
    await PasswordReset.create(
        user=user_without_factor,
        token_hash=sessions.token_hash("t"),
        expires_at=new_action().at + timedelta(days=1),
    )
    with pytest.raises(Refusal, match="SECOND_FACTOR_REQUIRED"):
        await change.reset(
            new_action(), auth, token="t", password="mouette phare ardoise 77", code=None
        )
    assert await Account.filter(memberships__user_id=user_without_factor.pk).count() == 1
