"""P1.2: support deactivates or deletes a company's account, and can restore it until its data is
erased.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tortoise.models import Model

from accounts import details, invitations, legal_names, lifecycle
from accounts.invitations import NewUserDetails
from auth import authentication, sessions
from auth.authentication import company_of
from auth.caller import Callers, still_valid, valid_session_roles
from auth.services import AuthServices
from auth.sessions import Tokens
from auth.throttle import LIFECYCLE
from models.accounts.account import Account, AccountStatus, Role
from models.action import Action
from models.audit import AuditEntry
from models.errors import Refusal, Throttled, Unauthenticated
from models.event import Event
from models.idempotency import IdempotencyKey
from models.identity.session import Session
from models.identity.user import Staff, User
from models.operations.email import Email
from models.privacy.erasure import Erasure
from models.support.ticket import Message, Ticket, TicketKind, TicketStatus
from realtime.hub import Hub
from tests.accounts.company_fixtures import Company, founded, outcome
from tests.outbox import token_to, written
from tests.people import add_member, create_staff, create_user, viewer_of

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

pytestmark = pytest.mark.usefixtures("db")

GRACE = timedelta(days=14)
OWNERS = ["camille@fournil.example", "odile@fournil.example"]
DEACTIVATED = "Le compte de votre entreprise est désactivé"
CLOSING = "Le compte de votre entreprise sera supprimé"
ACTIVE = "Le compte de votre entreprise est de nouveau actif"


class Scenario:
    """A bakery and the agent who handles its requests."""

    def __init__(self, bakery: Company, auth: AuthServices, agent: User, agents: Tokens) -> None:
        self.bakery, self.auth, self.agent, self.agents = bakery, auth, agent, agents

    def action(self) -> Action:
        return Action(self.agent, self.bakery.clock.now(), self.bakery.bus)

    async def asks(
        self, kind: TicketKind = TicketKind.ACCOUNT_DELETION, name: str = "Camille", key: str = "k"
    ) -> Ticket:
        session = self.bakery.tokens[name].session
        return await lifecycle.request(
            self.bakery.action(name),
            self.auth,
            session,
            self.bakery.account.pk,
            kind,
            "Je pars.",
            key,
        )

    async def asks_again(self, kind: TicketKind, key: str = "k") -> Ticket:
        """Sends the request from a session without an account, as the owner of a deactivated
        account does.
        """
        tokens = await sessions.sign_in(
            self.bakery.people["Camille"], None, False, self.bakery.action()
        )
        until = self.bakery.clock.now() + timedelta(minutes=5)
        await Session.filter(pk=tokens.session.pk).update(fresh_until=until)
        session = await Session.get(pk=tokens.session.pk)
        return await lifecycle.request(
            self.bakery.action("Camille"),
            self.auth,
            session,
            self.bakery.account.pk,
            kind,
            "Encore.",
            key,
        )

    async def deactivates(self) -> Account:
        return await lifecycle.deactivate(
            self.action(), self.agents.session, self.bakery.account.pk
        )

    async def reactivates(self) -> Account:
        return await lifecycle.reactivate(
            self.action(), self.agents.session, self.bakery.account.pk
        )

    async def schedules(self, ticket: Ticket | None, session: Session | None = None) -> Account:
        until = self.bakery.clock.now() + timedelta(minutes=5)
        await Session.filter(pk=self.agents.session.pk).update(fresh_until=until)
        session = session or await Session.get(pk=self.agents.session.pk)
        return await lifecycle.schedule_deletion(
            self.action(), session, self.bakery.account.pk, ticket.pk if ticket else None, GRACE
        )

    async def status(self) -> AccountStatus:
        return (await Account.get(pk=self.bakery.account.pk)).status


@pytest.fixture
async def scenario(clock: "MovableClock", bus: "RecordingBus", auth: AuthServices) -> Scenario:
    bakery = await founded(
        clock, bus, Camille=Role.OWNER, Odile=Role.OWNER, Adam=Role.ADMIN, Max=Role.MEMBER
    )
    agent = await create_staff(bakery.action(), "Amadou", Staff.AGENT)
    return Scenario(bakery, auth, agent, await sessions.sign_in(agent, None, True, bakery.action()))


async def test_p1_2_a_deactivation_ends_all_access_to_the_account(scenario: Scenario) -> None:
    ticket = await scenario.asks(TicketKind.ACCOUNT_DEACTIVATION)
    assert (ticket.kind, ticket.subject) == (
        TicketKind.ACCOUNT_DEACTIVATION,
        "Désactivation du compte de l’entreprise",
    )
    assert (await Message.get(ticket_id=ticket.pk)).body == "Je pars."
    roles = [Role.OWNER, Role.OWNER, Role.ADMIN, Role.MEMBER]
    held = [
        (tokens.session.pk, role)
        for tokens, role in zip(scenario.bakery.tokens.values(), roles, strict=True)
    ]
    assert await valid_session_roles(held, scenario.bakery.clock.now()) == set(held)
    await scenario.deactivates()
    assert await valid_session_roles(held, scenario.bakery.clock.now()) == set()
    assert {sessions.session_key(session) for session, _ in held} <= set(
        scenario.bakery.bus.announced
    )
    assert await written("account_status") == [(owner, DEACTIVATED) for owner in OWNERS]
    camille = scenario.bakery.people["Camille"]
    assert await company_of(camille) is None
    assert await outcome(company_of(camille, scenario.bakery.account.pk)) == "ACCOUNT_INACTIVE"
    assert (
        await outcome(
            sessions.sign_in(camille, scenario.bakery.account, False, scenario.bakery.action())
        )
        == "ACCOUNT_INACTIVE"
    )


async def test_p1_2_the_owner_signs_in_without_an_account_and_requests_reactivation(
    scenario: Scenario,
) -> None:
    await scenario.deactivates()
    camille = scenario.bakery.people["Camille"]
    scenario.bakery.tokens["Camille"] = await sessions.sign_in(
        camille, await company_of(camille), False, scenario.bakery.action()
    )
    ticket = await scenario.asks(TicketKind.ACCOUNT_REACTIVATION)
    assert (ticket.kind, ticket.account_id) == (
        TicketKind.ACCOUNT_REACTIVATION,
        scenario.bakery.account.pk,
    )
    assert await outcome(
        sessions.switch(
            scenario.bakery.tokens["Camille"].session,
            ticket.account_id,
            scenario.bakery.action("Camille"),
        )
    ) == ("ACCOUNT_INACTIVE")
    await scenario.reactivates()
    assert await scenario.status() is AccountStatus.ACTIVE
    assert (await written("account_status"))[-2:] == [(owner, ACTIVE) for owner in OWNERS]
    account = await company_of(camille)
    assert account is not None
    assert account.pk == scenario.bakery.account.pk
    # The sessions stay ended: every member signs in again.
    assert await scenario.bakery.stays("Adam") is False


async def test_p1_2_a_deletion_requires_the_owners_ticket_and_can_be_cancelled(
    scenario: Scenario,
) -> None:
    ticket = await scenario.asks()
    account = await scenario.schedules(ticket)
    assert (account.status, account.erases_at) == (
        AccountStatus.CLOSING,
        scenario.bakery.clock.now() + GRACE,
    )
    erasure = await Erasure.get()
    assert (erasure.requested_at, erasure.due_at) == (ticket.created_at, account.erases_at)
    assert erasure.deadline.isoformat() == "2026-12-23"
    assert await scenario.bakery.stays("Max") is False
    assert (await scenario.schedules(ticket)).erases_at == account.erases_at
    assert await Erasure.all().count() == 1
    assert await outcome(scenario.deactivates()) == "TRANSITION_ILLEGAL"
    account = await scenario.reactivates()
    assert (account.status, account.erases_at) == (AccountStatus.ACTIVE, None)
    assert (await Erasure.get()).canceled_at == scenario.bakery.clock.now()
    assert [subject for _, subject in await written("account_status")] == [
        CLOSING,
        CLOSING,
        ACTIVE,
        ACTIVE,
    ]


async def test_p1_2_an_agent_cannot_delete_an_account_without_its_request(
    scenario: Scenario, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    other = await founded(clock, bus, "732829320", Zoe=Role.OWNER)
    other_tokens = await lifecycle.request(
        other.action("Zoe"),
        scenario.auth,
        other.tokens["Zoe"].session,
        other.account.pk,
        TicketKind.ACCOUNT_DELETION,
        "Adieu.",
        "k",
    )
    rest = await scenario.asks(TicketKind.ACCOUNT_DEACTIVATION)
    for ticket in (None, other_tokens, rest):
        assert await outcome(scenario.schedules(ticket)) == "REQUEST_MISSING"
    asked = await scenario.asks(name="Odile")
    assert await scenario.bakery.changes("Camille", "Odile", Role.ADMIN) == "done"
    # She is no longer an owner.
    assert await outcome(scenario.schedules(asked)) == "REQUEST_MISSING"
    assert await scenario.status() is AccountStatus.ACTIVE


async def test_p1_2_a_cancelled_or_solved_request_deletes_nothing_later(scenario: Scenario) -> None:
    first = await scenario.asks()
    await scenario.schedules(first)
    await scenario.reactivates()
    assert await outcome(scenario.schedules(first)) == "REQUEST_MISSING"
    assert await scenario.status() is AccountStatus.ACTIVE
    camille = scenario.bakery.people["Camille"]
    tokens = await sessions.sign_in(
        camille, scenario.bakery.account, False, scenario.bakery.action()
    )
    await Session.filter(pk=tokens.session.pk).update(
        fresh_until=scenario.bakery.clock.now() + timedelta(minutes=5)
    )
    scenario.bakery.tokens["Camille"] = replace(
        tokens, session=await Session.get(pk=tokens.session.pk)
    )
    second = await scenario.asks(key="again")
    assert second.pk != first.pk
    await Ticket.filter(pk=second.pk).update(status=TicketStatus.SOLVED)
    assert await outcome(scenario.schedules(second)) == "REQUEST_MISSING"
    third = await scenario.asks(key="and again")
    assert (await scenario.schedules(third)).status is AccountStatus.CLOSING


async def test_p1_2_idempotency_keys_are_compared_in_full(scenario: Scenario) -> None:
    long = "k" * 63
    for end in "ab":
        assert await outcome(scenario.asks(key=long + end)) == "done"
    assert [message.body for message in await Message.all()] == ["Je pars.", "Je pars."]


async def test_p1_2_a_request_requires_an_owner_and_a_step_up(scenario: Scenario) -> None:
    for name in ("Adam", "Max"):
        assert await outcome(scenario.asks(name=name)) == "FORBIDDEN"
    await Session.filter(pk=scenario.bakery.tokens["Odile"].session.pk).update(fresh_until=None)
    assert await outcome(scenario.asks(name="Odile")) == "STEP_UP_REQUIRED"
    assert await outcome(scenario.asks(TicketKind.ACCOUNT_REACTIVATION)) == "TRANSITION_ILLEGAL"
    await Session.filter(pk=scenario.agents.session.pk).update(fresh_until=None)
    stale = await Session.get(pk=scenario.agents.session.pk)
    assert (
        await outcome(lifecycle.schedule_deletion(scenario.action(), stale, 1, 1, GRACE))
        == "STEP_UP_REQUIRED"
    )
    stranger = await create_user(scenario.bakery.action(), "Zoe")
    tokens = await sessions.sign_in(stranger, None, False, scenario.bakery.action())
    action = Action(stranger, scenario.bakery.clock.now(), scenario.bakery.bus)
    for account_id in (scenario.bakery.account.pk, None):
        asking = lifecycle.request(
            action,
            scenario.auth,
            tokens.session,
            account_id,
            TicketKind.ACCOUNT_REACTIVATION,
            "Ouvrez.",
            "k",
        )
        assert await outcome(asking) == "NOT_FOUND"


async def test_p1_2_only_one_request_of_each_kind_is_open(scenario: Scenario) -> None:
    first = await scenario.asks()
    assert (await scenario.asks()).pk == first.pk
    assert (await scenario.asks(key="other")).pk == first.pk
    assert await Message.filter(ticket_id=first.pk).count() == 2
    await Ticket.filter(pk=first.pk).update(status=TicketStatus.SOLVED)
    assert (await scenario.asks(key="third")).pk != first.pk
    clash = lifecycle.request(
        scenario.bakery.action("Camille"),
        scenario.auth,
        scenario.bakery.tokens["Camille"].session,
        scenario.bakery.account.pk,
        TicketKind.ACCOUNT_DELETION,
        "Autre chose.",
        "k",
    )
    assert await outcome(clash) == "IDEMPOTENCY_MISMATCH"


async def test_p1_2_two_agents_acting_concurrently_get_the_same_result(scenario: Scenario) -> None:
    done = await asyncio.gather(*(outcome(scenario.deactivates()) for _ in range(3)))
    assert done == ["done"] * 3
    assert await written("account_status") == [(owner, DEACTIVATED) for owner in OWNERS]


async def test_p1_2_actions_in_progress_are_refused_once_the_account_is_deactivated(
    scenario: Scenario, auth: AuthServices, clock: "MovableClock"
) -> None:
    action = scenario.bakery.action("Camille")
    await invitations.send(
        action,
        auth,
        scenario.bakery.account.pk,
        email="noe@example.fr",
        role=Role.MEMBER,
        locale=scenario.bakery.people["Camille"].locale,
        key="k",
    )
    session = scenario.bakery.tokens["Camille"].session
    await scenario.deactivates()
    token = await token_to("noe@example.fr", "invitation")
    joining = invitations.accept(
        scenario.bakery.action(),
        auth,
        token,
        NewUserDetails("Noé", "mouette phare ardoise 77"),
        "192.0.2.1",
    )
    assert await outcome(joining) == "TOKEN_INVALID"
    assert (
        await outcome(details.change_trade_name(action, session, scenario.bakery.account, "X"))
        == "FORBIDDEN"
    )
    assert await scenario.bakery.leaves("Max") == "FORBIDDEN"
    assert (
        await outcome(legal_names.cancel(action, session, scenario.bakery.account, None))
        == "FORBIDDEN"
    )
    await scenario.reactivates()
    joining = invitations.accept(
        scenario.bakery.action(),
        auth,
        token,
        NewUserDetails("Noé", "mouette phare ardoise 77"),
        "192.0.2.1",
    )
    assert await outcome(joining) == "done"


async def test_p1_2_a_cached_token_stops_working_immediately(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    hub = Hub()
    callers = Callers(hub, clock)
    access = scenario.bakery.tokens["Max"].access
    assert (await callers.viewer_of(access)).account is not None
    action = Action(scenario.agent, clock.now(), hub)
    await lifecycle.deactivate(action, scenario.agents.session, scenario.bakery.account.pk)
    with pytest.raises(Unauthenticated):
        await callers.viewer_of(access)


async def test_p1_2_members_keep_access_to_their_other_company(
    scenario: Scenario, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    other = await founded(clock, bus, "732829320", Zoe=Role.OWNER)
    camille = scenario.bakery.people["Camille"]
    await add_member(scenario.bakery.action(), other.account, camille)
    await scenario.deactivates()
    account = await company_of(camille)
    assert account is not None
    assert account.pk == other.account.pk
    assert await other.stays("Zoe")


async def test_p1_2_a_dismissed_agent_cannot_change_an_account(scenario: Scenario) -> None:
    await sessions.sign_out(scenario.agents.session, scenario.action())
    assert await outcome(scenario.deactivates()) == "UNAUTHENTICATED"
    assert await outcome(scenario.reactivates()) == "UNAUTHENTICATED"
    scenario.agents = await sessions.sign_in(scenario.agent, None, True, scenario.bakery.action())
    await User.filter(pk=scenario.agent.pk).update(staff=None)
    assert await outcome(scenario.deactivates()) == "FORBIDDEN"
    await User.filter(pk=scenario.agent.pk).update(staff=Staff.AGENT)
    missing = lifecycle.deactivate(scenario.action(), scenario.agents.session, None)
    assert await outcome(missing) == "NOT_FOUND"
    assert await authentication.company_of(scenario.agent) is None


@pytest.mark.parametrize(
    "status", [AccountStatus.DEACTIVATED, AccountStatus.CLOSING, AccountStatus.ERASED]
)
async def test_p1_2_no_session_acts_for_an_inactive_account(
    scenario: Scenario, status: AccountStatus
) -> None:
    """Even when the sessions themselves have not ended."""
    tokens, at = scenario.bakery.tokens["Max"], scenario.bakery.clock.now()
    assert await still_valid([tokens.session.pk], at)
    await Account.filter(pk=scenario.bakery.account.pk).update(status=status)
    assert await still_valid([tokens.session.pk], at) == set()
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await sessions.refresh(tokens.refresh, scenario.bakery.action())


async def test_p1_2_a_request_is_carried_out_once(scenario: Scenario) -> None:
    """Carrying out the request solves its ticket. A cancelled deletion is not scheduled a second
    time.
    """
    ticket = await scenario.asks()
    await scenario.schedules(ticket)
    assert (await Ticket.get(pk=ticket.pk)).status is TicketStatus.SOLVED
    await scenario.reactivates()
    assert await outcome(scenario.schedules(ticket)) == "REQUEST_MISSING"
    await Ticket.filter(pk=ticket.pk).update(status=TicketStatus.OPEN)  # by a later reply
    assert await outcome(scenario.schedules(ticket)) == "REQUEST_MISSING"
    rest = await scenario.asks_again(TicketKind.ACCOUNT_DEACTIVATION)
    await scenario.deactivates()
    assert (await Ticket.get(pk=rest.pk)).status is TicketStatus.SOLVED
    back = await scenario.asks_again(TicketKind.ACCOUNT_REACTIVATION)
    await scenario.reactivates()
    assert (await Ticket.get(pk=back.pk)).status is TicketStatus.SOLVED


@pytest.mark.parametrize(("days", "left"), [(0, 14), (10, 14), (25, 5), (29, 1), (60, 1)])
async def test_p1_2_the_grace_period_ends_before_the_legal_deadline(
    scenario: Scenario, days: int, left: int
) -> None:
    """GDPR, article 12(3): within a month of the request. There is always at least one day to
    cancel.
    """
    ticket = await scenario.asks()
    scenario.bakery.clock.advance(timedelta(days=days))
    scenario.agents = await sessions.sign_in(scenario.agent, None, True, scenario.bakery.action())
    account = await scenario.schedules(ticket)
    assert account.erases_at
    assert (
        timedelta(days=left - 1)
        < account.erases_at - scenario.bakery.clock.now()
        <= timedelta(days=left)
    )


async def test_p1_2_the_owner_of_a_deactivated_account_can_request_its_deletion(
    scenario: Scenario,
) -> None:
    await scenario.deactivates()
    ticket = await scenario.asks_again(TicketKind.ACCOUNT_DELETION)
    assert (await scenario.schedules(ticket)).status is AccountStatus.CLOSING


async def test_p1_2_a_declined_reactivation_is_answered_by_email(scenario: Scenario) -> None:
    """The owner of a deactivated account can't see tickets, and may ask again."""

    async def declines(reason: str) -> Account:
        return await lifecycle.decline_reactivation(
            scenario.action(), scenario.agents.session, scenario.bakery.account.pk, reason
        )

    await scenario.deactivates()
    assert await outcome(declines("Non.")) == "REQUEST_MISSING"
    ticket = await scenario.asks_again(TicketKind.ACCOUNT_REACTIVATION)
    assert await outcome(declines(" ")) == "BLANK"
    assert (await declines("Quel est votre SIREN ?")).status is AccountStatus.DEACTIVATED
    (email,) = await Email.filter(template="reactivation_declined.fr")
    assert (email.recipient, "Quel est votre SIREN ?" in email.text) == (OWNERS[0], True)
    assert (await Ticket.get(pk=ticket.pk)).status is TicketStatus.SOLVED
    assert [message.body for message in await Message.filter(ticket_id=ticket.pk).order_by("id")][
        -1
    ] == "Quel est votre SIREN ?"
    assert (await scenario.asks_again(TicketKind.ACCOUNT_REACTIVATION, "again")).pk != ticket.pk


