"""What customers and operators see of the delivery of invoices, and corrections, over GraphQL."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from billing import checkout
from billing.delivery.collections import report_due
from billing.delivery.sending import deliver_due
from billing.delivery.statuses import read_statuses
from billing.document_requests import render_due
from engine import Engine
from models.action import Action
from models.billing.delivery import DeliveryChannel, InvoiceDelivery
from models.billing.invoice import Invoice, InvoiceLine
from models.billing.offer import Price
from models.billing.platform_status import PlatformStatusCode
from models.billing.purchase import Purchase
from resolvers.context import Services
from resolvers.ids import encode
from settings import read_settings
from tests.billing.delivery.conftest import platform_server as platform_server
from tests.billing.delivery.conftest import running_platform as running_platform
from tests.billing.delivery.platform_server import PlatformServer
from tests.schema.audited_fixtures import Scenario, agent_viewer, operator_viewer
from tests.schema.conftest import Dataset
from worker import jobs

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

DELIVERY = """
    channel state status statusAt reasonCode reason error
    statuses { status number reasonCode } collectionReports { state amount { amountCents } }
    invoice { number disputes { status reason } } invoiceNumber
"""


@pytest.fixture
def scenario(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Scenario:
    return Scenario(dataset, services, engine, price, action)


async def buy(scenario: Scenario) -> Invoice:
    """An invoice of Paul's company whose delivery through the platform has begun."""
    invoice = await issue(scenario)
    signer = scenario.services.auth.signer
    await render_due(scenario.action, signer, channel=DeliveryChannel.PLATFORM)
    return invoice


async def issue(scenario: Scenario) -> Invoice:
    """An invoice of Paul's company, without its document."""
    services, company = scenario.services, scenario.dataset.paul
    assert company.owner.user is not None
    purchase = await checkout.draft(
        scenario.action, company.account, company.owner.user, scenario.price, "platform"
    )
    address = {"street": "1 rue X", "postal_code": "75001", "city": "Paris", "country": "FR"}
    purchase = await purchase.confirm_billing(scenario.action, address, None)
    checkout_services = services.checkout
    await checkout.pay(
        scenario.action, checkout_services, purchase, "pm_sandbox_success", "platform"
    )
    return await Invoice.get(purchase_id=(await Purchase.get(pk=purchase.pk)).pk)


async def test_p2_4_a_customer_follows_an_invoice_that_the_platform_delivers(
    scenario: Scenario, execute: "Execute", platform_server: PlatformServer
) -> None:
    invoice, platform = await buy(scenario), platform_server.client()
    query = f"query ($n: String!) {{ invoice(number: $n) {{ delivery {{ {DELIVERY} }} }} }}"

    async def seen() -> dict[str, Any]:
        answer = await execute(scenario.owner, query, n=invoice.number)
        return dict(answer["data"]["invoice"]["delivery"])

    assert (await seen())["state"] == "WAITING"
    await deliver_due(scenario.action, platform)
    platform_server.acknowledge(platform_server.flows[0], "Ok")
    platform_server.set_status(invoice.number, 203)
    platform_server.set_status(invoice.number, 207, "QTE_ERR", "Deux postes seulement")
    await read_statuses(scenario.action, platform)
    await report_due(scenario.action, platform)
    delivery = await seen()
    assert (delivery["channel"], delivery["state"], delivery["status"]) == (
        "PLATFORM",
        "SENT",
        "DISPUTED",
    )
    assert [each["number"] for each in delivery["statuses"]] == [212, 200, 203, 207]
    assert (delivery["reasonCode"], delivery["reason"]) == ("QTE_ERR", "Deux postes seulement")
    assert delivery["collectionReports"] == []  # for the staff
    assert delivery["invoice"]["disputes"] == [{"status": "OPEN", "reason": "QUANTITY"}]
    staff = await execute(await agent_viewer(scenario), query, n=invoice.number)
    reports = staff["data"]["invoice"]["delivery"]["collectionReports"]
    assert reports == [{"state": "SENT", "amount": {"amountCents": invoice.gross_cents}}]


async def test_the_jobs_of_a_server_deliver_through_its_platform(
    scenario: Scenario, platform_server: PlatformServer
) -> None:
    invoice = await issue(scenario)
    services = replace(scenario.services, platform=platform_server.client())
    unused: Any = None
    timetable = {job.name: job for job in jobs(services, read_settings({}), unused, unused)}

    async def run(*names: str) -> None:
        for name in names:
            await timetable[name].work()

    await run("documents", "invoice deliveries")
    platform_server.set_status(invoice.number, 205)
    await run("platform statuses", "collection reports")
    delivery = await InvoiceDelivery.get(invoice_id=invoice.pk)
    assert delivery.status is PlatformStatusCode.APPROVED
    assert len(platform_server.reports()) == 1


