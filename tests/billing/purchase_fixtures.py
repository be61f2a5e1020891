"""A company that buys, and the services that take its payments."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import billing
from billing import checkout
from billing.checkout_services import CheckoutServices
from billing.gateways.gateway import GatewayUnavailable, Outcome
from billing.gateways.sandbox import Sandbox
from billing.seller import seller
from models.accounts.account import Account, Role
from models.action import Action
from models.billing.offer import Interval, Offer, OfferTexts, Price, Segment
from models.billing.payment import Payment
from models.billing.purchase import Purchase
from models.identity.user import User
from tests.people import add_member, create_account, create_user
from tests.quick_auth import quick_auth

if TYPE_CHECKING:
    from tests.conftest import MovableClock

ADDRESS = {
    "street": "3 rue du Four",
    "postal_code": "69001",
    "city": "Lyon",
    "country": "FR",
}


@dataclass
class Shop:
    """Camille's company, what it can buy, and the services."""

    services: CheckoutServices
    account: Account
    buyer: User
    price: Price

    async def confirmed_purchase(self, action: Action, key: str, quantity: int = 1) -> Purchase:
        """A purchase with confirmed billing details."""
        purchase = await checkout.draft(
            action, self.account, self.buyer, self.price, f"draft-{key}", quantity
        )
        return await purchase.confirm_billing(action, ADDRESS, "PO 7")

    async def buy(
        self, action: Action, key: str, method: str = "pm_sandbox_success", quantity: int = 1
    ) -> Payment:
        """Buys and pays."""
        purchase = await self.confirmed_purchase(action, key, quantity)
        return await checkout.pay(action, self.services, purchase, method, f"pay-{key}")


@pytest.fixture
def checkout_services(clock: "MovableClock") -> Iterator[CheckoutServices]:
    auth = quick_auth(clock)
    file = Path(billing.__file__).with_name("seller.toml")
    yield CheckoutServices(Sandbox("https://bank.example", clock), seller(file), auth.signer)
    auth.passwords.close()


@pytest.fixture
async def shop(db: str, action: Action, checkout_services: CheckoutServices) -> Shop:
    """A company with a verified owner, and an offer of 29.00 EUR a month, net."""
    account = await create_account(
        action, street="1 rue X", postal_code="75001", city="Paris", country="FR"
    )
    buyer = await create_user(action)
    await add_member(action, account, buyer, Role.OWNER)
    text = OfferTexts(
        name="Essentiel", description="-", features=["Une page", "Un nom"], advantages=[]
    )
    offer = await Offer.create(
        slug="essentiel", segment=Segment.TPE, texts={"fr": text, "en": text}
    )
    price = await Price.create(
        offer=offer, interval=Interval.MONTH, net_cents=2900, vat_rate=2000, valid_from=action.at
    )
    return Shop(checkout_services, account, buyer, price)


class UnavailableOnce(Sandbox):
    """A provider whose answer is lost once, after it has charged."""

    is_available = False

    async def charge(self, key: str, amount_cents: int, method: str, **options: Any) -> Outcome:
        outcome = await super().charge(key, amount_cents, method, **options)
        if not self.is_available:
            self.is_available = True
            raise GatewayUnavailable
        return outcome
