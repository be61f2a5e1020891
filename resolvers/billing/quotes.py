"""What a purchase would cost, before anything is stored."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

import strawberry

from billing.quotes import Quote, quote
from billing.tax import buyer_of
from models.billing.money import Money
from models.billing.offer import Price
from models.billing.periods import Period
from models.billing.purchase import MAX_QUANTITY, parse_quantity
from resolvers.context import Info
from resolvers.ids import key_of


@dataclass(frozen=True)
class QuotedLine:
    """A line of a quote, as it will be on the invoice."""

    label: str
    quantity: int
    unit_net: Money
    net: Money
    vat_rate: int


@dataclass(frozen=True)
class QuotedVat:
    """The VAT of one rate."""

    rate: int
    net: Money
    vat: Money


@dataclass(frozen=True)
class PurchaseQuote:
    """What a purchase would be invoiced."""

    lines: list[QuotedLine]
    net: Money
    vat: Money
    gross: Money
    vat_by_rate: list[QuotedVat]
    vat_mention: str | None
    is_vat_number_pending: bool
    period: Period
    next_dates: list[date]


async def purchase_quote(
    info: Info,
    price_id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of a price on sale.")
    ],
    quantity: Annotated[
        int, strawberry.argument(description=f"The number of units, 1 to {MAX_QUANTITY}.")
    ] = 1,
) -> PurchaseQuote | None:
    """What the viewer's company would pay for the first period today, None for a price that isn't
    on sale.
    """
    viewer, at = info.context.viewer, info.context.action().at
    key = key_of(Price, price_id)
    price = await Price.current(at).filter(pk=key or 0).select_related("offer").first()
    if price is None:
        return None
    account = viewer.account
    assert account is not None, "the field's rule lets in buyers only"  # noqa: S101
    quoted = await quote(
        None,
        info.context.services.seller,
        price,
        parse_quantity(quantity, "quantity"),
        await buyer_of(account),
        info.context.action().day,
        locale=viewer.locale,
    )
    return present(quoted)


def present(quoted: Quote) -> PurchaseQuote:
    """The quote with its amounts as money."""
    totals = quoted.totals
    return PurchaseQuote(
        lines=[
            QuotedLine(
                label=line.label,
                quantity=line.quantity,
                unit_net=Money(line.unit_net_cents),
                net=Money(line.printed().net_cents),
                vat_rate=line.vat_basis_points,
            )
            for line in quoted.lines
        ],
        net=Money(totals.net_cents),
        vat=Money(totals.vat_cents),
        gross=Money(totals.gross_cents),
        vat_by_rate=[
            QuotedVat(band.basis_points, Money(band.net_cents), Money(band.vat_cents))
            for band in totals.bands
        ],
        vat_mention=quoted.tax.mention or None,
        is_vat_number_pending=quoted.is_vat_number_pending,
        period=quoted.period,
        next_dates=list(quoted.next_dates),
    )
