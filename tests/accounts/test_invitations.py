"""Inviting by email and accepting an invitation: once, in time, and only with the token from the
email.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tortoise.exceptions import OperationalError

from accounts.invitations import (
    NewUserDetails,
    accept,
    resend,
    revoke,
    send,
)
from accounts.members import change_role, remove
from accounts.registration import sign_up
from auth.authentication import authenticate, sign_in_company
from auth.services import AuthServices
from models.accounts.account import Account, Membership, Role
from models.accounts.invitation import Invitation
from models.action import Action
from models.database.sql import execute
from models.errors import Refusal, Throttled
from models.identity.user import Staff, User
from models.locale import Locale
from models.operations.email import Email
from operations.retention import delete_due
from tests.accounts.company_fixtures import Company, create_company, outcome
from tests.outbox import token_to, tokens_to
from tests.people import create_staff, create_user
from tests.waiting import wait_for_lock_waiters

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

    Statements = Callable[[], list[str]]

pytestmark = pytest.mark.usefixtures("db")

INVITED_EMAIL = "noe@fournil.example"
NEW_USER = NewUserDetails(" Noé  Blin ", "corneille sabot pluvier 42")
PEER = "192.0.2.7"


class Scenario:
    """A company that sends invitations, and the emails it sent."""

    def __init__(self, company: Company, auth: AuthServices) -> None:
        self.company, self.auth = company, auth
        self._keys = 0

    async def send(
        self, name: str = "ada", email: str = INVITED_EMAIL, role: Role = Role.MEMBER, key: str = ""
    ) -> Invitation:
        self._keys += 1
        return await send(
            self.company.action(name),
            self.auth,
            self.company.account.pk,
            email=email,
            role=role,
            locale=Locale.EN,
            key=key or f"own-{self._keys}",
        )

    async def resend(
        self, invitation: Invitation, name: str = "ada", key: str = "again"
    ) -> Invitation:
        return await resend(self.company.action(name), self.auth, invitation, key)

    async def revoke(self, invitation: Invitation, name: str = "ada") -> Invitation:
        return await revoke(self.company.action(name), invitation)

    async def accept(
        self, user: User | None = None, token: str = "", new_user: NewUserDetails = NEW_USER
    ) -> Membership:
        action = Action(user, self.company.clock.now(), self.company.bus)
        return await accept(
            action, self.auth, token or await token_to(INVITED_EMAIL, "invitation"), new_user, PEER
        )


@pytest.fixture
async def scenario(
    db: str, clock: "MovableClock", bus: "RecordingBus", auth: AuthServices
) -> Scenario:
    company = await create_company(
        clock, bus, odile=Role.OWNER, ada=Role.ADMIN, bea=Role.BILLING, max=Role.MEMBER
    )
    return Scenario(company, auth)


class TestSending:
    async def test_p1_4_an_invitation_sends_one_email(
        self, scenario: Scenario, clock: "MovableClock"
    ) -> None:
        """P1.4: the row holds only the hash of the token."""
        invitation = await scenario.send(email=" NOE@Fournil.example ", role=Role.BILLING)
        stored_rows = await Invitation.get().values()
        assert (invitation.email, invitation.role, invitation.locale) == (
            INVITED_EMAIL,
            Role.BILLING,
            Locale.EN,
        )
        assert invitation.expires_at == clock.now() + timedelta(days=7)
        assert invitation.inviter_id == scenario.company.people["ada"].pk
        token = await token_to(INVITED_EMAIL, "invitation")
        assert token.startswith("cam_in_")
        assert token not in str(stored_rows)
        assert await Email.all().count() == 1

    @pytest.mark.parametrize("inviter", ["odile", "ada", "bea", "max"])
    @pytest.mark.parametrize("role", list(Role))
    async def test_p1_4_each_role_invites_only_the_roles_it_may(
        self, scenario: Scenario, inviter: str, role: Role
    ) -> None:
        result = await outcome(scenario.send(inviter, role=role))
        allowed_outcome = "done" if inviter in ("odile", "ada") else "FORBIDDEN"
        assert result == ("ROLE_RESERVED" if role is Role.OWNER else allowed_outcome)
        assert await Email.all().count() == await Invitation.all().count() == (result == "done")

    async def test_a_repeat_sends_nothing(self, scenario: Scenario) -> None:
        first = await scenario.send(key="k")
        assert await scenario.send(key="k") == first
        assert await outcome(scenario.send(key="k", role=Role.ADMIN)) == "IDEMPOTENCY_MISMATCH"
        assert await Email.all().count() == 1

    async def test_members_and_invited_addresses_are_not_invited_again(
        self, scenario: Scenario
    ) -> None:
        assert await outcome(scenario.send(email="MAX@fournil.example")) == "ALREADY_MEMBER"
        invitation = await scenario.send()
        assert await outcome(scenario.send("odile")) == "ALREADY_INVITED"
        await scenario.revoke(invitation)
        assert await outcome(scenario.send("odile")) == "done"

    async def test_only_one_of_two_concurrent_invitations_is_sent(self, scenario: Scenario) -> None:
        results = await asyncio.gather(
            outcome(scenario.send("ada")), outcome(scenario.send("odile"))
        )
        assert sorted(results) == ["ALREADY_INVITED", "done"]
        assert await Email.all().count() == 1

    async def test_an_invitation_does_not_reveal_who_is_a_customer(
        self,
        scenario: Scenario,
        clock: "MovableClock",
        bus: "RecordingBus",
        statements: "Statements",
    ) -> None:
        """P3.5: known and unknown addresses get the same answer after the same statements."""
        await create_company(clock, bus, "732829320", nora=Role.OWNER)
        counts, results = [], []
        for email in ("nora@fournil.example", "nobody@fournil.example"):
            before = len(statements())
            key = (await scenario.send(email=email)).pk
            counts.append(len(statements()) - before)
            (facts,) = await Invitation.filter(pk=key).values()
            results.append(
                {name: facts[name] for name in facts if name not in ("id", "email", "token_hash")}
            )
        assert counts[0] == counts[1]
        assert results[0] == results[1]

    @pytest.mark.parametrize(
        "email", ["", "noe", "noe@\x00fournil.example", "a@b.example, c@d.example"]
    )
    async def test_an_invalid_address_is_reported(self, scenario: Scenario, email: str) -> None:
        with pytest.raises(Refusal) as refused:
            await scenario.send(email=email)
        assert (refused.value.code, refused.value.field) == ("EMAIL_INVALID", ("input", "email"))

    async def test_nothing_is_stored_when_the_email_cannot_be_written(
        self, scenario: Scenario
    ) -> None:
        await execute("ALTER TABLE email RENAME TO gone")
        with pytest.raises(OperationalError):
            await scenario.send(key="k")
        assert not await Invitation.exists()
        await execute("ALTER TABLE gone RENAME TO email")
        await scenario.send(key="k")
        assert await Email.all().count() == 1

    async def test_the_number_of_emails_is_limited(self, scenario: Scenario) -> None:
        """Invitations are limited per address and per company."""
        for _ in range(6):
            await scenario.revoke(await scenario.send())
        with pytest.raises(Throttled):
            await scenario.send()
        results = [
            await outcome(scenario.send(email=f"guest-{number}@fournil.example"))
            for number in range(30)
        ]
        assert results.count("RATE_LIMITED") == 5


class TestResending:
    async def test_a_new_email_invalidates_the_previous_one(
        self, scenario: Scenario, clock: "MovableClock"
    ) -> None:
        invitation = await scenario.send()
        first = await token_to(INVITED_EMAIL, "invitation")
        clock.advance(timedelta(days=8))
        resent_invitation = await scenario.resend(invitation, "odile")
        assert (resent_invitation.sent_at, resent_invitation.expires_at) == (
            clock.now(),
            clock.now() + timedelta(days=7),
        )
        assert resent_invitation.inviter_id == scenario.company.people["odile"].pk
        assert await outcome(scenario.accept(token=first)) == "TOKEN_INVALID"
        assert await outcome(scenario.accept()) == "done"

    async def test_a_repeat_sends_nothing(self, scenario: Scenario) -> None:
        invitation = await scenario.send()
        first = await scenario.resend(invitation)
        assert (await scenario.resend(invitation)).token_hash == first.token_hash
        assert await Email.all().count() == 2

    async def test_a_closed_invitation_cannot_be_resent(self, scenario: Scenario) -> None:
        revoked_invitation = await scenario.send()
        assert (
            (await scenario.revoke(revoked_invitation)).revoked_at
            == (await scenario.revoke(revoked_invitation)).revoked_at
            is not None
        )
        assert await outcome(scenario.resend(revoked_invitation)) == "NOT_ACTIVE"
        accepted_invitation = await scenario.send()
        await scenario.accept()
        assert await outcome(scenario.resend(accepted_invitation)) == "NOT_ACTIVE"
        assert await outcome(scenario.revoke(accepted_invitation)) == "NOT_ACTIVE"

    @pytest.mark.parametrize("name", ["bea", "max"])
    async def test_other_roles_cannot_resend(self, scenario: Scenario, name: str) -> None:
        invitation = await scenario.send()
        assert await outcome(scenario.resend(invitation, name)) == "FORBIDDEN"
        assert await outcome(scenario.revoke(invitation, name)) == "FORBIDDEN"


class TestAccepting:
    async def test_p1_4_a_new_user_joins_and_can_sign_in(
        self, scenario: Scenario, clock: "MovableClock"
    ) -> None:
        """P1.4: a name and a password are enough; the address needs no further verification."""
        await scenario.send(role=Role.BILLING)
        membership = await scenario.accept()
        user = await User.get(email=INVITED_EMAIL)
        assert (user.name, user.locale, user.email_verified_at) == (
            "Noé Blin",
            Locale.EN,
            clock.now(),
        )
        assert (membership.user_id, membership.role) == (user.pk, Role.BILLING)
        assert (await scenario.company.roles())["Noé Blin"] == "BILLING"
        signed_in_user = await authenticate(
            scenario.company.action(),
            scenario.auth,
            email=INVITED_EMAIL,
            password=NEW_USER.password,
            code=None,
            peer=PEER,
        )
        assert signed_in_user == user

    async def test_p1_4_an_existing_user_joins_signed_in_and_keeps_their_data(
        self, scenario: Scenario, bus: "RecordingBus"
    ) -> None:
        existing_user = await create_user(scenario.company.action(), "noe", password_hash="theirs")
        before = await User.filter(pk=existing_user.pk).values()
        await scenario.send()
        membership = await scenario.accept(
            existing_user, new_user=NewUserDetails("Other", "a password nobody asked for")
        )
        assert membership.role is Role.MEMBER
        assert await User.filter(pk=existing_user.pk).values() == before
        assert bus.announced[-1] == f"user:{existing_user.pk}"

    async def test_accepting_again_changes_nothing(self, scenario: Scenario) -> None:
        existing_user = await create_user(scenario.company.action(), "noe")
        await scenario.send()
        first = await scenario.accept(existing_user)
        await change_role(*scenario.company.change_arguments("odile"), existing_user.pk, Role.ADMIN)
        repeated_acceptance = await scenario.accept(existing_user)
        assert (repeated_acceptance.pk, repeated_acceptance.role) == (first.pk, Role.ADMIN)
        await remove(*scenario.company.change_arguments("odile"), existing_user.pk)
        assert await outcome(scenario.accept(existing_user)) == "TOKEN_INVALID"
        assert "noe" not in await scenario.company.roles()

    async def test_the_token_works_once(self, scenario: Scenario) -> None:
        await scenario.send()
        await scenario.accept()
        assert await outcome(scenario.accept()) == "TOKEN_INVALID"
        assert (
            await outcome(scenario.accept(scenario.company.people["max"]))
            == "INVITATION_EMAIL_MISMATCH"
        )

    async def test_the_token_works_for_seven_days(
        self, scenario: Scenario, clock: "MovableClock"
    ) -> None:
        await scenario.send()
        clock.advance(timedelta(days=7, microseconds=-1))
        existing_user = await create_user(scenario.company.action(), "noe")
        clock.advance(timedelta(microseconds=1))
        assert await outcome(scenario.accept(existing_user)) == "TOKEN_INVALID"
        await User.filter(pk=existing_user.pk).delete()
        assert await outcome(scenario.accept()) == "TOKEN_INVALID"
        clock.advance(timedelta(microseconds=-1))
        assert await outcome(scenario.accept()) == "done"

    async def test_a_revoked_invitation_cannot_be_accepted(self, scenario: Scenario) -> None:
        await scenario.revoke(await scenario.send())
        assert await outcome(scenario.accept()) == "TOKEN_INVALID"

    @pytest.mark.parametrize(
        "token", ["", "cam_in_", "cam_in_unknown", "\x00", "\ud800", "x" * 100_000]
    )
    async def test_an_invalid_token_is_refused(self, scenario: Scenario, token: str) -> None:
        with pytest.raises(Refusal) as refused:
            await accept(scenario.company.action(), scenario.auth, token, NEW_USER, PEER)
        assert (refused.value.code, refused.value.field) == ("TOKEN_INVALID", ("input", "token"))

    async def test_the_token_works_only_for_its_address(self, scenario: Scenario) -> None:
        """P1.4: another member's token and a staff session are both refused."""
        await scenario.send()
        assert (
            await outcome(scenario.accept(await create_user(scenario.company.action(), "zoe")))
            == "INVITATION_EMAIL_MISMATCH"
        )
        assert (
            await outcome(
                scenario.accept(
                    await create_staff(
                        scenario.company.action(), "noe", Staff.AGENT, email=INVITED_EMAIL
                    )
                )
            )
            == "FORBIDDEN"
        )
        assert await outcome(scenario.accept()) == "SIGN_IN_REQUIRED"
        assert len(await scenario.company.roles()) == 4

    @pytest.mark.parametrize(
        ("new_user", "code", "field"),
        [
            (NewUserDetails("", NEW_USER.password), "BLANK", "name"),
            (NewUserDetails("n" * 101, NEW_USER.password), "TOO_LONG", "name"),
            (NewUserDetails("Noé", ""), "PASSWORD_WEAK", "password"),
            (NewUserDetails("Noé", "noefournil aubry"), "PASSWORD_WEAK", "password"),
        ],
    )
    async def test_invalid_input_is_reported_and_the_token_still_works(
        self, scenario: Scenario, new_user: NewUserDetails, code: str, field: str
    ) -> None:
        await scenario.send()
        with pytest.raises(Refusal) as refused:
            await scenario.accept(new_user=new_user)
        assert (refused.value.code, refused.value.field) == (code, ("input", field))
        assert await outcome(scenario.accept()) == "done"

    async def test_only_one_of_many_concurrent_users_joins(self, scenario: Scenario) -> None:
        await scenario.send()
        results = await asyncio.gather(*(outcome(scenario.accept()) for _ in range(4)))
        assert sorted(results) == ["TOKEN_INVALID"] * 3 + ["done"]
        assert await User.filter(email=INVITED_EMAIL).count() == 1
        assert (await scenario.company.roles())["Noé Blin"] == "MEMBER"

    async def test_concurrent_requests_of_one_user_join_once(self, scenario: Scenario) -> None:
        existing_user = await create_user(scenario.company.action(), "noe")
        await scenario.send()
        results = await asyncio.gather(*(outcome(scenario.accept(existing_user)) for _ in range(4)))
        assert results == ["done"] * 4
        assert await Membership.filter(user_id=existing_user.pk).count() == 1

    async def test_concurrent_acceptance_and_revocation_have_one_outcome(
        self, scenario: Scenario
    ) -> None:
        invitation = await scenario.send()
        results = await asyncio.gather(
            outcome(scenario.accept()), outcome(scenario.revoke(invitation))
        )
        assert sorted(results) in (["NOT_ACTIVE", "done"], ["TOKEN_INVALID", "done"])
        assert (results[0] == "done") == ("Noé Blin" in await scenario.company.roles())

    async def test_a_new_user_can_join_two_companies(
        self, scenario: Scenario, clock: "MovableClock", bus: "RecordingBus"
    ) -> None:
        """The second email was sent before the user existed."""
        other_scenario = Scenario(
            await create_company(clock, bus, "732829320", nora=Role.OWNER), scenario.auth
        )
        await scenario.send()
        await other_scenario.send("nora")
        first, tx = await tokens_to(INVITED_EMAIL, "invitation")
        results = await asyncio.gather(
            outcome(scenario.accept(token=first)), outcome(other_scenario.accept(token=tx))
        )
        assert sorted(results) == ["SIGN_IN_REQUIRED", "done"]
        unused_token = tx if results[0] == "done" else first
        assert (
            await outcome(scenario.accept(await User.get(email=INVITED_EMAIL), token=unused_token))
            == "done"
        )
        assert await Membership.filter(user__email=INVITED_EMAIL).count() == 2


