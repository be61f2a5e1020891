"""The demonstration's users can sign in as documented, and its history is consistent."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from auth.authentication import authenticate, sign_in_company
from auth.services import AuthServices
from billing.checkout_services import CheckoutServices
from billing.documents.facts import InvoiceFacts
from billing.gateways.sandbox import Sandbox
from billing.reconciliation import reconciliation
from billing.seller import seller
from models.action import Action
from models.billing.bank import BankLine, BankLineStatus
from models.billing.delivery import DeliveryState, InvoiceDelivery, PlatformStatus
from models.billing.dispute import Dispute, DisputeReason, DisputeStatus
from models.billing.invoice import DocumentRequest, DocumentType, Invoice, InvoiceDocument
from models.billing.offer import Interval, Offer
from models.billing.payment import Payment, PaymentStatus
from models.billing.platform_status import PlatformStatusCode
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange
from models.billing.refund import Refund, RefundStatus
from models.checks import Checks
from models.clock import local_date
from models.content.policy import Policy
from models.database.connection import connect, disconnect
from models.event import Event, EventKind, account_stream
from models.identity.user import Staff, User
from models.operations.email import Email
from models.support.automation import AutomationVersion
from models.support.classification import Channel
from models.support.macro import Macro
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from operations.invoice_numbering import numbering_errors
from seed import demonstration
from seed.people import CUSTOMER, LATE, NEIGHBOUR, SUSPENDED, people
from seed.policies import read_policies
from support.automation_facts import facts_of
from support.ticket_actions import check_actions
from tests.conftest import RecordingBus, new_clock
from tests.people import create_user
from tests.quick_auth import quick_auth

if TYPE_CHECKING:
    from tests.conftest import MovableClock

SELLER = Path(__file__).parents[2] / "billing" / "seller.toml"


@pytest.fixture
async def auth(clock: "MovableClock") -> AsyncIterator[AuthServices]:
    auth = quick_auth(clock)
    yield auth
    auth.passwords.close()


@pytest.fixture
def checkout_services(auth: AuthServices) -> CheckoutServices:
    return CheckoutServices(Sandbox("http://shop.example"), seller(SELLER), auth.signer)


@pytest.fixture(scope="session")
def fill_demonstration_data() -> Callable[[str, str], None]:
    async def fill(_: str, url: str) -> None:
        clock = new_clock()
        auth = quick_auth(clock)
        services = CheckoutServices(Sandbox("http://shop.example"), seller(SELLER), auth.signer)
        await connect(url)
        assert await demonstration.load(clock.now(), RecordingBus(), auth, services)
        await disconnect()
        auth.passwords.close()

    return lambda kind, url: asyncio.run(fill(kind, url))


@pytest.fixture
def demonstration_data(db: str) -> None:
    """The rows of the demonstration."""


async def test_every_user_can_sign_in_as_documented(
    demonstration_data: None, action: Action, auth: AuthServices
) -> None:
    for person in people():
        user = await authenticate(
            action,
            auth,
            email=person.email,
            password=person.password,
            code=person.code_at(action.at) or None,
            peer="::1",
        )
        assert (user.staff, user.second_factor) == (person.staff, person.staff is not None)
        company = await sign_in_company(user)
        assert (company and company.siren) == (person.company and person.company.siren)


def test_every_role_has_a_user() -> None:
    assert {person.staff for person in people()} == {None, *Staff}
    assert {person.email.partition("@")[2] for person in people()} == {"camcha.example"}


async def test_the_passwords_are_strong(auth: AuthServices) -> None:
    for person in people():
        company_names = (person.company.legal_name,) if person.company else ()
        await auth.passwords.require_strong(
            person.password, person.email, person.name, *company_names
        )


async def test_invoices_are_numbered_in_the_order_of_their_dates(
    demonstration_data: None, clock: "MovableClock"
) -> None:
    invoices = await Invoice.all().order_by("position")
    assert len(invoices) >= 15
    assert await numbering_errors() == []
    assert len({(each.issued_on.year, each.issued_on.month) for each in invoices}) >= 5
    assert max(each.issued_at for each in invoices) < clock.now()
    assert (await reconciliation()).errors == ()


async def test_p3_6_monthly_purchases_have_renewed_until_today(
    demonstration_data: None, clock: "MovableClock"
) -> None:
    active = await Purchase.filter(status=PurchaseStatus.ACTIVE)
    assert min(each.bills_on or date.min for each in active) >= local_date(clock.now())
    renewed = await Invoice.filter(purchase__price__interval=Interval.MONTH).order_by("purchase_id")
    assert max(Counter(each.purchase_id for each in renewed).values()) >= 5


async def test_p3_7_one_company_is_late_and_one_is_suspended(demonstration_data: None) -> None:
    for person, status in (
        (LATE, PurchaseStatus.PAST_DUE),
        (SUSPENDED, PurchaseStatus.SUSPENDED),
        (NEIGHBOUR, PurchaseStatus.ACTIVE),
    ):
        purchases = await Purchase.filter(buyer__email=person.email)
        assert {each.status for each in purchases} == {status}
    declined = await Payment.filter(status=PaymentStatus.DECLINED, is_off_session=True)
    assert len(declined) >= 6
    assert await Email.filter(template="purchase_suspended.fr").count() == 1


async def test_one_purchase_was_changed_and_one_change_is_scheduled(
    demonstration_data: None,
) -> None:
    changes = await PurchaseChange.all().order_by("id")
    assert [(each.kind.value, each.status.value) for each in changes] == [
        ("QUANTITY", "APPLIED"),
        ("INTERVAL", "SCHEDULED"),
    ]


async def test_there_is_a_credit_note_a_refund_a_dispute_and_a_transfer_in_the_queue(
    demonstration_data: None,
) -> None:
    credit_note = await Invoice.get(type=DocumentType.CREDIT_NOTE)
    assert (await Refund.get(credit_note_id=credit_note.pk)).status is RefundStatus.SUCCEEDED
    for dispute in await Dispute.all().select_related("ticket"):
        assert (dispute.status, dispute.ticket.status) == (DisputeStatus.OPEN, TicketStatus.NEW)
    statuses = [line.status for line in await BankLine.all().order_by("id")]
    assert statuses == [BankLineStatus.MATCHED, BankLineStatus.UNMATCHED]


async def test_a_corrective_invoice_replaces_one_without_an_order_number(
    demonstration_data: None,
) -> None:
    corrective = await Invoice.get(type=DocumentType.CORRECTIVE_INVOICE)
    original = await Invoice.get(pk=corrective.original_id)
    assert corrective.gross_cents == original.gross_cents
    order_numbers = [
        InvoiceFacts.from_json(each.facts).order_number for each in (original, corrective)
    ]
    assert order_numbers == ["", "BC-2041-17"]


async def test_no_document_is_made_before_someone_asks_for_it(demonstration_data: None) -> None:
    delivered = await InvoiceDelivery.all().values_list("invoice_id", flat=True)
    assert len(delivered) == 3
    assert not await InvoiceDocument.exclude(invoice_id__in=delivered).exists()
    assert not await DocumentRequest.exists()


async def test_the_invoicing_platform_approved_refused_and_rejected_invoices(
    demonstration_data: None,
) -> None:
    deliveries = {
        each.status: each for each in await InvoiceDelivery.all().select_related("account")
    }
    assert set(deliveries) == {
        PlatformStatusCode.APPROVED,
        PlatformStatusCode.REFUSED,
        PlatformStatusCode.REJECTED,
    }
    approved = await PlatformStatus.filter(delivery=deliveries[PlatformStatusCode.APPROVED])
    assert {each.status.number for each in approved} == {200, 201, 202, 203, 204, 205, 212}
    # The customer sees what became of the refused one, and that it is disputed.
    refused = deliveries[PlatformStatusCode.REFUSED]
    assert (refused.reason_code, bool(refused.reason)) == ("QTE_ERR", True)
    dispute = await Dispute.get(invoice_id=refused.invoice_id).select_related("ticket")
    assert (dispute.reason, dispute.account_id) == (DisputeReason.QUANTITY, refused.account_id)
    events = await Event.filter(
        stream=account_stream(refused.account_id), kind=EventKind.INVOICE_DELIVERY_CHANGED
    ).order_by("sequence")
    assert [each.status for each in events] == [
        "SENT",
        "DEPOSITED",
        "ISSUED",
        "RECEIVED",
        "AVAILABLE",
        "REFUSED",
    ]
    # An operator sees the rejected one, and can hand it over again.
    rejected = deliveries[PlatformStatusCode.REJECTED]
    assert (rejected.state, rejected.error) == (DeliveryState.FAILED, rejected.reason_code)


async def test_reports_are_not_empty(demonstration_data: None) -> None:
    tickets = await Ticket.all()
    assert {each.channel for each in tickets} == set(Channel)
    assert {each.status for each in tickets} == set(TicketStatus)
    assert len({each.opened_on for each in tickets}) >= 10
    assert len({each.first_response_seconds for each in tickets} - {None}) >= 8
    new_tickets = [each for each in tickets if each.status is TicketStatus.NEW]
    assert [(each.assignee_id, each.first_response_at) for each in new_tickets] == [
        (None, None)
    ] * 3


async def test_events_are_in_order_and_in_the_past(
    demonstration_data: None, clock: "MovableClock"
) -> None:
    events = await Event.all().order_by("id")
    assert all(before.at <= after.at for before, after in pairwise(events))
    assert events[-1].at < clock.now()
    assert all(
        message.at >= message.ticket.created_at
        for message in await Message.all().select_related("ticket")
    )


async def test_each_company_has_its_own_tickets(demonstration_data: None) -> None:
    visible_tickets = []
    for person in (CUSTOMER, NEIGHBOUR):
        user = await User.get(email=person.email)
        tickets = await Ticket.visible_to(Viewer(user=user, account=await sign_in_company(user)))
        visible_tickets.append({ticket.pk for ticket in tickets})
    assert all(visible_tickets)
    assert not visible_tickets[0] & visible_tickets[1]


async def test_macros_and_automations_do_what_an_input_could(demonstration_data: None) -> None:
    macros, versions = await Macro.all(), await AutomationVersion.all()
    assert (len(macros), len(versions)) == (3, 2)
    rows: list[Macro | AutomationVersion] = [*macros, *versions]
    for row in rows:
        with Checks() as check:
            is_automation = isinstance(row, AutomationVersion)
            actions = check_actions(check, row.ticket_actions, is_automation=is_automation)
        assert actions == row.ticket_actions
    ticket = await Ticket.all().order_by("-id").first()
    assert ticket
    for version in versions:
        facts = (await facts_of(ticket)).at(ticket.updated_at, None)
        assert facts.meets(version) in (True, False)  # each condition is known


async def test_old_emails_are_not_sent_again(demonstration_data: None) -> None:
    assert await Email.filter(sent_at__not_isnull=True).exists()
    assert not await Email.filter(next_attempt_at__not_isnull=True).exists()


async def test_a_database_with_users_is_unchanged(
    db: str,
    clock: "MovableClock",
    bus: "RecordingBus",
    auth: AuthServices,
    checkout_services: CheckoutServices,
) -> None:
    await create_user(Action(None, clock.now(), bus), "Paul")
    assert not await demonstration.load(clock.now(), bus, auth, checkout_services)
    assert await User.all().count() == 1
    assert not await Offer.exists()
    # P4.4: except policies installed since then.
    assert await Policy.all().count() == len(read_policies())
