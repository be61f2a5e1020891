"""Invoices go to the platform once, their statuses come back, and payments are reported."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from billing.bank.transfer import pay_by_transfer
from billing.credit_notes import CreditRequest, credit_invoice
from billing.delivery.collections import report_due
from billing.delivery.platform import Platform
from billing.delivery.sending import deliver_due, retry_delivery
from billing.delivery.statuses import read_statuses
from billing.disputes import accept_dispute, reject_dispute
from billing.document_requests import render_due
from billing.settlement import apply_payment, lock_for_settlement, reverse_payment
from models.accounts.account import Membership
from models.action import Action
from models.audit import AuditEntry
from models.billing.delivery import (
    CollectionReport,
    DeliveryChannel,
    DeliveryState,
    InvoiceDelivery,
    PlatformCursor,
    PlatformStatus,
)
from models.billing.dispute import Dispute, DisputeReason
from models.billing.invoice import Invoice, InvoiceDocument
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.platform_status import PlatformStatusCode
from models.billing.receivable import Receivable
from models.billing.refund import RefundDestination
from models.errors import Refusal
from models.event import Event, EventKind
from models.identity.user import Staff
from models.support.message import Message
from models.support.ticket import Ticket
from tests.billing.delivery.platform_server import PlatformServer
from tests.billing.purchase_fixtures import Shop
from tests.people import create_staff


@pytest.fixture
def platform(platform_server: PlatformServer) -> Platform:
    return platform_server.client()


def later(action: Action, **duration: float) -> Action:
    return replace(action, at=action.at + timedelta(**duration))


async def bought(shop: Shop, action: Action, key: str = "1") -> Invoice:
    """A paid invoice whose delivery has begun."""
    await shop.buy(action, key)
    await render_due(action, shop.services.signer, channel=DeliveryChannel.PLATFORM)
    return await Invoice.get()


async def unpaid(shop: Shop, action: Action) -> Invoice:
    """An unpaid invoice at the platform."""
    purchase = await shop.confirmed_purchase(action, "1")
    invoice = await pay_by_transfer(action, shop.services, purchase, "transfer")
    await render_due(action, shop.services.signer, channel=DeliveryChannel.PLATFORM)
    return invoice


async def delivery() -> InvoiceDelivery:
    return await InvoiceDelivery.get()


async def pay(action: Action, invoice: Invoice, cents: int) -> Payment:
    """Record money that came in for an invoice."""
    payment = await Payment.create(
        account_id=invoice.account_id,
        kind=PaymentKind.TRANSFER,
        status=PaymentStatus.SUCCEEDED,
        amount_cents=cents,
        method="transfer",
        provider="bank",
        created_at=action.at,
    )
    async with action.transaction() as tx:
        await lock_for_settlement(tx, invoice.account_id)
        payment = await tx.lock(Payment, payment.pk)
        await apply_payment(tx, payment, [(invoice.pk, None)])
    return payment


async def test_p2_4_an_invoice_is_one_flow_with_the_document_and_its_fingerprint(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    assert (await delivery()).state is DeliveryState.WAITING
    counts = await asyncio.gather(*(deliver_due(action, platform) for _ in range(3)))
    assert sum(counts) == 1
    [flow] = platform_server.invoices()
    document = await InvoiceDocument.get(invoice_id=invoice.pk)
    assert flow.content == document.pdf
    assert flow.content_type == "application/pdf"
    expected = {
        "trackingId": invoice.number,
        "name": f"{invoice.number}.pdf",
        "flowSyntax": "Factur-X",
        "flowProfile": "CIUS",
        "processingRule": "B2B",
        "sha256": document.sha256,
    }
    assert flow.values | expected == flow.values
    row = await delivery()
    assert (row.state, row.flow_id, row.error) == (DeliveryState.SENT, "flow-1", None)
    assert await Event.filter(kind=EventKind.INVOICE_DELIVERY_CHANGED, status="SENT").count() == 1
    assert await deliver_due(later(action, days=1), platform) == 0
    await CollectionReport.all().delete()
    with pytest.raises(Refusal, match="TRANSITION_ILLEGAL"):
        await retry_delivery(action, row)


async def test_without_a_platform_an_invoice_is_delivered_by_the_emails(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1")
    await render_due(action, shop.services.signer)
    row = await delivery()
    assert (row.channel, row.state) == (DeliveryChannel.MAIL, DeliveryState.SENT)
    assert await deliver_due(action, None) == await read_statuses(action, None) == 0
    assert await report_due(action, None) == 0
    assert await CollectionReport.all().count() == 0


async def test_a_lost_answer_or_an_absent_platform_never_makes_two_flows(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    await bought(shop, action)
    platform_server.is_down = True
    assert await deliver_due(action, platform) == 0
    row = await delivery()
    assert (row.state, row.error, row.attempts) == (DeliveryState.WAITING, "token status 401", 1)
    assert await deliver_due(action, platform) == 0  # not before the pause is over
    platform_server.is_down = False
    platform_server.answers = [504, 500]
    assert await deliver_due(later(action, minutes=3), platform) == 0
    platform_server.tokens = set()  # the platform forgets our token meanwhile
    assert await deliver_due(later(action, minutes=10), platform) == 1
    assert len(platform_server.invoices()) == 1
    assert (await delivery()).flow_id == "flow-1"
    assert platform_server.token_count == 2


async def test_an_operator_repeats_what_the_platform_refused(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    await bought(shop, action)
    platform_server.answers = [422]
    assert await deliver_due(action, platform) == 0
    row = await delivery()
    assert (row.state, row.error) == (DeliveryState.FAILED, "REFUSED-422")
    assert await deliver_due(later(action, days=1), platform) == 0
    await retry_delivery(later(action, days=1), row)
    assert await deliver_due(later(action, days=1), platform) == 1
    assert await AuditEntry.filter(action="invoice.delivery_retry").count() == 1
    # It was accepted, but turns out to be no use: the next retry makes another flow.
    platform_server.acknowledge(platform_server.flows[0], "Error", "EmptyAttachement", "vide")
    assert await read_statuses(later(action, days=1), platform) == 1
    row = await delivery()
    assert (row.state, row.status) == (DeliveryState.FAILED, PlatformStatusCode.REJECTED)
    assert (row.reason_code, row.reason, row.error) == (
        "EmptyAttachement",
        "vide",
        "EmptyAttachement",
    )
    await retry_delivery(later(action, days=1), row)
    assert await deliver_due(later(action, days=1), platform) == 1
    assert [flow.values["flowId"] for flow in platform_server.invoices()] == ["flow-1", "flow-2"]
    row = await delivery()
    assert (row.state, row.flow_id, row.status) == (DeliveryState.SENT, "flow-2", None)


async def test_statuses_come_late_twice_and_in_any_order(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    platform_server.acknowledge(platform_server.flows[0], "Ok")
    platform_server.set_status(invoice.number, 203)
    platform_server.set_status(invoice.number, 202)
    twice = platform_server.set_status(invoice.number, 205)
    platform_server.set_status("FA-2026-999999", 205)  # another seller's
    platform_server.set_status(invoice.number, 224)  # of no concern
    platform_server.set_status(invoice.number, 205, content=b"<broken")
    assert await read_statuses(action, platform) == 4
    twice.values["updatedAt"] = platform_server._next_moment()
    assert await read_statuses(later(action, minutes=1), platform) == 0
    assert (await delivery()).status is PlatformStatusCode.APPROVED
    codes = [each.status.number for each in await PlatformStatus.all().order_by("id")]
    assert codes == [200, 203, 202, 205]
    events = await Event.filter(kind=EventKind.INVOICE_DELIVERY_CHANGED).order_by("sequence")
    assert [each.status for each in events] == ["SENT", "DEPOSITED", "AVAILABLE", "APPROVED"]


async def test_reading_goes_on_after_an_outage_and_over_many_pages(
    shop: Shop,
    action: Action,
    platform_server: PlatformServer,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    for _ in range(3):
        platform_server.set_status(invoice.number, 204)
    platform_server.is_down = True
    assert await read_statuses(action, platform) == 0
    platform_server.is_down = False
    monkeypatch.setattr("billing.delivery.platform.PAGE_SIZE", 2)
    monkeypatch.setattr("billing.delivery.statuses.PAGE_SIZE", 2)
    counts = await asyncio.gather(*(read_statuses(action, platform) for _ in range(2)))
    assert sum(counts) == 3
    assert (await delivery()).status is PlatformStatusCode.TAKEN_OVER


async def test_a_status_that_fails_is_read_again_and_keeps_no_other_from_being_read(
    shop: Shop,
    action: Action,
    platform_server: PlatformServer,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    platform_server.set_status(invoice.number, 207, "AUTRE")
    platform_server.set_status(invoice.number, 203)
    with monkeypatch.context() as patch:
        patch.setattr("billing.delivery.statuses.billing_contacts", None)
        assert await read_statuses(action, platform) == 1
    assert (await delivery()).status is PlatformStatusCode.AVAILABLE
    assert await read_statuses(later(action, hours=1), platform) == 1
    assert (await delivery()).status is PlatformStatusCode.DISPUTED


async def test_a_message_about_several_invoices_is_applied_to_each(
    shop: Shop,
    action: Action,
    platform_server: PlatformServer,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If one of them fails, the message is read again until it has been applied to both."""
    for key in ("1", "2"):
        await shop.buy(action, key)
    await render_due(action, shop.services.signer, channel=DeliveryChannel.PLATFORM)
    await deliver_due(action, platform)
    first, second = await Invoice.all().order_by("id")
    platform_server.set_status(first.number, 203, others=[(second.number, 207)])
    with monkeypatch.context() as patch:
        patch.setattr("billing.delivery.statuses.billing_contacts", None)
        assert await read_statuses(action, platform) == 0
    assert await read_statuses(later(action, minutes=1), platform) == 1
    deliveries = await InvoiceDelivery.all().order_by("id")
    assert [each.status for each in deliveries] == [
        PlatformStatusCode.AVAILABLE,
        PlatformStatusCode.DISPUTED,
    ]
    assert await read_statuses(later(action, minutes=2), platform) == 0


