"""A purchase that is changed, and the documents of its changes."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from billing import checkout
from billing.checkout_services import CheckoutServices
from billing.dunning import dun_late_invoices
from billing.renewals import bill_due_periods
from models.action import Action
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.payment_method import PaymentMethod, PaymentMethodStatus
from models.billing.purchase import Purchase
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Execute

QUOTE = """{ lines { label description quantity unitNet { amountCents } net { amountCents } }
    net { amountCents } vat { amountCents } gross { amountCents }
    period { start end } nextDates }"""
_PREVIEW = f"""kind isImmediate effectiveOn quote {QUOTE} renewal {QUOTE}
    paymentKind paymentMethod {{ id }}"""
PREVIEW = f"""query($p: ID!, $price: ID, $quantity: Int, $anchor: Date, $token: String,
    $method: ID) {{
    purchaseChangePreview(purchaseId: $p, priceId: $price, quantity: $quantity, anchor: $anchor,
    paymentMethod: $token, paymentMethodId: $method) {{ {_PREVIEW} }} }}"""
RESUME_PREVIEW = f"""query($p: ID!) {{
    purchaseResumePreview(purchaseId: $p) {{ {_PREVIEW} }} }}"""
_PAYLOAD = """purchase { status quantity billsOn pausedAt resumesOn anchor price { id }
        pendingChange { kind status effectiveOn } periods { index start end } }
    change { kind status isImmediate invoice { number gross { amountCents } } }
    payment { id status confirmationUrl amount { amountCents } }
    userErrors { code message field }"""
CHANGE = f"mutation($i: PurchaseChangeInput!) {{ purchaseChange(input: $i) {{ {_PAYLOAD} }} }}"
RESUME = f"mutation($i: PurchaseResumeInput!) {{ purchaseResume(input: $i) {{ {_PAYLOAD} }} }}"
_PURCHASE = """purchase { status cancelAtPeriodEnd billsOn pausedAt resumesOn orderNumber
        billingAddress { city } pendingChange { kind }
        changes { kind status } periods { start } }
    userErrors { code message field }"""
_SIMPLE = """mutation($i: %(type)sInput!) { result: %(field)s(input: $i) { %(selection)s } }"""


def simple_mutation(field: str) -> str:
    """The document of a mutation whose payload has a purchase only."""
    return _SIMPLE % {"type": field[0].upper() + field[1:], "field": field, "selection": _PURCHASE}


@dataclass
class Subscriber:
    """Paul's company, its purchase of 31 January 2027, and what can be bought instead."""

    execute: "Execute"
    viewer: Viewer
    purchase_id: int
    services: Services
    clock: "MovableClock"
    action: Action
    team: Price
    yearly: Price

    @property
    def id(self) -> str:
        return encode("Purchase", self.purchase_id)

    @property
    def checkout_services(self) -> CheckoutServices:
        return CheckoutServices(
            self.services.gateway, self.services.seller, self.services.auth.signer
        )

    @property
    def now(self) -> Action:
        return replace(self.action, at=self.clock.time)

    async def purchase(self) -> Purchase:
        return await Purchase.get(pk=self.purchase_id)

    async def go_to(self, day: date) -> None:
        """Moves the clock to noon of a day, and runs the daily jobs."""
        self.clock.time = datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
        await bill_due_periods(self.now, self.checkout_services)
        await dun_late_invoices(self.now, self.checkout_services)

    async def preview(self, **wanted: Any) -> dict[str, Any]:
        response = await self.execute(self.viewer, PREVIEW, p=self.id, **wanted)
        assert "errors" not in response, response
        result: dict[str, Any] = response["data"]["purchaseChangePreview"]
        return result

    async def preview_error(self, **wanted: Any) -> str:
        response = await self.execute(self.viewer, PREVIEW, p=self.id, **wanted)
        return str(response["errors"][0]["extensions"]["code"])

    async def change(
        self, key: str = "k", expected: int | None = None, **wanted: Any
    ) -> dict[str, Any]:
        """Orders a change at its previewed total."""
        if expected is None:
            names = {"priceId": "price", "paymentMethod": "token", "paymentMethodId": "method"}
            previewed = await self.preview(
                **{
                    names.get(name, name): value
                    for name, value in wanted.items()
                    if name != "renewWithPaymentMethod"
                }
            )
            expected = previewed["quote"]["gross"]["amountCents"]
        values = {"purchaseId": self.id, "expectedGrossCents": expected, "idempotencyKey": key}
        response = await self.execute(self.viewer, CHANGE, i=values | wanted)
        result: dict[str, Any] = response["data"]["purchaseChange"]
        return result

    async def resume(
        self, key: str = "r", expected: int | None = None, **wanted: Any
    ) -> dict[str, Any]:
        """Resumes the purchase at its previewed total."""
        if expected is None:
            response = await self.execute(self.viewer, RESUME_PREVIEW, p=self.id)
            expected = response["data"]["purchaseResumePreview"]["quote"]["gross"]["amountCents"]
        values = {"purchaseId": self.id, "expectedGrossCents": expected, "idempotencyKey": key}
        response = await self.execute(self.viewer, RESUME, i=values | wanted)
        result: dict[str, Any] = response["data"]["purchaseResume"]
        return result

    async def mutate(self, field: str, **values: Any) -> dict[str, Any]:
        response = await self.execute(
            self.viewer, simple_mutation(field), i={"purchaseId": self.id, **values}
        )
        result: dict[str, Any] = response["data"]["result"]
        return result

    async def use_method(self, token: str) -> None:
        """Makes this the payment method of the company."""
        methods = PaymentMethod.filter(account_id=self.viewer.account.pk)  # type: ignore[union-attr] # a member's
        await methods.update(status=PaymentMethodStatus.REMOVED, is_default=False)
        await self.save_method(token, is_default=True)

    async def save_method(self, token: str, *, is_default: bool = False) -> str:
        """The ID of a payment method that the company saved."""
        method = await PaymentMethod.create(
            account_id=self.viewer.account.pk,  # type: ignore[union-attr] # a member's
            provider="sandbox",
            token=token,
            status=PaymentMethodStatus.ACTIVE,
            is_default=is_default,
            created_at=self.clock.time,
        )
        return encode("PaymentMethod", method.pk)


