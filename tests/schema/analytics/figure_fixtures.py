"""Rows that are counted: tickets and invoices with only the related rows that the database
requires.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import NamedTuple

from tortoise.connection import get_connection

from models.accounts.account import Account
from models.action import Action
from models.billing.billing_period import BillingItem, BillingItemKind
from models.billing.invoice import Invoice, InvoiceLine
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.purchase import Purchase
from models.database.append_only import allow_changes
from models.identity.user import User
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from realtime.hub import Hub
from tests.invoices import build_invoice
from tests.people import create_account, create_user

TODAY = date(2026, 11, 23)


class TicketColumns(NamedTuple):
    """The columns of a ticket that figures depend on."""

    channel: Channel
    category: Category
    status: TicketStatus
    day: date
    seconds: int | None


class InvoiceColumns(NamedTuple):
    """The columns of an invoice that figures depend on. `product` is an index into the shop's
    purchases.
    """

    product: int
    day: date
    net: int
    vat: int


@dataclass(frozen=True)
class Shop:
    """One customer with a purchase of each offer and interval."""

    action: Action
    account: Account
    user: User
    purchases: list[Purchase]


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


async def create_shop() -> Shop:
    """Creates two offers, TPE last in the vendor's order, each bought monthly and yearly."""
    at = noon(TODAY)
    action = Action(None, at, Hub())
    account, user = await create_account(action, "Paul SARL"), await create_user(action, "Paul")
    purchases = []
    for position, segment in ((2, Segment.TPE), (1, Segment.PME)):
        offer = await Offer.create(slug=segment.value, segment=segment, position=position, texts={})
        for interval in Interval:
            price = await Price.create(
                offer=offer, interval=interval, net_cents=1, vat_rate=2000, valid_from=at
            )
            purchases.append(await Purchase.create(account=account, price=price, created_at=at))
            purchases[-1].price = price
    # Examples delete the last ones.
    await allow_changes(get_connection("default"), ["invoice", "invoice_line"])
    return Shop(action, account, user, purchases)


async def store_tickets(shop: Shop, tickets: Sequence[TicketColumns]) -> None:
    """Stores the tickets."""
    await Ticket.bulk_create(
        Ticket(
            account=shop.account,
            requester=shop.user,
            subject="Aide",
            channel=each.channel,
            category=each.category,
            status=each.status,
            created_at=noon(each.day),
            opened_on=each.day,
            updated_at=noon(each.day),
            first_response_seconds=each.seconds,
        )
        for each in tickets
    )


async def store_invoices(shop: Shop, invoices: Sequence[InvoiceColumns]) -> None:
    """Stores the invoices, each with one line."""
    for position, each in enumerate(invoices, 1):
        invoice = await build_invoice(
            shop.action,
            shop.account,
            shop.purchases[each.product],
            position,
            issued_at=noon(each.day),
            issued_on=each.day,
            net_cents=each.net,
            vat_cents=each.vat,
            gross_cents=each.net + each.vat,
        )
        await invoice.save()
        line = await InvoiceLine.create(
            invoice=invoice,
            position=1,
            label="-",
            quantity=1,
            unit_net_cents=each.net,
            net_cents=each.net,
            vat_rate=2000,
        )
        await BillingItem.create(
            account=shop.account,
            kind=BillingItemKind.CYCLE,
            description_key="offer",
            data={"price": shop.purchases[each.product].price_id},
            quantity=1,
            unit_net_cents=each.net,
            created_at=shop.action.at,
            invoice_line=line,
        )


async def delete_invoices() -> None:
    """Deletes what `store_invoices` stored."""
    for model in (BillingItem, InvoiceLine, Invoice):
        await model.all().delete()
