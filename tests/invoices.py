"""Rows of issued invoices, for tests that are not about issuing them."""

from typing import Any

from models.accounts.account import Account
from models.action import Action
from models.billing.billing_profile import BillingProfile
from models.billing.invoice import Invoice
from models.billing.purchase import Purchase


async def create_profile(action: Action, account: Account) -> BillingProfile:
    """The first version of the company's billing profile."""
    profile, _ = await BillingProfile.get_or_create(
        {
            "created_at": action.at,
            "legal_name": account.legal_name,
            "siren": account.siren,
            "street": "1 rue X",
            "postal_code": "75001",
            "city": "Paris",
            "country": "FR",
        },
        account=account,
        version=1,
    )
    return profile


async def build_invoice(
    action: Action, account: Account, purchase: Purchase, position: int, **columns: Any
) -> Invoice:
    """An invoice of 34.80 EUR that isn't stored yet."""
    defaults: dict[str, Any] = {
        "number": f"FA-2026-{position:06d}",
        "issued_at": action.at,
        "issued_on": action.day,
        "due_on": action.day,
        "net_cents": 2900,
        "vat_cents": 580,
        "gross_cents": 3480,
        "facts": {},
    }
    return Invoice(
        position=position,
        account=account,
        billing_profile=await create_profile(action, account),
        purchase=purchase,
        **defaults | columns,
    )


async def create_invoice(
    action: Action, account: Account, purchase: Purchase, position: int, **columns: Any
) -> Invoice:
    """Stores an invoice of 34.80 EUR."""
    invoice = await build_invoice(action, account, purchase, position, **columns)
    await invoice.save()
    return invoice
