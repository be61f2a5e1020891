"""What a payment is made with, and how the attempt is stored before the provider is called."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from billing.gateways.gateway import (
    MAX_CHARGE_CENTS,
    MIN_CHARGE_CENTS,
    PAYPAL,
    ChargeGateway,
)
from models.action import Transaction
from models.billing.errors import BillingErrorCode
from models.billing.money import Money
from models.billing.payment import Payment
from models.billing.payment_method import PaymentKind, PaymentMethod
from models.errors import Refusal

RECONCILE_DELAY = timedelta(minutes=1)  # before the provider is asked again
_CONFIRMATION_TIME = timedelta(hours=24)  # to confirm a payment with the bank
# To confirm a payment that was made without the customer, as long as the link in the email.
_OFF_SESSION_CONFIRMATION_TIME = timedelta(days=7)


@dataclass(frozen=True)
class Means:
    """What a customer pays with: the provider's token, of a saved method if there is one, and where
    the bank sends them back to.
    """

    token: str
    kind: PaymentKind
    saved: PaymentMethod | None = None
    return_url: str | None = None

    @classmethod
    def of(cls, method: str | PaymentMethod, return_url: str | None = None) -> Self:
        """The means of a saved method, or of the token of another one."""
        if isinstance(method, PaymentMethod):
            return cls(method.token, method.kind, method, return_url)
        kind = PaymentKind.WALLET if method == PAYPAL else PaymentKind.CARD
        return cls(method, kind, None, return_url)

    @property
    def key(self) -> str:
        """What has to be the same when an idempotency key is repeated."""
        return f"method:{self.saved.pk}" if self.saved else self.token

    async def require_chargeable(self, tx: Transaction, gateway: ChargeGateway, cents: int) -> None:
        """Raise NOT_ACTIVE for a saved method that can't be charged, and AMOUNT_TOO_SMALL or
        AMOUNT_TOO_LARGE for an amount that providers don't charge.
        """
        if cents < MIN_CHARGE_CENTS:
            minimum = Money(MIN_CHARGE_CENTS)
            raise Refusal(BillingErrorCode.AMOUNT_TOO_SMALL, "input", minimum=minimum)
        if cents > MAX_CHARGE_CENTS:
            maximum = Money(MAX_CHARGE_CENTS)
            raise Refusal(BillingErrorCode.AMOUNT_TOO_LARGE, "input", maximum=maximum)
        if self.saved:
            await self.saved.require_chargeable(tx.db, gateway.name)

    async def store_payment(
        self,
        tx: Transaction,
        gateway: ChargeGateway,
        account_id: int,
        cents: int,
        *,
        is_off_session: bool = False,
        **references: Any,
    ) -> Payment:
        """Store a payment that is charged after the commit."""
        time = _OFF_SESSION_CONFIRMATION_TIME if is_off_session else _CONFIRMATION_TIME
        return await Payment.create(
            using_db=tx.db,
            account_id=account_id,
            amount_cents=cents,
            method=self.token,
            payment_method=self.saved,
            kind=self.kind,
            provider=gateway.name,
            return_url=self.return_url,
            is_off_session=is_off_session,
            created_at=tx.action.at,
            expires_at=tx.action.at + time,
            next_check_at=tx.action.at + RECONCILE_DELAY,
            **references,
        )
