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
from auth.factors import enrolment
from auth.passwords import change
from auth.services import AuthServices
from auth.session_checks import valid_session_ids
from auth.sessions import Tokens, random_token, sign_in, token_hash
from models.accounts.account import Account, Membership, Role
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.intervention import InterventionReason
from models.accounts.invitation import Invitation
from models.action import Action
from models.audit import AuditEntry
from models.errors import Forbidden, Refusal, Unauthenticated
from models.event import Event, EventKind, ticket_stream
from models.identity.session import Session
from models.identity.user import Staff, User
from models.locale import Locale
from models.operations.email import Email
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from support.assignment import claim
from tests.auth.conftest import code_of
from tests.outbox import templates_to, token_to
from tests.people import create_staff, create_user, viewer_of
from tests.waiting import MAX_WAIT, wait_for_lock_waiters

if TYPE_CHECKING:
    from tests.conftest import MovableClock

    NewAction = Callable[[], Action]

pytestmark = pytest.mark.usefixtures("db")

REASON = InterventionReason.SECURITY
NEW_PASSWORD = "mouette phare ardoise 77"
LEA_EMAIL = "lea@camcha.example"
OTHER_USER_PASSWORD = "corneille sabot pluvier 42"


class Operator:
    """An operator's session with a recent step-up."""

    def __init__(
        self, auth: AuthServices, new_action: "NewAction", user: User, tokens: Tokens
    ) -> None:
        self.auth, self.new_action, self.user, self.tokens = auth, new_action, user, tokens

    @property
    def session(self) -> Session:
        return self.tokens.session

    async def hire(
        self, email: str = LEA_EMAIL, role: Staff = Staff.AGENT, key: str | None = None
    ) -> User:
        return await staff.hire(
            self.new_action(),
            self.auth,
            self.session,
            email=email,
            name="Léa",
            role=role,
            locale=Locale.EN,
            key=key or random_token("k"),
        )

    async def dismiss(self, user: User) -> None:
        await staff.dismiss(self.new_action(), self.auth, self.session, user.pk)

    async def change_role(self, user: User, role: Staff) -> User:
        return await staff.change_role(self.new_action(), self.session, user.pk, role)

    async def set_up_access(self, user: User) -> Tokens:
        """Creates a staff user who chose a password through the email and set up a second
        factor.
        """
        token = await token_to(user.email, "reset")
        await change.reset(
            self.new_action(), self.auth, token=token, password=NEW_PASSWORD, code=None
        )
        tokens = await sign_in(await User.get(pk=user.pk), None, False, self.new_action())
        assert (
            await viewer_of(tokens.access, self.new_action().at)
        ).staff is None  # no role without a second factor
        secret = await enrolment.begin_totp(
            self.new_action(), self.auth, tokens.session, NEW_PASSWORD
        )
        await enrolment.confirm_totp(
            self.new_action(), self.auth, tokens.session, code_of(secret, self.new_action())
        )
        return tokens


@pytest.fixture
async def operator(auth: AuthServices, new_action: "NewAction") -> Operator:
    user = await create_staff(
        new_action(), "Omar", Staff.OPERATOR, second_factor_at=new_action().at
    )
    tokens = await sign_in(user, None, True, new_action())
    await Session.filter(pk=tokens.session.pk).update(
        step_up_expires_at=new_action().at.replace(year=2030)
    )
    return Operator(auth, new_action, user, tokens)


async def test_p4_3_a_staff_invitation_leads_to_the_role(
    operator: Operator, new_action: "NewAction"
) -> None:
    """Only the new user knows the password, and the email works once. The role takes effect with
    the second factor.
    """
    lea = await operator.hire()
    assert (lea.staff, lea.locale, lea.name, lea.second_factor) == (
        Staff.AGENT,
        Locale.EN,
        "Léa",
        False,
    )
    tokens = await operator.set_up_access(lea)
    assert (await viewer_of(tokens.access, new_action().at)).is_agent
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await operator.set_up_access(lea)


async def test_the_invitation_is_valid_for_three_days(
    operator: Operator, clock: "MovableClock"
) -> None:
    lea = await operator.hire()
    clock.advance(staff.LIFETIME)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await operator.set_up_access(lea)


async def test_an_existing_users_address_cannot_be_hired(
    operator: Operator, owner: User, agent: User
) -> None:
    for user in (owner, agent):
        with pytest.raises(Refusal, match="EMAIL_TAKEN"):
            await operator.hire(user.email)
    assert not await Email.exists()


