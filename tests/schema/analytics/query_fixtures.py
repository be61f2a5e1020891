"""Twelve companies with tickets, purchases and payments in numbers that can be added up by hand,
and an analyst who sends queries over HTTP.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import httpx
from starlette.applications import Starlette

from app import create_app
from auth import sessions
from models.accounts.account import Account
from models.action import Action
from models.billing.billing_period import BillingItem, BillingItemKind
from models.billing.invoice import InvoiceLine
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.purchase import Purchase, PurchaseStatus
from models.event import Event, EventKind, ticket_stream
from models.identity.user import Staff, User
from models.support.calendar import Calendar
from models.support.classification import Category, Channel
from models.support.opening_hours import HolidayCalendar
from models.support.rating import TicketRating
from models.support.sla_clock import ClockState, SlaClock
from models.support.sla_policy import SlaMeasure
from models.support.team import Team
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from realtime.hub import Hub
from settings import read_settings
from tests.conftest import MovableClock
from tests.invoices import build_invoice
from tests.people import create_account, create_staff, create_user
from tests.story.server_fixtures import SECRET_KEY

NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)  # Tuesday, 24 November, 0:30 in Paris
TABLE = """query ($query: AnalyticsQueryInput!) { analytics(query: $query) {
    since until dimensions measures { name unit } rowCount truncated hiddenCount minimumCompanies
    rows { keys cells { number amount { amountCents } isHidden change
        previous { number amount { amountCents } isHidden }
        runningTotal { number amount { amountCents } } } } } }"""


@cache
def application(now: datetime, min_companies: int) -> Starlette:
    """The application, with a clock that stands still."""
    settings = read_settings(
        {
            "CAMCHA_DATABASE_URL": "sqlite://unused",
            "CAMCHA_SECRET_KEY": SECRET_KEY,
            "CAMCHA_ANALYTICS_MIN_COMPANIES": str(min_companies),
        }
    )
    return create_app(settings, MovableClock(now))


@dataclass
class Analyst:
    """An analyst with an HTTP client."""

    http: httpx.AsyncClient
    action: Action

    async def post(self, document: str, **body: Any) -> dict[str, Any]:
        """The response to an operation."""
        response = await self.http.post("/graphql", json={"query": document, **body})
        return dict(response.json())

    async def table(self, **query: Any) -> dict[str, Any]:
        """The answer to a query."""
        response = await self.post(TABLE, variables={"query": query})
        assert "errors" not in response, response
        return dict(response["data"]["analytics"])

    async def rows(self, **query: Any) -> list[tuple[Any, ...]]:
        """The keys and numbers of each row of the answer. A hidden number is `-`."""
        return rows_of(await self.table(**query))


def rows_of(table: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The keys and numbers of each row of an answer. A hidden number is `-`."""
    return [(*row["keys"], *map(number, row["cells"])) for row in table["rows"]]


def number(cell: dict[str, Any]) -> Any:
    """A number, or the cents of an amount; `-` when it is hidden."""
    if cell["isHidden"]:
        return "-"
    return cell["amount"]["amountCents"] if cell["amount"] else cell["number"]


@asynccontextmanager
async def analyst_client(
    role: Staff = Staff.ANALYST,
    name: str = "Nadia",
    now: datetime = NOW,
    min_companies: int = 5,
) -> AsyncIterator[Analyst]:
    """A member of staff who is signed in with a second factor, to a server that hides numbers about
    fewer companies than `min_companies`.
    """
    action = Action(None, now, Hub())
    user = await create_staff(action, name, role)
    tokens = await sessions.sign_in(user, None, True, action)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=application(now, min_companies)),
        base_url="http://camcha.example",
        headers={"Authorization": f"Bearer {tokens.access}"},
    ) as http:
        yield Analyst(http, action)


@dataclass
class Market:
    """The rows that are counted."""

    action: Action
    companies: list[Account]
    user: User
    monthly: Price
    yearly: Price
    teams: list[Team]
    position: int = 0

    async def bill(self, purchase: Purchase, starts_on: date, ends_on: date, net: int) -> None:
        """Bills a period, on its first day."""
        self.position += 1
        invoice = await build_invoice(
            self.action,
            self.companies[0],
            purchase,
            self.position,
            issued_on=starts_on,
            net_cents=net,
            vat_cents=net // 5,
            gross_cents=net + net // 5,
        )
        invoice.account_id = purchase.account_id
        await invoice.save()
        line = await InvoiceLine.create(
            invoice=invoice,
            position=1,
            label="-",
            quantity=1,
            unit_net_cents=net,
            net_cents=net,
            vat_rate=2000,
        )
        await BillingItem.create(
            account_id=purchase.account_id,
            purchase=purchase,
            kind=BillingItemKind.CYCLE,
            description_key="offer",
            data={"price": purchase.price_id},
            quantity=1,
            unit_net_cents=net,
            starts_on=starts_on,
            ends_on=ends_on,
            created_at=self.action.at,
            invoice_line=line,
        )

    async def open_tickets(
        self, at: datetime, companies: Sequence[Account], **columns: Any
    ) -> list[Ticket]:
        """A ticket of each company at a time."""
        tickets = [
            Ticket(
                account=company,
                requester=self.user,
                subject="Aide",
                **{
                    "channel": Channel.CHAT,
                    "category": Category.USAGE,
                    "created_at": at,
                    "opened_on": (at + timedelta(hours=1)).date(),
                    "updated_at": at,
                }
                | columns,
            )
            for company in companies
        ]
        for ticket in tickets:
            await ticket.save()
        return tickets


