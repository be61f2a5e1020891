"""How an operator manages staff: they are invited by email, change roles, and lose access
immediately when dismissed.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from accounts import invitations, staff
from accounts.registration import sign_up, verify_email
from auth.authentication import authenticate
from auth.caller import still_valid
from auth.factors import enrolment
from auth.passwords import change
from auth.services import AuthServices
from auth.sessions import Tokens, random_token, sign_in, token_hash
from models.accounts.account import Account, Membership, Role
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.invitation import Invitation
from models.action import Action
from models.audit import AuditEntry
from models.errors import Forbidden, Refusal, Unauthenticated
from models.identity.session import Session
from models.identity.user import Staff, User
from models.locale import Locale
from models.operations.email import Email
from models.support.ticket import Category, Channel, Ticket
from tests.auth.conftest import code_of
from tests.outbox import templates_to, token_to
from tests.patience import lock_waiters
from tests.people import create_staff, create_user, viewer_of

if TYPE_CHECKING:
    from tests.conftest import MovableClock

    Now = Callable[[], Action]

pytestmark = pytest.mark.usefixtures("db")
CHOSEN = "mouette phare ardoise 77"
LEA = "lea@camcha.example"
STRANGERS = "corneille sabot pluvier 42"


class Office:
    """An operator's session with a recent step-up."""

    def __init__(self, auth: AuthServices, now: "Now", operator: User, tokens: Tokens) -> None:
        self.auth, self.now, self.operator, self.tokens = auth, now, operator, tokens

    @property
    def session(self) -> Session:
        return self.tokens.session

    async def hire(
        self, email: str = LEA, role: Staff = Staff.AGENT, key: str | None = None
    ) -> User:
        return await staff.hire(
            self.now(),
            self.auth,
            self.session,
            email=email,
            name="Léa",
            role=role,
            locale=Locale.EN,
            key=key or random_token("k"),
        )

    async def dismiss(self, user: User) -> None:
        await staff.dismiss(self.now(), self.auth, self.session, user.pk)

    async def change_role(self, user: User, role: Staff) -> User:
        return await staff.change_role(self.now(), self.session, user.pk, role)

    async def at_work(self, user: User) -> Tokens:
        """Creates a staff user who chose a password through the email and set up a second
        factor.
        """
        token = await token_to(user.email, "reset")
        await change.reset(self.now(), self.auth, token=token, password=CHOSEN, code=None)
        tokens = await sign_in(await User.get(pk=user.pk), None, False, self.now())
        assert (
            await viewer_of(tokens.access, self.now().at)
        ).staff is None  # no role without a second factor
        secret = await enrolment.begin_totp(self.now(), self.auth, tokens.session, CHOSEN)
        await enrolment.confirm_totp(
            self.now(), self.auth, tokens.session, code_of(secret, self.now())
        )
        return tokens


@pytest.fixture
async def office(auth: AuthServices, now: "Now") -> Office:
    operator = await create_staff(now(), "Omar", Staff.OPERATOR, second_factor_at=now().at)
    tokens = await sign_in(operator, None, True, now())
    await Session.filter(pk=tokens.session.pk).update(fresh_until=now().at.replace(year=2030))
    return Office(auth, now, operator, tokens)


async def test_p4_3_a_staff_invitation_leads_to_the_role(office: Office, now: "Now") -> None:
    """Only the new user knows the password, and the email works once. The role takes effect with
    the second factor.
    """
    lea = await office.hire()
    assert (lea.staff, lea.locale, lea.name, lea.second_factor) == (
        Staff.AGENT,
        Locale.EN,
        "Léa",
        False,
    )
    tokens = await office.at_work(lea)
    assert (await viewer_of(tokens.access, now().at)).is_agent
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await office.at_work(lea)


async def test_the_invitation_is_valid_for_three_days(
    office: Office, clock: "MovableClock"
) -> None:
    lea = await office.hire()
    clock.advance(staff.LIFETIME)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await office.at_work(lea)


async def test_an_existing_users_address_cannot_be_hired(
    office: Office, owner: User, agent: User
) -> None:
    for user in (owner, agent):
        with pytest.raises(Refusal, match="EMAIL_TAKEN"):
            await office.hire(user.email)
    assert not await Email.exists()


async def test_an_unverified_sign_up_does_not_block_hiring(
    office: Office, auth: AuthServices, now: Callable[[], Action]
) -> None:
    """Otherwise an outsider could prevent anyone from being hired. The outsider's own tokens never
    lead to the role.
    """

    sign_up_result = await sign_up(
        now(),
        auth,
        email=LEA,
        password=STRANGERS,
        name="Stranger",
        legal_name="Trap",
        siren="732829320",
        locale=Locale.FR,
        peer="192.0.2.9",
    )
    assert sign_up_result.user
    assert sign_up_result.account
    link = await token_to(LEA, "verify")
    running = await sign_in(sign_up_result.user, sign_up_result.account, False, now())
    lea = await office.hire()
    assert (lea.pk, lea.staff, lea.name) == (sign_up_result.user.pk, Staff.AGENT, "Léa")
    assert await Account.filter(pk=sign_up_result.account.pk).count() == 0
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await authenticate(now(), auth, email=LEA, password=STRANGERS, code=None, peer="192.0.2.9")
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await verify_email(now(), auth, link)
    with pytest.raises(Unauthenticated):
        await viewer_of(running.access, now().at)
    assert (await viewer_of((await office.at_work(lea)).access, now().at)).is_agent