async def test_an_operator_finds_what_failed_and_repeats_it(
    scenario: Scenario, execute: "Execute", platform_server: PlatformServer
) -> None:
    invoice, platform = await buy(scenario), platform_server.client()
    platform_server.answers = [413]
    await deliver_due(scenario.action, platform)
    operator = await operator_viewer(scenario)
    query = f"""query ($f: InvoiceDeliveryFilter) {{
        invoiceDeliveries(filter: $f) {{ nodes {{ id {DELIVERY} }} }} }}"""

    async def found(**conditions: Any) -> list[dict[str, Any]]:
        answer = await execute(operator, query, f=conditions)
        return list(answer["data"]["invoiceDeliveries"]["nodes"])

    [failed] = await found(state={"eq": "FAILED"})
    assert (failed["invoiceNumber"], failed["error"], failed["invoice"]) == (
        invoice.number,
        "REFUSED-413",
        None,
    )
    payload = await scenario.mutate(
        operator,
        "invoiceDeliveryRetry",
        "invoiceDelivery { state }",
        invoiceDeliveryId=failed["id"],
    )
    assert payload == {"invoiceDelivery": {"state": "WAITING"}, "userErrors": []}
    await deliver_due(scenario.action, platform)
    platform_server.answers = [422]
    await report_due(scenario.action, platform)
    assert await found(state={"eq": "FAILED"}) == []
    [refused] = await found(reportState={"eq": "FAILED"})
    assert refused["id"] == failed["id"]
    assert await found(status={"eq": "REFUSED"}) == []
    # A routing error is found although a payment was reported before.
    await scenario.mutate(
        operator,
        "invoiceDeliveryRetry",
        "invoiceDelivery { state }",
        invoiceDeliveryId=failed["id"],
    )
    await report_due(scenario.action, platform)
    platform_server.set_status(invoice.number, 221)
    await read_statuses(scenario.action, platform)
    [unreached] = await found(status={"eq": "ROUTING_ERROR"})
    assert unreached["id"] == failed["id"]
    assert [each["number"] for each in unreached["statuses"]] == [212, 221]


CORRECT = """
    correctiveInvoice { number type gross { amountCents } original { number } state }
    invoice { number state correctiveInvoice { number } }
"""


async def test_p2_4_an_agent_previews_and_issues_a_corrective_invoice(
    scenario: Scenario, execute: "Execute"
) -> None:
    invoice = scenario.dataset.paul.row(Invoice)
    line = await InvoiceLine.filter(invoice_id=invoice.pk).first()
    assert line is not None
    agent = await agent_viewer(scenario)
    query = """query ($i: ID!, $l: [InvoiceCorrectLineInput!]) {
        invoiceCorrectionPreview(invoiceId: $i, lines: $l) {
            lines { label } gross { amountCents } reduction { amountCents }
            surplus { amountCents } open { amountCents } vatByRate { rate } } }"""
    lines = [{"lineId": encode("InvoiceLine", line.pk), "unitNetCents": line.unit_net_cents - 100}]
    invoice_id = encode("Invoice", invoice.pk)
    answer = await execute(agent, query, i=invoice_id, l=lines)
    operator = await operator_viewer(scenario)
    assert answer["data"] == (await execute(operator, query, i=invoice_id, l=lines))["data"]
    preview = answer["data"]["invoiceCorrectionPreview"]
    assert preview["reduction"] == preview["surplus"] == {"amountCents": 120 * line.quantity}
    assert await Invoice.filter(original_id=invoice.pk).count() == 0
    arguments = {"invoiceId": invoice_id, "lines": lines, "reason": "Prix", "idempotencyKey": "k"}
    refused = await scenario.mutate(agent, "invoiceCorrect", CORRECT, **arguments)
    assert refused["userErrors"] == [{"code": "REFUND_REQUIRED"}]
    payload = await scenario.mutate(agent, "invoiceCorrect", CORRECT, **arguments, refund="BALANCE")
    assert payload["userErrors"] == []
    corrective = payload["correctiveInvoice"]
    assert corrective["gross"] == preview["gross"]
    assert (corrective["type"], corrective["state"], corrective["original"]["number"]) == (
        "CORRECTIVE_INVOICE",
        "PAID",
        invoice.number,
    )
    assert payload["invoice"] == {
        "number": invoice.number,
        "state": "CREDITED",
        "correctiveInvoice": {"number": corrective["number"]},
    }
    again = await execute(agent, query, i=invoice_id, l=lines)
    assert again["errors"][0]["extensions"]["code"] == "NOT_CORRECTABLE"
    hidden = await execute(agent, query, i="bad")
    assert hidden["data"]["invoiceCorrectionPreview"] is None


async def test_a_correction_settles_the_dispute_of_the_invoice(
    scenario: Scenario, execute: "Execute"
) -> None:
    invoice_id = encode("Invoice", scenario.dataset.paul.row(Invoice).pk)
    disputed = await scenario.mutate(
        scenario.owner,
        "invoiceDispute",
        "dispute { id }",
        invoiceId=invoice_id,
        reason="ORDER",
        body="Le numéro de commande manque.",
        idempotencyKey="k",
    )
    corrected = await scenario.mutate(
        await agent_viewer(scenario),
        "invoiceCorrect",
        CORRECT,
        invoiceId=invoice_id,
        orderNumber="PO 2026",
        reason="Numéro de commande",
        idempotencyKey="k",
    )
    assert corrected["userErrors"] == []
    query = """query ($i: ID!) { node(id: $i) { ... on Dispute { status creditNote { number }
        ticket { status messages(last: 1) { nodes { body } } } } } }"""
    answer = await execute(replace(scenario.owner), query, i=disputed["dispute"]["id"])
    dispute = answer["data"]["node"]
    number = corrected["correctiveInvoice"]["number"]
    assert (dispute["status"], dispute["creditNote"]["number"]) == ("ACCEPTED", number)
    assert number in dispute["ticket"]["messages"]["nodes"][0]["body"]
    assert dispute["ticket"]["status"] == "SOLVED"
