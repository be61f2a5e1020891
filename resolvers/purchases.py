"""Buying, paying, and the bills."""

from collections.abc import Sequence
from typing import Any

from tortoise.queryset import QuerySet

from billing import checkout
from billing.checkout import UNKNOWN_METHOD, CheckoutServices
from engine import Deferred
from models.account import Account
from models.clock import local_date
from models.errors import ErrorCode, Refusal
from models.invoice import Invoice, InvoiceLine
from models.offer import Price
from models.payment import Payment, PaymentStatus
from models.periods import Period
from models.purchase import Purchase
from models.user import User
from models.viewer import Viewer
from resolvers.context import Context, Info
from resolvers.ids import visible
from resolvers.inputs import PaymentRefreshInput, PurchaseConfirmBillingInput, PurchaseDraftInput, PurchasePayInput
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page, pages_of
from resolvers.rows import ByKey, ByParent
from resolvers.text import client_key, country, within

NEWEST = Order("created_at", descending=True)
NEWEST_INVOICE = Order("issued_at", descending=True)
UPCOMING = 3


def checkout_services(context: Context) -> CheckoutServices:
    """What paying needs, from the parts of the house."""
    services = context.services
    return CheckoutServices(services.gateway, services.seller, services.auth.signer, services.base_url)


def purchases(info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None) -> OnePage:
    """What the viewer's company bought, the latest first."""
    viewer = info.context.viewer
    return page(Purchase.visible_to(viewer), NEWEST, Window(first, after, last, before), viewer)


def invoices(info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None) -> OnePage:
    """The viewer's company's invoices, the latest first."""
    viewer = info.context.viewer
    return page(Invoice.visible_to(viewer), NEWEST_INVOICE, Window(first, after, last, before), viewer)


async def draft(info: Info, input: PurchaseDraftInput) -> Purchase:
    """Begin to buy."""
    account, buyer = _buying(info.context.viewer)
    price = await visible(Price, input.price_id, info.context.viewer, "priceId")
    action = info.context.action()
    if not await Price.current(action.at).filter(pk=price.pk).exists():
        raise Refusal(ErrorCode.NOT_FOUND, "input", "priceId")
    return await checkout.draft(action, account, buyer, price, client_key(input.idempotency_key, "idempotencyKey"))


def _buying(viewer: Viewer) -> tuple[Account, User]:
    assert viewer.account is not None, "the field's rule lets in buyers only"  # noqa: S101
    assert viewer.user is not None, "the field's rule lets in buyers only"  # noqa: S101
    return viewer.account, viewer.user


async def confirm_billing(info: Info, input: PurchaseConfirmBillingInput) -> Purchase:
    """Say whom and where to bill."""
    purchase = await visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
    billing: dict[str, str | None] = {
        "street": within(input.street, "street", 200),
        "postal_code": within(input.postal_code, "postalCode", 12),
        "city": within(input.city, "city", 100),
        "country": country(input.country),
        "order_number": within(input.order_number, "orderNumber", 50) if input.order_number else None,
    }
    return await purchase.confirm_billing(info.context.action(), billing)


async def pay(info: Info, input: PurchasePayInput) -> dict[str, Any]:
    """Pay. A declined payment comes back with the refusal, so that another means can be tried."""
    purchase = await visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
    method = within(input.payment_method, "paymentMethod", 64)
    key = client_key(input.idempotency_key, "idempotencyKey")
    return await _paid(await checkout.pay(info.context.action(), checkout_services(info.context), purchase, method, key))


async def refresh_payment(info: Info, input: PaymentRefreshInput) -> dict[str, Any]:
    """Ask the bank again."""
    payment = await visible(Payment, input.payment_id, info.context.viewer, "paymentId")
    return await _paid(await checkout.refresh(info.context.action(), checkout_services(info.context), payment))


async def _paid(payment: Payment) -> dict[str, Any]:
    unknown = payment.decline_code == UNKNOWN_METHOD
    code = ErrorCode.VALUE_INVALID if unknown else ErrorCode.PAYMENT_DECLINED
    declined = Refusal(code, "input", "paymentMethod", reason=payment.decline_code)
    return {
        "payment": payment,
        "purchase": await Purchase.get(pk=payment.purchase_id),
        "refusals": [declined] if payment.status is PaymentStatus.DECLINED else [],
    }


def price_of(context: Context, parents: Sequence[Purchase]) -> ByKey:
    """The price version each purchase was made with."""
    return ByKey(parents, "price_id", QuerySet(Price))


async def upcoming(context: Context, parents: Sequence[Purchase]) -> list[list[Period]]:
    """The running period of each purchase and the next ones."""
    prices, today = await price_of(context, parents), local_date(context.services.clock.now())
    return [parent.upcoming(price.interval.months, today, UPCOMING) for parent, price in zip(parents, prices, strict=True)]


def purchase_of(context: Context, parents: Sequence[Any]) -> ByKey:
    """The purchase of each row."""
    return ByKey(parents, "purchase_id", QuerySet(Purchase))


def payments(context: Context, parents: Sequence[Purchase]) -> ByParent:
    """The attempts to pay each purchase, the first one first."""
    return ByParent(parents, QuerySet(Payment), "purchase_id", "id")


def invoices_of(context: Context, parents: Sequence[Purchase]) -> ByParent:
    """The invoices of each purchase, as far as the viewer may see them, in the order of their periods."""
    return ByParent(parents, Invoice.visible_to(context.viewer), "purchase_id", "period_index")


def lines(context: Context, parents: Sequence[Invoice]) -> ByParent:
    """The lines of each invoice, in order."""
    return ByParent(parents, QuerySet(InvoiceLine), "invoice_id", "position")


def account_purchases(context: Context, parents: Sequence[Account], window: Window) -> Deferred:
    """One page of each company's purchases."""
    return pages_of(parents, Purchase, "account_id", NEWEST, window, context.viewer)


def account_invoices(context: Context, parents: Sequence[Account], window: Window) -> Deferred:
    """One page of each company's invoices."""
    return pages_of(parents, Invoice, "account_id", NEWEST_INVOICE, window, context.viewer)


def download_url(root: Invoice, info: Info) -> str:
    """A link to the PDF, good for five minutes."""
    services = info.context.services
    return checkout.download_link(services.auth.signer, services.base_url, root, services.clock.now())


def purchase_of_event(context: Context, parents: Sequence[Any]) -> ByKey:
    """The purchase each event tells of, as far as the viewer may see it."""
    return ByKey(parents, "purchase_id", Purchase.visible_to(context.viewer))


def invoice_of_event(context: Context, parents: Sequence[Any]) -> ByKey:
    """The invoice each event tells of, as far as the viewer may see it."""
    return ByKey(parents, "invoice_id", Invoice.visible_to(context.viewer))