async def test_only_one_of_two_concurrent_hires_succeeds(office: Office) -> None:
    both = await asyncio.gather(office.hire(), office.hire(), return_exceptions=True)
    assert sorted(str(each) for each in both if isinstance(each, Refusal)) == ["EMAIL_TAKEN"]
    assert await User.filter(email="lea@camcha.example").count() == 1


async def test_a_repeated_hire_creates_no_user_and_sends_no_email(office: Office) -> None:
    """The same holds for concurrent repeats. Other arguments with the same key are an error, and a
    repeat never restores a dismissed user.
    """
    first = await office.hire(key="k")
    again = await asyncio.gather(*(office.hire(key="k") for _ in range(3)))
    assert {each.pk for each in again} == {first.pk}
    assert await templates_to(LEA) == ["staff_welcome"]
    with pytest.raises(Refusal, match="IDEMPOTENCY_MISMATCH"):
        await office.hire(key="k", role=Staff.OPERATOR)
    await office.dismiss(first)
    with pytest.raises(Refusal, match="NOT_ACTIVE"):
        await office.hire(key="k")


async def test_a_ticket_claimed_during_a_dismissal_is_released(
    db: str, office: Office, now: "Now", owner: User
) -> None:
    """The claim has begun and waits for a lock on the ticket. The dismissal waits for the claim,
    then releases the ticket.
    """
    lea, ticket = await office.hire(), await opened(now(), owner)
    held, free = asyncio.Event(), asyncio.Event()

    async def others() -> None:
        async with now().transaction() as tx:
            await tx.locked(Ticket, ticket.pk)
            held.set()
            await free.wait()

    working = asyncio.create_task(others())
    await held.wait()
    claiming = asyncio.create_task(ticket.claim(now(), lea))
    await lock_waiters(db)
    dismissing = asyncio.create_task(office.dismiss(lea))
    await lock_waiters(db, 2, dismissing.done)
    free.set()
    done = await asyncio.gather(working, claiming, dismissing, return_exceptions=True)
    assert not [
        each for each in done if isinstance(each, Exception) and not isinstance(each, Forbidden)
    ]
    assert (await Ticket.get(pk=ticket.pk)).assignee_id is None


async def test_a_dismissed_agent_cannot_claim_a_ticket(
    office: Office, now: "Now", owner: User
) -> None:
    """A cached viewer may be a second out of date, so the row decides."""
    lea, ticket = await office.hire(), await opened(now(), owner)
    await office.dismiss(lea)
    with pytest.raises(Forbidden):
        await ticket.claim(now(), lea)
    assert (await Ticket.get(pk=ticket.pk)).assignee_id is None


async def test_an_agent_who_becomes_an_analyst_loses_their_tickets(
    office: Office, now: "Now", owner: User
) -> None:
    lea = await office.hire()
    ticket = await claimed(now(), owner, lea)
    await office.change_role(lea, Staff.SUPERVISOR)
    assert (await Ticket.get(pk=ticket.pk)).assignee_id == lea.pk
    await office.change_role(lea, Staff.ANALYST)
    assert (await Ticket.get(pk=ticket.pk)).assignee_id is None
    with pytest.raises(Forbidden):
        await ticket.claim(now(), lea)


async def test_a_dismissal_removes_access_immediately(
    office: Office, now: "Now", owner: User
) -> None:
    """Sessions, password and authenticators are removed. Open tickets become unassigned, and closed
    ones stay as they were.
    """
    lea = await office.hire()
    tokens = await office.at_work(lea)
    ticket = await claimed(now(), owner, lea)
    await office.dismiss(lea)
    assert await still_valid([tokens.session.pk], now().at) == set()
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await authenticate(
            now(), office.auth, email=lea.email, password=CHOSEN, code=None, peer="::1"
        )
    gone = await User.get(pk=lea.pk)
    assert not gone.staff
    assert not gone.second_factor
    assert (await Ticket.get(pk=ticket.pk)).assignee_id is None
    with pytest.raises(Refusal, match="NOT_FOUND"):
        await office.dismiss(lea)


async def claimed(action: Action, owner: User, agent: User) -> Ticket:
    return await (await opened(action, owner)).claim(action, agent)


async def opened(action: Action, owner: User) -> Ticket:
    account = await Account.get(memberships__user_id=owner.pk)
    async with action.transaction() as tx:
        return await Ticket.open(
            tx, account, owner, subject="x", channel=Channel.WEB, category=Category.USAGE
        )


