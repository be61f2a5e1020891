"""P3.6: a change is paid with another payment method than the purchase's own, which stays."""

from datetime import date, timedelta
from typing import Any

from billing import charging
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind, PaymentMethod, PaymentMethodStatus
from models.billing.purchase_change import PurchaseChange
from models.billing.receivable import Receivable
from resolvers.ids import key_of
from tests.schema.billing.change_fixtures import Subscriber, codes, price_id
from tests.schema.billing.change_fixtures import subscriber as subscriber
from tests.schema.conftest import Dataset


async def last_payment(subscriber: Subscriber) -> Payment:
    payment = await Payment.filter(purchase_id=subscriber.purchase_id).order_by("-id").first()
    assert payment
    return payment


async def test_p3_6_a_change_is_paid_with_another_saved_method_and_renewals_are_not(
    subscriber: Subscriber,
) -> None:
    own = await subscriber.save_method("pm_sandbox_success", is_default=True)
    other = await subscriber.save_method("pm_sandbox_expiring")
    assert await paid_with(subscriber) == ("CARD", own)
    assert await paid_with(subscriber, method=other) == ("CARD", other)
    changed = await subscriber.change(quantity=2, paymentMethodId=other)
    assert (changed["userErrors"], changed["purchase"]["quantity"]) == ([], 2)
    assert (await last_payment(subscriber)).payment_method_id == key_of(PaymentMethod, other)
    await subscriber.go_to(date(2027, 2, 28))
    assert (await last_payment(subscriber)).payment_method_id == key_of(PaymentMethod, own)
    # The customer may also want it for the renewals, and for the end of a pause.
    renewing: Any = {"paymentMethodId": other, "renewWithPaymentMethod": True}
    first = await subscriber.change("b", quantity=3, **renewing)
    cents = first["payment"]["amount"]["amountCents"]
    assert await subscriber.change("b", cents, quantity=3, **renewing) == first
    mismatch = await subscriber.change("b", cents, quantity=3, paymentMethodId=own)
    assert codes(mismatch) == ["IDEMPOTENCY_MISMATCH"]
    assert await paid_with(subscriber, 4) == ("CARD", other)
    await subscriber.mutate("purchasePause")
    await subscriber.go_to(date(2027, 3, 31))
    assert not (await subscriber.resume(paymentMethodId=own))["userErrors"]
    assert (await last_payment(subscriber)).payment_method_id == key_of(PaymentMethod, own)
    await subscriber.go_to(date(2027, 4, 30))
    assert (await last_payment(subscriber)).payment_method_id == key_of(PaymentMethod, other)


async def paid_with(
    subscriber: Subscriber, quantity: int = 2, **chosen: Any
) -> tuple[str | None, str | None]:
    """What the preview of a new quantity says about its payment."""
    previewed = await subscriber.preview(quantity=quantity, **chosen)
    method = previewed["paymentMethod"]
    return previewed["paymentKind"], method["id"] if method else None


async def test_a_change_that_another_method_does_not_pay_changes_nothing(
    subscriber: Subscriber,
) -> None:
    own = await subscriber.save_method("pm_sandbox_success", is_default=True)
    declined_method = await subscriber.save_method("pm_sandbox_declined")
    declined = await subscriber.change(
        quantity=2, paymentMethodId=declined_method, renewWithPaymentMethod=True
    )
    assert codes(declined) == ["PAYMENT_DECLINED"]
    assert (declined["change"]["status"], declined["purchase"]["quantity"]) == ("CANCELED", 1)
    assert await paid_with(subscriber) == ("CARD", own)
    unknown = await subscriber.change("unknown", quantity=2, paymentMethod="pm_unknown")
    assert [each["field"] for each in unknown["userErrors"]] == [["input", "paymentMethod"]]
    assert (await subscriber.change("own", quantity=2))["purchase"]["quantity"] == 2