async def test_an_unverified_sign_up_does_not_block_hiring(
    operator: Operator, auth: AuthServices, new_action: Callable[[], Action]
) -> None:
    """Otherwise an outsider could prevent anyone from being hired. The outsider's own tokens never
    lead to the role.
    """

    sign_up_result = await sign_up(
        new_action(),
        auth,
        email=LEA_EMAIL,
        password=OTHER_USER_PASSWORD,
        name="Stranger",
        legal_name="Trap",
        siren="732829320",
        locale=Locale.FR,
        client_address="192.0.2.9",
    )
    assert sign_up_result.user
    assert sign_up_result.account
    verification_token = await token_to(LEA_EMAIL, "verify")
    other_user_tokens = await sign_in(
        sign_up_result.user, sign_up_result.account, False, new_action()
    )
    lea = await operator.hire()
    assert (lea.pk, lea.staff, lea.name) == (sign_up_result.user.pk, Staff.AGENT, "Léa")
    assert await Account.filter(pk=sign_up_result.account.pk).count() == 0
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await authenticate(
            new_action(),
            auth,
            email=LEA_EMAIL,
            password=OTHER_USER_PASSWORD,
            code=None,
            peer="192.0.2.9",
        )
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await verify_email(new_action(), auth, verification_token)
    with pytest.raises(Unauthenticated):
        await viewer_of(other_user_tokens.access, new_action().at)
    assert (await viewer_of((await operator.set_up_access(lea)).access, new_action().at)).is_agent


async def test_only_one_of_two_concurrent_hires_succeeds(operator: Operator) -> None:
    results = await asyncio.gather(operator.hire(), operator.hire(), return_exceptions=True)
    assert sorted(str(each) for each in results if isinstance(each, Refusal)) == ["EMAIL_TAKEN"]
    assert await User.filter(email="lea@camcha.example").count() == 1


async def test_a_repeated_hire_creates_no_user_and_sends_no_email(operator: Operator) -> None:
    """The same holds for concurrent repeats. Other arguments with the same key are an error, and a
    repeat never restores a dismissed user.
    """
    first = await operator.hire(key="k")
    users = await asyncio.gather(*(operator.hire(key="k") for _ in range(3)))
    assert {each.pk for each in users} == {first.pk}
    assert await templates_to(LEA_EMAIL) == ["staff_welcome"]
    with pytest.raises(Refusal, match="IDEMPOTENCY_MISMATCH"):
        await operator.hire(key="k", role=Staff.OPERATOR)
    await operator.dismiss(first)
    with pytest.raises(Refusal, match="NOT_ACTIVE"):
        await operator.hire(key="k")


async def test_a_ticket_claimed_during_a_dismissal_is_released(
    db: str, operator: Operator, new_action: "NewAction", owner: User
) -> None:
    """The claim has begun and waits for a lock on the ticket. The dismissal waits for the claim,
    then releases the ticket.
    """
    lea, ticket = await operator.hire(), await create_ticket(new_action(), owner)
    locked, released = asyncio.Event(), asyncio.Event()

    async def lock_ticket() -> None:
        async with new_action().transaction() as tx:
            await tx.lock(Ticket, ticket.pk)
            locked.set()
            await released.wait()

    lock_task = asyncio.create_task(lock_ticket())
    await locked.wait()
    claim_task = asyncio.create_task(claim(new_action(), ticket, lea))
    await wait_for_lock_waiters(db)
    dismissal_task = asyncio.create_task(operator.dismiss(lea))
    await wait_for_lock_waiters(db, 2, dismissal_task.done)
    released.set()
    results = await asyncio.gather(lock_task, claim_task, dismissal_task, return_exceptions=True)
    assert not [
        each for each in results if isinstance(each, Exception) and not isinstance(each, Forbidden)
    ]
    await staff.unassign_tickets(new_action())
    assert (await Ticket.get(pk=ticket.pk)).assignee_id is None


async def test_a_dismissed_agent_cannot_claim_a_ticket(
    operator: Operator, new_action: "NewAction", owner: User
) -> None:
    """A cached viewer may be a second out of date, so the row decides."""
    lea, ticket = await operator.hire(), await create_ticket(new_action(), owner)
    await operator.dismiss(lea)
    with pytest.raises(Forbidden):
        await claim(new_action(), ticket, lea)
    assert (await Ticket.get(pk=ticket.pk)).assignee_id is None


