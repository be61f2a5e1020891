"""A payment provider for tests and demonstrations. Its charges are stored in the database, so they
survive restarts.

The payment method determines the outcome: `pm_sandbox_success`, `pm_sandbox_declined`, or
`pm_sandbox_confirmation`, which waits until someone approves or declines on the sandbox bank's
page, as with 3-D Secure.
"""

from secrets import token_urlsafe

from billing.gateways.gateway import Outcome
from models.billing.payment import PaymentStatus, SandboxCharge
from models.database.sql import execute

METHODS = {
    "pm_sandbox_success": PaymentStatus.SUCCEEDED,
    "pm_sandbox_declined": PaymentStatus.DECLINED,
    "pm_sandbox_confirmation": PaymentStatus.REQUIRES_ACTION,
}
_INSUFFICIENT_FUNDS = "insufficient_funds"
_AUTHENTICATION_FAILED = "authentication_failed"


class Sandbox:
    """Implements Gateway. `base_url` is the URL where the bank's page is served."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    async def charge(self, key: str, amount_cents: int, method: str) -> Outcome:
        """Charge once per key; a repeat returns the first charge. Raises ValueError for an unknown
        method.
        """
        if method not in METHODS:
            raise ValueError(method)
        status = METHODS[method]
        await execute(
            "INSERT INTO sandbox_charge (key, reference, amount_cents, method, status, "
            "decline_code) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
            key,
            f"sandbox_{token_urlsafe(18)}",
            amount_cents,
            method,
            status.value,
            _INSUFFICIENT_FUNDS if status is PaymentStatus.DECLINED else None,
        )
        return self._outcome(await SandboxCharge.get(key=key))

    async def find(self, key: str) -> Outcome | None:
        """The charge with this key."""
        charge = await SandboxCharge.get_or_none(key=key)
        return self._outcome(charge) if charge else None

    async def decide(self, reference: str, is_approved: bool) -> SandboxCharge | None:
        """Store the customer's decision on the bank's page; only the first one counts. Returns the
        charge, None if there is none.
        """
        status = PaymentStatus.SUCCEEDED if is_approved else PaymentStatus.DECLINED
        pending = SandboxCharge.filter(reference=reference, status=PaymentStatus.REQUIRES_ACTION)
        await pending.update(
            status=status, decline_code=None if is_approved else _AUTHENTICATION_FAILED
        )
        return await SandboxCharge.get_or_none(reference=reference)

    def _outcome(self, charge: SandboxCharge) -> Outcome:
        is_pending = charge.status is PaymentStatus.REQUIRES_ACTION
        return Outcome(
            status=charge.status,
            reference=charge.reference,
            confirmation_url=f"{self._base_url}/sandbox/bank/{charge.reference}"
            if is_pending
            else None,
            decline_code=charge.decline_code,
            brand="visa",
            last_four="4242",
        )