async def test_another_method_that_the_bank_wants_confirmed_pays_the_change_only(
    subscriber: Subscriber,
) -> None:
    assert await paid_with(subscriber) == ("CARD", None)
    waiting = await subscriber.change(quantity=2, paymentMethod="pm_sandbox_confirmation")
    assert waiting["payment"]["status"] == "REQUIRES_ACTION"
    assert waiting["payment"]["confirmationUrl"]
    assert waiting["purchase"]["quantity"] == 1
    payment = await last_payment(subscriber)
    await subscriber.services.gateway.decide(payment.provider_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    subscriber.clock.advance(timedelta(hours=1))
    await charging.reconcile(subscriber.now, subscriber.checkout_services)
    assert (await subscriber.purchase()).quantity == 2
    # The renewal is charged to the payment method of the first payment.
    await subscriber.go_to(date(2027, 2, 28))
    renewal = await last_payment(subscriber)
    assert (renewal.method, renewal.status) == ("pm_sandbox_success", PaymentStatus.SUCCEEDED)


async def test_those_who_pay_by_transfer_pay_a_change_by_card(subscriber: Subscriber) -> None:
    await Payment.filter(purchase_id=subscriber.purchase_id).update(kind=PaymentKind.TRANSFER)
    assert await paid_with(subscriber) == ("TRANSFER", None)
    assert await paid_with(subscriber, token="pm_sandbox_success") == ("CARD", None)
    changed = await subscriber.change(quantity=2, paymentMethod="pm_sandbox_success")
    assert changed["payment"]["status"] == "SUCCEEDED"
    await subscriber.go_to(date(2027, 2, 28))
    receivables = Receivable.filter(invoice__purchase_id=subscriber.purchase_id)
    receivable = await receivables.order_by("-invoice_id").first()
    assert receivable
    assert receivable.open_cents == 6960
    assert await paid_with(subscriber, 3) == ("TRANSFER", None)


async def test_what_is_not_charged_now_takes_no_payment_method(subscriber: Subscriber) -> None:
    yearly = price_id(subscriber.yearly)
    saved = await subscriber.save_method("pm_sandbox_success")
    previewed = await subscriber.preview(price=yearly, method=saved)
    assert (previewed["paymentKind"], previewed["paymentMethod"]) == (None, None)
    for name, value in (("paymentMethodId", saved), ("paymentMethod", "pm_sandbox_success")):
        chosen: Any = {name: value}
        refused = await subscriber.change(priceId=yearly, **chosen)
        assert [(each["code"], each["field"][1]) for each in refused["userErrors"]] == [
            ("VALUE_INVALID", name)
        ]
    assert not await PurchaseChange.filter(purchase_id=subscriber.purchase_id).exists()


async def test_only_an_active_method_of_the_company_pays_its_change(
    subscriber: Subscriber, dataset: Dataset
) -> None:
    saved = await subscriber.save_method("pm_sandbox_success")
    both = await subscriber.change(
        quantity=2, expected=3480, paymentMethodId=saved, paymentMethod="pm_sandbox_success"
    )
    assert codes(both) == ["VALUE_INVALID"]
    await PaymentMethod.filter(pk=key_of(PaymentMethod, saved)).update(
        status=PaymentMethodStatus.REMOVED
    )
    assert await subscriber.preview_error(quantity=2, method=saved) == "NOT_ACTIVE"
    removed = await subscriber.change(quantity=2, expected=3480, paymentMethodId=saved)
    assert codes(removed) == ["NOT_ACTIVE"]
    await PaymentMethod.filter(pk=key_of(PaymentMethod, saved)).update(
        status=PaymentMethodStatus.ACTIVE, account_id=dataset.marie.account.pk
    )
    assert await subscriber.preview_error(quantity=2, method=saved) == "NOT_FOUND"
    foreign = await subscriber.change(quantity=2, expected=3480, paymentMethodId=saved)
    assert codes(foreign) == ["NOT_FOUND"]
    assert not await PurchaseChange.filter(purchase_id=subscriber.purchase_id).exists()
