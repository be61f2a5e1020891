"""The interface to a payment provider, implemented by each provider and by the sandbox.

Every call that changes something carries a key that we choose, and repeating it changes nothing:
the provider returns the object that the first call created, in its current state. So a caller
stores what it is about to do, calls, and calls again when it doesn't know whether the first call
arrived.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from models.billing.payment import PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.refund import RefundStatus

# Providers charge no less and no more, such as Stripe in euros.
MIN_CHARGE_CENTS, MAX_CHARGE_CENTS = 50, 99_999_999
INSUFFICIENT_FUNDS = "insufficient_funds"
AUTHENTICATION_FAILED = "authentication_failed"
EXPIRED_CARD = "expired_card"
PAYPAL = "paypal"  # the provider, and the token of a payment with it
# After these codes a repeated charge of the same method fails as well, and card schemes penalise
# it. They are the codes that Stripe's "Smart Retries" never retries, and those of a card that can't
# be charged again before the customer replaces it.
HARD_DECLINES = frozenset(
    {
        EXPIRED_CARD,
        "fraudulent",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "lost_card",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "transaction_not_allowed",
        "unknown_method",
        # of SEPA direct debits
        "account_closed",
        "bank_account_closed",
        "debit_not_authorized",
        "no_account",
    }
)


def is_chargeable(cents: int) -> bool:
    """Whether providers charge this amount."""
    return MIN_CHARGE_CENTS <= cents <= MAX_CHARGE_CENTS


def is_hard_decline(decline_code: str | None) -> bool:
    """Whether charging the same method again is pointless."""
    return decline_code in HARD_DECLINES


class GatewayUnavailable(Exception):
    """The provider did not respond. It isn't known whether it did what was asked; calling again
    with the same key is safe.
    """


class RequestRejected(ValueError):
    """The provider doesn't know an object, or doesn't allow what was asked."""


class SignatureInvalid(Exception):
    """A notification was not sent by the provider, or is too old."""


@dataclass(frozen=True)
class Outcome:
    """The state of a charge: its status, the provider's reference, and what the customer has to do
    or know.

    The customer confirms at `confirmation_url`. A charge that `is_approved` has to be captured.
    """

    status: PaymentStatus
    reference: str
    confirmation_url: str | None = None
    decline_code: str | None = None
    brand: str | None = None
    last_four: str | None = None
    is_approved: bool = False


@dataclass(frozen=True)
class MethodDetails:
    """What a provider states about a saved method. `last_four` is of the card or of the IBAN, and
    `expires_on` the last day of the month in which a card expires.
    """

    token: str
    kind: PaymentKind
    brand: str | None = None
    last_four: str | None = None
    expires_on: date | None = None
    mandate_reference: str | None = None


class SetupStatus(StrEnum):
    """The status of a setup. SUCCEEDED, DECLINED and CANCELED are final."""

    REQUIRES_METHOD = "REQUIRES_METHOD"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    CANCELED = "CANCELED"


@dataclass(frozen=True)
class Setup:
    """The state of saving a method. `method` is set once it SUCCEEDED. Until then the customer
    continues at `confirmation_url`, or in the provider's script with `client_secret`.
    """

    status: SetupStatus
    reference: str
    confirmation_url: str | None = None
    client_secret: str | None = None
    decline_code: str | None = None
    method: MethodDetails | None = None


@dataclass(frozen=True)
class Consent:
    """Where a customer agreed to be charged later, which a direct debit mandate records (SEPA Core
    rulebook, section 4.1).
    """

    address: str
    user_agent: str


@dataclass(frozen=True)
class RefundOutcome:
    """The state of a refund."""

    status: RefundStatus
    reference: str
    failure_code: str | None = None


class DisputeStatus(StrEnum):
    """The status of a dispute at the provider. WON and LOST are final."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


@dataclass(frozen=True)
class DisputeOutcome:
    """A charge that the customer's bank took back, or may take back: a card's chargeback, or a
    returned direct debit. `payment_reference` is that of the charge.
    """

    status: DisputeStatus
    reference: str
    payment_reference: str
    amount_cents: int
    reason: str


class Subject(StrEnum):
    """What a notification is about."""

    PAYMENT = "PAYMENT"
    SETUP = "SETUP"
    REFUND = "REFUND"
    DISPUTE = "DISPUTE"
    METHOD = "METHOD"
    OTHER = "OTHER"


