"""The VAT of a supply to an account, by the stored rules and the seller's own decisions."""

from datetime import date

from tortoise.backends.base.client import BaseDBAsyncClient

from billing.seller import Seller
from models.accounts.account import Account
from models.accounts.vat_number import VatCheck
from models.billing.tax import Buyer, TaxableBuyer, TaxDecision, tax_for
from models.billing.tax_rule import TaxCategory, TaxRule
from models.billing.territory import territory_of


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


async def buyer_of(account: Account, db: BaseDBAsyncClient | None = None) -> Buyer:
    """A company as a buyer, before it has confirmed its billing details."""
    territory = territory_of(account.country, account.postal_code)
    check = await VatCheck.confirmed(account, db)
    return Buyer(territory, check.vat_number, check.checked_at) if check else Buyer(territory)
