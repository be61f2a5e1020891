"""What a purchase will be billed in the coming months, calculated by the functions of the billing
run, without storing anything or calling a provider. It shows what happens if nothing is changed and
each invoice is paid on time.
"""

from collections.abc import AsyncIterator
from copy import copy
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

import orjson

from billing.changes.terms import apply_terms
from billing.quotes import Quote, quote_next_period
from billing.seller import Seller
from billing.tax import buyer_of
from models.accounts.account import Account
from models.billing.billing_profile import BillingProfile
from models.billing.money import Money, to_decimal
from models.billing.offer import Price
from models.billing.periods import months_after
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind
from models.billing.tax import TaxableBuyer
from models.identity.user import User
from models.locale import Locale

MAX_MONTHS = 120
_FIRST_AMOUNT = 4  # of the columns of the table
_ENDED = (PurchaseStatus.CANCELED, PurchaseStatus.EXPIRED)


class SimulatedKind(StrEnum):
    """What happens on a simulated day."""

    TRIAL_END = "TRIAL_END"
    CHANGE = "CHANGE"
    INVOICE = "INVOICE"
    END = "END"


@dataclass(frozen=True)
class Simulated:
    """What happens to a purchase on a day. An invoice comes with the quote of its period, a change
    with what it changes.
    """

    day: date
    kind: SimulatedKind
    quote: Quote | None = None
    change: PurchaseChangeKind | None = None


async def simulate(purchase: Purchase, seller: Seller, today: date, months: int) -> list[Simulated]:
    """What happens to a purchase from today up to, but not including, the day `months` months
    later, in order. What is already due is billed today. A draft is assumed to be paid today, and a
    suspended purchase to be active again today.

    Raises VAT_NUMBER_REQUIRED or VAT_NUMBER_PENDING for a draft of a buyer whom the seller refuses.
    """
    events, end = [], months_after(today, months)
    async for event in _events(copy(purchase), seller, today):
        if event.day >= end:
            break
        events.append(event)
    return events


async def next_charge(purchase: Purchase, seller: Seller, today: date) -> Money:
    """What the next period costs, including VAT and the scheduled change; zero when none begins
    within two months.
    """
    quotes = [event.quote for event in await simulate(purchase, seller, today, 2) if event.quote]
    return Money(quotes[0].totals.gross_cents if quotes else 0)


async def _events(purchase: Purchase, seller: Seller, today: date) -> AsyncIterator[Simulated]:
    """All that will happen, in order. For a purchase that renews, it never ends."""
    if purchase.status in _ENDED:
        return
    if purchase.trial_ends_on and purchase.trial_ends_on >= today:
        yield Simulated(purchase.trial_ends_on, SimulatedKind.TRIAL_END)
    price = await Price.get(pk=purchase.price_id).select_related("offer")
    scheduled = PurchaseChange.scheduled().filter(purchase_id=purchase.pk)
    change = await scheduled.select_related("price__offer").first()
    buyer = await _buyer(purchase)
    user = await User.get_or_none(pk=purchase.buyer_id)
    locale = user.locale if user else Locale.FR
    if not _prepare_copy(purchase, price, today):
        return
    while True:
        following = purchase.next_period(price.interval.months)
        day = max(following.start, today)
        if change and change.effective_on <= day:
            yield Simulated(day, SimulatedKind.CHANGE, change=change.kind)
            if change.kind is PurchaseChangeKind.PAUSE:
                if change.resumes_on is None:
                    return
                purchase.resume(max(change.resumes_on, today))
            else:
                price = apply_terms(purchase, change, price, change.price)
            change = None
            continue
        if purchase.cancel_at_period_end:
            yield Simulated(day, SimulatedKind.END)
            return
        quoted = await quote_next_period(None, seller, purchase, price, buyer, locale)
        yield Simulated(day, SimulatedKind.INVOICE, quoted)
        purchase.move_to_next_period(price.interval.months)
        purchase.use_promotion()


def _prepare_copy(purchase: Purchase, price: Price, today: date) -> bool:
    """Prepare the copy of a purchase: a draft counts as paid today, and a suspended purchase as
    active. Returns False when nothing will happen, such as to one that is paused indefinitely.
    """
    if purchase.anchor is None:
        purchase.anchor = purchase.bills_on = today
        purchase.next_period_index = 0
    if purchase.status is PurchaseStatus.SUSPENDED:
        purchase.skip_past_periods(price.interval.months, today)
    if purchase.status is PurchaseStatus.PAUSED and purchase.resumes_on:
        purchase.resume(max(purchase.resumes_on, today))
    return purchase.bills_on is not None


async def _buyer(purchase: Purchase) -> TaxableBuyer:
    if profile := await BillingProfile.get_or_none(pk=purchase.billing_profile_id):
        return profile
    return await buyer_of(await Account.get(pk=purchase.account_id))


def as_text(purchase: Purchase, events: list[Simulated]) -> str:
    """The events as a table in English, with amounts in euros. `purchase.price.offer` has to be
    fetched.
    """
    rows: list[tuple[str, ...]] = [("day", "event", "from", "until", "net", "VAT", "gross")]
    for event in events:
        row: tuple[str, ...] = (f"{event.day}", _event_text(event))
        if event.quote:
            sums = event.quote.totals
            amounts = (sums.net_cents, sums.vat_cents, sums.gross_cents)
            last_day = event.quote.period.end - timedelta(days=1)
            row += (f"{event.quote.period.start}", f"{last_day}", *map(_euros, amounts))
        rows.append(row + ("",) * (len(rows[0]) - len(row)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if number >= _FIRST_AMOUNT else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    offer = purchase.price.offer.text(Locale.EN)["name"]
    return "\n".join(
        [
            f"Purchase {purchase.pk}: {purchase.quantity} x {offer}, {purchase.status}",
            *(lines if events else ["Nothing will be billed."]),
        ]
    )


def _event_text(event: Simulated) -> str:
    return f"{event.kind} {event.change}" if event.change else event.kind.value


def _euros(cents: int) -> str:
    return f"{to_decimal(cents):,}"


def as_json(purchase: Purchase, events: list[Simulated]) -> str:
    """The events in JSON, with amounts in cents."""
    return orjson.dumps(
        {
            "purchase": purchase.pk,
            "status": purchase.status,
            "events": [_json_event(event) for event in events],
        },
        option=orjson.OPT_INDENT_2,
    ).decode()


def _json_event(event: Simulated) -> dict[str, Any]:
    values: dict[str, Any] = {"day": event.day, "kind": event.kind}
    if event.change:
        values["change"] = event.change
    if event.quote:
        sums = event.quote.totals
        values["period"] = {
            "index": event.quote.period.index,
            "start": event.quote.period.start,
            "end": event.quote.period.end,
        }
        values |= {
            "netCents": sums.net_cents,
            "vatCents": sums.vat_cents,
            "grossCents": sums.gross_cents,
            "lines": [
                {
                    "label": line.label,
                    "quantity": line.quantity,
                    "unitNetCents": line.unit_net_cents,
                    "vatBasisPoints": line.vat_basis_points,
                }
                for line in event.quote.lines
            ],
        }
    return values
