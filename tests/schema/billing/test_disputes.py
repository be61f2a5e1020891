"""A company disputes an invoice or reports that it has no access, and the staff decides, over
GraphQL.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing.reconciliation import reconciliation
from billing.settlement import lock_for_settlement, reverse_payment
from engine import Engine
from models.accounts.account import Role
from models.action import Action
from models.billing.dispute import Dispute
from models.billing.invoice import Invoice
from models.billing.offer import Price
from models.billing.payment import Payment
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.people import add_member, create_user, create_viewer
from tests.schema.audited_fixtures import Scenario, agent_viewer, operator_viewer
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Execute

DISPUTE = "dispute { id status code invoice { number state } ticket { id } creditNote { number } }"


@pytest.fixture
def scenario(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Scenario:
    return Scenario(dataset, services, engine, price, action)


async def dispute(scenario: Scenario, key: str = "k", reason: str = "VAT_RATE") -> dict[str, Any]:
    invoice = encode("Invoice", scenario.dataset.paul.row(Invoice).pk)
    return await scenario.mutate(
        scenario.owner,
        "invoiceDispute",
        DISPUTE,
        invoiceId=invoice,
        reason=reason,
        body="Le taux est faux.",
        idempotencyKey=key,
    )


async def test_p3_2_an_accepted_dispute_ends_with_a_credit_note_and_a_refund(
    scenario: Scenario,
) -> None:
    opened = (await dispute(scenario))["dispute"]
    assert (opened["status"], opened["code"]) == ("OPEN", "TX_TVA_ERR")
    again = await dispute(scenario, "other")
    assert again["userErrors"] == [{"code": "ALREADY_DISPUTED"}]
    payload = await scenario.mutate(
        await agent_viewer(scenario),
        "disputeAccept",
        DISPUTE,
        disputeId=opened["id"],
        whole=True,
        reason="Taux erroné",
        refund="PAYMENT",
        idempotencyKey="k",
    )
    assert payload["userErrors"] == []
    assert payload["dispute"]["status"] == "ACCEPTED"
    assert payload["dispute"]["invoice"]["state"] == "CREDITED"
    number = payload["dispute"]["creditNote"]["number"]
    stored = await Dispute.get()
    ticket = await Ticket.get(pk=stored.ticket_id)
    messages = [each.body for each in await Message.filter(ticket=ticket).order_by("sequence")]
    assert messages[0] == "Le taux est faux."
    assert number in messages[1]
    assert ticket.status is TicketStatus.SOLVED
    assert (await reconciliation()).errors == ()
    assert (await Receivable.get(invoice_id=stored.invoice_id)).disputed_at is None
    credited = await dispute(scenario, "credited")
    assert credited["userErrors"] == [{"code": "NOT_DISPUTABLE"}]


async def test_p3_2_a_rejected_dispute_gives_its_reason(scenario: Scenario) -> None:
    opened = (await dispute(scenario))["dispute"]
    agent = await agent_viewer(scenario)
    for _ in range(2):
        payload = await scenario.mutate(
            agent, "disputeReject", DISPUTE, disputeId=opened["id"], reason="Le taux est juste."
        )
        assert payload["dispute"]["status"] == "REJECTED"
    stored = await Dispute.get()
    bodies = [each.body for each in await Message.filter(ticket_id=stored.ticket_id)]
    assert len(bodies) == 2
    assert bodies[1].endswith("Le taux est juste.")
    late = await scenario.mutate(
        agent,
        "disputeAccept",
        disputeId=opened["id"],
        whole=True,
        reason="-",
        refund="PAYMENT",
        idempotencyKey="k",
    )
    assert late["userErrors"] == [{"code": "TRANSITION_ILLEGAL"}]


async def test_p3_2_a_rejected_reason_does_not_stop_the_dunning_again(scenario: Scenario) -> None:
    opened = (await dispute(scenario))["dispute"]
    agent = await agent_viewer(scenario)
    await scenario.mutate(agent, "disputeReject", DISPUTE, disputeId=opened["id"], reason="-")
    again = await dispute(scenario, "again")
    assert again["userErrors"] == [{"code": "DISPUTE_REJECTED"}]
    assert not await Receivable.exclude(disputed_at=None).exists()
    other = await dispute(scenario, "other", "QUANTITY")
    assert other["dispute"]["status"] == "OPEN"


async def test_p3_2_the_ticket_of_an_open_dispute_is_closed_by_nobody_else(
    scenario: Scenario,
) -> None:
    """Other members can't close it, and staff have to decide the dispute."""
    opened = (await dispute(scenario))["dispute"]
    ticket_id = opened["ticket"]["id"]

    async def close(viewer: Viewer, **values: str) -> dict[str, Any]:
        return await scenario.mutate(viewer, "ticketClose", ticketId=ticket_id, **values)

    for role in (Role.MEMBER, Role.BILLING, Role.ADMIN):
        user = await create_user(scenario.action, role.title())
        await add_member(scenario.action, scenario.dataset.paul.account, user, role)
        viewer = await create_viewer(scenario.action, user, scenario.dataset.paul.account)
        assert (await close(viewer))["userErrors"] == [{"code": "CLOSING_RESERVED"}]
    agent = await agent_viewer(scenario)
    for status in ("SOLVED", "CLOSED"):
        payload = await scenario.mutate(
            agent, "ticketMove", ticketId=ticket_id, status=status, reason="Vu."
        )
        assert payload["userErrors"] == [{"code": "TRANSITION_ILLEGAL"}]
    assert (await close(agent, reason="Vu."))["userErrors"] == [{"code": "TRANSITION_ILLEGAL"}]
    assert (await Ticket.get(pk=(await Dispute.get()).ticket_id)).status is TicketStatus.NEW
    pending = await scenario.mutate(agent, "ticketMove", ticketId=ticket_id, status="PENDING")
    assert pending["userErrors"] == []
    assert (await close(scenario.owner))["userErrors"] == []