async def _uses_up(scenario: Scenario, kind: TicketKind = TicketKind.ACCOUNT_DELETION) -> None:
    for turn in range(LIFECYCLE.free_attempts + 1):
        await scenario.asks(kind, ["Camille", "Odile"][turn % 2], key=f"{kind.value} {turn}")


async def _written() -> list[int]:
    tables: list[type[Model]] = [Ticket, Message, Event, IdempotencyKey, AuditEntry, Email]
    return [await table.all().count() for table in tables]


async def test_p1_2_requests_are_throttled_before_anything_is_written(scenario: Scenario) -> None:
    await _uses_up(scenario)
    before = await _written()
    for name in ("Camille", "Odile"):
        with pytest.raises(Throttled) as waits:
            await scenario.asks(name=name, key="one more")
    assert await _written() == before
    scenario.bakery.clock.advance(timedelta(seconds=waits.value.retry_after))
    await scenario.asks(key="one more")  # the key was not used up
    assert await outcome(scenario.asks(key="and more")) == "RATE_LIMITED"


async def test_p1_2_a_repeated_request_is_not_throttled(scenario: Scenario) -> None:
    first = await scenario.asks(key="first")
    for _ in range(3 * LIFECYCLE.free_attempts):
        assert (await scenario.asks(key="first")).pk == first.pk
    together = await asyncio.gather(
        *(outcome(scenario.asks(key="second")) for _ in range(3 * LIFECYCLE.free_attempts))
    )
    assert set(together) == {"done"}
    for turn in range(LIFECYCLE.free_attempts - 1):
        await scenario.asks(key=f"other {turn}")
    assert await outcome(scenario.asks(key="last")) == "RATE_LIMITED"
    assert (await scenario.asks(key="first")).pk == first.pk


