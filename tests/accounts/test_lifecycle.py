"""P1.2: support deactivates or deletes a company's account, and can restore it until its data is
erased.
"""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from tortoise.models import Model

from accounts import details, invitations, legal_names, lifecycle
from accounts.invitations import NewUserDetails
from auth import authentication, sessions
from auth.authentication import sign_in_company
from auth.caller import CallerCache
from auth.services import AuthServices
from auth.session_checks import valid_session_ids, valid_session_roles
from auth.sessions import Tokens
from auth.throttle import LIFECYCLE
from models.accounts.account import Account, AccountStatus, Role
from models.accounts.intervention import InterventionReason
from models.action import Action
from models.audit import AuditEntry
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.purchase import Purchase, PurchaseStatus
from models.errors import Refusal, Throttled, Unauthenticated
from models.event import Event
from models.idempotency import IdempotencyKey
from models.identity.session import Session
from models.identity.user import Staff, User
from models.locale import Locale
from models.operations.email import Email
from models.privacy.erasure import Erasure
from models.support.classification import TicketKind
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.translations import text as translate
from realtime.delivered_positions import DeliveredPositions
from realtime.hub import Hub
from support.reply_emails import send_due_replies
from tests.accounts.company_fixtures import Company, create_company, outcome
from tests.outbox import recipients_and_subjects, token_to
from tests.people import add_member, create_staff, create_user, viewer_of

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

pytestmark = pytest.mark.usefixtures("db")

GRACE_PERIOD = timedelta(days=14)
OWNER_EMAILS = ["camille@fournil.example", "odile@fournil.example"]
DEACTIVATED_SUBJECT = "Le compte de votre entreprise est désactivé"
CLOSING_SUBJECT = "Le compte de votre entreprise sera supprimé"
ACTIVE_SUBJECT = "Le compte de votre entreprise est de nouveau actif"


