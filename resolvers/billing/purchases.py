"""Purchases: drafting, billing details, periods."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry
from tortoise.queryset import QuerySet

from billing import checkout
from engine import Deferred
from models.accounts.account import Account
from models.billing.offer import Price
from models.billing.periods import Period
from models.billing.purchase import Purchase
from models.checks import Checks
from models.clock import local_date
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.text import client_key, masked_line
from models.viewer import Viewer
from resolvers.addresses import postal_address
from resolvers.billing.inputs import PurchaseConfirmBillingInput, PurchaseDraftInput
from resolvers.context import Context, Info
from resolvers.ids import visible
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page, pages_of
from resolvers.rows import ByKey

NEWEST = Order("created_at", descending=True)


UPCOMING = 3


def purchases(info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None) -> OnePage:
    """The purchases of the viewer's company, most recent first."""
    viewer = info.context.viewer
    return page(Purchase.visible_to(viewer), NEWEST, Window(first, after, last, before), viewer)


async def draft(info: Info, input: PurchaseDraftInput) -> Purchase:
    """Start a purchase."""
    account, buyer = _buying(info.context.viewer)
    action = info.context.action()
    with Checks() as check:
        price = await check.wait(_on_sale(info, input.price_id, action.at))
        key = check(client_key, input.idempotency_key)
    return await checkout.draft(action, account, buyer, price, key)


async def _on_sale(info: Info, price_id: strawberry.ID, at: datetime) -> Price:
    price = await visible(Price, price_id, info.context.viewer, "priceId")
    if not await Price.current(at).filter(pk=price.pk).exists():
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "priceId")
    return price


def _buying(viewer: Viewer) -> tuple[Account, User]:
    assert viewer.account is not None, "the field's rule lets in buyers only"  # noqa: S101
    assert viewer.user is not None, "the field's rule lets in buyers only"  # noqa: S101
    return viewer.account, viewer.user


async def confirm_billing(info: Info, input: PurchaseConfirmBillingInput) -> Purchase:
    """Set the billing details."""
    with Checks() as check:
        purchase = await check.wait(visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId"))
        address = check(postal_address, input.billing_address, "billingAddress")
        order_number = check(masked_line, input.order_number, "orderNumber", 50) if input.order_number else None
    return await purchase.confirm_billing(info.context.action(), {**vars(address), "order_number": order_number})


def price_of(context: Context, parents: Sequence[Purchase]) -> ByKey:
    """The version of the price that each purchase was made with."""
    return ByKey(parents, "price_id", QuerySet(Price))


async def upcoming(context: Context, parents: Sequence[Purchase]) -> list[list[Period]]:
    """The current period and the following ones of each purchase."""
    prices, today = await price_of(context, parents), local_date(context.services.clock.now())
    return [parent.upcoming(price.interval.months, today, UPCOMING) for parent, price in zip(parents, prices, strict=True)]


def purchase_of(context: Context, parents: Sequence[Any]) -> ByKey:
    """The purchase of each row."""
    return ByKey(parents, "purchase_id", QuerySet(Purchase))


def account_purchases(context: Context, parents: Sequence[Account], window: Window) -> Deferred:
    """One page of each company's purchases."""
    return pages_of(parents, Purchase, "account_id", NEWEST, window, context.viewer)


def purchase_of_event(context: Context, parents: Sequence[Any]) -> ByKey:
    """The purchase of each event, if the viewer may see it."""
    return ByKey(parents, "purchase_id", Purchase.visible_to(context.viewer))
