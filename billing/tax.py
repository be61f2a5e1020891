"""The VAT of a supply to an account, by the stored rules and the seller's own decisions."""

from datetime import date

from tortoise.backends.base.client import BaseDBAsyncClient

from billing.seller import Seller
from models.billing.billing_profile import BillingProfile
from models.billing.tax import TaxDecision, tax_for
from models.billing.tax_rule import TaxCategory, TaxRule


async def decide_tax(
    db: BaseDBAsyncClient,
    seller: Seller,
    profile: BillingProfile,
    category: TaxCategory,
    day: date,
) -> TaxDecision:
    """The VAT of a supply of this category, whose tax point is `day`, to the buyer of a billing
    profile. Raises what `tax_for` raises.
    """
    rules = await TaxRule.all().using_db(db)
    return tax_for(rules, profile, category, day, seller.tax_options_on(day))
