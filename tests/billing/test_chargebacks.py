"""A customer's bank takes a charge back before we know that it succeeded."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing import checkout, provider_events
from billing.gateways.gateway import Subject
from models.action import Action
from models.billing.errors import BillingErrorCode
from models.billing.payment import Payment, PaymentStatus
from models.billing.provider_event import ProviderEvent, ProviderEventStatus
from models.billing.receivable import Receivable
from models.billing.sandbox import SandboxCharge
from models.errors import Refusal
from tests.billing.machine.interruptions import LossySandbox
from tests.billing.purchase_fixtures import Shop


async def test_what_is_taken_back_before_its_receipt_was_posted_is_taken_back_afterwards(
    shop: Shop, action: Action
) -> None:
    gateway = LossySandbox("https://bank.example")
    gateway.loses_answer = True
    services = shop.services = replace(shop.services, gateway=gateway)
    with pytest.raises(Refusal) as refusal:
        await shop.buy(action, "1")
    assert refusal.value.code is BillingErrorCode.PAYMENT_UNAVAILABLE
    charge = await SandboxCharge.get()
    reference = await gateway.dispute(charge.reference)
    await gateway.close_dispute(reference, is_won=False)
    headers, body = gateway.notification("dispute.lost", Subject.DISPUTE, reference)
    await provider_events.receive(action, gateway, headers, body)
    await provider_events.handle_due(action, services)
    event = await ProviderEvent.get()
    assert (event.status, event.error) == (ProviderEventStatus.RECEIVED, "PaymentUnknown")
    later = replace(action, at=action.at + timedelta(minutes=2))
    assert await checkout.reconcile(later, services) == 1
    assert await provider_events.handle_due(later, services) == 1
    payment = await Payment.get()
    assert (payment.status, payment.refunded_cents) == (PaymentStatus.SUCCEEDED, 3_480)
    assert (await Receivable.get()).open_cents == 3_480
