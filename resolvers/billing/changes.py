"""Changes of active purchases, and their previews."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from accounts.vat_numbers import check_now
from billing.changes import billing_details, ordering, pauses
from billing.changes.ordering import Agreement
from billing.changes.plan import ChangeRequest, plan_change
from billing.means import Means
from engine import Deferred
from models.accounts.account import Account
from models.billing.invoice import Invoice
from models.billing.offer import Price
from models.billing.payment import Payment
from models.billing.payment_method import PaymentKind, PaymentMethod
from models.billing.purchase import Purchase, parse_quantity
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.idempotency import has_earlier_result, is_known_key
from models.text import client_key, line
from models.translations import _
from resolvers.addresses import postal_address
from resolvers.billing.change_inputs import (
    ANCHOR,
    PAYMENT_METHOD,
    PAYMENT_METHOD_ID,
    PRICE,
    QUANTITY,
    PurchaseCancelChangeInput,
    PurchaseChangeInput,
    PurchasePauseInput,
    PurchaseResumeInput,
    PurchaseUpdateBillingInput,
)
from resolvers.billing.kept_invoices import recorded
from resolvers.billing.payments import payment_choice, payment_refusals
from resolvers.billing.purchases import price_on_sale
from resolvers.billing.quotes import PurchaseQuote, present
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.rows import FirstRowByParent, RowByForeignKey, RowsByParent

MethodArgument = Annotated[str | None, strawberry.argument(description=PAYMENT_METHOD)]
MethodIdArgument = Annotated[
    strawberry.ID | None, strawberry.argument(description=PAYMENT_METHOD_ID)
]


@dataclass(frozen=True)
class PurchaseChangePreview:
    """What a change does and costs."""

    kind: PurchaseChangeKind
    is_immediate: bool
    effective_on: date
    quote: PurchaseQuote
    renewal: PurchaseQuote
    payment_kind: PaymentKind | None
    payment_method: PaymentMethod | None


async def preview(
    info: Info,
    purchase_id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of a purchase that is active.")
    ],
    price_id: Annotated[strawberry.ID | None, strawberry.argument(description=PRICE)] = None,
    quantity: Annotated[int | None, strawberry.argument(description=QUANTITY)] = None,
    anchor: Annotated[date | None, strawberry.argument(description=ANCHOR)] = None,
    payment_method: MethodArgument = None,
    payment_method_id: MethodIdArgument = None,
) -> PurchaseChangePreview:
    """What a change would do and cost today."""
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, purchase_id, info.context.viewer, "purchaseId")
        )
        request = await check.wait(_request(info, price_id, quantity, anchor))
        chosen = await check.wait(_means(info.context, payment_method, payment_method_id))
    return await _preview(info, purchase, request, chosen)


async def resume_preview(
    info: Info,
    purchase_id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of a paused purchase.")
    ],
    payment_method: MethodArgument = None,
    payment_method_id: MethodIdArgument = None,
) -> PurchaseChangePreview:
    """What resuming a purchase would cost today."""
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, purchase_id, info.context.viewer, "purchaseId")
        )
        chosen = await check.wait(_means(info.context, payment_method, payment_method_id))
    return await _preview(info, purchase, ChangeRequest(resume=True), chosen)


async def _preview(
    info: Info, purchase: Purchase, request: ChangeRequest, chosen: Means | None
) -> PurchaseChangePreview:
    account = await Account.get(pk=purchase.account_id)
    day, services = info.context.action().day, info.context.services.checkout
    plan = await plan_change(None, services.seller, purchase, account, request, day)
    is_charged = ordering.is_charged_now(plan)
    means = await ordering.means_of(None, services, purchase, plan, chosen) if is_charged else None
    return PurchaseChangePreview(
        kind=plan.kind,
        is_immediate=plan.is_immediate,
        effective_on=plan.effective_on,
        quote=present(plan.quote),
        renewal=present(plan.renewal),
        payment_kind=(means.kind if means else PaymentKind.TRANSFER) if is_charged else None,
        payment_method=means.saved if means else None,
    )


async def _means(
    context: Context, token: str | None, method_id: strawberry.ID | None
) -> Means | None:
    """What the customer chose to pay with, None for the purchase's payment method."""
    if token is None and method_id is None:
        return None
    return Means.of(await payment_choice(context, token, method_id))


def _renews_with(input: PurchaseChangeInput | PurchaseResumeInput) -> bool:
    if input.renew_with_payment_method and input.payment_method_id is None:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "renewWithPaymentMethod",
            message=_("Specify the saved payment method with which the purchase renews."),
        )
    return input.renew_with_payment_method


async def _request(
    info: Info,
    price_id: strawberry.ID | None,
    quantity: int | None,
    anchor: date | None,
    *,
    is_repeat: bool = False,
) -> ChangeRequest:
    at = info.context.action().at
    with Checks() as check:
        price = (
            await check.wait(price_on_sale(price_id, at, is_repeat=is_repeat)) if price_id else None
        )
        if quantity is not None:
            check(parse_quantity, quantity, "input", "quantity")
        if anchor and (price_id or quantity is not None):
            check.refuse(
                Refusal(
                    CommonErrorCode.VALUE_INVALID,
                    "input",
                    "anchor",
                    message=_("Change the billing day on its own."),
                )
            )
    return ChangeRequest(price, quantity, anchor)