@pytest.mark.parametrize("answer", [404, 500])
async def test_a_message_that_the_platform_does_not_give_keeps_no_other_from_being_read(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform, answer: int
) -> None:
    """It is requested again for a day, during which the platform answers."""
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    missing = platform_server.set_status(invoice.number, 202).values["flowId"]
    platform_server.content_answers[missing] = answer
    platform_server.set_status(invoice.number, 203)
    assert await read_statuses(action, platform) == 1
    assert (await delivery()).status is PlatformStatusCode.AVAILABLE
    platform_server.is_down = True
    assert await read_statuses(later(action, hours=1), platform) == 0
    platform_server.is_down = False
    for days in (3, 3.9):
        assert await read_statuses(later(action, days=days), platform) == 0
    del platform_server.content_answers[missing]
    assert await read_statuses(later(action, days=3.95), platform) == 1
    assert await PlatformStatus.filter(status=PlatformStatusCode.RECEIVED).count() == 1


async def test_a_message_that_the_platform_never_gives_is_given_up_after_a_day(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    for _ in range(2):
        missing = platform_server.set_status(invoice.number, 202).values["flowId"]
        platform_server.content_answers[missing] = 404
        last = platform_server.set_status(invoice.number, 203).values["updatedAt"]
    for hours in (0, 23, 25, 48):
        await read_statuses(later(action, hours=hours), platform)
        assert (await PlatformCursor.get()).updated_after.isoformat() < last
    await read_statuses(later(action, hours=50), platform)
    cursor = await PlatformCursor.get()
    assert (cursor.updated_after.isoformat(), cursor.failing_since) == (last, None)


async def test_a_platform_that_gives_no_content_is_down(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    flows = [platform_server.set_status(invoice.number, 204) for _ in range(4)]
    platform_server.content_answers = {flow.values["flowId"]: 503 for flow in flows[:3]}
    assert await read_statuses(action, platform) == 0
    platform_server.content_answers = {}
    assert await read_statuses(later(action, days=2), platform) == 4


async def test_an_invoice_whose_refusal_was_stored_only_in_part_can_be_repeated(
    shop: Shop,
    action: Action,
    platform_server: PlatformServer,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await bought(shop, action)
    await deliver_due(action, platform)
    platform_server.acknowledge(platform_server.flows[0], "Error", "EmptyAttachement", "vide")
    with monkeypatch.context() as patch:
        patch.setattr("billing.delivery.statuses.fail_delivery", None)
        await read_statuses(action, platform)
    assert (await delivery()).state is DeliveryState.SENT
    assert await read_statuses(later(action, minutes=1), platform) == 1
    assert (await delivery()).state is DeliveryState.FAILED
    await retry_delivery(later(action, hours=1), await delivery())


async def test_a_late_message_about_a_rejected_flow_does_not_reject_the_one_after_it(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    rejected_at = action.at + timedelta(minutes=1)
    platform_server.acknowledge(platform_server.flows[0], "Error", "EmptyAttachement", "vide")
    await read_statuses(later(action, minutes=2), platform)
    await retry_delivery(later(action, minutes=10), await delivery())
    platform_server.set_status(invoice.number, 213, "REJ_SEMAN", at=rejected_at)
    await read_statuses(later(action, minutes=11), platform)
    assert (await delivery()).status is None
    await deliver_due(later(action, minutes=12), platform)
    platform_server.set_status(invoice.number, 213, "REJ_UNI", at=rejected_at)
    platform_server.acknowledge(platform_server.invoices()[1], "Ok")
    await read_statuses(later(action, minutes=13), platform)
    assert (await delivery()).status is PlatformStatusCode.DEPOSITED
    assert await PlatformStatus.filter(status=PlatformStatusCode.REJECTED).count() == 3
    platform_server.set_status(invoice.number, 213, "REJ_UNI", at=later(action, minutes=14).at)
    await read_statuses(later(action, minutes=15), platform)
    assert (await delivery()).status is PlatformStatusCode.REJECTED


BROKEN_FLOW = {"flowType": "CustomerInvoiceLC", "flowSyntax": "CDAR", "flowDirection": "In"}


async def test_unusable_answers_of_the_platform_change_nothing(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    for body in (b"<html>", b"[]", b"{}", b'{"access_token": "t", "expires_in": "soon"}'):
        platform_server.token_body = body
        assert await read_statuses(action, platform) == 0
    platform_server.token_body = None
    flows: list[dict[str, Any]] = [
        {"flowId": "../1", "updatedAt": "2026-11-23T09:00:00Z"},
        {"flowId": "", "updatedAt": "2026-11-23T09:00:00Z"},
        {"flowId": "1", "updatedAt": "2026-11-23T09:00:00"},
        {"flowId": "1", "updatedAt": "2026-11-23T09:00:00Z", "acknowledgement": {"status": "?"}},
        {"flowId": "1"},
    ]
    for body in (
        b"nothing",
        b'{"results": [1]}',
        b" " * (4 * 1024 * 1024 + 1),
        *(orjson.dumps({"results": [BROKEN_FLOW | flow]}) for flow in flows),
    ):
        platform_server.search_body = body
        assert await read_statuses(action, platform) == 0
    platform_server.search_body = None
    await deliver_due(action, platform)
    platform_server.set_status(invoice.number, 203)
    assert await read_statuses(action, platform) == 1


async def test_a_refusal_of_a_company_without_members_opens_nothing(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await unpaid(shop, action)
    await deliver_due(action, platform)
    await Membership.all().delete()
    platform_server.set_status(invoice.number, 210)
    assert await read_statuses(action, platform) == 1
    assert (await delivery()).status is PlatformStatusCode.REFUSED
    assert await Ticket.all().count() == 0


@pytest.mark.parametrize("status", [207, 210])
async def test_p3_2_a_refusal_opens_one_dispute_with_its_ticket_and_reason(
    shop: Shop,
    action: Action,
    platform_server: PlatformServer,
    platform: Platform,
    status: int,
) -> None:
    invoice = await unpaid(shop, action)
    await deliver_due(action, platform)
    platform_server.set_status(invoice.number, status, "TX_TVA_ERR", "Taux erroné")
    assert await read_statuses(action, platform) == 1
    platform_server.set_status(invoice.number, 207, "AUTRE", "encore")
    await read_statuses(later(action, minutes=1), platform)
    dispute = await Dispute.get().select_related("ticket")
    assert (dispute.reason, dispute.ticket.subject) == (
        DisputeReason.VAT_RATE,
        f"Contestation de la facture {invoice.number}",
    )
    message = await Message.get()
    assert "TX_TVA_ERR Taux erroné" in message.body
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert receivable.disputed_at == action.at  # so it isn't dunned
    row = await delivery()
    assert row.status is not None
    assert row.status.number == status
    assert await Ticket.all().count() == 1
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    await reject_dispute(later(action, minutes=2), operator, dispute, "-")
    platform_server.set_status(invoice.number, status, "TX_TVA_ERR", "Toujours erroné")
    await read_statuses(later(action, minutes=3), platform)
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert (await Dispute.all().count(), receivable.disputed_at) == (1, None)
    assert await Ticket.all().count() == (2 if status == 207 else 1)  # a refusal is final


async def test_a_refused_credit_note_or_credited_invoice_opens_a_ticket(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    request = CreditRequest(invoice.pk, "Erreur", RefundDestination.BALANCE)
    credit_note = await credit_invoice(action, shop.services, operator, request, "k")
    await render_due(action, shop.services.signer, channel=DeliveryChannel.PLATFORM)
    await deliver_due(action, platform)
    for document in (credit_note, invoice):
        platform_server.set_status(document.number, 210, "AUTRE")
    await read_statuses(action, platform)
    assert [each.subject for each in await Ticket.all().order_by("id")] == [
        f"Facture {document.number} sur la plateforme de facturation"
        for document in (credit_note, invoice)
    ]
    assert await Dispute.all().count() == 0


async def reported(platform_server: PlatformServer) -> list[tuple[str, list[str]]]:
    """The tracking IDs of the reports and their amounts."""
    return [
        (
            flow.values["trackingId"],
            [
                part.split(b"<")[0].decode()
                for part in flow.content.split(b'<ram:ValueAmount currencyID="EUR">')[1:]
            ],
        )
        for flow in platform_server.reports()
    ]


async def test_payments_are_reported_in_parts_and_taken_back(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await unpaid(shop, action)
    first = await pay(action, invoice, 1_000)
    assert await report_due(action, platform) == 0  # the platform doesn't have the invoice yet
    await deliver_due(action, platform)
    platform_server.set_status(invoice.number, 205)
    await read_statuses(action, platform)
    assert await report_due(action, platform) == 1
    await pay(later(action, hours=1), invoice, 2_480)
    async with action.transaction() as tx:
        await lock_for_settlement(tx, invoice.account_id)
        await reverse_payment(tx, await tx.lock(Payment, first.pk), 1_000)
    assert await report_due(later(action, hours=1), platform) == 2
    amounts = [amounts for _, amounts in await reported(platform_server)]
    assert amounts == [["10.00"], ["24.80"], ["-10.00"]]
    assert (await delivery()).status is PlatformStatusCode.APPROVED
    assert await PlatformStatus.filter(status=PlatformStatusCode.COLLECTED).count() == 3
    assert await report_due(later(action, days=1), platform) == 0


async def test_p3_2_the_refusal_of_a_paid_invoice_opens_a_dispute_whose_refund_is_reported(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    assert await report_due(action, platform) == 1
    platform_server.set_status(invoice.number, 203)
    platform_server.set_status(invoice.number, 210, "TX_TVA_ERR")
    await read_statuses(action, platform)
    assert (await delivery()).status is PlatformStatusCode.REFUSED
    dispute = await Dispute.get()
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    request = CreditRequest(invoice.pk, "Taux", RefundDestination.PAYMENT)
    await accept_dispute(action, shop.services, operator, dispute, request, "k")
    assert await report_due(later(action, minutes=1), platform) == 1
    amounts = [amounts for _, amounts in await reported(platform_server)]
    assert amounts == [["34.80"], ["-34.80"]]


async def test_a_payment_before_the_delivery_is_reported_and_a_refund_takes_it_back(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    platform_server.answers = [503, 504, 500]
    assert await report_due(action, platform) == 0
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    request = CreditRequest(invoice.pk, "Geste", RefundDestination.PAYMENT, gross_cents=1_200)
    await credit_invoice(action, shop.services, operator, request, "k")
    assert await report_due(action, platform) == 0  # one after the other
    assert await report_due(later(action, minutes=5), platform) == 0  # its answer is lost
    platform_server.answers = [422]
    assert await report_due(later(action, minutes=30), platform) == 1
    states = [each.state for each in await CollectionReport.all().order_by("id")]
    assert states == [DeliveryState.SENT, DeliveryState.FAILED]
    row = await InvoiceDelivery.get(invoice_id=invoice.pk)
    await retry_delivery(later(action, hours=1), row)
    assert await report_due(later(action, hours=1), platform) == 1
    amounts = [amounts for _, amounts in await reported(platform_server)]
    assert amounts == [["34.80"], ["-12.00"]]


async def test_a_payment_whose_invoice_is_credited_before_its_report_is_reported_by_rate(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    request = CreditRequest(invoice.pk, "Geste", RefundDestination.PAYMENT)
    await credit_invoice(action, shop.services, operator, request, "k")
    await deliver_due(action, platform)
    assert await report_due(action, platform) == 2
    amounts = [amounts for _, amounts in await reported(platform_server)]
    assert amounts == [["34.80"], ["-34.80"]]


async def test_a_report_that_turns_out_to_be_of_no_use_waits_for_an_operator(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    await bought(shop, action)
    await deliver_due(action, platform)
    await report_due(action, platform)
    platform_server.acknowledge(platform_server.reports()[0], "Error", "InvalidSchema")
    assert await read_statuses(action, platform) == 1
    report = await CollectionReport.get()
    assert (report.state, report.error) == (DeliveryState.FAILED, "InvalidSchema")
    await retry_delivery(later(action, days=1), await delivery())
    assert await report_due(later(action, days=1), platform) == 1
    assert len(platform_server.reports()) == 2
    assert await read_statuses(later(action, days=1), platform) == 0


async def test_payments_without_vat_due_on_them_are_not_reported(
    shop: Shop, action: Action
) -> None:
    on_debits = tuple(replace(options, on_debits=True) for options in shop.services.seller.tax)
    services = replace(shop.services, seller=replace(shop.services.seller, tax=on_debits))
    await bought(replace(shop, services=services), action)
    assert await InvoiceDelivery.all().count() == 1
    assert await CollectionReport.all().count() == 0


async def test_a_rejected_invoice_has_no_reports(
    shop: Shop, action: Action, platform_server: PlatformServer, platform: Platform
) -> None:
    invoice = await bought(shop, action)
    await deliver_due(action, platform)
    platform_server.set_status(invoice.number, 213, "DOUBLON")
    await read_statuses(action, platform)
    assert await report_due(action, platform) == 0
