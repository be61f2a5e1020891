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
    delete_ended_invitations,
    resend,
    revoke,
    send,
)
from accounts.members import change_role, remove
from accounts.registration import sign_up
from auth.authentication import authenticate, company_of
from auth.services import AuthServices
from models.accounts.account import Account, Membership, Role
from models.accounts.invitation import Invitation
from models.action import Action
from models.database.sql import execute
from models.errors import Refusal, Throttled
from models.identity.user import Staff, User
from models.locale import Locale
from models.operations.email import Email
from tests.accounts.company_fixtures import Company, founded, outcome
from tests.outbox import token_to, tokens_to
from tests.patience import lock_waiters
from tests.people import create_staff, create_user

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

    Statements = Callable[[], list[str]]

pytestmark = pytest.mark.usefixtures("db")

GUEST = "noe@fournil.example"
NEWCOMER = NewUserDetails(" Noé  Blin ", "corneille sabot pluvier 42")
PEER = "192.0.2.7"


class Scenario:
    """A company that sends invitations, and the emails it sent."""

    def __init__(self, company: Company, auth: AuthServices) -> None:
        self.company, self.auth = company, auth
        self._keys = 0

    async def sends(
        self, name: str = "ada", email: str = GUEST, role: Role = Role.MEMBER, key: str = ""
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

    async def resends(
        self, invitation: Invitation, name: str = "ada", key: str = "again"
    ) -> Invitation:
        return await resend(self.company.action(name), self.auth, invitation, key)

    async def revokes(self, invitation: Invitation, name: str = "ada") -> Invitation:
        return await revoke(self.company.action(name), invitation)

    async def accepts(
        self, user: User | None = None, token: str = "", newcomer: NewUserDetails = NEWCOMER
    ) -> Membership:
        action = Action(user, self.company.clock.now(), self.company.bus)
        return await accept(
            action, self.auth, token or await token_to(GUEST, "invitation"), newcomer, PEER
        )


@pytest.fixture
async def scenario(
    db: str, clock: "MovableClock", bus: "RecordingBus", auth: AuthServices
) -> Scenario:
    company = await founded(
        clock, bus, odile=Role.OWNER, ada=Role.ADMIN, bea=Role.BILLING, max=Role.MEMBER
    )
    return Scenario(company, auth)


class TestSending:
    async def test_p1_4_an_invitation_sends_one_email(
        self, scenario: Scenario, clock: "MovableClock"
    ) -> None:
        """P1.4: the row holds only the hash of the token."""
        invitation = await scenario.sends(email=" NOE@Fournil.example ", role=Role.BILLING)
        stored = await Invitation.get().values()
        assert (invitation.email, invitation.role, invitation.locale) == (
            GUEST,
            Role.BILLING,
            Locale.EN,
        )
        assert invitation.expires_at == clock.now() + timedelta(days=7)
        assert invitation.inviter_id == scenario.company.people["ada"].pk
        token = await token_to(GUEST, "invitation")
        assert token.startswith("cam_in_")
        assert token not in str(stored)
        assert await Email.all().count() == 1

    @pytest.mark.parametrize("inviter", ["odile", "ada", "bea", "max"])
    @pytest.mark.parametrize("role", list(Role))
    async def test_p1_4_each_role_invites_only_the_roles_it_may(
        self, scenario: Scenario, inviter: str, role: Role
    ) -> None:
        result = await outcome(scenario.sends(inviter, role=role))
        allowed = "done" if inviter in ("odile", "ada") else "FORBIDDEN"
        assert result == ("ROLE_RESERVED" if role is Role.OWNER else allowed)
        assert await Email.all().count() == await Invitation.all().count() == (result == "done")

    async def test_a_repeat_sends_nothing(self, scenario: Scenario) -> None:
        first = await scenario.sends(key="k")
        assert await scenario.sends(key="k") == first
        assert await outcome(scenario.sends(key="k", role=Role.ADMIN)) == "IDEMPOTENCY_MISMATCH"
        assert await Email.all().count() == 1

    async def test_members_and_invited_addresses_are_not_invited_again(
        self, scenario: Scenario
    ) -> None:
        assert await outcome(scenario.sends(email="MAX@fournil.example")) == "ALREADY_MEMBER"
        invitation = await scenario.sends()
        assert await outcome(scenario.sends("odile")) == "ALREADY_INVITED"
        await scenario.revokes(invitation)
        assert await outcome(scenario.sends("odile")) == "done"

    async def test_only_one_of_two_concurrent_invitations_is_sent(self, scenario: Scenario) -> None:
        results = await asyncio.gather(
            outcome(scenario.sends("ada")), outcome(scenario.sends("odile"))
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
        await founded(clock, bus, "732829320", nora=Role.OWNER)
        counts, results = [], []
        for email in ("nora@fournil.example", "nobody@fournil.example"):
            before = len(statements())
            key = (await scenario.sends(email=email)).pk
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
            await scenario.sends(email=email)
        assert (refused.value.code, refused.value.field) == ("EMAIL_INVALID", ("input", "email"))

    async def test_nothing_is_stored_when_the_email_cannot_be_written(
        self, scenario: Scenario
    ) -> None:
        await execute("ALTER TABLE email RENAME TO gone")
        with pytest.raises(OperationalError):
            await scenario.sends(key="k")
        assert not await Invitation.exists()
        await execute("ALTER TABLE gone RENAME TO email")
        await scenario.sends(key="k")
        assert await Email.all().count() == 1

    async def test_the_number_of_emails_is_limited(self, scenario: Scenario) -> None:
        """Invitations are limited per address and per company."""
        for _ in range(6):
            await scenario.revokes(await scenario.sends())
        with pytest.raises(Throttled):
            await scenario.sends()
        results = [
            await outcome(scenario.sends(email=f"guest-{number}@fournil.example"))
            for number in range(30)
        ]
        assert results.count("RATE_LIMITED") == 5


class TestResending:
    async def test_a_new_email_invalidates_the_previous_one(
        self, scenario: Scenario, clock: "MovableClock"
    ) -> None:
        invitation = await scenario.sends()
        first = await token_to(GUEST, "invitation")
        clock.advance(timedelta(days=8))
        again = await scenario.resends(invitation, "odile")
        assert (again.sent_at, again.expires_at) == (clock.now(), clock.now() + timedelta(days=7))
        assert again.inviter_id == scenario.company.people["odile"].pk
        assert await outcome(scenario.accepts(token=first)) == "TOKEN_INVALID"
        assert await outcome(scenario.accepts()) == "done"

    async def test_a_repeat_sends_nothing(self, scenario: Scenario) -> None:
        invitation = await scenario.sends()
        first = await scenario.resends(invitation)
        assert (await scenario.resends(invitation)).token_hash == first.token_hash
        assert await Email.all().count() == 2

    async def test_a_closed_invitation_cannot_be_resent(self, scenario: Scenario) -> None:
        revoked = await scenario.sends()
        assert (
            (await scenario.revokes(revoked)).revoked_at
            == (await scenario.revokes(revoked)).revoked_at
            is not None
        )
        assert await outcome(scenario.resends(revoked)) == "NOT_ACTIVE"
        taken = await scenario.sends()
        await scenario.accepts()
        assert await outcome(scenario.resends(taken)) == "NOT_ACTIVE"
        assert await outcome(scenario.revokes(taken)) == "NOT_ACTIVE"

    @pytest.mark.parametrize("name", ["bea", "max"])
    async def test_other_roles_cannot_resend(self, scenario: Scenario, name: str) -> None:
        invitation = await scenario.sends()
        assert await outcome(scenario.resends(invitation, name)) == "FORBIDDEN"
        assert await outcome(scenario.revokes(invitation, name)) == "FORBIDDEN"


class TestAccepting:
    async def test_p1_4_a_new_user_joins_and_can_sign_in(
        self, scenario: Scenario, clock: "MovableClock"
    ) -> None:
        """P1.4: a name and a password are enough; the address needs no further verification."""
        await scenario.sends(role=Role.BILLING)
        place = await scenario.accepts()
        user = await User.get(email=GUEST)
        assert (user.name, user.locale, user.email_verified_at) == (
            "Noé Blin",
            Locale.EN,
            clock.now(),
        )
        assert (place.user_id, place.role) == (user.pk, Role.BILLING)
        assert (await scenario.company.roles())["Noé Blin"] == "BILLING"
        entered = await authenticate(
            scenario.company.action(),
            scenario.auth,
            email=GUEST,
            password=NEWCOMER.password,
            code=None,
            peer=PEER,
        )
        assert entered == user

    async def test_p1_4_an_existing_user_joins_signed_in_and_keeps_their_data(
        self, scenario: Scenario, bus: "RecordingBus"
    ) -> None:
        known = await create_user(scenario.company.action(), "noe", password_hash="theirs")
        before = await User.filter(pk=known.pk).values()
        await scenario.sends()
        place = await scenario.accepts(
            known, newcomer=NewUserDetails("Other", "a password nobody asked for")
        )
        assert place.role is Role.MEMBER
        assert await User.filter(pk=known.pk).values() == before
        assert bus.announced[-1] == f"user:{known.pk}"

    async def test_accepting_again_changes_nothing(self, scenario: Scenario) -> None:
        known = await create_user(scenario.company.action(), "noe")
        await scenario.sends()
        first = await scenario.accepts(known)
        await change_role(*scenario.company.does("odile"), known.pk, Role.ADMIN)
        again = await scenario.accepts(known)
        assert (again.pk, again.role) == (first.pk, Role.ADMIN)
        await remove(*scenario.company.does("odile"), known.pk)
        assert await outcome(scenario.accepts(known)) == "TOKEN_INVALID"
        assert "noe" not in await scenario.company.roles()

    async def test_the_token_works_once(self, scenario: Scenario) -> None:
        await scenario.sends()
        await scenario.accepts()
        assert await outcome(scenario.accepts()) == "TOKEN_INVALID"
        assert (
            await outcome(scenario.accepts(scenario.company.people["max"]))
            == "INVITATION_ELSEWHERE"
        )

    async def test_the_token_works_for_seven_days(
        self, scenario: Scenario, clock: "MovableClock"
    ) -> None:
        await scenario.sends()
        clock.advance(timedelta(days=7, microseconds=-1))
        known = await create_user(scenario.company.action(), "noe")
        clock.advance(timedelta(microseconds=1))
        assert await outcome(scenario.accepts(known)) == "TOKEN_INVALID"
        await User.filter(pk=known.pk).delete()
        assert await outcome(scenario.accepts()) == "TOKEN_INVALID"
        clock.advance(timedelta(microseconds=-1))
        assert await outcome(scenario.accepts()) == "done"

    async def test_a_revoked_invitation_cannot_be_accepted(self, scenario: Scenario) -> None:
        await scenario.revokes(await scenario.sends())
        assert await outcome(scenario.accepts()) == "TOKEN_INVALID"

    @pytest.mark.parametrize(
        "token", ["", "cam_in_", "cam_in_unknown", "\x00", "\ud800", "x" * 100_000]
    )
    async def test_an_invalid_token_is_refused(self, scenario: Scenario, token: str) -> None:
        with pytest.raises(Refusal) as refused:
            await accept(scenario.company.action(), scenario.auth, token, NEWCOMER, PEER)
        assert (refused.value.code, refused.value.field) == ("TOKEN_INVALID", ("input", "token"))

    async def test_the_token_works_only_for_its_address(self, scenario: Scenario) -> None:
        """P1.4: another member's token and a staff session are both refused."""
        await scenario.sends()
        assert (
            await outcome(scenario.accepts(await create_user(scenario.company.action(), "zoe")))
            == "INVITATION_ELSEWHERE"
        )
        assert (
            await outcome(
                scenario.accepts(
                    await create_staff(scenario.company.action(), "noe", Staff.AGENT, email=GUEST)
                )
            )
            == "FORBIDDEN"
        )
        assert await outcome(scenario.accepts()) == "SIGN_IN_REQUIRED"
        assert len(await scenario.company.roles()) == 4

    @pytest.mark.parametrize(
        ("newcomer", "code", "field"),
        [
            (NewUserDetails("", NEWCOMER.password), "BLANK", "name"),
            (NewUserDetails("n" * 101, NEWCOMER.password), "TOO_LONG", "name"),
            (NewUserDetails("Noé", ""), "PASSWORD_WEAK", "password"),
            (NewUserDetails("Noé", "noefournil aubry"), "PASSWORD_WEAK", "password"),
        ],
    )
    async def test_invalid_input_is_reported_and_the_token_still_works(
        self, scenario: Scenario, newcomer: NewUserDetails, code: str, field: str
    ) -> None:
        await scenario.sends()
        with pytest.raises(Refusal) as refused:
            await scenario.accepts(newcomer=newcomer)
        assert (refused.value.code, refused.value.field) == (code, ("input", field))
        assert await outcome(scenario.accepts()) == "done"

    async def test_only_one_of_many_concurrent_users_joins(self, scenario: Scenario) -> None:
        await scenario.sends()
        results = await asyncio.gather(*(outcome(scenario.accepts()) for _ in range(4)))
        assert sorted(results) == ["TOKEN_INVALID"] * 3 + ["done"]
        assert await User.filter(email=GUEST).count() == 1
        assert (await scenario.company.roles())["Noé Blin"] == "MEMBER"

    async def test_concurrent_requests_of_one_user_join_once(self, scenario: Scenario) -> None:
        known = await create_user(scenario.company.action(), "noe")
        await scenario.sends()
        results = await asyncio.gather(*(outcome(scenario.accepts(known)) for _ in range(4)))
        assert results == ["done"] * 4
        assert await Membership.filter(user_id=known.pk).count() == 1

    async def test_concurrent_acceptance_and_revocation_have_one_outcome(
        self, scenario: Scenario
    ) -> None:
        invitation = await scenario.sends()
        results = await asyncio.gather(
            outcome(scenario.accepts()), outcome(scenario.revokes(invitation))
        )
        assert sorted(results) in (["NOT_ACTIVE", "done"], ["TOKEN_INVALID", "done"])
        assert (results[0] == "done") == ("Noé Blin" in await scenario.company.roles())

    async def test_a_new_user_can_join_two_companies(
        self, scenario: Scenario, clock: "MovableClock", bus: "RecordingBus"
    ) -> None:
        """The second email was sent before the user existed."""
        others = Scenario(await founded(clock, bus, "732829320", nora=Role.OWNER), scenario.auth)
        await scenario.sends()
        await others.sends("nora")
        first, second = await tokens_to(GUEST, "invitation")
        results = await asyncio.gather(
            outcome(scenario.accepts(token=first)), outcome(others.accepts(token=second))
        )
        assert sorted(results) == ["SIGN_IN_REQUIRED", "done"]
        unused = second if results[0] == "done" else first
        assert await outcome(scenario.accepts(await User.get(email=GUEST), token=unused)) == "done"
        assert await Membership.filter(user__email=GUEST).count() == 2


async def test_closed_invitations_are_deleted_after_a_month(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    """Open invitations stay, and an expired one can be sent again until then."""
    await scenario.sends(key="k")
    await scenario.accepts()
    await scenario.revokes(await scenario.sends(email="revoked@fournil.example"))
    await scenario.sends(email="expired@fournil.example")
    clock.advance(timedelta(days=30))
    await scenario.sends(email="open@fournil.example")
    assert await delete_ended_invitations(clock.now()) == 0
    clock.advance(timedelta(microseconds=1))
    assert await delete_ended_invitations(clock.now()) == 2
    clock.advance(timedelta(days=7))
    assert await delete_ended_invitations(clock.now()) == 1
    assert [each.email for each in await Invitation.all()] == ["open@fournil.example"]
    assert await outcome(scenario.sends(key="k")) == "NOT_ACTIVE"


STRANGERS: dict[str, Any] = {
    "email": GUEST,
    "password": "mouette phare ardoise 77",
    "name": "Stranger",
    "legal_name": "Trap",
    "siren": "732829320",
    "locale": Locale.FR,
    "peer": PEER,
}


async def test_accepting_does_not_deadlock_with_a_second_sign_up(
    db: str, scenario: Scenario
) -> None:
    """Both lock the company before the user. In different orders they would deadlock, and one of
    them would fail.
    """
    sign_up_result = await sign_up(scenario.company.action(), scenario.auth, **STRANGERS)
    assert sign_up_result.account
    assert sign_up_result.user
    await scenario.sends()
    locked = asyncio.Event()

    async def accept_meanwhile() -> Membership:
        await locked.wait()
        return await scenario.accepts()

    # Before the transaction, so that it isn't part of it.
    accepting = asyncio.create_task(accept_meanwhile())
    async with scenario.company.action().transaction() as second:
        await second.locked(Account, sign_up_result.account.pk)
        locked.set()
        await lock_waiters(db)  # a lock on the company, with or without the user
        await second.locked(User, sign_up_result.user.pk)
    assert await accepting


async def test_an_earlier_sign_up_with_the_address_by_someone_else_gains_nothing(
    scenario: Scenario,
) -> None:
    """Only the owner of the address can read the email. The password of someone else who signed up
    with the address stops working.
    """
    await sign_up(scenario.company.action(), scenario.auth, **STRANGERS)
    await scenario.sends()
    await scenario.accepts()
    for password, result in (
        (STRANGERS["password"], "CREDENTIALS_INVALID"),
        (NEWCOMER.password, "done"),
    ):
        entering = authenticate(
            scenario.company.action(),
            scenario.auth,
            email=GUEST,
            password=password,
            code=None,
            peer=PEER,
        )
        assert await outcome(entering) == result
    user = await User.get(email=GUEST)
    assert user.name == "Noé Blin"
    assert await company_of(user) == await Account.get()  # the earlier password is gone
