"""What a purchase would cost, before anything is stored."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

import strawberry

from billing.bank.account import TransferStart
from billing.invoicing import DraftLine
from billing.purchase_quotes import TrialQuote, quote_purchase
from billing.quotes import Quote
from models.billing.money import Money
from models.billing.offer import Price
from models.billing.periods import Period
from models.billing.purchase import MAX_QUANTITY, parse_quantity
from models.checks import Checks
from resolvers.billing.promotions import PurchaseDiscount, discount_of, find_promotion
from resolvers.context import Info
from resolvers.ids import key_of


@dataclass(frozen=True)
class QuotedLine:
    """A line of a quote, as it will be on the invoice."""

    label: str
    description: str
    quantity: int
    unit_net: Money
    net: Money
    vat_rate: int

    @classmethod
    def of(cls, line: DraftLine) -> "QuotedLine":
        """The line with its amounts as money."""
        return cls(
            label=line.label,
            description=line.description,
            quantity=line.quantity,
            unit_net=Money(line.unit_net_cents),
            net=Money(line.printed().net_cents),
            vat_rate=line.vat_basis_points,
        )


@dataclass(frozen=True)
class QuotedVat:
    """The VAT of one rate."""

    rate: int
    net: Money
    vat: Money


@dataclass(frozen=True)
class QuotedTransfer:
    """How a purchase would be paid by bank transfer."""

    iban: str
    bic: str
    due_on: date
    starts_on_payment: bool


@dataclass(frozen=True)
class QuotedTrial:
    """How a purchase would start with a trial."""

    ends_on: date
    requires_payment_method: bool
    due_today: Money
    due_at_end: Money


@dataclass(frozen=True)
class PurchaseQuote:
    """What would be invoiced for a purchase."""

    lines: list[QuotedLine]
    net: Money
    vat: Money
    gross: Money
    vat_by_rate: list[QuotedVat]
    vat_mention: str | None
    is_vat_number_pending: bool
    period: Period
    next_dates: list[date]
    transfer: QuotedTransfer | None = None
    trial: QuotedTrial | None = None
    discount: PurchaseDiscount | None = None
    undiscounted_gross: Money | None = None
    accepts_paypal: bool = False


async def purchase_quote(
    info: Info,
    price_id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of a price on sale.")
    ],
    quantity: Annotated[
        int, strawberry.argument(description=f"The number of units, 1 to {MAX_QUANTITY}.")
    ] = 1,
    promotion_code: Annotated[
        str | None,
        strawberry.argument(description="A promotion code, in uppercase or lowercase."),
    ] = None,
) -> PurchaseQuote | None:
    """What the viewer's company would pay for the first period today, None for a price that isn't
    on sale. Raises the reason when a promotion can't be redeemed.
    """
    context, action = info.context, info.context.action()
    key = key_of(Price, price_id)
    price = await Price.on_sale(action.at).filter(pk=key or 0).select_related("offer").first()
    if price is None:
        return None
    promotion = None
    with Checks() as check:
        check(parse_quantity, quantity, "quantity")
        if promotion_code is not None:
            promotion = await check.wait(find_promotion(context, promotion_code, "promotionCode"))
    seller, locale = context.services.seller, context.viewer.locale
    quoted = await quote_purchase(
        action, seller, context.account, price, quantity, promotion, locale
    )
    gross_cents = quoted.undiscounted.totals.gross_cents if quoted.undiscounted else None
    return replace(
        present(quoted.first),
        transfer=_transfer(info),
        trial=_trial(quoted.trial) if quoted.trial else None,
        discount=discount_of(promotion, promotion.periods) if promotion else None,
        undiscounted_gross=None if gross_cents is None else Money(gross_cents),
        accepts_paypal=context.services.paypal is not None,
    )


def _trial(trial: TrialQuote) -> QuotedTrial:
    return QuotedTrial(
        trial.ends_on,
        trial.requires_payment_method,
        Money(0),
        Money(trial.first.totals.gross_cents),
    )


def _transfer(info: Info) -> QuotedTransfer | None:
    """How to pay by bank transfer, None when the seller accepts none."""
    bank = info.context.services.seller.bank
    if bank is None:
        return None
    return QuotedTransfer(
        bank.iban,
        bank.bic,
        bank.due_on(info.context.action().day),
        bank.starts is TransferStart.PAYMENT,
    )


def present(quoted: Quote) -> PurchaseQuote:
    """The quote with its amounts as money."""
    totals = quoted.totals
    return PurchaseQuote(
        lines=[QuotedLine.of(line) for line in quoted.lines],
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
