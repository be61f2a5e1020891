"""Payments of purchases."""

from collections.abc import Sequence
from typing import Any

import strawberry
from tortoise.queryset import QuerySet

from auth.reauthentication import require_step_up
from billing import charging, checkout, dunning, invoice_payments, payment_cancellation
from billing.charging import UNKNOWN_METHOD
from billing.gateways.gateway import EXPIRED_CARD
from billing.payment_confirmation import begin_confirmation
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentMethod
from models.billing.purchase import Purchase
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.text import client_key, line
from models.translations import Translatable, _
from resolvers.billing.inputs import (
    InvoicePayInput,
    InvoiceRetryPaymentInput,
    PaymentCancelInput,
    PaymentConfirmInput,
    PaymentRefreshInput,
    PurchasePayInput,
)
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.rows import RowsByParent


async def pay(info: Info, input: PurchasePayInput) -> dict[str, Any]:
    """Pay for a purchase. A declined payment is returned together with the refusal, so that another
    payment method can be tried.
    """
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
        )
        method = await check.wait(
            payment_choice(info.context, input.payment_method, input.payment_method_id)
        )
        key = check(client_key, input.idempotency_key)
        return_url = check(info.context.services.return_urls.check_optional, input.return_url)
    return await _payload(
        await checkout.pay(
            info.context.action(),
            info.context.services.checkout,
            purchase,
            method,
            key,
            return_url,
            input.expected_gross_cents,
        )
    )


async def pay_invoice(info: Info, input: InvoicePayInput) -> dict[str, Any]:
    """Pay an issued invoice. A declined payment is returned together with the refusal."""
    context = info.context
    with Checks() as check:
        invoice = await check.wait(
            load_visible(Invoice, input.invoice_id, context.viewer, "invoiceId")
        )
        method = await check.wait(
            payment_choice(context, input.payment_method, input.payment_method_id)
        )
        key = check(client_key, input.idempotency_key)
        return_url = check(context.services.return_urls.check_optional, input.return_url)
    return await _payload(
        await invoice_payments.pay_invoice(
            context.action(), context.services.checkout, invoice, method, key, return_url
        )
    )


async def retry_invoice(info: Info, input: InvoiceRetryPaymentInput) -> dict[str, Any]:
    """Charge an open invoice again without the customer. A declined payment is returned together
    with the refusal.
    """
    context, action = info.context, info.context.action()
    await require_step_up(action, context.session)
    with Checks() as check:
        invoice = await check.wait(
            load_visible(Invoice, input.invoice_id, context.viewer, "invoiceId")
        )
        key = check(client_key, input.idempotency_key)
    services = context.services.checkout
    return await _payload(await dunning.retry_payment(action, services, invoice, key))


async def payment_choice(
    context: Context, token: str | None, method_id: strawberry.ID | None
) -> str | PaymentMethod:
    """The saved method of the viewer's company, or the provider's token of another one."""
    if method_id is None:
        return line(token or "", "paymentMethod", 64)
    if token is not None:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "paymentMethod",
            message=_("Specify either a saved payment method or a token."),
        )
    method = await load_visible(PaymentMethod, method_id, context.viewer, "paymentMethodId")
    if method.account_id != context.account.pk:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "paymentMethodId")
    return method


async def confirm(info: Info, input: PaymentConfirmInput) -> dict[str, Any]:
    """Begin the confirmation of a payment that was made without the customer."""
    with Checks() as check:
        payment = await check.wait(
            load_visible(Payment, input.payment_id, info.context.viewer, "paymentId")
        )
        return_url = check(info.context.services.return_urls.check_optional, input.return_url)
    return await _payload(
        await begin_confirmation(
            info.context.action(), info.context.services.checkout, payment, return_url
        )
    )


async def cancel_payment(info: Info, input: PaymentCancelInput) -> dict[str, Any]:
    """Cancel a payment that waits for a confirmation."""
    payment = await load_visible(Payment, input.payment_id, info.context.viewer, "paymentId")
    payment = await payment_cancellation.cancel_payment(info.context.action(), payment)
    return await _payload(payment)


async def refresh_payment(info: Info, input: PaymentRefreshInput) -> dict[str, Any]:
    """Query the payment provider again."""
    payment = await load_visible(Payment, input.payment_id, info.context.viewer, "paymentId")
    return await _payload(
        await charging.refresh(info.context.action(), info.context.services.checkout, payment)
    )


_DECLINED = {
    "insufficient_funds": _(
        "The bank declined the payment because of insufficient funds. Try another payment method."
    ),
    EXPIRED_CARD: _(
        "The card has expired. Replace it with a valid one, or use another payment method."
    ),
    "authentication_failed": _(
        "The payment wasn’t confirmed with the bank. Try again, or use another payment method."
    ),
    "instrument_declined": _(
        "PayPal declined the payment. Choose another bank account or card there, or use another "
        "payment method."
    ),
    UNKNOWN_METHOD: _("This payment method isn’t valid."),
}


def declined_message(decline_code: str | None) -> Translatable | None:
    """The message about a decline for the customer, None when its code means nothing to them."""
    return _DECLINED.get(decline_code or "")


def payment_refusals(payment: Payment) -> list[Refusal]:
    """The refusal of a payment that was declined."""
    is_unknown_method = payment.decline_code == UNKNOWN_METHOD
    code = CommonErrorCode.VALUE_INVALID if is_unknown_method else BillingErrorCode.PAYMENT_DECLINED
    refusal = Refusal(
        code, "input", "paymentMethod", message=declined_message(payment.decline_code)
    )
    return [refusal] if payment.status is PaymentStatus.DECLINED else []


async def _payload(payment: Payment) -> dict[str, Any]:
    return {
        "payment": payment,
        "purchase": await Purchase.get_or_none(pk=payment.purchase_id or 0),
        "refusals": payment_refusals(payment),
    }


def payments(context: Context, parents: Sequence[Purchase]) -> RowsByParent:
    """The payments of each purchase, oldest first."""
    return RowsByParent(parents, QuerySet(Payment), "purchase_id", "id")
