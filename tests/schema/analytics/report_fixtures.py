"""Rows for the reports: tickets and invoices with only the related rows that the database
requires.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from models.accounts.account import Account
from models.action import Action
from models.billing.invoice import Invoice
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.payment import Payment
from models.billing.purchase import Purchase
from models.identity.user import User
from models.support.ticket import Category, Channel, Ticket, TicketStatus
from models.viewer import Viewer
from realtime.hub import Hub
from resolvers.context import Context, Info, Services
from tests.people import create_account, create_user

TODAY = date(2026, 11, 23)


class TicketColumns(NamedTuple):
    """The columns of a ticket that a report reads."""

    channel: Channel
    category: Category
    status: TicketStatus
    day: date
    seconds: int | None


class InvoiceColumns(NamedTuple):
    """The columns of an invoice that a report reads. `product` is an index into the shop's
    purchases.
    """

    product: int
    day: date
    net: int
    vat: int


@dataclass(frozen=True)
class Shop:
    """One customer with a purchase of each offer and interval."""

    account: Account
    user: User
    purchases: list[Purchase]
    payment: Payment


class FixedClock:
    """Monday 23 November 2026, 23:30 in UTC: already Tuesday in Paris."""

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 23, 30, tzinfo=UTC)


def report_info(viewer: Viewer | None = None) -> Info:
    """The parts of a GraphQL operation's info that a report uses: the viewer and the time."""
    services = cast(Services, SimpleNamespace(clock=FixedClock()))
    return cast(Info, SimpleNamespace(context=Context(viewer or Viewer(), services)))


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
    payment = await Payment.create(
        account=account, purchase=purchases[0], amount_cents=1, method="card", created_at=at
    )
    return Shop(account, user, purchases, payment)


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
    """Stores the invoices."""
    await Invoice.bulk_create(
        _invoice(shop, position, each) for position, each in enumerate(invoices, 1)
    )


def _invoice(shop: Shop, position: int, columns: InvoiceColumns) -> Invoice:
    purchase = shop.purchases[columns.product]
    facts: dict[str, Any] = {}
    return Invoice(
        position=position,
        number=f"FA-2026-{position:06d}",
        account=shop.account,
        purchase=purchase,
        payment=shop.payment,
        offer_id=purchase.price.offer_id,
        period_index=position,
        issued_at=noon(columns.day),
        issued_on=columns.day,
        due_on=columns.day,
        net_cents=columns.net,
        vat_cents=columns.vat,
        gross_cents=columns.net + columns.vat,
        facts=facts,
        sha256="-",
    )