@pytest.mark.parametrize("status", [TicketStatus.SOLVED, TicketStatus.CLOSED])
async def test_p3_2_the_decision_reaches_a_ticket_that_is_finished(
    scenario: Scenario, status: TicketStatus
) -> None:
    opened = (await dispute(scenario))["dispute"]
    await Ticket.all().update(status=status)
    await scenario.mutate(
        await agent_viewer(scenario),
        "disputeReject",
        DISPUTE,
        disputeId=opened["id"],
        reason="Le taux est juste.",
    )
    ticket = await Ticket.get(pk=(await Dispute.get()).ticket_id)
    bodies = [each.body for each in await Message.filter(ticket=ticket).order_by("sequence")]
    assert bodies[1].endswith("Le taux est juste.")
    assert ticket.status is status
    assert ticket.reply_email_pending_since is not None


async def test_p3_2_the_decision_reaches_the_ticket_into_which_its_own_was_merged(
    scenario: Scenario,
) -> None:
    opened = (await dispute(scenario))["dispute"]
    agent = await agent_viewer(scenario)
    target = (
        await Ticket.exclude(pk=(await Dispute.get()).ticket_id)
        .filter(account_id=scenario.dataset.paul.account.pk)
        .first()
    )
    assert target
    merged = await scenario.mutate(
        agent,
        "ticketMerge",
        "ticket { id }",
        ticketId=opened["ticket"]["id"],
        intoTicketId=encode("Ticket", target.pk),
    )
    assert merged["userErrors"] == []
    status = (await Ticket.get(pk=target.pk)).status
    await scenario.mutate(
        agent, "disputeReject", DISPUTE, disputeId=opened["id"], reason="Le taux est juste."
    )
    last = await Message.filter(ticket_id=target.pk).order_by("-sequence").first()
    assert last
    assert last.body.endswith("Le taux est juste.")
    assert (await Ticket.get(pk=target.pk)).status is status


async def test_a_purchase_stays_late_while_a_part_of_the_disputed_invoice_is_open(
    scenario: Scenario,
) -> None:
    payment = scenario.dataset.paul.row(Payment)
    invoice = scenario.dataset.paul.row(Invoice)
    async with scenario.action.transaction() as tx:
        await lock_for_settlement(tx, payment.account_id, payment.purchase_id)
        await reverse_payment(tx, await tx.lock(Payment, payment.pk), payment.amount_cents)
    await Purchase.filter(pk=payment.purchase_id).update(status=PurchaseStatus.PAST_DUE)
    opened = (await dispute(scenario))["dispute"]
    accepted = await scenario.mutate(
        await agent_viewer(scenario),
        "disputeAccept",
        DISPUTE,
        disputeId=opened["id"],
        amountCents=100,
        reason="Une partie",
        refund="NONE",
        idempotencyKey="k",
    )
    assert accepted["userErrors"] == []
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == invoice.gross_cents - 100
    purchase = await Purchase.get(pk=payment.purchase_id)
    assert purchase.status is PurchaseStatus.PAST_DUE


async def test_p3_2_a_credit_note_that_leaves_nothing_accepts_the_dispute(
    scenario: Scenario,
) -> None:
    """Nothing would be left to accept it with: the company would read that it was rejected."""
    opened = (await dispute(scenario))["dispute"]
    viewer = await agent_viewer(scenario)
    for key, amount, status in (("part", {"amountCents": 100}, "OPEN"), ("rest", {}, "ACCEPTED")):
        payload = await scenario.mutate(
            viewer,
            "invoiceCredit",
            "creditNote { number }",
            invoiceId=encode("Invoice", scenario.dataset.paul.row(Invoice).pk),
            reason="Erreur",
            refund="BALANCE",
            idempotencyKey=key,
            **(amount or {"whole": True}),
        )
        assert payload["userErrors"] == []
        assert (await Dispute.get()).status == status
    decided = await Dispute.get().select_related("credit_note")
    assert decided.credit_note
    assert decided.credit_note.number == payload["creditNote"]["number"]
    ticket = await Ticket.get(pk=decided.ticket_id)
    assert (opened["ticket"]["id"], ticket.status) == (
        encode("Ticket", ticket.pk),
        TicketStatus.SOLVED,
    )


