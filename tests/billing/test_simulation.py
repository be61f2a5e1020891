"""P3.6: an operator sees what a purchase will be billed, and nothing is written."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from billing.changes.cancellation import cancel
from billing.renewals import bill_due_periods
from billing.simulation import SimulatedKind, as_json, as_text, simulate
from models.action import Action
from models.billing.invoice import Invoice
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind
from models.database.sql import execute
from resolvers.ids import encode
from tests.billing.purchase_fixtures import Shop
from tests.test_cli import SECRET_KEY, command

if TYPE_CHECKING:
    from subprocess import CompletedProcess

JANUARY = datetime(2027, 1, 31, 9, tzinfo=UTC)


async def bought(shop: Shop, action: Action, quantity: int = 1) -> Purchase:
    """A purchase of 31 January 2027."""
    await shop.buy(replace(action, at=JANUARY), "1", quantity=quantity)
    return await Purchase.get().select_related("price__offer")


async def test_p3_6_the_simulation_is_what_is_billed_later(shop: Shop, action: Action) -> None:
    purchase = await bought(shop, action, quantity=3)
    seller, today = shop.services.seller, date(2027, 1, 31)
    events = await simulate(purchase, seller, today, 36)
    assert [event.kind for event in events] == [SimulatedKind.INVOICE] * 35
    assert [event.day for event in events[:3]] == [
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
    ]
    assert events[12].day == date(2028, 2, 29)
    for event in events[:4]:
        at = datetime(event.day.year, event.day.month, event.day.day, 11, tzinfo=UTC)
        assert await bill_due_periods(replace(action, at=at), shop.services) == 1
    invoices = await Invoice.all().order_by("id").offset(1)
    simulated = [(event.day, event.quote and event.quote.totals.gross_cents) for event in events]
    assert [(each.issued_on, each.gross_cents) for each in invoices] == simulated[:4]


async def test_a_simulation_writes_nothing(shop: Shop, action: Action) -> None:
    purchase = await bought(shop, action)
    tables = ("purchase", "billing_profile", "invoice", "payment", "email", "event", "counter")
    before = [await execute(f"SELECT * FROM {table}") for table in tables]  # noqa: S608
    await simulate(purchase, shop.services.seller, date(2027, 3, 15), 36)
    assert [await execute(f"SELECT * FROM {table}") for table in tables] == before  # noqa: S608


async def test_missed_periods_are_billed_today(shop: Shop, action: Action) -> None:
    purchase = await bought(shop, action)
    events = await simulate(purchase, shop.services.seller, date(2027, 4, 15), 1)
    assert [event.day for event in events] == [date(2027, 4, 15)] * 2 + [date(2027, 4, 30)]
    purchase.status = PurchaseStatus.SUSPENDED
    events = await simulate(purchase, shop.services.seller, date(2027, 4, 15), 1)
    assert [event.day for event in events] == [date(2027, 4, 15), date(2027, 4, 30)]


async def test_a_change_a_cancellation_and_the_end_are_shown(shop: Shop, action: Action) -> None:
    purchase = await bought(shop, action)
    await PurchaseChange.create(
        purchase=purchase,
        kind=PurchaseChangeKind.QUANTITY,
        quantity=2,
        effective_on=date(2027, 3, 31),
        created_at=action.at,
    )
    events = await simulate(purchase, shop.services.seller, date(2027, 2, 1), 3)
    assert [(event.kind, event.change) for event in events] == [
        (SimulatedKind.INVOICE, None),
        (SimulatedKind.CHANGE, PurchaseChangeKind.QUANTITY),
        (SimulatedKind.INVOICE, None),
        (SimulatedKind.INVOICE, None),
    ]
    amounts = [event.quote.totals.gross_cents for event in events if event.quote]
    assert amounts == [3_480, 6_960, 6_960]
    purchase = await cancel(replace(action, at=JANUARY), purchase, None)
    events = await simulate(purchase, shop.services.seller, date(2027, 2, 1), 36)
    assert [(event.day, event.kind) for event in events] == [(date(2027, 2, 28), SimulatedKind.END)]
    await Purchase.filter(pk=purchase.pk).update(status=PurchaseStatus.CANCELED)
    ended = await Purchase.get(pk=purchase.pk).select_related("price__offer")
    assert await simulate(ended, shop.services.seller, date(2027, 2, 1), 36) == []
    assert as_text(ended, []).endswith("Nothing will be billed.")


async def test_a_draft_is_simulated_as_if_it_was_paid_today(shop: Shop, action: Action) -> None:
    await shop.confirmed_purchase(action, "1")
    purchase = await Purchase.get()
    events = await simulate(purchase, shop.services.seller, action.day, 2)
    assert [event.day for event in events] == [action.day, date(2026, 12, 23)]


async def test_the_calendar_is_a_table_or_json(shop: Shop, action: Action) -> None:
    purchase = await bought(shop, action)
    events = await simulate(purchase, shop.services.seller, date(2027, 2, 1), 2)
    assert as_text(purchase, events).splitlines() == [
        f"Purchase {purchase.pk}: 1 x Essentiel, ACTIVE",
        "day         event    from        until         net   VAT  gross",
        "2027-02-28  INVOICE  2027-02-28  2027-03-30  29.00  5.80  34.80",
        "2027-03-31  INVOICE  2027-03-31  2027-04-29  29.00  5.80  34.80",
    ]
    content = json.loads(as_json(purchase, events))
    assert content["purchase"] == purchase.pk
    assert content["events"][0] == {
        "day": "2027-02-28",
        "kind": "INVOICE",
        "period": {"index": 1, "start": "2027-02-28", "end": "2027-03-31"},
        "netCents": 2_900,
        "vatCents": 580,
        "grossCents": 3_480,
        "lines": [
            {"label": "Essentiel", "quantity": 1, "unitNetCents": 2_900, "vatBasisPoints": 2_000}
        ],
    }


async def test_operators_simulate_by_a_command(
    shop: Shop, action: Action, db: str, tmp_path: Path
) -> None:
    purchase = await bought(shop, action)

    async def run(*arguments: str) -> "CompletedProcess[str]":
        settings = {"DATABASE_URL": db, "SECRET_KEY": SECRET_KEY}
        return await asyncio.to_thread(command, tmp_path, "simulate", *arguments, **settings)

    for name in (str(purchase.pk), encode("Purchase", purchase.pk)):
        result = await run(name, "--months", "6")
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(f"Purchase {purchase.pk}: 1 x Essentiel, ACTIVE\n")
    content = json.loads((await run(str(purchase.pk), "--json")).stdout)
    assert len(content["events"]) > 30
    assert "there is no purchase 999" in (await run("999")).stderr
    assert "--months: 1 to 120" in (await run("1", "--months", "0")).stderr
