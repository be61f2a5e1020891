"""Buying, paying, and the bills."""

from collections.abc import Sequence
from typing import Any

from babel.core import get_global

from billing import checkout
from billing.checkout import UNKNOWN_METHOD, Till
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
from resolvers.paging import After, Before, First, Last, Order, Page, Window, page, pages_of
from resolvers.text import client_key, within

NEWEST = Order("created_at", descending=True)
NEWEST_INVOICE = Order("issued_at", descending=True)
UPCOMING = 3
_NO_COUNTRY = "ZZ"  # Unicode's code for an unknown one


def till(context: Context) -> Till:
    """What paying needs, from the parts of the house."""
    parts = context.parts
    return Till(parts.gateway, parts.seller, parts.guard.signer, parts.base_url)


async def purchases(info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None) -> Page:
    """What the viewer's company bought, the latest first."""
    viewer = info.context.viewer
    return await page(Purchase.visible_to(viewer), NEWEST, Window(first, after, last, before), viewer)


async def invoices(info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None) -> Page:
    """The viewer's company's invoices, the latest first."""
    viewer = info.context.viewer
    return await page(Invoice.visible_to(viewer), NEWEST_INVOICE, Window(first, after, last, before), viewer)


async def draft(info: Info, input: PurchaseDraftInput) -> Purchase:
    """Begin to buy."""
    account, buyer = _buying(info.context.viewer)
    price = await visible(Price, input.price_id, info.context.viewer, "priceId")
    act = info.context.act()
    if not await Price.current(act.at).filter(pk=price.pk).exists():
        raise Refusal(ErrorCode.NOT_FOUND, "input", "priceId")
    return await checkout.draft(act, account, buyer, price, client_key(input.idempotency_key, "idempotencyKey"))


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
        "country": _country(input.country),
        "order_number": within(input.order_number, "orderNumber", 50) if input.order_number else None,
    }
    return await purchase.confirm_billing(info.context.act(), billing)


def _country(given: str) -> str:
    code = given.strip().upper()
    if code == _NO_COUNTRY or code not in get_global("territory_currencies"):
        raise Refusal(ErrorCode.VALUE_INVALID, "input", "country")
    return code


async def pay(info: Info, input: PurchasePayInput) -> dict[str, Any]:
    """Pay. A declined payment comes back with the refusal, so that another means can be tried."""
    purchase = await visible(Purchase, input.purchase_id, info.context.viewer, "purchaseId")
    method = within(input.payment_method, "paymentMethod", 64)
    key = client_key(input.idempotency_key, "idempotencyKey")
    return await _paid(await checkout.pay(info.context.act(), till(info.context), purchase, method, key))


async def refresh_payment(info: Info, input: PaymentRefreshInput) -> dict[str, Any]:
    """Ask the bank again."""
    payment = await visible(Payment, input.payment_id, info.context.viewer, "paymentId")
    return await _paid(await checkout.refresh(info.context.act(), till(info.context), payment))


async def _paid(payment: Payment) -> dict[str, Any]:
    unknown = payment.decline_code == UNKNOWN_METHOD
    code = ErrorCode.VALUE_INVALID if unknown else ErrorCode.PAYMENT_DECLINED
    declined = Refusal(code, "input", "paymentMethod", reason=payment.decline_code)
    return {
        "payment": payment,
        "purchase": await Purchase.get(pk=payment.purchase_id),
        "refusals": [declined] if payment.status is PaymentStatus.DECLINED else [],
    }


async def price_of(context: Context, parents: Sequence[Purchase]) -> list[Price]:
    """The price version each purchase was made with."""
    found = await Price.in_bulk({parent.price_id for parent in parents}, "id")
    return [found[parent.price_id] for parent in parents]


async def upcoming(context: Context, parents: Sequence[Purchase]) -> list[list[Period]]:
    """The running period of each purchase and the next ones."""
    prices, today = await price_of(context, parents), local_date(context.parts.clock.now())
    return [parent.upcoming(price.interval.months, today, UPCOMING) for parent, price in zip(parents, prices, strict=True)]


async def purchase_of(context: Context, parents: Sequence[Any]) -> list[Purchase | None]:
    """The purchase of each row."""
    found = await Purchase.in_bulk({parent.purchase_id for parent in parents if parent.purchase_id}, "id")
    return [found.get(parent.purchase_id) for parent in parents]


async def payments(context: Context, parents: Sequence[Purchase]) -> list[list[Payment]]:
    """The attempts to pay each purchase, the first one first."""
    found = await Payment.filter(purchase_id__in={purchase.pk for purchase in parents}).order_by("id")
    return [[payment for payment in found if payment.purchase_id == purchase.pk] for purchase in parents]


async def invoices_of(context: Context, parents: Sequence[Purchase]) -> list[list[Invoice]]:
    """The invoices of each purchase, in the order of their periods."""
    found = await Invoice.filter(purchase_id__in={purchase.pk for purchase in parents}).order_by("period_index")
    return [[invoice for invoice in found if invoice.purchase_id == purchase.pk] for purchase in parents]


async def lines(context: Context, parents: Sequence[Invoice]) -> list[list[InvoiceLine]]:
    """The lines of each invoice, in order."""
    found = await InvoiceLine.filter(invoice_id__in={invoice.pk for invoice in parents}).order_by("position")
    by_invoice: dict[int, list[InvoiceLine]] = {invoice.pk: [] for invoice in parents}
    for line in found:
        by_invoice[line.invoice_id].append(line)
    return [by_invoice[invoice.pk] for invoice in parents]


async def account_purchases(context: Context, parents: Sequence[Account], window: Window) -> list[Page]:
    """One page of each company's purchases."""
    return await pages_of(parents, Purchase, "account_id", NEWEST, window, context.viewer)


async def account_invoices(context: Context, parents: Sequence[Account], window: Window) -> list[Page]:
    """One page of each company's invoices."""
    return await pages_of(parents, Invoice, "account_id", NEWEST_INVOICE, window, context.viewer)


def download_url(root: Invoice, info: Info) -> str:
    """A link to the PDF, good for five minutes."""
    parts = info.context.parts
    return checkout.download_link(parts.guard.signer, parts.base_url, root, info.context.act())


async def purchase_of_event(context: Context, parents: Sequence[Any]) -> list[Purchase | None]:
    """The purchase each event tells of, as far as the viewer may see it."""
    keys = {event.purchase_id for event in parents if event.purchase_id}
    found = {row.pk: row for row in await Purchase.visible_to(context.viewer).filter(pk__in=keys)}
    return [found.get(event.purchase_id or 0) for event in parents]


async def invoice_of_event(context: Context, parents: Sequence[Any]) -> list[Invoice | None]:
    """The invoice each event tells of, as far as the viewer may see it."""
    keys = {event.invoice_id for event in parents if event.invoice_id}
    found = {row.pk: row for row in await Invoice.visible_to(context.viewer).filter(pk__in=keys)}
    return [found.get(event.invoice_id or 0) for event in parents]
