"""The edge to a payment provider: what is asked, what comes back. Every real provider and the sandbox speak this."""

from dataclasses import dataclass
from typing import Protocol

from models.billing.payment import PaymentStatus


@dataclass(frozen=True)
class Outcome:
    """What the provider says of a charge: where it stands, its own reference, and what the customer must do or know."""

    status: PaymentStatus
    reference: str
    confirmation_url: str | None = None
    decline_code: str | None = None
    brand: str | None = None
    last_four: str | None = None


class GatewayDown(Exception):
    """The provider did not answer; whether it charged is not known, and asking again with the same key is safe."""


class Gateway(Protocol):
    """A payment provider. `method` is the provider's token of a means of payment, never a card number."""

    async def charge(self, key: str, amount_cents: int, method: str) -> Outcome:
        """Charge once per key: a repeat returns the first charge as it stands. Raises ValueError for an unknown method."""
        ...

    async def find(self, key: str) -> Outcome | None:
        """The charge made under this key, None if there is none."""
        ...