async def test_a_dismissed_users_address_can_be_hired_again(office: Office, now: "Now") -> None:
    lea = await office.hire()
    await office.at_work(lea)
    await office.dismiss(lea)
    again = await office.hire(role=Staff.ANALYST)
    assert (again.pk, again.staff) == (lea.pk, Staff.ANALYST)
    tokens = await office.at_work(again)
    assert (await viewer_of(tokens.access, now().at)).staff is Staff.ANALYST


async def test_a_change_of_role_ends_existing_sessions(office: Office, now: "Now") -> None:
    lea = await office.hire()
    tokens = await office.at_work(lea)
    assert (await office.change_role(lea, Staff.SUPERVISOR)).staff is Staff.SUPERVISOR
    assert await still_valid([tokens.session.pk], now().at) == set()
    count = await AuditEntry.filter(action=AccountsAuditAction.STAFF_CHANGE_ROLE.value).count()
    await office.change_role(lea, Staff.SUPERVISOR)
    assert (
        await AuditEntry.filter(action=AccountsAuditAction.STAFF_CHANGE_ROLE.value).count()
        == count
        == 1
    )


async def test_an_operator_who_gives_up_the_role_loses_open_websockets(
    office: Office, now: "Now"
) -> None:
    await office.at_work(await office.hire(role=Staff.OPERATOR))
    await office.change_role(office.operator, Staff.AGENT)
    assert await still_valid([office.session.pk], now().at) == set()


async def test_the_last_operator_cannot_be_dismissed(office: Office, now: "Now") -> None:
    """Even when two operators dismiss each other at the same time."""
    with pytest.raises(Refusal, match="LAST_OPERATOR"):
        await office.dismiss(office.operator)
    with pytest.raises(Refusal, match="LAST_OPERATOR"):
        await office.change_role(office.operator, Staff.AGENT)
    lea = await office.hire(role=Staff.OPERATOR)
    with pytest.raises(Refusal, match="LAST_OPERATOR"):
        await office.dismiss(office.operator)  # she has no role yet
    other = Office(office.auth, now, lea, await office.at_work(lea))
    await Session.filter(pk=other.session.pk).update(fresh_until=now().at.replace(year=2030))
    outcomes = await asyncio.gather(
        office.dismiss(lea), other.dismiss(office.operator), return_exceptions=True
    )
    # The slower one was dismissed, or would have left no operator.
    (failure,) = [each for each in outcomes if each]
    # A dismissal ends the sessions: the other one notices it under the lock, or before, when a
    # fresh session is required.
    assert isinstance(failure, Unauthenticated) or str(failure) in {
        "LAST_OPERATOR",
        "STEP_UP_REQUIRED",
    }
    assert await User.filter(staff=Staff.OPERATOR).count() == 1


async def test_a_former_customers_old_sessions_have_no_staff_role(
    office: Office, now: "Now"
) -> None:
    lea = await create_user(now(), "Léa", email="lea@camcha.example", second_factor_at=now().at)
    tokens = await sign_in(lea, None, True, now())
    await office.hire()
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, now().at)


async def test_a_user_is_never_both_staff_and_customer(
    office: Office, now: "Now", owner: User
) -> None:
    """Not even through a company's invitation that was accepted before the staff invitation."""
    lea = await office.hire()
    account = await Account.get(memberships__user_id=owner.pk)
    await Invitation.create(
        account=account,
        email=lea.email,
        role=Role.MEMBER,
        locale=Locale.FR,
        inviter=owner,
        token_hash=token_hash("cam_in_x"),
        created_at=now().at,
        sent_at=now().at,
        expires_at=now().at + timedelta(days=7),
    )
    with pytest.raises(Forbidden):
        await invitations.accept(
            now(), office.auth, "cam_in_x", invitations.NewUserDetails("Léa", CHOSEN), "::1"
        )
    assert not await Membership.filter(user_id=lea.pk).exists()
    await office.at_work(lea)


async def test_managing_staff_requires_a_step_up(office: Office, agent: User) -> None:
    await Session.filter(pk=office.session.pk).update(fresh_until=None)
    for action in (
        office.hire(),
        office.dismiss(agent),
        office.change_role(agent, Staff.ANALYST),
        staff.end_sessions(office.now(), office.session, agent.pk),
    ):
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await action


async def test_an_operator_ends_all_sessions_of_a_user(
    office: Office, now: "Now", owner: User
) -> None:
    """OWASP ASVS 5, 7.4.5: all sessions end and the user is notified. A user without sessions is
    not an error.
    """
    sessions = [(await sign_in(owner, None, False, now())).session.pk for _ in range(2)]
    assert await staff.end_sessions(now(), office.session, owner.pk) == 2
    assert await staff.end_sessions(now(), office.session, owner.pk) == 0
    assert await templates_to(owner.email) == ["sessions_ended"]
    assert await still_valid(sessions, now().at) == set()
    with pytest.raises(Refusal, match="NOT_FOUND"):
        await staff.end_sessions(now(), office.session, 999)
