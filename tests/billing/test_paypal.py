"""P2.3: purchases and invoices are paid with PayPal, in addition to the other provider."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from billing import charging, checkout, invoice_payments, payment_cancellation
from billing.gateways.gateway import PAYPAL
from billing.gateways.sandbox import Sandbox
from billing.payment_confirmation import begin_confirmation
from billing.refunds import refund_pending
from billing.renewals import bill_due_periods
from models.action import Action
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind, PaymentMethod, PaymentMethodStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.billing.refund import Refund, RefundStatus
from models.errors import Refusal
from models.operations.email import Email
from tests.billing.gateways.paypal_server import PaypalServer, serve_paypal
from tests.billing.test_credit_notes import credit, operator

if TYPE_CHECKING:
    from tests.billing.purchase_fixtures import Shop

BACK = "https://shop.example/back"


@pytest.fixture(scope="module")
def paypal_server() -> Iterator[PaypalServer]:
    with serve_paypal() as server:
        yield server


@pytest.fixture
def paypal(paypal_server: PaypalServer) -> PaypalServer:
    paypal_server.reset()
    return paypal_server


@pytest.fixture
def paypal_shop(shop: "Shop", paypal: PaypalServer) -> "Shop":
    """A shop that offers PayPal."""
    return replace(shop, services=replace(shop.services, paypal=paypal.gateway()))


def later(action: Action, **time: float) -> Action:
    return replace(action, at=action.at + timedelta(**time))


async def begun(action: Action, shop: "Shop", key: str = "1") -> Payment:
    """A PayPal payment that the customer has to approve."""
    payment = await shop.buy(action, key, PAYPAL)
    assert payment.status is PaymentStatus.REQUIRES_ACTION
    assert payment.provider_reference
    return payment


async def state(payment: Payment) -> tuple[PaymentStatus, PurchaseStatus]:
    """The status of a payment and of its purchase."""
    stored = await Payment.get(pk=payment.pk).select_related("purchase")
    assert stored.purchase
    return stored.status, stored.purchase.status


def reference(payment: Payment) -> str:
    assert payment.provider_reference
    return payment.provider_reference


async def test_p2_3_a_purchase_paid_with_paypal_is_active_once_it_is_approved(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer
) -> None:
    payment = await begun(action, paypal_shop)
    assert (payment.provider, payment.kind) == ("paypal", PaymentKind.WALLET)
    assert payment.confirmation_url
    assert not await Email.filter(template__startswith="payment_confirmation").exists()
    # Asked for by another way, the confirmation is the same one.
    assert (
        await begin_confirmation(action, paypal_shop.services, payment)
    ).confirmation_url == payment.confirmation_url
    paypal.approve(reference(payment))
    for _ in range(2):
        await charging.refresh(action, paypal_shop.services, payment)
    assert await state(payment) == (PaymentStatus.SUCCEEDED, PurchaseStatus.ACTIVE)
    assert len(paypal.captures(reference(payment))) == 1
    invoice = await Invoice.get(purchase_id=payment.purchase_id)
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == 0


async def test_p2_3_an_approved_order_is_captured_although_the_customer_didn_t_return(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer
) -> None:
    payment = await begun(action, paypal_shop)
    paypal.approve(reference(payment))
    assert await charging.reconcile(later(action, minutes=2), paypal_shop.services) == 1
    assert await state(payment) == (PaymentStatus.SUCCEEDED, PurchaseStatus.ACTIVE)


async def test_p2_3_a_capture_whose_answer_got_lost_is_applied_once(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer
) -> None:
    payment = await begun(action, paypal_shop)
    paypal.approve(reference(payment))
    paypal.is_down = True
    with pytest.raises(Refusal) as refused:
        await charging.refresh(action, paypal_shop.services, payment)
    assert refused.value.code is BillingErrorCode.PAYMENT_UNAVAILABLE
    paypal.is_down = False
    # The capture is made, and the process ends before it is applied.
    assert paypal_shop.services.paypal
    await paypal_shop.services.paypal.capture(reference(payment))
    assert (await state(payment))[0] is PaymentStatus.REQUIRES_ACTION
    await charging.reconcile(later(action, minutes=2), paypal_shop.services)
    assert await state(payment) == (PaymentStatus.SUCCEEDED, PurchaseStatus.ACTIVE)
    assert len(paypal.captures(reference(payment))) == 1


async def test_p2_3_a_customer_who_leaves_paypal_pays_by_card_at_once(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer
) -> None:
    payment = await begun(action, paypal_shop)
    purchase = await Purchase.get(pk=payment.purchase_id)
    other = await checkout.pay(
        action, paypal_shop.services, purchase, "pm_sandbox_success", "by card"
    )
    assert other.status is PaymentStatus.SUCCEEDED
    # What they approve afterwards in another window isn't collected.
    paypal.approve(reference(payment))
    await charging.refresh(action, paypal_shop.services, payment)  # as a job read it before
    await charging.reconcile(later(action, minutes=2), paypal_shop.services)
    assert await state(payment) == (PaymentStatus.CANCELED, PurchaseStatus.ACTIVE)
    assert paypal.captures(reference(payment)) == []
    # PayPal isn't asked any more once it has forgotten the order.
    del paypal.orders[reference(payment)]
    await charging.reconcile(later(action, hours=4), paypal_shop.services)
    stored = await Payment.get(pk=payment.pk)
    assert (stored.status, stored.next_check_at) == (PaymentStatus.CANCELED, None)


async def test_both_providers_are_queried_at_once_and_one_that_is_down_delays_no_other(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer
) -> None:
    by_paypal = await begun(action, paypal_shop)
    sandbox = paypal_shop.services.gateway
    assert isinstance(sandbox, Sandbox)
    by_card = [await paypal_shop.buy(action, key, "pm_sandbox_confirmation") for key in ("2", "3")]
    paypal.approve(reference(by_paypal))
    await sandbox.decide(reference(by_card[0]), is_approved=True)
    paypal.is_down = True
    assert await charging.reconcile(later(action, minutes=2), paypal_shop.services) == 1
    paypal.is_down = False
    await sandbox.decide(reference(by_card[1]), is_approved=True)
    assert await charging.reconcile(later(action, minutes=5), paypal_shop.services) == 2
    for payment in (by_paypal, *by_card):
        assert await state(payment) == (PaymentStatus.SUCCEEDED, PurchaseStatus.ACTIVE)


async def test_p2_3_money_collected_while_the_customer_canceled_is_not_lost(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer
) -> None:
    payment = await begun(action, paypal_shop)
    paypal.approve(reference(payment))
    assert paypal_shop.services.paypal
    await paypal_shop.services.paypal.capture(reference(payment))
    await payment_cancellation.cancel_payment(action, payment)
    await charging.reconcile(later(action, minutes=2), paypal_shop.services)
    assert await state(payment) == (PaymentStatus.SUCCEEDED, PurchaseStatus.ACTIVE)


async def test_p2_3_an_order_that_paypal_forgot_or_nobody_approved_lets_the_purchase_be_paid(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer
) -> None:
    forgotten, unfinished = [await begun(action, paypal_shop, key) for key in ("1", "2")]
    del paypal.orders[reference(forgotten)]
    await charging.reconcile(later(action, hours=25), paypal_shop.services)
    assert await state(forgotten) == (PaymentStatus.CANCELED, PurchaseStatus.BILLING_CONFIRMED)
    assert await state(unfinished) == (PaymentStatus.EXPIRED, PurchaseStatus.BILLING_CONFIRMED)


async def test_p2_3_what_paypal_declines_is_paid_otherwise(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer
) -> None:
    payment = await begun(action, paypal_shop)
    paypal.approve(reference(payment))
    paypal.declines = "INSTRUMENT_DECLINED"
    payment = await charging.refresh(action, paypal_shop.services, payment)
    assert payment.decline_code == "instrument_declined"
    assert await state(payment) == (PaymentStatus.DECLINED, PurchaseStatus.BILLING_CONFIRMED)
    paypal.declines = None
    await charging.reconcile(later(action, hours=1), paypal_shop.services)
    assert paypal.captures(reference(payment)) == []
    purchase = await Purchase.get(pk=payment.purchase_id)
    again = await checkout.pay(action, paypal_shop.services, purchase, PAYPAL, "again")
    assert again.status is PaymentStatus.REQUIRES_ACTION
    assert reference(again) != reference(payment)


async def test_p2_3_where_paypal_isn_t_offered_its_token_is_unknown(
    action: Action, paypal_shop: "Shop", shop: "Shop"
) -> None:
    payment = await shop.buy(action, "1", PAYPAL)
    assert (payment.status, payment.decline_code) == (
        PaymentStatus.DECLINED,
        charging.UNKNOWN_METHOD,
    )
    begun_before = await begun(action, paypal_shop, "2")
    with pytest.raises(Refusal) as refused:  # the operator has removed PayPal meanwhile
        await charging.refresh(action, shop.services, begun_before)
    assert refused.value.code is BillingErrorCode.PAYMENT_UNAVAILABLE


async def bought(action: Action, shop: "Shop", paypal: PaypalServer) -> Payment:
    """A PayPal payment for an active purchase."""
    payment = await begun(action, shop)
    paypal.approve(reference(payment))
    return await charging.refresh(action, shop.services, payment)


@pytest.mark.parametrize("has_card", [True, False])
async def test_p2_3_a_purchase_paid_with_paypal_renews_with_the_default_card_or_an_invoice(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer, has_card: bool
) -> None:
    payment = await bought(action, paypal_shop, paypal)
    purchase = await Purchase.get(pk=payment.purchase_id)
    if has_card:
        await PaymentMethod.create(
            account=paypal_shop.account,
            provider="sandbox",
            token="pm_sandbox_success",
            status=PaymentMethodStatus.ACTIVE,
            is_default=True,
            created_at=action.at,
        )
    renewal = later(action, days=32)
    await bill_due_periods(renewal, paypal_shop.services)
    invoice = await Invoice.filter(purchase_id=purchase.pk).order_by("-id").first()
    assert invoice
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert receivable.open_cents == (0 if has_card else payment.amount_cents)
    if has_card:
        return
    late = await invoice_payments.pay_invoice(
        renewal, paypal_shop.services, invoice, PAYPAL, "late", BACK
    )
    assert late.status is PaymentStatus.REQUIRES_ACTION
    paypal.approve(reference(late))
    late = await charging.refresh(renewal, paypal_shop.services, late)
    assert late.status is PaymentStatus.SUCCEEDED
    assert (await Receivable.get(invoice_id=invoice.pk)).open_cents == 0


async def test_p2_3_what_was_paid_with_paypal_is_refunded_by_paypal(
    action: Action, paypal_shop: "Shop", paypal: PaypalServer
) -> None:
    payment = await bought(action, paypal_shop, paypal)
    invoice, staff = await Invoice.get(), await operator(action)
    paypal.loses_answers = True
    await credit(paypal_shop, action, staff, invoice, cents=1_000)
    assert (await Refund.get()).status is RefundStatus.PENDING
    paypal.loses_answers = False
    assert await refund_pending(later(action, minutes=5), *paypal_shop.services.gateways) == 1
    assert (await Refund.get()).status is RefundStatus.SUCCEEDED
    [refund] = paypal.refunds(reference(payment))
    assert refund["amount"] == {"currency_code": "EUR", "value": "10.00"}