async def test_closed_invitations_are_deleted_after_a_month(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    """Open invitations stay, and an expired one can be sent again until then."""
    await scenario.send(key="k")
    await scenario.accept()
    await scenario.revoke(await scenario.send(email="revoked@fournil.example"))
    await scenario.send(email="expired@fournil.example")
    clock.advance(timedelta(days=30))
    await scenario.send(email="open@fournil.example")
    assert (await delete_due(clock.now()))["invitation"] == 0
    clock.advance(timedelta(microseconds=1))
    assert (await delete_due(clock.now()))["invitation"] == 2
    clock.advance(timedelta(days=7))
    assert (await delete_due(clock.now()))["invitation"] == 1
    assert [each.email for each in await Invitation.all()] == ["open@fournil.example"]


OTHER_USER_FORM: dict[str, Any] = {
    "email": INVITED_EMAIL,
    "password": "mouette phare ardoise 77",
    "name": "Stranger",
    "legal_name": "Trap",
    "siren": "732829320",
    "locale": Locale.FR,
    "client_address": PEER,
}


async def test_accepting_does_not_deadlock_with_a_second_sign_up(
    db: str, scenario: Scenario
) -> None:
    """Both lock the company before the user. In different orders they would deadlock, and one of
    them would fail.
    """
    sign_up_result = await sign_up(scenario.company.action(), scenario.auth, **OTHER_USER_FORM)
    assert sign_up_result.account
    assert sign_up_result.user
    await scenario.send()
    locked = asyncio.Event()

    async def accept_when_locked() -> Membership:
        await locked.wait()
        return await scenario.accept()

    # Before the transaction, so that it isn't part of it.
    acceptance_task = asyncio.create_task(accept_when_locked())
    async with scenario.company.action().transaction() as tx:
        await tx.lock(Account, sign_up_result.account.pk)
        locked.set()
        await wait_for_lock_waiters(db)  # a lock on the company, with or without the user
        await tx.lock(User, sign_up_result.user.pk)
    assert await acceptance_task


async def test_an_earlier_sign_up_with_the_address_by_someone_else_gains_nothing(
    scenario: Scenario,
) -> None:
    """Only the owner of the address can read the email. The password of someone else who signed up
    with the address stops working.
    """
    await sign_up(scenario.company.action(), scenario.auth, **OTHER_USER_FORM)
    await scenario.send()
    await scenario.accept()
    for password, result in (
        (OTHER_USER_FORM["password"], "CREDENTIALS_INVALID"),
        (NEW_USER.password, "done"),
    ):
        sign_in = authenticate(
            scenario.company.action(),
            scenario.auth,
            email=INVITED_EMAIL,
            password=password,
            code=None,
            peer=PEER,
        )
        assert await outcome(sign_in) == result
    user = await User.get(email=INVITED_EMAIL)
    assert user.name == "Noé Blin"
    assert await sign_in_company(user) == await Account.get()  # the earlier password is gone
