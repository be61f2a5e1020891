"""The VAT of a supply to an account, by the stored rules and the seller's own decisions."""

from dataclasses import replace
from datetime import date

from tortoise.backends.base.client import BaseDBAsyncClient

from billing.seller import Seller
from models.accounts.account import Account
from models.accounts.vat_number import VatCheck
from models.billing.tax import Buyer, TaxableBuyer, TaxDecision, UnverifiedBuyers, tax_for
from models.billing.tax_rule import TaxCategory, TaxRule
from models.billing.territory import territory_of


async def decide_tax(
    db: BaseDBAsyncClient | None,
    seller: Seller,
    buyer: TaxableBuyer,
    category: TaxCategory,
    day: date,
    *,
    is_renewal: bool = False,
) -> TaxDecision:
    """The VAT of a supply of this category, whose tax point is `day`, to a buyer, such as
    a billing profile. Raises what `tax_for` raises.

    A seller that refuses unverified buyers refuses their purchases. What they bought before renews,
    at the local rate while their number isn't confirmed.
    """
    rules = await TaxRule.all().using_db(db)
    options = seller.tax_options_on(day)
    if is_renewal:
        options = replace(options, unverified_buyers=UnverifiedBuyers.LOCAL_RATE)
    return tax_for(rules, buyer, category, day, options)


async def buyer_of(account: Account, db: BaseDBAsyncClient | None = None) -> Buyer:
    """A company as a buyer, before it has confirmed its billing details."""
    territory = territory_of(account.country, account.postal_code)
    check = await VatCheck.confirmed(account, db)
    return Buyer(territory, account.vat_number, check.checked_at if check else None)