async def create_market() -> Market:
    """Twelve companies, two offers and two teams. Nothing is bought yet."""
    action = Action(None, NOW, Hub())
    created_at = datetime(2026, 1, 15, tzinfo=UTC)
    companies = [
        await create_account(action, f"Company {index}", created_at=created_at)
        for index in range(12)
    ]
    prices = []
    for position, (segment, interval, net) in enumerate(
        ((Segment.TPE, Interval.MONTH, 2_900), (Segment.PME, Interval.YEAR, 120_000))
    ):
        offer = await Offer.create(
            slug=segment.value.lower(), segment=segment, position=position, texts={}
        )
        prices.append(
            await Price.create(
                offer=offer,
                interval=interval,
                net_cents=net,
                vat_rate=2000,
                valid_from=created_at,
            )
        )
    teams = [
        await Team.create(name=name, created_at=created_at) for name in ("Facturation", "Technique")
    ]
    user, (monthly, yearly) = await create_user(action, "Paul"), prices
    return Market(action, companies, user, monthly, yearly, teams)


async def sell(market: Market) -> None:
    """The first six companies buy the monthly offer of 29.00 in September, and the first of them
    ends it on 1 November. The others buy the yearly one of 1,200.00.
    """
    for index, company in enumerate(market.companies):
        is_monthly = index < 6
        purchase = await Purchase.create(
            account=company,
            price=market.monthly if is_monthly else market.yearly,
            status=PurchaseStatus.ACTIVE,
            created_at=datetime(2026, 9, 1, 8, tzinfo=UTC),
            activated_at=datetime(2026, 9, 1, 8, tzinfo=UTC),
            ended_on=date(2026, 11, 1) if index == 0 else None,
        )
        if not is_monthly:
            await market.bill(purchase, date(2026, 9, 1), date(2027, 9, 1), 120_000)
            continue
        for month in (9, 10, 11):
            if index or month < 11:
                starts_on, ends_on = date(2026, month, 1), date(2026, month + 1, 1)
                await market.bill(purchase, starts_on, ends_on, 2_900)


async def try_out(market: Market) -> None:
    """Six trials in October: three are billed, two end, and one is still running."""
    for index, company in enumerate(market.companies[6:]):
        status = PurchaseStatus.ACTIVE if index < 3 else PurchaseStatus.CANCELED
        purchase = await Purchase.create(
            account=company,
            price=market.monthly,
            status=PurchaseStatus.TRIALING if index == 5 else status,
            created_at=datetime(2026, 10, 1, 8, tzinfo=UTC),
            activated_at=datetime(2026, 10, 1, 8, tzinfo=UTC),
            trial_ends_on=date(2026, 10, 15),
            ended_on=date(2026, 10, 15) if index in (3, 4) else None,
        )
        if index < 3:
            await market.bill(purchase, date(2026, 12, 1), date(2027, 1, 1), 2_900)


async def pay(market: Market) -> None:
    """A payment of each company in November: those of the first six are declined."""
    for index, company in enumerate(market.companies):
        await Payment.create(
            account=company,
            kind=PaymentKind.CARD,
            status=PaymentStatus.DECLINED if index < 6 else PaymentStatus.SUCCEEDED,
            amount_cents=3_480,
            method="pm",
            decline_code="insufficient_funds" if index < 6 else None,
            created_at=datetime(2026, 11, 2, 9, tzinfo=UTC),
        )


async def support(market: Market) -> None:
    """Tickets of three days:

    - Sunday, 25 October, in the hour from 2 to 3 that the clocks repeat: five tickets before, and
      five after. All are still open.
    - Monday, 2 November, 9:30 in Paris: the first six companies, answered after 1 to 6 minutes,
      solved a day later by the technical team; two of them were reopened in between. Five rate 5,
      one rates 2.
    - Tuesday, 3 November, 14:10: the other six, about billing, not answered yet.
    """
    for hour in (0, 1):
        at = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        await market.open_tickets(at, market.companies[:5])
    calendar = await Calendar.create(
        name="Heures",
        time_zone="Europe/Paris",
        week=[[]] * 7,
        holidays=HolidayCalendar.NONE,
        created_at=NOW,
    )
    monday = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)
    for index, company in enumerate(market.companies[:6]):
        (ticket,) = await market.open_tickets(
            monday,
            [company],
            category=Category.BUG,
            team=market.teams[1],
            status=TicketStatus.SOLVED,
            first_response_seconds=60 * (index + 1),
            solved_at=monday + timedelta(days=1),
        )
        statuses = ["SOLVED", "OPEN", "SOLVED"] if index < 2 else ["SOLVED"]
        for sequence, status in enumerate(statuses, 1):
            await Event.create(
                stream=ticket_stream(ticket.pk),
                sequence=sequence,
                kind=EventKind.STATUS_CHANGED,
                at=monday,
                status=status,
                ticket=ticket,
            )
        await TicketRating.create(
            ticket=ticket,
            team=market.teams[1],
            finished_at=monday,
            score=2 if index == 5 else 5,
            rated_at=monday + timedelta(days=2),
            rated_on=date(2026, 11, 4),
        )
        await SlaClock.create(
            ticket=ticket,
            measure=SlaMeasure.FIRST_RESPONSE,
            state=ClockState.SETTLED,
            calendar=calendar,
            business_time=timedelta(minutes=index + 1),
            wall_time=timedelta(minutes=index + 1),
            started_at=monday,
            started_on=monday.date(),
            breached_at=monday if index == 5 else None,
        )
    await market.open_tickets(
        datetime(2026, 11, 3, 13, 10, tzinfo=UTC),
        market.companies[6:],
        channel=Channel.EMAIL,
        category=Category.BILLING,
        team=market.teams[0],
    )
