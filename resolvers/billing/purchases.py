"""Purchases: drafting, billing details, periods."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from accounts.details import Address
from accounts.vat_numbers import check_now
from billing import checkout, promotions, trials
from billing.bank import transfer
from billing.changes import cancellation
from billing.changes.calendar import coming_periods
from engine import Deferred
from models.accounts.account import Account
from models.billing.billing_period import BillingPeriod
from models.billing.billing_profile import BillingProfile
from models.billing.offer import Price
from models.billing.payment_method import PaymentMethod
from models.billing.periods import Period
from models.billing.purchase import Purchase, parse_quantity
from models.billing.purchase_change import PurchaseChange
from models.checks import Checks
from models.clock import local_date
from models.errors import CommonErrorCode, Refusal
from models.idempotency import is_known_key
from models.text import client_key, line
from resolvers.addresses import postal_address
from resolvers.billing.filters import PurchaseFilter, PurchaseOrder
from resolvers.billing.inputs import (
    PurchaseApplyPromotionInput,
    PurchaseCancelInput,
    PurchaseConfirmBillingInput,
    PurchaseDiscardInput,
    PurchaseDraftInput,
    PurchaseRepriceInput,
    PurchaseStartInput,
    PurchaseUndoCancellationInput,
)
from resolvers.billing.promotions import find_promotion
from resolvers.context import Context, Info
from resolvers.filters import filter_range, order_or_default
from resolvers.ids import key_of, load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
    pages_of,
)
from resolvers.rows import RowByForeignKey, RowByKey

NEWEST_FIRST = Order("created_at", descending=True)
UPCOMING_PERIODS = 3


def purchases(
    info: Info,
    filter: Annotated[
        PurchaseFilter | None,
        strawberry.argument(description="Conditions on the purchases to return."),
    ] = None,
    order_by: Annotated[
        PurchaseOrder | None,
        strawberry.argument(
            description="The order of the list. Defaults to most recently drafted first."
        ),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The purchases that the viewer may see."""
    viewer, conditions = info.context.viewer, filter or PurchaseFilter()
    rows = filter_range(Purchase.visible_to(viewer), "created_at", conditions.created_at)
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


def purchase(
    info: Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The ID of the purchase.")],
) -> RowByKey | None:
    """The purchase of this ID, None when there is none that the viewer may see."""
    key = key_of(Purchase, id)
    return RowByKey(Purchase.visible_to(info.context.viewer), "id", key) if key else None


async def draft(info: Info, input: PurchaseDraftInput) -> Purchase:
    """Start a purchase. Raises Throttled, except for a repeat."""
    account, buyer, action = info.context.account, info.context.user, info.context.action()
    is_repeat = await is_known_key(f"account:{account.pk}", "purchaseDraft", input.idempotency_key)
    with Checks() as check:
        price = await check.wait(price_on_sale(input.price_id, action.at, is_repeat=is_repeat))
        quantity = check(parse_quantity, input.quantity, "input", "quantity")
        key = check(client_key, input.idempotency_key)
        promotion = None
        if input.promotion_code is not None:
            promotion = await check.wait(
                find_promotion(info.context, input.promotion_code, "input", "promotionCode")
            )
            if check.is_valid and not is_repeat:
                await promotion.require_applicable(
                    None, price, quantity, account, action.at, "promotionCode"
                )
    if not is_repeat:
        await info.context.services.auth.count_purchase(buyer, account.pk)
    return await checkout.draft(action, account, buyer, price, key, quantity, promotion)


async def apply_promotion(info: Info, input: PurchaseApplyPromotionInput) -> Purchase:
    """Apply a promotion code to a draft."""
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
        )
        promotion = None
        if input.promotion_code is not None:
            promotion = await check.wait(
                find_promotion(info.context, input.promotion_code, "input", "promotionCode")
            )
    return await promotions.apply_promotion(info.context.action(), purchase, promotion)


async def start(info: Info, input: PurchaseStartInput) -> Purchase:
    """Start a purchase without a payment."""
    context = info.context
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, context.viewer, "purchaseId")
        )
        method = None
        if input.payment_method_id is not None:
            method = await check.wait(_method_of_account(context, input.payment_method_id))
        key = check(client_key, input.idempotency_key)
    return await trials.start(context.action(), context.services.checkout, purchase, method, key)


async def _method_of_account(context: Context, method_id: strawberry.ID) -> PaymentMethod:
    method = await load_visible(PaymentMethod, method_id, context.viewer, "paymentMethodId")
    if method.account_id != context.account.pk:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "paymentMethodId")
    return method


async def discard(info: Info, input: PurchaseDiscardInput) -> Purchase:
    """Discard a purchase that isn't paid."""
    purchase = await load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
    services = info.context.services.checkout
    return await transfer.discard(info.context.action(), services, purchase)