async def test_an_agent_who_becomes_an_analyst_loses_their_tickets(
    operator: Operator, new_action: "NewAction", owner: User
) -> None:
    lea = await operator.hire()
    ticket = await create_claimed_ticket(new_action(), owner, lea)
    await operator.change_role(lea, Staff.SUPERVISOR)
    assert await staff.unassign_tickets(new_action()) == 0
    assert (await Ticket.get(pk=ticket.pk)).assignee_id == lea.pk
    await operator.change_role(lea, Staff.ANALYST)
    assert await staff.unassign_tickets(new_action()) == 1
    assert (await Ticket.get(pk=ticket.pk)).assignee_id is None
    with pytest.raises(Forbidden):
        await claim(new_action(), ticket, lea)


async def test_a_dismissal_removes_access_immediately(
    operator: Operator, new_action: "NewAction", owner: User
) -> None:
    """Sessions, password and authenticators are removed, before the tickets are unassigned."""
    lea = await operator.hire()
    tokens = await operator.set_up_access(lea)
    ticket = await create_claimed_ticket(new_action(), owner, lea)
    await operator.dismiss(lea)
    assert (await Ticket.get(pk=ticket.pk)).assignee_id == lea.pk
    assert await valid_session_ids([tokens.session.pk], new_action().at) == set()
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await authenticate(
            new_action(),
            operator.auth,
            email=lea.email,
            password=NEW_PASSWORD,
            code=None,
            peer="::1",
        )
    former_staff = await User.get(pk=lea.pk)
    assert not former_staff.staff
    assert not former_staff.second_factor
    with pytest.raises(Refusal, match="NOT_FOUND"):
        await operator.dismiss(lea)


async def test_open_tickets_of_former_agents_are_unassigned_by_a_job(
    operator: Operator, new_action: "NewAction", owner: User
) -> None:
    """Closed ones stay as they were, and so do those of other agents. Every ticket has an event."""
    lea, max_ = await operator.hire(), await operator.hire(email="max@camcha.example", key="max")
    tickets = [await create_claimed_ticket(new_action(), owner, lea) for _ in range(3)]
    await tickets[0].transition_to(new_action(), TicketStatus.CLOSED)
    other = await create_claimed_ticket(new_action(), owner, max_)
    await operator.dismiss(lea)
    assert await staff.unassign_tickets(new_action()) == 2
    assert await staff.unassign_tickets(new_action()) == 0
    assignees = [(await Ticket.get(pk=ticket.pk)).assignee_id for ticket in (*tickets, other)]
    assert assignees == [lea.pk, None, None, max_.pk]
    for ticket in tickets[1:]:
        event = await Event.filter(stream=ticket_stream(ticket.pk)).order_by("-sequence").first()
        assert event
        assert (event.kind, event.actor_id) == (EventKind.TICKET_ASSIGNED, None)


async def test_tickets_are_opened_and_claimed_while_others_are_unassigned(
    operator: Operator, new_action: "NewAction", owner: User
) -> None:
    """Operations that lock the same rows and streams at the same time never fail."""
    lea, max_ = await operator.hire(), await operator.hire(email="max@camcha.example", key="max")
    claimed_tickets = [await create_claimed_ticket(new_action(), owner, lea) for _ in range(10)]
    await operator.dismiss(lea)

    async def open_and_claim() -> None:
        for _ in range(5):
            await create_claimed_ticket(new_action(), owner, max_)

    async with asyncio.timeout(MAX_WAIT):
        counts = await asyncio.gather(
            staff.unassign_tickets(new_action()),
            staff.unassign_tickets(new_action()),
            open_and_claim(),
            open_and_claim(),
        )
    assert counts[0] + counts[1] == len(claimed_tickets)
    assert await Ticket.filter(assignee_id=lea.pk).count() == 0
    assert await Ticket.filter(assignee_id=max_.pk).count() == 10


async def create_claimed_ticket(action: Action, owner: User, agent: User) -> Ticket:
    return await claim(action, await create_ticket(action, owner), agent)


async def create_ticket(action: Action, owner: User) -> Ticket:
    account = await Account.get(memberships__user_id=owner.pk)
    async with action.transaction() as tx:
        return await Ticket.open(
            tx, account, owner, subject="x", channel=Channel.WEB, category=Category.USAGE
        )


async def test_a_dismissed_users_address_can_be_hired_again(
    operator: Operator, new_action: "NewAction"
) -> None:
    lea = await operator.hire()
    await operator.set_up_access(lea)
    await operator.dismiss(lea)
    second_user = await operator.hire(role=Staff.ANALYST)
    assert (second_user.pk, second_user.staff) == (lea.pk, Staff.ANALYST)
    tokens = await operator.set_up_access(second_user)
    assert (await viewer_of(tokens.access, new_action().at)).staff is Staff.ANALYST


