"""Payments of purchases."""

from collections.abc import Sequence
from typing import Any

from tortoise.queryset import QuerySet

from billing import checkout
from billing.checkout import UNKNOWN_METHOD, CheckoutServices
from models.billing.errors import BillingErrorCode
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.text import client_key, line
from models.translations import _
from resolvers.billing.inputs import PaymentRefreshInput, PurchasePayInput
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.rows import RowsByParent


def checkout_services(context: Context) -> CheckoutServices:
    """The services that payments need."""
    services = context.services
    return CheckoutServices(services.gateway, services.seller, services.auth.signer)


async def pay(info: Info, input: PurchasePayInput) -> dict[str, Any]:
    """Pay for a purchase. A declined payment is returned together with the refusal, so that another
    payment method can be tried.
    """
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
        )
        method = check(line, input.payment_method, "paymentMethod", 64)
        key = check(client_key, input.idempotency_key)
    return await _payload(
        await checkout.pay(
            info.context.action(), checkout_services(info.context), purchase, method, key
        )
    )


async def refresh_payment(info: Info, input: PaymentRefreshInput) -> dict[str, Any]:
    """Query the payment provider again."""
    payment = await load_visible(Payment, input.payment_id, info.context.viewer, "paymentId")
    return await _payload(
        await checkout.refresh(info.context.action(), checkout_services(info.context), payment)
    )


_DECLINED = {
    "insufficient_funds": _(
        "The bank declined the payment because of insufficient funds. Try another payment method."
    ),
    "authentication_failed": _(
        "The payment wasn’t confirmed with the bank. Try again, or use another payment method."
    ),
    UNKNOWN_METHOD: _("This payment method isn’t valid."),
}


async def _payload(payment: Payment) -> dict[str, Any]:
    is_unknown_method = payment.decline_code == UNKNOWN_METHOD
    code = CommonErrorCode.VALUE_INVALID if is_unknown_method else BillingErrorCode.PAYMENT_DECLINED
    refusal = Refusal(
        code, "input", "paymentMethod", message=_DECLINED.get(payment.decline_code or "")
    )
    return {
        "payment": payment,
        "purchase": await Purchase.get(pk=payment.purchase_id),
        "refusals": [refusal] if payment.status is PaymentStatus.DECLINED else [],
    }


def payments(context: Context, parents: Sequence[Purchase]) -> RowsByParent:
    """The payments of each purchase, oldest first."""
    return RowsByParent(parents, QuerySet(Payment), "purchase_id", "id")
