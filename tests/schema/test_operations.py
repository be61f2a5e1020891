"""Edge cases of the main use cases in the GraphQL API: buying, asking for help, and operating the
service.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from models.action import Action
from models.billing.offer import Price
from models.clock import SystemClock
from models.identity.user import Staff
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from resolvers.context import Context, Services
from resolvers.ids import encode
from support.assignment import claim
from tests.people import create_staff_viewer
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from engine import Engine

Execute = Callable[..., Awaitable[dict[str, Any]]]
PAYMENT = "payment { status declineCode } purchase { id status } userErrors { code field message }"


async def mutate(
    execute: Execute, viewer: Viewer, name: str, kind: str, selection: str, **input_fields: Any
) -> dict[str, Any]:
    """The payload of one mutation."""
    response = await execute(
        viewer, f"mutation($i: {kind}!) {{ {name}(input: $i) {{ {selection} }} }}", i=input_fields
    )
    assert "errors" not in response, response
    return dict(response["data"][name])


async def draft_purchase(
    execute: Execute, viewer: Viewer, price: Price, key: str
) -> dict[str, Any]:
    input_fields = {"priceId": encode("Price", price.pk), "idempotencyKey": key}
    return await mutate(
        execute,
        viewer,
        "purchaseDraft",
        "PurchaseDraftInput",
        "purchase { id status } userErrors { code }",
        **input_fields,
    )


async def confirm_billing(
    execute: Execute, viewer: Viewer, purchase: str, **input_fields: Any
) -> dict[str, Any]:
    billing_address = {"street": "3 rue du Four", "postalCode": "69001", "city": "Lyon"}
    billing_address |= {
        name: input_fields.pop(name)
        for name in ("country", "city", "street")
        if name in input_fields
    }
    input_fields |= {"purchaseId": purchase, "billingAddress": billing_address}
    selection = (
        "purchase { status billingAddress { street country } orderNumber } userErrors { code field "
        "}"
    )
    return await mutate(
        execute,
        viewer,
        "purchaseConfirmBilling",
        "PurchaseConfirmBillingInput",
        selection,
        **input_fields,
    )


async def pay(
    execute: Execute, viewer: Viewer, purchase: str, method: str, key: str
) -> dict[str, Any]:
    input_fields = {"purchaseId": purchase, "paymentMethod": method, "idempotencyKey": key}
    return await mutate(execute, viewer, "purchasePay", "PurchasePayInput", PAYMENT, **input_fields)


async def test_a_purchase_survives_invalid_input(
    execute: Execute, dataset: Dataset, price: Price
) -> None:
    """P2.2: resumable and idempotent. P2.3: an unknown payment method is reported, again on each
    repeat.
    """
    owner = dataset.paul.owner
    purchase = (await draft_purchase(execute, owner, price, "one"))["purchase"]["id"]
    assert (await draft_purchase(execute, owner, price, "one"))["purchase"]["id"] == purchase
    early_payment = await pay(execute, owner, purchase, "pm_sandbox_success", "early")
    assert early_payment["userErrors"][0]["code"] == "TRANSITION_ILLEGAL"
    assert (
        early_payment["userErrors"][0]["message"]
        == "Confirmez vos informations de facturation avant de payer."
    )
    for invalid_fields, code in (
        ({"country": "ZZ"}, "VALUE_INVALID"),
        ({"city": "  "}, "BLANK"),
        ({"street": "x" * 201}, "TOO_LONG"),
        ({"street": "4242 4242 4242 4242"}, "CARD_NUMBER"),
    ):
        (error,) = (await confirm_billing(execute, owner, purchase, **invalid_fields))["userErrors"]
        assert error == {"code": code, "field": ["input", "billingAddress", *invalid_fields]}
    # It is printed on invoices, so it is refused instead of being changed.
    card = "PO 4242-4242-4242-4242"
    (error,) = (await confirm_billing(execute, owner, purchase, orderNumber=card))["userErrors"]
    assert error == {"code": "CARD_NUMBER", "field": ["input", "orderNumber"]}
    reference = "RF97 4242 4242 4242 4242"
    confirmation = await confirm_billing(execute, owner, purchase, orderNumber=reference)
    assert confirmation["purchase"] == {
        "status": "BILLING_CONFIRMED",
        "billingAddress": {"street": "3 rue du Four", "country": "FR"},
        "orderNumber": reference,
    }
    declined_payment = await pay(execute, owner, purchase, "pm_unheard_of", "u")
    assert declined_payment == await pay(execute, owner, purchase, "pm_unheard_of", "u")
    assert (declined_payment["payment"]["status"], declined_payment["userErrors"][0]["code"]) == (
        "DECLINED",
        "VALUE_INVALID",
    )
    mismatched_payment = await pay(execute, owner, purchase, "pm_sandbox_success", "u")
    assert mismatched_payment["userErrors"][0]["code"] == "IDEMPOTENCY_MISMATCH"
    accepted_payment = await pay(execute, owner, purchase, "pm_sandbox_success", "v")
    assert (accepted_payment["payment"]["status"], accepted_payment["purchase"]["status"]) == (
        "SUCCEEDED",
        "ACTIVE",
    )
    late_confirmation = await confirm_billing(execute, owner, purchase)
    assert late_confirmation["userErrors"][0]["code"] == "TRANSITION_ILLEGAL"


async def test_a_payment_waits_for_the_bank_and_is_checked_again(
    execute: Execute, dataset: Dataset, price: Price, services: Services
) -> None:
    """P2.3: the states of strong customer authentication are visible."""
    owner = dataset.paul.owner
    purchase = (await draft_purchase(execute, owner, price, "sca"))["purchase"]["id"]
    await confirm_billing(execute, owner, purchase)
    pending_payment = await pay(execute, owner, purchase, "pm_sandbox_confirmation", "s")
    assert (pending_payment["payment"]["status"], pending_payment["purchase"]["status"]) == (
        "REQUIRES_ACTION",
        "PAYMENT_PENDING",
    )
    result = await execute(
        owner,
        "query($id: ID!) { node(id: $id) { ... on Purchase { payments { id confirmationUrl } } } }",
        id=purchase,
    )
    (payment,) = result["data"]["node"]["payments"]
    await services.gateway.decide(payment["confirmationUrl"].rpartition("/")[2], is_approved=False)  # type: ignore[attr-defined] # the sandbox
    refused_response = await mutate(
        execute, owner, "paymentRefresh", "PaymentRefreshInput", PAYMENT, paymentId=payment["id"]
    )
    assert (refused_response["payment"]["status"], refused_response["purchase"]["status"]) == (
        "DECLINED",
        "BILLING_CONFIRMED",
    )
    assert refused_response["userErrors"][0]["code"] == "PAYMENT_DECLINED"


async def test_a_price_that_is_no_longer_sold_cannot_be_bought(
    execute: Execute, dataset: Dataset, price: Price, action: Action
) -> None:
    """P2.1: versions of prices."""
    await Price.filter(pk=price.pk).update(valid_until=action.at)
    assert (await draft_purchase(execute, dataset.paul.owner, price, "late"))["userErrors"][0][
        "code"
    ] == "NOT_FOUND"


async def test_a_ticket_is_opened_once_by_chat_or_web(execute: Execute, dataset: Dataset) -> None:
    """P5.1, P5.8: phone calls and emails become tickets in other ways."""
    input_fields = {
        "subject": "Lenteur",
        "body": "Tout est lent",
        "category": "PERFORMANCE",
        "idempotencyKey": "k",
    }
    selection = "ticket { id channel category } userErrors { code field }"
    first = await mutate(
        execute, dataset.paul.owner, "ticketOpen", "TicketOpenInput", selection, **input_fields
    )
    assert first == await mutate(
        execute, dataset.paul.owner, "ticketOpen", "TicketOpenInput", selection, **input_fields
    )
    assert first["ticket"]["channel"] == "WEB"
    for invalid_fields, code in (
        ({"channel": "PHONE"}, "VALUE_INVALID"),
        ({"subject": " "}, "BLANK"),
        ({"body": "x" * 8_001}, "TOO_LONG"),
        ({"body": "Autre"}, "IDEMPOTENCY_MISMATCH"),
        ({"idempotencyKey": "a\nb"}, "VALUE_INVALID"),
    ):
        payload = await mutate(
            execute,
            dataset.paul.owner,
            "ticketOpen",
            "TicketOpenInput",
            selection,
            **{**input_fields, **invalid_fields},
        )
        assert payload["userErrors"][0]["code"] == code


async def test_a_ticket_on_hold_appears_open_to_the_customer(
    execute: Execute, dataset: Dataset, action: Action
) -> None:
    """P5.3: the ON_HOLD status is internal to the vendor."""
    ticket = dataset.paul.row(Ticket)
    await claim(action, ticket, dataset.alice.user)  # type: ignore[arg-type] # she is signed in
    await mutate(
        execute,
        dataset.alice,
        "ticketMove",
        "TicketMoveInput",
        "ticket { status }",
        ticketId=dataset.paul.id(Ticket),
        status="ON_HOLD",
    )
    tickets_query = """query($s: [TicketStatus!], $a: Boolean) {
        tickets(filter: {status: {in: $s}, assigned: $a}) { nodes { status assignee { name
        email } } } }"""
    customer_tickets = (await execute(dataset.paul.owner, tickets_query, s=["OPEN"]))["data"][
        "tickets"
    ]["nodes"]
    assert customer_tickets == [{"status": "OPEN", "assignee": {"name": "Alice", "email": None}}]
    assert (await execute(dataset.paul.owner, tickets_query, s=["ON_HOLD"]))["data"]["tickets"][
        "nodes"
    ] == []
    agent_tickets = (await execute(dataset.alice, tickets_query, s=["ON_HOLD"], a=True))["data"][
        "tickets"
    ]["nodes"]
    assert agent_tickets == [
        {"status": "ON_HOLD", "assignee": {"name": "Alice", "email": "alice@camcha.example"}}
    ]
    unassigned_tickets = (await execute(dataset.alice, tickets_query, a=False))["data"]["tickets"][
        "nodes"
    ]
    assert [ticket["assignee"] for ticket in unassigned_tickets] == [None]


async def test_an_invalid_transition_lists_the_valid_ones(
    execute: Execute, dataset: Dataset
) -> None:
    """P5.2, P6.2: a closed ticket stays closed."""
    ticket = dataset.paul.id(Ticket)
    close_payload = await mutate(
        execute,
        dataset.paul.owner,
        "ticketClose",
        "TicketCloseInput",
        "ticket { status closedAt }",
        ticketId=ticket,
    )
    assert close_payload["ticket"]["status"] == TicketStatus.CLOSED.value
    move_payload = await mutate(
        execute,
        dataset.alice,
        "ticketMove",
        "TicketMoveInput",
        "userErrors { code message }",
        ticketId=ticket,
        status="OPEN",
    )
    assert move_payload["userErrors"][0]["code"] == "TRANSITION_ILLEGAL"
    reply_payload = await mutate(
        execute,
        dataset.paul.owner,
        "ticketReply",
        "TicketReplyInput",
        "ticket { follows { id } lastSequence } userErrors { code }",
        ticketId=ticket,
        body="Encore moi",
        clientMessageId="after",
    )
    assert reply_payload["ticket"]["follows"]["id"] == ticket
    claim_payload = await mutate(
        execute,
        dataset.paul.owner,
        "ticketReply",
        "TicketReplyInput",
        "userErrors { code }",
        ticketId=ticket,
        body="x",
        clientMessageId="file",
        fileIds=[ticket],
    )
    assert claim_payload["userErrors"] == [{"code": "NOT_FOUND"}]


async def test_operators_verify_the_invoice_numbering(
    execute: Execute, dataset: Dataset, action: Action
) -> None:
    """P6.4: only operators may verify it."""
    oscar = await create_staff_viewer(action, "Oscar", Staff.OPERATOR)
    result = await execute(oscar, "{ invoiceNumbering { issuedCount errors } }")
    assert result["data"]["invoiceNumbering"] == {"issuedCount": 2, "errors": []}
    refused_response = await execute(dataset.alice, "{ invoiceNumbering { issuedCount } }")
    assert refused_response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize(
    ("demonstration", "seconds", "code"),
    [(False, 60, "NOT_ACTIVE"), (True, 0, "VALUE_INVALID"), (True, 86_400, None)],
)
async def test_the_clock_can_be_advanced_only_in_a_demonstration(
    db: str,
    action: Action,
    engine: "Engine",
    services: Services,
    demonstration: bool,
    seconds: int,
    code: str | None,
) -> None:
    from engine import Params

    clock = SystemClock()
    oscar = await create_staff_viewer(action, "Oscar", Staff.OPERATOR)
    context = Context(oscar, replace(services, clock=clock, demonstration=demonstration))
    mutation = (
        "mutation($s: Int!) { clockAdvance(input: {seconds: $s}) { now userErrors { code } } }"
    )
    response = await engine.execute(
        engine.prepare(Params(mutation, variables={"s": seconds})), context
    )
    errors = [error["code"] for error in response["data"]["clockAdvance"]["userErrors"]]
    assert errors == ([code] if code else [])
    assert clock.offset.total_seconds() == (0 if code else seconds)