async def cancel(info: Info, input: PurchaseCancelInput) -> Purchase:
    """Cancel a purchase at the end of its period."""
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
        )
        reason = check(line, input.reason, "reason", 200) if input.reason else None
    return await cancellation.cancel(info.context.action(), purchase, reason)


async def undo_cancellation(info: Info, input: PurchaseUndoCancellationInput) -> Purchase:
    """Let a canceled purchase renew again."""
    purchase = await load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
    return await cancellation.undo(info.context.action(), purchase)


async def reprice(info: Info, input: PurchaseRepriceInput) -> Purchase:
    """Accept the current price of a draft."""
    purchase = await load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
    services = info.context.services.checkout
    return await checkout.reprice(info.context.action(), services, purchase, input.gross_cents)


async def price_on_sale(price_id: strawberry.ID, at: datetime, *, is_repeat: bool = False) -> Price:
    """The price of this ID with its offer. Raises NOT_FOUND when it isn't on sale. For a repeat, it
    may have been withdrawn since: the answer is what the first request created.
    """
    prices = Price.filter(is_public=True) if is_repeat else Price.on_sale(at)
    price = await prices.select_related("offer").get_or_none(pk=key_of(Price, price_id) or 0)
    if price is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "priceId")
    return price


async def confirm_billing(info: Info, input: PurchaseConfirmBillingInput) -> Purchase:
    """Set the billing details."""
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
        )
        address = check(postal_address, input.billing_address, "billingAddress")
        order_number = (
            check(line, input.order_number, "orderNumber", 50) if input.order_number else None
        )
    context = info.context
    # A VAT number that is still pending may be confirmed by now.
    await check_now(context.action(), context.services.vat_service, purchase.account_id)
    return await purchase.confirm_billing(context.action(), {**vars(address)}, order_number)


async def _profiles_of(parents: Sequence[Purchase]) -> list[BillingProfile | None]:
    profiles: list[BillingProfile | None] = await RowByForeignKey(
        parents, "billing_profile_id", QuerySet(BillingProfile)
    ).fetch(None)
    return profiles


async def billing_addresses(context: Context, parents: Sequence[Purchase]) -> list[Address | None]:
    """The billing address of each purchase, None until it is confirmed."""
    return [
        Address(**profile.billing_address) if profile else None
        for profile in await _profiles_of(parents)
    ]


async def order_numbers(context: Context, parents: Sequence[Purchase]) -> list[str | None]:
    """The buyer's order number of each purchase."""
    return [profile.order_number if profile else None for profile in await _profiles_of(parents)]


def price_of(context: Context, parents: Sequence[Purchase]) -> RowByForeignKey:
    """The version of the price that each purchase was made with."""
    return RowByForeignKey(parents, "price_id", QuerySet(Price))


async def upcoming_periods(context: Context, parents: Sequence[Purchase]) -> list[list[Period]]:
    """The current period and the following ones of each purchase, with its scheduled change."""
    prices, today = await price_of(context, parents), local_date(context.services.clock.now())
    active = [parent.pk for parent in parents if parent.anchor]
    scheduled = PurchaseChange.scheduled().filter(purchase_id__in=active)
    changes = {
        change.purchase_id: change
        for change in (await scheduled.select_related("price") if active else [])
    }
    short_starts = await _short_starts(parents, today)
    return [
        coming_periods(
            parent,
            price,
            today,
            UPCOMING_PERIODS,
            short_start=short_starts.get(parent.pk),
            change=changes.get(parent.pk),
        )
        for parent, price in zip(parents, prices, strict=True)
    ]


async def _short_starts(parents: Sequence[Purchase], today: date) -> dict[int, date]:
    """The first day of the current period of each purchase that counts its periods from a later
    day.
    """
    index_of = {
        parent.pk: parent.base_index - 1
        for parent in parents
        if parent.anchor and parent.base_months == 0 and today < parent.anchor
    }
    rows = BillingPeriod.filter(purchase_id__in=list(index_of)) if index_of else None
    return {
        row.purchase_id: row.starts_on
        for row in (await rows if rows else [])
        if row.index == index_of[row.purchase_id]
    }


def purchase_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The purchase of each row."""
    return RowByForeignKey(parents, "purchase_id", QuerySet(Purchase))


def account_purchases(
    context: Context, parents: Sequence[Account], page_request: PageRequest
) -> Deferred:
    """One page of each company's purchases."""
    return pages_of(parents, Purchase, "account_id", NEWEST_FIRST, page_request, context.viewer)


def purchase_of_event(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The purchase of each event, if the viewer may see it."""
    return RowByForeignKey(parents, "purchase_id", Purchase.visible_to(context.viewer))