async def change(info: Info, input: PurchaseChangeInput) -> dict[str, Any]:
    """Change the price, the quantity or the billing day of a purchase. A declined payment is
    returned together with the refusal. Raises Throttled, except for a repeat.
    """
    context = info.context
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, context.viewer, "purchaseId")
        )
        is_repeat = check.is_valid and await is_known_key(
            f"account:{purchase.account_id}", "purchaseChange", input.idempotency_key
        )
        request = await check.wait(
            _request(info, input.price_id, input.quantity, input.anchor, is_repeat=is_repeat)
        )
        key = check(client_key, input.idempotency_key)
        agreement = await check.wait(_agreement(context, input))
    return await _order(context, purchase, request, agreement, key, is_repeat=is_repeat)


async def resume(info: Info, input: PurchaseResumeInput) -> dict[str, Any]:
    """Resume a paused purchase. A declined payment is returned together with the refusal. Raises
    Throttled, except for a repeat.
    """
    context = info.context
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, context.viewer, "purchaseId")
        )
        key = check(client_key, input.idempotency_key)
        agreement = await check.wait(_agreement(context, input))
    is_repeat = await has_earlier_result(f"account:{purchase.account_id}", "purchaseResume", key)
    request = ChangeRequest(resume=True)
    return await _order(context, purchase, request, agreement, key, is_repeat=is_repeat)


async def _agreement(
    context: Context, input: PurchaseChangeInput | PurchaseResumeInput
) -> Agreement:
    with Checks() as check:
        means = await check.wait(_means(context, input.payment_method, input.payment_method_id))
        renews_with_means = check(_renews_with, input)
        return_url = check(context.services.return_urls.check_optional, input.return_url)
    return Agreement(input.expected_gross_cents, return_url, means, renews_with_means)


async def _order(
    context: Context,
    purchase: Purchase,
    request: ChangeRequest,
    agreement: Agreement,
    key: str,
    *,
    is_repeat: bool,
) -> dict[str, Any]:
    if not is_repeat:
        await context.services.auth.count_purchase(context.user, purchase.account_id)
    ordered = await ordering.order_change(
        context.action(), context.services.checkout, purchase, request, agreement, key
    )
    return {
        "purchase": await Purchase.get(pk=ordered.change.purchase_id),
        "change": ordered.change,
        "payment": ordered.payment,
        "refusals": payment_refusals(ordered.payment) if ordered.payment else [],
    }


async def cancel_change(info: Info, input: PurchaseCancelChangeInput) -> Purchase:
    """Cancel a scheduled change."""
    purchase = await load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
    return await ordering.cancel_scheduled_change(info.context.action(), purchase)


async def pause(info: Info, input: PurchasePauseInput) -> Purchase:
    """Pause a purchase at the end of its period."""
    purchase = await load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
    return await pauses.pause(info.context.action(), purchase, input.resumes_on)


async def update_billing(info: Info, input: PurchaseUpdateBillingInput) -> Purchase:
    """Set the billing details of purchases that renew."""
    context = info.context
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, context.viewer, "purchaseId")
        )
        address = check(postal_address, input.billing_address, "billingAddress")
        order_number = None if input.order_number is strawberry.UNSET else input.order_number or ""
        if order_number:
            order_number = check(line, order_number, "orderNumber", 50)
    # A VAT number that is still pending may be confirmed by now.
    await check_now(context.action(), context.services.vat_service, purchase.account_id)
    return await billing_details.update_billing(
        context.action(),
        purchase,
        {**vars(address)},
        order_number,
        all_purchases=input.all_purchases,
    )


def pending_changes(context: Context, parents: Sequence[Purchase]) -> FirstRowByParent:
    """The change of each purchase that is neither applied nor canceled."""
    return FirstRowByParent(parents, PurchaseChange.pending(), "purchase_id", "-id")


def changes_of(context: Context, parents: Sequence[Purchase]) -> RowsByParent:
    """The changes of each purchase, in the order in which they were ordered."""
    return RowsByParent(parents, QuerySet(PurchaseChange), "purchase_id", "id")


def former_price_of(context: Context, parents: Sequence[PurchaseChange]) -> RowByForeignKey:
    """The price before each change."""
    return RowByForeignKey(parents, "former_price_id", QuerySet(Price))


def invoice_of(context: Context, parents: Sequence[PurchaseChange]) -> Deferred:
    """The invoice of each change."""
    return recorded(
        context, RowByForeignKey(parents, "invoice_id", Invoice.visible_to(context.viewer))
    )


def payments_of(context: Context, parents: Sequence[PurchaseChange]) -> RowsByParent:
    """The payments of each change, oldest first."""
    return RowsByParent(parents, QuerySet(Payment), "purchase_change_id", "id")