async def subjects() -> list[str]:
    """The subjects of the emails since the last call."""
    emails = await Email.all().order_by("id")
    await Email.all().delete()
    return [email.subject for email in emails]


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


def price_id(price: Price) -> str:
    return encode("Price", price.pk)


@pytest.fixture
async def subscriber(
    execute: "Execute",
    dataset: Dataset,
    action: Action,
    services: Services,
    clock: "MovableClock",
    price: Price,
) -> Subscriber:
    clock.time = datetime(2027, 1, 31, 9, tzinfo=UTC)
    action, owner = replace(action, at=clock.time), dataset.paul.owner
    assert owner.account and owner.user  # noqa: PT018 - a member's
    checkout_services = services.checkout
    draft = await checkout.draft(action, owner.account, owner.user, price, "changed")
    await draft.confirm_billing(action)
    await checkout.pay(action, checkout_services, draft, "pm_sandbox_success", "changed")
    texts: Any = {
        locale: {"name": "Équipe", "description": "-", "features": ["b"], "advantages": ["c"]}
        for locale in ("fr", "en")
    }
    offer = await Offer.create(slug="equipe", segment=Segment.TPE, position=2, texts=texts)
    values: Any = {"vat_rate": 2000, "valid_from": action.at}
    team = await Price.create(offer=offer, interval=Interval.MONTH, net_cents=7900, **values)
    yearly = await Price.create(
        offer_id=price.offer_id, interval=Interval.YEAR, net_cents=29000, **values
    )
    await Email.all().delete()
    return Subscriber(execute, owner, draft.pk, services, clock, action, team, yearly)
