"""The VAT of prices, as the viewer's company would be charged today."""

from collections.abc import Sequence
from dataclasses import replace

from billing.tax import buyer_of
from models.billing.money import Money, vat_amount
from models.billing.offer import Price
from models.billing.tax import Buyer, TaxDecision, UnverifiedBuyers, tax_for
from models.billing.tax_rule import TaxRule
from models.clock import local_date
from resolvers.context import Context


async def vat_rates(context: Context, parents: Sequence[Price]) -> list[int]:
    """The rate of each price, in hundredths of a percent."""
    return [decision.rate_basis_points for decision in await _decisions(context, parents)]


async def vats(context: Context, parents: Sequence[Price]) -> list[Money]:
    """The VAT on each price."""
    return [
        Money(vat_amount(price.net_cents, rate))
        for price, rate in zip(parents, await vat_rates(context, parents), strict=True)
    ]


async def gross_amounts(context: Context, parents: Sequence[Price]) -> list[Money]:
    """Each price with its VAT."""
    return [
        Money(price.net_cents + vat.cents)
        for price, vat in zip(parents, await vats(context, parents), strict=True)
    ]


async def _decisions(context: Context, prices: Sequence[Price]) -> list[TaxDecision]:
    """The VAT of each price. A buyer who might be refused is shown the local rate."""
    today = local_date(context.services.clock.now())
    options = context.services.seller.tax_options_on(today)
    shown_options = replace(options, unverified_buyers=UnverifiedBuyers.LOCAL_RATE)
    rules, buyer = await TaxRule.all(), await _buyer(context)
    return [tax_for(rules, buyer, price.tax_category, today, shown_options) for price in prices]


async def _buyer(context: Context) -> Buyer:
    """The viewer's company; anyone else is charged as in metropolitan France."""
    account = context.viewer.account
    return await buyer_of(account) if account else Buyer()
