"""The interface to a payment provider, implemented by each provider and by the sandbox."""

from dataclasses import dataclass
from typing import Protocol

from models.billing.payment import PaymentStatus


@dataclass(frozen=True)
class Outcome:
    """The state of a charge: its status, the provider's reference, and what the customer has to do
    or know.
    """

    status: PaymentStatus
    reference: str
    confirmation_url: str | None = None
    decline_code: str | None = None
    brand: str | None = None
    last_four: str | None = None


class GatewayUnavailable(Exception):
    """The provider did not respond. It isn't known whether it charged; calling again with the same
    key is safe.
    """


class Gateway(Protocol):
    """A payment provider. `method` is the provider's token for a payment method, never a card
    number.
    """

    async def charge(self, key: str, amount_cents: int, method: str) -> Outcome:
        """Charge once per key; a repeat returns the charge in its current state. Raises ValueError
        for an unknown method.
        """
        ...

    async def find(self, key: str) -> Outcome | None:
        """The charge with this key, None if there is none."""
        ...