@dataclass(frozen=True)
class Notification:
    """A notification by the provider: its ID, its type as the provider names it, and what it is
    about. `key` is our key of the object, if it was created with one.

    The state of the object is read from the provider, because notifications come in any order.
    """

    event_id: str
    type: str
    subject: Subject
    reference: str
    key: str | None = None


class ChargeGateway(Protocol):
    """The part of a payment provider that collects and refunds. `method` is the provider's token
    for a payment method, never a card number. Every call raises GatewayUnavailable.
    """

    name: str  # as stored with payments, methods and notifications, and in the path of its webhook

    async def charge(
        self,
        key: str,
        amount_cents: int,
        method: str,
        *,
        customer: str | None = None,
        off_session: bool = False,
        return_url: str | None = None,
    ) -> Outcome:
        """Charge once per key; a repeat returns the charge in its current state. Raises
        RequestRejected for an unknown method, and an amount that isn't chargeable.

        An off-session charge is made without the customer. It may still REQUIRE_ACTION of them.
        """
        ...

    async def find(self, key: str, reference: str | None = None) -> Outcome | None:
        """The charge with this key, None if there is none. Passing its reference makes the search
        faster.
        """
        ...

    async def capture(self, reference: str) -> Outcome:
        """Collect a charge that the customer approved on the provider's page, once. Returns any
        other charge as it is. Raises RequestRejected for an unknown one, unless the provider
        forgets charges that weren't approved in time: then it is CANCELED.
        """
        ...

    async def cancel(self, reference: str) -> Outcome:
        """Cancel a charge that waits for the customer, so that it can't succeed any more. Returns
        any other charge as it is: it may have succeeded meanwhile. One that the provider can't
        cancel is returned as it is as well: it isn't collected without `capture`. Raises
        RequestRejected for an unknown one.
        """
        ...

    async def refund(self, key: str, reference: str, amount_cents: int) -> RefundOutcome:
        """Refund a part of a charge once per key. Raises RequestRejected for an unknown charge or
        an amount that exceeds what is left of it.
        """
        ...

    async def find_refund(self, key: str, reference: str) -> RefundOutcome | None:
        """The refund of this charge with this key, None if there is none."""
        ...

    async def close(self) -> None:
        """Close the connections to the provider."""
        ...


class Gateway(ChargeGateway, Protocol):
    """A payment provider that saves payment methods, charges them without the customer, and sends
    notifications.
    """

    async def create_customer(self, key: str, name: str, email: str) -> str:
        """The reference of a customer, who is created once per key."""
        ...

    async def remove_customer(self, reference: str) -> None:
        """Remove a customer and everything that is saved for them. An unknown or removed customer
        is ignored.
        """
        ...

    async def begin_setup(
        self,
        key: str,
        customer: str,
        kind: PaymentKind,
        *,
        method: str | None = None,
        return_url: str | None = None,
        consent: Consent | None = None,
    ) -> Setup:
        """Begin to save a method for charges without the customer, once per key. With a token, the
        provider is asked to save that method at once, and a refusal is final: DECLINED. Without
        one, the customer can try another method after a refusal. Raises RequestRejected for an
        unknown method or a kind that it doesn't have.
        """
        ...

    async def find_setup(self, reference: str) -> Setup | None:
        """The setup with this reference, None if there is none."""
        ...

    async def cancel_setup(self, reference: str) -> Setup | None:
        """Cancel a setup, so that the customer can't finish it any more. Returns one that SUCCEEDED
        or is PROCESSING as it is, and None if there is none.
        """
        ...

    async def find_method(self, method: str) -> MethodDetails | None:
        """A saved method, None when it is unknown or removed."""
        ...

    async def remove_method(self, method: str) -> None:
        """Remove a saved method. An unknown or removed method is ignored."""
        ...

    async def confirm(self, reference: str, method: str, return_url: str | None = None) -> Outcome:
        """Begin the customer's confirmation of an off-session charge that REQUIRES_ACTION, now that
        they are there. Returns any other charge as it is. Raises RequestRejected for an unknown
        one, and for a method that was removed.
        """
        ...

    async def find_dispute(self, reference: str) -> DisputeOutcome | None:
        """The dispute with this reference, None if there is none."""
        ...

    async def read_notification(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Read a notification from the raw bytes of its request. The names of headers are in lower
        case. Raises SignatureInvalid, and ValueError when a signed body can't be read.
        """
        ...