async def test_a_change_of_role_ends_existing_sessions(
    operator: Operator, new_action: "NewAction"
) -> None:
    lea = await operator.hire()
    tokens = await operator.set_up_access(lea)
    assert (await operator.change_role(lea, Staff.SUPERVISOR)).staff is Staff.SUPERVISOR
    assert await valid_session_ids([tokens.session.pk], new_action().at) == set()
    count = await AuditEntry.filter(action=AccountsAuditAction.STAFF_CHANGE_ROLE.value).count()
    await operator.change_role(lea, Staff.SUPERVISOR)
    assert (
        await AuditEntry.filter(action=AccountsAuditAction.STAFF_CHANGE_ROLE.value).count()
        == count
        == 1
    )


async def test_an_operator_who_gives_up_the_role_loses_open_websockets(
    operator: Operator, new_action: "NewAction"
) -> None:
    await operator.set_up_access(await operator.hire(role=Staff.OPERATOR))
    await operator.change_role(operator.user, Staff.AGENT)
    assert await valid_session_ids([operator.session.pk], new_action().at) == set()


async def test_the_last_operator_cannot_be_dismissed(
    operator: Operator, new_action: "NewAction"
) -> None:
    """Not even when two operators dismiss each other concurrently."""
    with pytest.raises(Refusal, match="LAST_OPERATOR"):
        await operator.dismiss(operator.user)
    with pytest.raises(Refusal, match="LAST_OPERATOR"):
        await operator.change_role(operator.user, Staff.AGENT)
    lea = await operator.hire(role=Staff.OPERATOR)
    with pytest.raises(Refusal, match="LAST_OPERATOR"):
        await operator.dismiss(operator.user)  # she has no role yet
    other = Operator(operator.auth, new_action, lea, await operator.set_up_access(lea))
    await Session.filter(pk=other.session.pk).update(
        step_up_expires_at=new_action().at.replace(year=2030)
    )
    outcomes = await asyncio.gather(
        operator.dismiss(lea), other.dismiss(operator.user), return_exceptions=True
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
    operator: Operator, new_action: "NewAction"
) -> None:
    lea = await create_user(
        new_action(), "Léa", email="lea@camcha.example", second_factor_at=new_action().at
    )
    tokens = await sign_in(lea, None, True, new_action())
    await operator.hire()
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, new_action().at)


async def test_a_user_is_never_both_staff_and_customer(
    operator: Operator, new_action: "NewAction", owner: User
) -> None:
    """Not even through a company's invitation that was accepted before the staff invitation."""
    lea = await operator.hire()
    account = await Account.get(memberships__user_id=owner.pk)
    await Invitation.create(
        account=account,
        email=lea.email,
        role=Role.MEMBER,
        locale=Locale.FR,
        inviter=owner,
        token_hash=token_hash("cam_in_x"),
        created_at=new_action().at,
        sent_at=new_action().at,
        expires_at=new_action().at + timedelta(days=7),
    )
    with pytest.raises(Forbidden):
        await invitations.accept(
            new_action(),
            operator.auth,
            "cam_in_x",
            invitations.NewUserDetails("Léa", NEW_PASSWORD),
            "::1",
        )
    assert not await Membership.filter(user_id=lea.pk).exists()
    await operator.set_up_access(lea)


async def test_managing_staff_requires_a_step_up(operator: Operator, agent: User) -> None:
    await Session.filter(pk=operator.session.pk).update(step_up_expires_at=None)
    for action in (
        operator.hire(),
        operator.dismiss(agent),
        operator.change_role(agent, Staff.ANALYST),
        staff.end_sessions(operator.new_action(), operator.session, agent.pk, REASON),
    ):
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await action


async def test_an_operator_ends_all_sessions_of_a_user(
    operator: Operator, new_action: "NewAction", owner: User
) -> None:
    """OWASP ASVS 5, 7.4.5: all sessions end and the user is notified. A user without sessions is
    not an error.
    """
    sessions = [(await sign_in(owner, None, False, new_action())).session.pk for _ in range(2)]
    assert await staff.end_sessions(new_action(), operator.session, owner.pk, REASON) == 2
    assert await staff.end_sessions(new_action(), operator.session, owner.pk, REASON) == 0
    assert await templates_to(owner.email) == ["sessions_ended"]
    assert await valid_session_ids(sessions, new_action().at) == set()
    with pytest.raises(Refusal, match="NOT_FOUND"):
        await staff.end_sessions(new_action(), operator.session, 999, REASON)