async def test_p1_2_refused_requests_and_other_companies_do_not_count(scenario: Scenario) -> None:
    stranger = await create_user(scenario.bakery.action(), "Zoe")
    other_tokens = await sessions.sign_in(stranger, None, False, scenario.bakery.action())
    await Session.filter(pk=other_tokens.session.pk).update(
        fresh_until=scenario.bakery.clock.now() + timedelta(minutes=5)
    )
    action = Action(stranger, scenario.bakery.clock.now(), scenario.bakery.bus)
    account_id = scenario.bakery.account.pk
    for turn in range(2 * LIFECYCLE.free_attempts):
        asking = lifecycle.request(
            action,
            scenario.auth,
            other_tokens.session,
            account_id,
            TicketKind.ACCOUNT_DELETION,
            "Adieu.",
            f"{turn}",
        )
        assert await outcome(asking) == "NOT_FOUND"
        assert await outcome(scenario.asks(name="Adam", key=f"{turn}")) == "FORBIDDEN"
        assert (
            await outcome(scenario.asks(TicketKind.ACCOUNT_REACTIVATION, key=f"{turn}"))
            == "TRANSITION_ILLEGAL"
        )
    await _uses_up(scenario)
    await scenario.deactivates()
    for turn in range(LIFECYCLE.free_attempts + 1):
        await scenario.asks_again(TicketKind.ACCOUNT_REACTIVATION, f"{turn}")
    assert (
        await outcome(scenario.asks_again(TicketKind.ACCOUNT_REACTIVATION, "last"))
        == "RATE_LIMITED"
    )


async def test_p1_2_each_kind_and_each_company_is_counted_separately(
    scenario: Scenario, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    await _uses_up(scenario)
    assert await outcome(scenario.asks(key="last")) == "RATE_LIMITED"
    await _uses_up(scenario, TicketKind.ACCOUNT_DEACTIVATION)
    other = await founded(clock, bus, "732829320", Zoe=Role.OWNER)
    asking = lifecycle.request(
        other.action("Zoe"),
        scenario.auth,
        other.tokens["Zoe"].session,
        other.account.pk,
        TicketKind.ACCOUNT_DELETION,
        "Adieu.",
        "k",
    )
    assert await outcome(asking) == "done"
