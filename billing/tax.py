"""The VAT of a supply to an account, by the stored rules and the seller's own decisions."""

from datetime import date

from tortoise.backends.base.client import BaseDBAsyncClient

from billing.seller import Seller
from models.billing.tax import TaxableBuyer, TaxDecision, tax_for
from models.billing.tax_rule import TaxCategory, TaxRule


async def decide_tax(
    db: BaseDBAsyncClient | None,
    seller: Seller,
    buyer: TaxableBuyer,
    category: TaxCategory,
    day: date,
) -> TaxDecision:
    """The VAT of a supply of this category, whose tax point is `day`, to a buyer, such as
    a billing profile. Raises what `tax_for` raises.
    """
    rules = await TaxRule.all().using_db(db)
    return tax_for(rules, buyer, category, day, seller.tax_options_on(day))