async def test_nobody_disputes_an_invoice_of_another_company(scenario: Scenario) -> None:
    invoice = encode("Invoice", scenario.dataset.marie.row(Invoice).pk)
    payload = await scenario.mutate(
        scenario.owner,
        "invoiceDispute",
        invoiceId=invoice,
        reason="PRICE",
        body="-",
        idempotencyKey="k",
    )
    assert payload["userErrors"] == [{"code": "NOT_FOUND"}]
    assert not await Dispute.exists()


DISPUTES = """query($f: DisputeFilter, $o: DisputeOrder) { disputes(filter: $f, orderBy: $o) {
    nodes { id status account { legalName } invoice { number } ticket { subject } } } }"""


async def test_p3_2_operators_list_the_open_disputes_of_all_companies(
    scenario: Scenario, execute: "Execute", clock: "MovableClock"
) -> None:
    first = (await dispute(scenario))["dispute"]
    clock.advance(timedelta(days=1))
    marie = scenario.dataset.marie
    invoice = encode("Invoice", marie.row(Invoice).pk)
    fields = {"invoiceId": invoice, "reason": "PRICE", "body": "-", "idempotencyKey": "m"}
    second = (await scenario.mutate(marie.owner, "invoiceDispute", DISPUTE, **fields))["dispute"]
    operator = await operator_viewer(scenario)

    async def listed(viewer: Viewer, **variables: Any) -> list[str]:
        response = await execute(viewer, DISPUTES, **variables)
        nodes = response["data"]["disputes"]["nodes"]
        assert all(node["ticket"]["subject"] and node["invoice"]["number"] for node in nodes)
        return [node["id"] for node in nodes]

    is_open = {"status": {"eq": "OPEN"}}
    newest = {"field": "CREATED_AT", "direction": "DESC"}
    assert await listed(operator, f=is_open) == [first["id"], second["id"]]
    assert await listed(operator, o=newest) == [second["id"], first["id"]]
    since = (clock.now() - timedelta(hours=1)).isoformat()
    assert await listed(operator, f={"createdAt": {"gte": since}}) == [second["id"]]
    agent = await agent_viewer(scenario)
    await scenario.mutate(agent, "disputeReject", disputeId=first["id"], reason="Juste.")
    assert await listed(agent, f=is_open) == [second["id"]]
    for viewer in (scenario.owner, Viewer()):
        assert (await execute(viewer, DISPUTES))["data"] == {"disputes": None}


CONTEXT = """
query($ticket: ID!) { node(id: $ticket) { ... on Ticket { subject account {
  legalName balance { amountCents }
  purchases(first: 20) { nodes { status payments { status amount { amountCents } declineCode
    refunds { status } } invoices { number state openAmount { amountCents }
    creditNotes { number } } } }
  tickets(first: 20) { nodes { number status } } disputes { status } } } } }
"""


async def test_p2_5_an_agent_sees_everything_in_one_query_and_grants_access(
    scenario: Scenario, execute: "Execute", engine: Engine
) -> None:
    payment = scenario.dataset.paul.row(Payment)
    payload = await scenario.mutate(
        scenario.owner,
        "paymentReportNoAccess",
        "ticket { id }",
        paymentId=encode("Payment", payment.pk),
        body="Payé, mais rien ne s’ouvre.",
        idempotencyKey="k",
    )
    ticket_id = payload["ticket"]["id"]
    message = await Message.all().order_by("-id").first()
    assert message is not None
    invoice = scenario.dataset.paul.row(Invoice)
    assert invoice.number in message.body
    assert str(payment.purchase_id) in message.body
    agent = await agent_viewer(scenario)
    response = await execute(agent, CONTEXT, ticket=ticket_id)
    cost = response["extensions"]["cost"]["requested"]
    assert cost < 10_000 / 2  # half of an agent's limit
    account = response["data"]["node"]["account"]
    assert account["purchases"]["nodes"][0]["invoices"][0]["state"] == "PAID"
    await Purchase.filter(pk=payment.purchase_id).update(
        status=PurchaseStatus.SUSPENDED,
        suspended_at=scenario.action.at,
        anchor=date(2026, 7, 5),
        next_period_index=1,
        bills_on=date(2026, 8, 5),
    )
    granted = await scenario.mutate(
        agent,
        "purchaseGrantAccess",
        "purchase { status billsOn }",
        purchaseId=encode("Purchase", payment.purchase_id),
        reason="PROVIDER_ERROR",
    )
    # The periods that passed entirely meanwhile are never billed.
    assert granted["purchase"] == {"status": "ACTIVE", "billsOn": "2026-11-05"}
