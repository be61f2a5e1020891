"""A customer's bank takes a charge back before we know that it succeeded."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing import charging, provider_events
from billing.chargebacks import apply_dispute
from billing.credit_notes import CreditRequest, credit_invoice
from billing.gateways.gateway import Subject
from billing.reconciliation import reconciliation
from billing.refunds import refund_pending
from models.action import Action
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.payment import Payment, PaymentStatus
from models.billing.provider_event import ProviderEvent, ProviderEventStatus
from models.billing.receivable import Receivable
from models.billing.refund import Refund, RefundDestination, RefundStatus
from models.billing.sandbox import SandboxCharge, SandboxDispute
from models.errors import Refusal
from models.identity.user import Staff
from operations.retention import delete_due
from tests.billing.machine.interruptions import LossySandbox
from tests.billing.purchase_fixtures import Shop
from tests.people import create_staff


async def take_back(gateway: LossySandbox, action: Action) -> None:
    """The bank takes the only charge back, and the provider says so."""
    charge = await SandboxCharge.get()
    reference = await gateway.dispute(charge.reference)
    await gateway.close_dispute(reference, is_won=False)
    headers, body = gateway.notification("dispute.lost", Subject.DISPUTE, reference)
    await provider_events.receive(action, gateway, headers, body)


async def test_what_is_taken_back_before_its_receipt_was_posted_is_taken_back_afterwards(
    shop: Shop, action: Action
) -> None:
    gateway = LossySandbox("https://bank.example")
    gateway.loses_answer = True
    services = shop.services = replace(shop.services, gateway=gateway)
    with pytest.raises(Refusal) as refusal:
        await shop.buy(action, "1")
    assert refusal.value.code is BillingErrorCode.PAYMENT_UNAVAILABLE
    await take_back(gateway, action)
    await provider_events.handle_due(action, services)
    event = await ProviderEvent.get()
    assert (event.status, event.error) == (ProviderEventStatus.RECEIVED, "PaymentUnsettled")
    later = replace(action, at=action.at + timedelta(minutes=2))
    assert await charging.reconcile(later, services) == 1
    assert await provider_events.handle_due(later, services) == 1
    payment = await Payment.get()
    assert (payment.status, payment.refunded_cents) == (PaymentStatus.SUCCEEDED, 3_480)
    assert (await Receivable.get()).open_cents == 3_480


async def test_all_of_a_charge_is_taken_back_although_a_refund_of_it_was_begun(
    shop: Shop, action: Action
) -> None:
    """The provider doesn't refund what the bank has taken back."""
    gateway = LossySandbox("https://bank.example")
    services = shop.services = replace(shop.services, gateway=gateway)
    await shop.buy(action, "1")
    invoice = await Invoice.get()
    agent = await create_staff(action, "Alice", Staff.AGENT)
    request = CreditRequest(invoice.pk, "-", RefundDestination.PAYMENT, gross_cents=1_000)
    gateway.loses_request = True
    await credit_invoice(action, services, agent, request, "credit")
    await take_back(gateway, action)
    assert await provider_events.handle_due(action, services) == 0
    later = replace(action, at=action.at + timedelta(minutes=2))
    assert await refund_pending(later, gateway) == 1
    assert (await Refund.get()).status is RefundStatus.FAILED
    assert await provider_events.handle_due(later, services) == 1
    assert (await Payment.get()).refunded_cents == 3_480
    assert (await Receivable.get()).open_cents == 2_480
    assert (await reconciliation()).errors == ()


async def test_what_a_dispute_took_back_is_not_taken_back_again_months_later(
    shop: Shop, action: Action
) -> None:
    """A provider may report on a dispute of a part of a charge again and again."""
    gateway = LossySandbox("https://bank.example")
    services = shop.services = replace(shop.services, gateway=gateway)
    await shop.buy(action, "1")
    charge = await SandboxCharge.get()
    reference = await gateway.dispute(charge.reference)
    await SandboxDispute.filter(reference=reference).update(amount_cents=1_000)
    await gateway.close_dispute(reference, is_won=False)
    await apply_dispute(action, services, reference)
    later = replace(action, at=action.at + timedelta(days=100))
    await delete_due(later.at)
    await apply_dispute(later, services, reference)
    assert (await Payment.get()).refunded_cents == 1_000
    assert (await Receivable.get()).open_cents == 1_000
    assert (await reconciliation()).errors == ()