class Scenario:
    """A bakery and the agent who handles its requests."""

    def __init__(
        self, bakery: Company, auth: AuthServices, agent: User, agent_tokens: Tokens
    ) -> None:
        self.bakery, self.auth, self.agent, self.agent_tokens = bakery, auth, agent, agent_tokens

    def action(self) -> Action:
        return Action(self.agent, self.bakery.clock.now(), self.bakery.bus)

    async def request(
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

    async def request_without_account(self, kind: TicketKind, key: str = "k") -> Ticket:
        """Sends the request from a session without an account, as the owner of a deactivated
        account does.
        """
        tokens = await sessions.sign_in(
            self.bakery.people["Camille"], None, False, self.bakery.action()
        )
        expires_at = self.bakery.clock.now() + timedelta(minutes=5)
        await Session.filter(pk=tokens.session.pk).update(step_up_expires_at=expires_at)
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

    async def step_up(self) -> Session:
        """The agent's session with a recent step-up."""
        until = self.bakery.clock.now() + timedelta(minutes=5)
        await Session.filter(pk=self.agent_tokens.session.pk).update(step_up_expires_at=until)
        return await Session.get(pk=self.agent_tokens.session.pk)

    async def deactivate(
        self, reason: InterventionReason = InterventionReason.MISUSE, message: str = "Assez."
    ) -> Account:
        return await lifecycle.deactivate(
            self.action(), await self.step_up(), self.bakery.account.pk, reason, message
        )

    async def reactivate(self, session: Session | None = None) -> Account:
        session = session or await self.step_up()
        return await lifecycle.reactivate(self.action(), session, self.bakery.account.pk)

    async def schedule_deletion(
        self, ticket: Ticket | None, session: Session | None = None
    ) -> Account:
        session = session or await self.step_up()
        return await lifecycle.schedule_deletion(
            self.action(),
            session,
            self.bakery.account.pk,
            ticket.pk if ticket else None,
            GRACE_PERIOD,
        )

    async def status(self) -> AccountStatus:
        return (await Account.get(pk=self.bakery.account.pk)).status


@pytest.fixture
async def scenario(clock: "MovableClock", bus: "RecordingBus", auth: AuthServices) -> Scenario:
    bakery = await create_company(
        clock, bus, Camille=Role.OWNER, Odile=Role.OWNER, Adam=Role.ADMIN, Max=Role.MEMBER
    )
    agent = await create_staff(bakery.action(), "Amadou", Staff.AGENT)
    return Scenario(bakery, auth, agent, await sessions.sign_in(agent, None, True, bakery.action()))


async def test_p1_2_a_deactivation_ends_all_access_to_the_account(scenario: Scenario) -> None:
    ticket = await scenario.request(TicketKind.ACCOUNT_DEACTIVATION)
    assert (ticket.kind, ticket.subject) == (
        TicketKind.ACCOUNT_DEACTIVATION,
        "Désactivation du compte de l’entreprise",
    )
    assert (await Message.get(ticket_id=ticket.pk)).body == "Je pars."
    roles = [Role.OWNER, Role.OWNER, Role.ADMIN, Role.MEMBER]
    session_roles = [
        (tokens.session.pk, role)
        for tokens, role in zip(scenario.bakery.tokens.values(), roles, strict=True)
    ]
    assert await valid_session_roles(session_roles, scenario.bakery.clock.now()) == set(
        session_roles
    )
    await scenario.deactivate()
    assert await valid_session_roles(session_roles, scenario.bakery.clock.now()) == set()
    assert {sessions.session_key(session) for session, _ in session_roles} <= set(
        scenario.bakery.bus.announced
    )
    assert await recipients_and_subjects("account_status") == [
        (owner, DEACTIVATED_SUBJECT) for owner in OWNER_EMAILS
    ]
    camille = scenario.bakery.people["Camille"]
    assert await sign_in_company(camille) is None
    assert await outcome(sign_in_company(camille, scenario.bakery.account.pk)) == "ACCOUNT_INACTIVE"
    assert (
        await outcome(
            sessions.sign_in(camille, scenario.bakery.account, False, scenario.bakery.action())
        )
        == "ACCOUNT_INACTIVE"
    )


@pytest.mark.parametrize("reason", list(InterventionReason))
async def test_p1_2_a_deactivation_states_its_reason_to_the_owners_and_in_the_audit_log(
    scenario: Scenario, reason: InterventionReason
) -> None:
    if reason is InterventionReason.REQUESTED:
        await scenario.request(TicketKind.ACCOUNT_DEACTIVATION)
    await scenario.deactivate(reason, "Trois relances sans réponse.")
    emails = await Email.filter(template="account_status.fr").order_by("id")
    assert [email.recipient for email in emails] == OWNER_EMAILS
    for email in emails:
        assert "Trois relances sans réponse." in email.text
        assert translate(reason.label, Locale.FR) in email.text.replace("\n", " ")
    entry = await AuditEntry.get(action="account.deactivate")
    assert f'"reason":"{reason.value}"' in entry.details
    assert "relances" not in entry.details


async def test_p1_2_a_deactivation_requires_a_step_up_and_an_explanation(
    scenario: Scenario,
) -> None:
    stale_session = scenario.agent_tokens.session
    operation = lifecycle.deactivate(
        scenario.action(),
        stale_session,
        scenario.bakery.account.pk,
        InterventionReason.SECURITY,
        "Par sécurité.",
    )
    assert await outcome(operation) == "STEP_UP_REQUIRED"
    for message in ("", "  "):
        assert await outcome(scenario.deactivate(message=message)) == "BLANK"
    assert await outcome(scenario.deactivate(message="x" * 1_001)) == "TOO_LONG"
    assert await scenario.status() is AccountStatus.ACTIVE
    assert await recipients_and_subjects("account_status") == []


async def test_p1_2_a_requested_deactivation_requires_a_current_owners_request(
    scenario: Scenario,
) -> None:
    async def deactivate() -> str:
        return await outcome(scenario.deactivate(InterventionReason.REQUESTED))

    assert await deactivate() == "REQUEST_MISSING"
    ticket = await scenario.request(TicketKind.ACCOUNT_DEACTIVATION, "Odile")
    await scenario.bakery.change_role("Camille", "Odile", Role.ADMIN)
    assert await deactivate() == "REQUEST_MISSING"
    await scenario.bakery.change_role("Camille", "Odile", Role.OWNER)
    await Ticket.filter(pk=ticket.pk).update(status=TicketStatus.CLOSED)
    assert await deactivate() == "REQUEST_MISSING"
    await Ticket.filter(pk=ticket.pk).update(status=TicketStatus.OPEN)
    assert await deactivate() == "done"
    assert await scenario.status() is AccountStatus.DEACTIVATED


async def test_p1_2_the_owner_signs_in_without_an_account_and_requests_reactivation(
    scenario: Scenario,
) -> None:
    await scenario.deactivate()
    camille = scenario.bakery.people["Camille"]
    scenario.bakery.tokens["Camille"] = await sessions.sign_in(
        camille, await sign_in_company(camille), False, scenario.bakery.action()
    )
    ticket = await scenario.request(TicketKind.ACCOUNT_REACTIVATION)
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
    await scenario.reactivate()
    assert await scenario.status() is AccountStatus.ACTIVE
    assert (await recipients_and_subjects("account_status"))[-2:] == [
        (owner, ACTIVE_SUBJECT) for owner in OWNER_EMAILS
    ]
    account = await sign_in_company(camille)
    assert account is not None
    assert account.pk == scenario.bakery.account.pk
    # The sessions stay ended: every member signs in again.
    assert await scenario.bakery.is_signed_in("Adam") is False


async def test_p1_2_a_deletion_requires_the_owners_ticket_and_can_be_cancelled(
    scenario: Scenario,
) -> None:
    ticket = await scenario.request()
    account = await scenario.schedule_deletion(ticket)
    assert (account.status, account.erases_at) == (
        AccountStatus.CLOSING,
        scenario.bakery.clock.now() + GRACE_PERIOD,
    )
    erasure = await Erasure.get()
    assert (erasure.requested_at, erasure.due_at) == (ticket.created_at, account.erases_at)
    assert erasure.deadline.isoformat() == "2026-12-23"
    assert await scenario.bakery.is_signed_in("Max") is False
    assert (await scenario.schedule_deletion(ticket)).erases_at == account.erases_at
    assert await Erasure.all().count() == 1
    assert await outcome(scenario.deactivate()) == "TRANSITION_ILLEGAL"
    agent_session = scenario.agent_tokens.session
    await Session.filter(pk=agent_session.pk).update(step_up_expires_at=None)
    assert await outcome(scenario.reactivate(agent_session)) == "STEP_UP_REQUIRED"
    account = await scenario.reactivate()
    assert (account.status, account.erases_at) == (AccountStatus.ACTIVE, None)
    assert (await Erasure.get()).canceled_at == scenario.bakery.clock.now()
    assert [subject for _, subject in await recipients_and_subjects("account_status")] == [
        CLOSING_SUBJECT,
        CLOSING_SUBJECT,
        ACTIVE_SUBJECT,
        ACTIVE_SUBJECT,
    ]


@pytest.mark.parametrize("status", [PurchaseStatus.ACTIVE, PurchaseStatus.TRIALING])
async def test_p1_2_periods_that_passed_before_the_reactivation_are_never_billed(
    scenario: Scenario, status: PurchaseStatus
) -> None:
    offer = await Offer.create(slug="essentiel", segment=Segment.TPE, texts={})
    price = await Price.create(
        offer=offer,
        interval=Interval.MONTH,
        net_cents=2900,
        vat_rate=2000,
        valid_from=scenario.action().at,
    )
    purchase = await Purchase.create(
        account=scenario.bakery.account,
        price=price,
        status=status,
        anchor=date(2026, 8, 20),
        next_period_index=1,
        bills_on=date(2026, 9, 20),
        created_at=scenario.action().at,
    )
    await scenario.deactivate()
    await scenario.reactivate()
    purchase = await Purchase.get(pk=purchase.pk)
    assert (purchase.next_period_index, purchase.bills_on) == (3, date(2026, 11, 20))


async def test_p1_2_an_agent_cannot_delete_an_account_without_its_request(
    scenario: Scenario, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    other = await create_company(clock, bus, "732829320", Zoe=Role.OWNER)
    other_ticket = await lifecycle.request(
        other.action("Zoe"),
        scenario.auth,
        other.tokens["Zoe"].session,
        other.account.pk,
        TicketKind.ACCOUNT_DELETION,
        "Adieu.",
        "k",
    )
    deactivation_ticket = await scenario.request(TicketKind.ACCOUNT_DEACTIVATION)
    for ticket in (None, other_ticket, deactivation_ticket):
        assert await outcome(scenario.schedule_deletion(ticket)) == "REQUEST_MISSING"
    former_owner_ticket = await scenario.request(name="Odile")
    assert await scenario.bakery.change_role("Camille", "Odile", Role.ADMIN) == "done"
    # She is no longer an owner.
    assert await outcome(scenario.schedule_deletion(former_owner_ticket)) == "REQUEST_MISSING"
    assert await scenario.status() is AccountStatus.ACTIVE


async def test_p1_2_a_cancelled_or_solved_request_deletes_nothing_later(scenario: Scenario) -> None:
    first = await scenario.request()
    await scenario.schedule_deletion(first)
    await scenario.reactivate()
    assert await outcome(scenario.schedule_deletion(first)) == "REQUEST_MISSING"
    assert await scenario.status() is AccountStatus.ACTIVE
    camille = scenario.bakery.people["Camille"]
    tokens = await sessions.sign_in(
        camille, scenario.bakery.account, False, scenario.bakery.action()
    )
    await Session.filter(pk=tokens.session.pk).update(
        step_up_expires_at=scenario.bakery.clock.now() + timedelta(minutes=5)
    )
    scenario.bakery.tokens["Camille"] = replace(
        tokens, session=await Session.get(pk=tokens.session.pk)
    )
    second_ticket = await scenario.request(key="again")
    assert second_ticket.pk != first.pk
    await Ticket.filter(pk=second_ticket.pk).update(status=TicketStatus.SOLVED)
    assert await outcome(scenario.schedule_deletion(second_ticket)) == "REQUEST_MISSING"
    third_ticket = await scenario.request(key="and again")
    assert (await scenario.schedule_deletion(third_ticket)).status is AccountStatus.CLOSING


async def test_p1_2_idempotency_keys_are_compared_in_full(scenario: Scenario) -> None:
    long_key = "k" * 63
    for end in "ab":
        assert await outcome(scenario.request(key=long_key + end)) == "done"
    assert [message.body for message in await Message.all()] == ["Je pars.", "Je pars."]


async def test_p1_2_a_request_requires_an_owner_and_a_step_up(scenario: Scenario) -> None:
    for name in ("Adam", "Max"):
        assert await outcome(scenario.request(name=name)) == "FORBIDDEN"
    await Session.filter(pk=scenario.bakery.tokens["Odile"].session.pk).update(
        step_up_expires_at=None
    )
    assert await outcome(scenario.request(name="Odile")) == "STEP_UP_REQUIRED"
    assert await outcome(scenario.request(TicketKind.ACCOUNT_REACTIVATION)) == "TRANSITION_ILLEGAL"
    await Session.filter(pk=scenario.agent_tokens.session.pk).update(step_up_expires_at=None)
    stale_session = await Session.get(pk=scenario.agent_tokens.session.pk)
    assert (
        await outcome(
            lifecycle.schedule_deletion(scenario.action(), stale_session, 1, 1, GRACE_PERIOD)
        )
        == "STEP_UP_REQUIRED"
    )
    other_owner = await create_user(scenario.bakery.action(), "Zoe")
    tokens = await sessions.sign_in(other_owner, None, False, scenario.bakery.action())
    action = Action(other_owner, scenario.bakery.clock.now(), scenario.bakery.bus)
    for account_id in (scenario.bakery.account.pk, None):
        request = lifecycle.request(
            action,
            scenario.auth,
            tokens.session,
            account_id,
            TicketKind.ACCOUNT_REACTIVATION,
            "Ouvrez.",
            "k",
        )
        assert await outcome(request) == "NOT_FOUND"


async def test_p1_2_only_one_request_of_each_kind_is_open(scenario: Scenario) -> None:
    first = await scenario.request()
    assert (await scenario.request()).pk == first.pk
    assert (await scenario.request(key="other")).pk == first.pk
    assert await Message.filter(ticket_id=first.pk).count() == 2
    await Ticket.filter(pk=first.pk).update(status=TicketStatus.SOLVED)
    assert (await scenario.request(key="third")).pk != first.pk
    mismatched_request = lifecycle.request(
        scenario.bakery.action("Camille"),
        scenario.auth,
        scenario.bakery.tokens["Camille"].session,
        scenario.bakery.account.pk,
        TicketKind.ACCOUNT_DELETION,
        "Autre chose.",
        "k",
    )
    assert await outcome(mismatched_request) == "IDEMPOTENCY_MISMATCH"


async def test_p1_2_two_agents_acting_concurrently_get_the_same_result(scenario: Scenario) -> None:
    outcomes = await asyncio.gather(*(outcome(scenario.deactivate()) for _ in range(3)))
    assert outcomes == ["done"] * 3
    assert await recipients_and_subjects("account_status") == [
        (owner, DEACTIVATED_SUBJECT) for owner in OWNER_EMAILS
    ]


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
    await scenario.deactivate()
    token = await token_to("noe@example.fr", "invitation")
    acceptance = invitations.accept(
        scenario.bakery.action(),
        auth,
        token,
        NewUserDetails("Noé", "mouette phare ardoise 77"),
        "192.0.2.1",
    )
    assert await outcome(acceptance) == "TOKEN_INVALID"
    assert (
        await outcome(details.change_trade_name(action, session, scenario.bakery.account, "X"))
        == "FORBIDDEN"
    )
    assert await scenario.bakery.leave("Max") == "FORBIDDEN"
    assert (
        await outcome(legal_names.cancel(action, session, scenario.bakery.account, None))
        == "FORBIDDEN"
    )
    await scenario.reactivate()
    acceptance = invitations.accept(
        scenario.bakery.action(),
        auth,
        token,
        NewUserDetails("Noé", "mouette phare ardoise 77"),
        "192.0.2.1",
    )
    assert await outcome(acceptance) == "done"


async def test_p1_2_a_cached_token_stops_working_immediately(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    hub = Hub()
    callers = CallerCache(hub, clock)
    access = scenario.bakery.tokens["Max"].access
    assert (await callers.viewer_of(access)).account is not None
    action = Action(scenario.agent, clock.now(), hub)
    session = await scenario.step_up()
    await lifecycle.deactivate(
        action, session, scenario.bakery.account.pk, InterventionReason.SECURITY, "Par sécurité."
    )
    with pytest.raises(Unauthenticated):
        await callers.viewer_of(access)


async def test_p1_2_members_keep_access_to_their_other_company(
    scenario: Scenario, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    other = await create_company(clock, bus, "732829320", Zoe=Role.OWNER)
    camille = scenario.bakery.people["Camille"]
    await add_member(scenario.bakery.action(), other.account, camille)
    await scenario.deactivate()
    account = await sign_in_company(camille)
    assert account is not None
    assert account.pk == other.account.pk
    assert await other.is_signed_in("Zoe")


async def test_p1_2_a_dismissed_agent_cannot_change_an_account(scenario: Scenario) -> None:
    await sessions.sign_out(scenario.agent_tokens.session, scenario.action())
    assert await outcome(scenario.deactivate()) == "STEP_UP_REQUIRED"
    assert await outcome(scenario.reactivate()) == "STEP_UP_REQUIRED"
    scenario.agent_tokens = await sessions.sign_in(
        scenario.agent, None, True, scenario.bakery.action()
    )
    await User.filter(pk=scenario.agent.pk).update(staff=None)
    assert await outcome(scenario.deactivate()) == "FORBIDDEN"
    await User.filter(pk=scenario.agent.pk).update(staff=Staff.AGENT)
    operation = lifecycle.deactivate(
        scenario.action(), await scenario.step_up(), None, InterventionReason.MISUSE, "Assez."
    )
    assert await outcome(operation) == "NOT_FOUND"
    assert await authentication.sign_in_company(scenario.agent) is None


@pytest.mark.parametrize(
    "status", [AccountStatus.DEACTIVATED, AccountStatus.CLOSING, AccountStatus.ERASED]
)
async def test_p1_2_no_session_acts_for_an_inactive_account(
    scenario: Scenario, status: AccountStatus
) -> None:
    """This holds even when the sessions themselves have not ended."""
    tokens, at = scenario.bakery.tokens["Max"], scenario.bakery.clock.now()
    assert await valid_session_ids([tokens.session.pk], at)
    await Account.filter(pk=scenario.bakery.account.pk).update(status=status)
    assert await valid_session_ids([tokens.session.pk], at) == set()
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await sessions.refresh(tokens.refresh, scenario.bakery.action())


async def test_p1_2_a_request_is_carried_out_once(scenario: Scenario) -> None:
    """Carrying out the request solves its ticket. A cancelled deletion is not scheduled a second
    time.
    """
    ticket = await scenario.request()
    await scenario.schedule_deletion(ticket)
    assert (await Ticket.get(pk=ticket.pk)).status is TicketStatus.SOLVED
    await scenario.reactivate()
    assert await outcome(scenario.schedule_deletion(ticket)) == "REQUEST_MISSING"
    await Ticket.filter(pk=ticket.pk).update(status=TicketStatus.OPEN)  # by a later reply
    assert await outcome(scenario.schedule_deletion(ticket)) == "REQUEST_MISSING"
    deactivation_ticket = await scenario.request_without_account(TicketKind.ACCOUNT_DEACTIVATION)
    await scenario.deactivate()
    assert (await Ticket.get(pk=deactivation_ticket.pk)).status is TicketStatus.SOLVED
    reactivation_ticket = await scenario.request_without_account(TicketKind.ACCOUNT_REACTIVATION)
    await scenario.reactivate()
    assert (await Ticket.get(pk=reactivation_ticket.pk)).status is TicketStatus.SOLVED


@pytest.mark.parametrize(("days", "expected_days"), [(0, 14), (10, 14), (25, 5), (29, 1), (60, 1)])
async def test_p1_2_the_grace_period_ends_before_the_legal_deadline(
    scenario: Scenario, days: int, expected_days: int
) -> None:
    """GDPR, article 12(3): within a month of the request. There is always at least one day to
    cancel.
    """
    ticket = await scenario.request()
    scenario.bakery.clock.advance(timedelta(days=days))
    scenario.agent_tokens = await sessions.sign_in(
        scenario.agent, None, True, scenario.bakery.action()
    )
    account = await scenario.schedule_deletion(ticket)
    assert account.erases_at
    assert (
        timedelta(days=expected_days - 1)
        < account.erases_at - scenario.bakery.clock.now()
        <= timedelta(days=expected_days)
    )


async def test_p1_2_the_owner_of_a_deactivated_account_can_request_its_deletion(
    scenario: Scenario,
) -> None:
    await scenario.deactivate()
    ticket = await scenario.request_without_account(TicketKind.ACCOUNT_DELETION)
    assert (await scenario.schedule_deletion(ticket)).status is AccountStatus.CLOSING


async def test_p1_2_a_declined_reactivation_is_answered_by_email(scenario: Scenario) -> None:
    """The owner of a deactivated account can't see tickets, and may ask again."""

    async def decline(reason: str) -> Account:
        return await lifecycle.decline_reactivation(
            scenario.action(), scenario.agent_tokens.session, scenario.bakery.account.pk, reason
        )

    await scenario.deactivate()
    assert await outcome(decline("Non.")) == "REQUEST_MISSING"
    ticket = await scenario.request_without_account(TicketKind.ACCOUNT_REACTIVATION)
    assert await outcome(decline(" ")) == "BLANK"
    assert (await decline("Quel est votre SIREN ?")).status is AccountStatus.DEACTIVATED
    decline_emails = await Email.filter(template="reactivation_declined.fr").order_by("id")
    assert [email.recipient for email in decline_emails] == OWNER_EMAILS
    assert all("Quel est votre SIREN ?" in email.text for email in decline_emails)
    assert (await Ticket.get(pk=ticket.pk)).status is TicketStatus.SOLVED
    assert [message.body for message in await Message.filter(ticket_id=ticket.pk).order_by("id")][
        -1
    ] == "Quel est votre SIREN ?"
    later_action = Action(
        None, scenario.bakery.clock.now() + timedelta(minutes=6), scenario.bakery.bus
    )
    assert await send_due_replies(later_action, DeliveredPositions(), timedelta(minutes=5)) == 0
    assert (
        await scenario.request_without_account(TicketKind.ACCOUNT_REACTIVATION, "again")
    ).pk != ticket.pk


async def exhaust_limit(scenario: Scenario, kind: TicketKind = TicketKind.ACCOUNT_DELETION) -> None:
    for turn in range(LIFECYCLE.free_attempts + 1):
        await scenario.request(kind, ["Camille", "Odile"][turn % 2], key=f"{kind.value} {turn}")


async def row_counts() -> list[int]:
    tables: list[type[Model]] = [Ticket, Message, Event, IdempotencyKey, AuditEntry, Email]
    return [await table.all().count() for table in tables]


async def test_p1_2_requests_are_throttled_before_anything_is_written(scenario: Scenario) -> None:
    await exhaust_limit(scenario)
    before = await row_counts()
    for name in ("Camille", "Odile"):
        with pytest.raises(Throttled) as throttled:
            await scenario.request(name=name, key="one more")
    assert await row_counts() == before
    scenario.bakery.clock.advance(timedelta(seconds=throttled.value.retry_after))
    await scenario.request(key="one more")  # the key was not used up
    assert await outcome(scenario.request(key="and more")) == "RATE_LIMITED"


async def test_p1_2_a_repeated_request_is_not_throttled(scenario: Scenario) -> None:
    first = await scenario.request(key="first")
    for _ in range(3 * LIFECYCLE.free_attempts):
        assert (await scenario.request(key="first")).pk == first.pk
    outcomes = await asyncio.gather(
        *(outcome(scenario.request(key="second")) for _ in range(3 * LIFECYCLE.free_attempts))
    )
    assert set(outcomes) == {"done"}
    for turn in range(LIFECYCLE.free_attempts - 1):
        await scenario.request(key=f"other {turn}")
    assert await outcome(scenario.request(key="last")) == "RATE_LIMITED"
    assert (await scenario.request(key="first")).pk == first.pk


async def test_p1_2_refused_requests_and_other_companies_do_not_count(scenario: Scenario) -> None:
    other_owner = await create_user(scenario.bakery.action(), "Zoe")
    other_tokens = await sessions.sign_in(other_owner, None, False, scenario.bakery.action())
    await Session.filter(pk=other_tokens.session.pk).update(
        step_up_expires_at=scenario.bakery.clock.now() + timedelta(minutes=5)
    )
    action = Action(other_owner, scenario.bakery.clock.now(), scenario.bakery.bus)
    account_id = scenario.bakery.account.pk
    for turn in range(2 * LIFECYCLE.free_attempts):
        request = lifecycle.request(
            action,
            scenario.auth,
            other_tokens.session,
            account_id,
            TicketKind.ACCOUNT_DELETION,
            "Adieu.",
            f"{turn}",
        )
        assert await outcome(request) == "NOT_FOUND"
        assert await outcome(scenario.request(name="Adam", key=f"{turn}")) == "FORBIDDEN"
        assert (
            await outcome(scenario.request(TicketKind.ACCOUNT_REACTIVATION, key=f"{turn}"))
            == "TRANSITION_ILLEGAL"
        )
    await exhaust_limit(scenario)
    await scenario.deactivate()
    for turn in range(LIFECYCLE.free_attempts + 1):
        await scenario.request_without_account(TicketKind.ACCOUNT_REACTIVATION, f"{turn}")
    assert (
        await outcome(scenario.request_without_account(TicketKind.ACCOUNT_REACTIVATION, "last"))
        == "RATE_LIMITED"
    )


async def test_p1_2_each_kind_and_each_company_is_counted_separately(
    scenario: Scenario, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    await exhaust_limit(scenario)
    assert await outcome(scenario.request(key="last")) == "RATE_LIMITED"
    await exhaust_limit(scenario, TicketKind.ACCOUNT_DEACTIVATION)
    other = await create_company(clock, bus, "732829320", Zoe=Role.OWNER)
    request = lifecycle.request(
        other.action("Zoe"),
        scenario.auth,
        other.tokens["Zoe"].session,
        other.account.pk,
        TicketKind.ACCOUNT_DELETION,
        "Adieu.",
        "k",
    )
    assert await outcome(request) == "done"
