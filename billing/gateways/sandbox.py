"""A payment provider for tests and demonstrations. Its records are stored in the database, so they
survive restarts.

The payment method determines the outcome (`METHODS`): `pm_sandbox_success`, `pm_sandbox_declined`,
or `pm_sandbox_confirmation`, which waits until someone approves or declines on the sandbox bank's
page, as with 3-D Secure. A saved method has a token of its own, which begins with the one that was
saved and a dot.
"""

import hashlib
import hmac
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from secrets import token_urlsafe

import orjson

from billing.gateways.gateway import (
    AUTHENTICATION_FAILED,
    INSUFFICIENT_FUNDS,
    Consent,
    DisputeOutcome,
    DisputeStatus,
    MethodDetails,
    Notification,
    Outcome,
    RefundOutcome,
    RequestRejected,
    Setup,
    SetupStatus,
    SignatureInvalid,
    Subject,
    is_chargeable,
)
from models.billing.payment import PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.refund import RefundStatus
from models.billing.sandbox import SandboxCharge, SandboxDispute, SandboxRefund, SandboxSetup
from models.clock import Clock, SystemClock, local_date
from models.database.sql import execute

PROCESSING_TIME = timedelta(minutes=1)
_TOLERANCE = timedelta(seconds=300)  # of a notification's age
_CARD_LIFETIME_YEARS = 3
_REFUND_FAILURE = "expired_or_canceled_card"


@dataclass(frozen=True)
class SandboxMethod:
    """How a payment method behaves when it is saved, charged with and without the customer, and
    refunded. `settles` is the final status of a charge that is processed. With `returns_refunds`,
    the customer's bank returns refunds after they succeeded.
    """

    kind: PaymentKind = PaymentKind.CARD
    brand: str | None = "visa"
    last_four: str | None = "4242"
    setup: SetupStatus = SetupStatus.SUCCEEDED
    on_session: PaymentStatus = PaymentStatus.SUCCEEDED
    off_session: PaymentStatus = PaymentStatus.SUCCEEDED
    settles: PaymentStatus = PaymentStatus.SUCCEEDED
    decline_code: str | None = None
    refund: RefundStatus = RefundStatus.SUCCEEDED
    returns_refunds: bool = False
    is_expiring: bool = False

    def charged(self, *, off_session: bool) -> PaymentStatus:
        """The status of a new charge."""
        return self.off_session if off_session else self.on_session


def _declined(code: str, last_four: str) -> SandboxMethod:
    declined = PaymentStatus.DECLINED
    return SandboxMethod(
        last_four=last_four, on_session=declined, off_session=declined, decline_code=code
    )


def _debit(last_four: str, settles: PaymentStatus) -> SandboxMethod:
    processing = PaymentStatus.PROCESSING
    return SandboxMethod(
        PaymentKind.DIRECT_DEBIT,
        None,
        last_four,
        on_session=processing,
        off_session=processing,
        settles=settles,
        decline_code=INSUFFICIENT_FUNDS,
    )


METHODS = {
    "pm_sandbox_success": SandboxMethod(),
    "pm_sandbox_declined": _declined(INSUFFICIENT_FUNDS, "4242"),
    "pm_sandbox_stolen": _declined("stolen_card", "9979"),
    "pm_sandbox_expired": _declined("expired_card", "0069"),
    "pm_sandbox_renewal_declined": SandboxMethod(
        last_four="0341", off_session=PaymentStatus.DECLINED, decline_code=INSUFFICIENT_FUNDS
    ),
    "pm_sandbox_expiring": SandboxMethod(last_four="1117", is_expiring=True),
    "pm_sandbox_unsavable": SandboxMethod(
        last_four="0002", setup=SetupStatus.DECLINED, decline_code="card_declined"
    ),
    "pm_sandbox_confirmation": SandboxMethod(
        setup=SetupStatus.REQUIRES_ACTION, on_session=PaymentStatus.REQUIRES_ACTION
    ),
    "pm_sandbox_reconfirmation": SandboxMethod(
        last_four="3184",
        setup=SetupStatus.REQUIRES_ACTION,
        off_session=PaymentStatus.REQUIRES_ACTION,
    ),
    "pm_sandbox_processing": SandboxMethod(
        last_four="3220",
        on_session=PaymentStatus.PROCESSING,
        off_session=PaymentStatus.PROCESSING,
    ),
    "pm_sandbox_processing_declined": SandboxMethod(
        last_four="0341",
        on_session=PaymentStatus.PROCESSING,
        off_session=PaymentStatus.PROCESSING,
        settles=PaymentStatus.DECLINED,
        decline_code=INSUFFICIENT_FUNDS,
    ),
    "pm_sandbox_unrefundable": SandboxMethod(last_four="5126", refund=RefundStatus.FAILED),
    "pm_sandbox_refund_returned": SandboxMethod(last_four="7726", returns_refunds=True),
    "pm_sandbox_debit": _debit("3000", PaymentStatus.SUCCEEDED),
    "pm_sandbox_debit_declined": _debit("3001", PaymentStatus.DECLINED),
    "pm_sandbox_wallet": SandboxMethod(
        PaymentKind.WALLET,
        "paypal",
        None,
        setup=SetupStatus.REQUIRES_ACTION,
        on_session=PaymentStatus.REQUIRES_ACTION,
    ),
}


class Sandbox:
    """Implements Gateway. `base_url` is the URL where the bank's page is served, and `secret` signs
    the notifications.
    """

    name = "sandbox"

    def __init__(self, base_url: str, clock: Clock | None = None, secret: str = "") -> None:
        self._base_url, self._clock = base_url, clock or SystemClock()
        self._secret = hashlib.sha256(f"sandbox {secret}".encode()).digest()

    async def create_customer(self, key: str, name: str, email: str) -> str:
        return f"sandbox_customer_{hashlib.sha256(key.encode()).hexdigest()[:24]}"

    async def remove_customer(self, reference: str) -> None:
        return  # nothing is stored about a customer

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
        if kind is PaymentKind.TRANSFER or (method and _behaviour(method).kind is not kind):
            raise RequestRejected(kind)
        await execute(
            "INSERT INTO sandbox_setup (key, reference, kind, status, return_url) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
            key,
            f"sandbox_setup_{token_urlsafe(18)}",
            kind.value,
            SetupStatus.REQUIRES_METHOD.value,
            return_url,
        )
        setup = await SandboxSetup.get(key=key)
        if method:
            setup = await self._save(setup.reference, method) or setup
        return self._setup(setup)

    async def choose_method(self, reference: str, method: str) -> SandboxSetup | None:
        """Store the method that the customer chose to save; only the first one that can be saved
        counts. Returns the setup, None if there is none. Raises RequestRejected for an unknown
        method.
        """
        if _behaviour(method).setup is SetupStatus.DECLINED:
            return await SandboxSetup.get_or_none(reference=reference)
        return await self._save(reference, method)

    async def _save(self, reference: str, method: str) -> SandboxSetup | None:
        behaviour = _behaviour(method)
        await SandboxSetup.filter(
            reference=reference, status=SetupStatus.REQUIRES_METHOD.value
        ).update(
            status=behaviour.setup.value,
            method=method,
            saved_method=f"{method.partition('.')[0]}.{token_urlsafe(12)}",
            decline_code=behaviour.decline_code
            if behaviour.setup is SetupStatus.DECLINED
            else None,
            saved_at=self._clock.now() if behaviour.setup is SetupStatus.SUCCEEDED else None,
        )
        return await SandboxSetup.get_or_none(reference=reference)

    async def decide_setup(self, reference: str, is_approved: bool) -> SandboxSetup | None:
        """Store the customer's decision on the bank's page; only the first one counts. Returns the
        setup, None if there is none.
        """
        pending = SandboxSetup.filter(reference=reference, status=SetupStatus.REQUIRES_ACTION.value)
        if is_approved:
            await pending.update(status=SetupStatus.SUCCEEDED.value, saved_at=self._clock.now())
        else:
            await pending.update(
                status=SetupStatus.DECLINED.value, decline_code=AUTHENTICATION_FAILED
            )
        return await SandboxSetup.get_or_none(reference=reference)

    async def find_setup(self, reference: str) -> Setup | None:
        setup = await SandboxSetup.get_or_none(reference=reference)
        return self._setup(setup) if setup else None

    async def cancel_setup(self, reference: str) -> Setup | None:
        waiting = (SetupStatus.REQUIRES_METHOD.value, SetupStatus.REQUIRES_ACTION.value)
        await SandboxSetup.filter(reference=reference, status__in=waiting).update(
            status=SetupStatus.CANCELED.value
        )
        return await self.find_setup(reference)

    def _setup(self, setup: SandboxSetup) -> Setup:
        status = SetupStatus(setup.status)
        waits = status in (SetupStatus.REQUIRES_METHOD, SetupStatus.REQUIRES_ACTION)
        return Setup(
            status,
            setup.reference,
            confirmation_url=self._page(setup.reference) if waits else None,
            decline_code=setup.decline_code,
            method=_details(setup) if status is SetupStatus.SUCCEEDED else None,
        )

    async def find_method(self, method: str) -> MethodDetails | None:
        setup = await SandboxSetup.get_or_none(
            saved_method=method, saved_at__isnull=False, removed_at=None
        )
        return _details(setup) if setup else None

    async def remove_method(self, method: str) -> None:
        await SandboxSetup.filter(saved_method=method, removed_at=None).update(
            removed_at=self._clock.now()
        )

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
        behaviour = await self._require_charging(method)
        if not is_chargeable(amount_cents):
            raise RequestRejected(amount_cents)
        status = behaviour.charged(off_session=off_session)
        is_processing = status is PaymentStatus.PROCESSING
        await execute(
            "INSERT INTO sandbox_charge (key, reference, amount_cents, method, status, "
            "decline_code, return_url, settles_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO NOTHING",
            key,
            f"sandbox_{token_urlsafe(18)}",
            amount_cents,
            method,
            status.value,
            behaviour.decline_code if status is PaymentStatus.DECLINED else None,
            return_url,
            self._clock.now() + PROCESSING_TIME if is_processing else None,
        )
        return self._outcome(await SandboxCharge.get(key=key))

    async def _require_charging(self, method: str) -> SandboxMethod:
        """How a method behaves. Raises RequestRejected for one that is unknown or removed."""
        if "." in method and await self.find_method(method) is None:
            raise RequestRejected(method)
        return _behaviour(method)

    async def find(self, key: str, reference: str | None = None) -> Outcome | None:
        charge = await SandboxCharge.get_or_none(key=key)
        if charge and charge.settles_at and charge.settles_at <= self._clock.now():
            charge = await self.settle(charge.reference)
        return self._outcome(charge) if charge else None

    async def settle(self, reference: str, succeeds: bool | None = None) -> SandboxCharge | None:
        """Give a charge that is processed its final status: the one of its method when `succeeds`
        is omitted. Returns the charge, None if there is none.
        """
        charge = await SandboxCharge.get_or_none(reference=reference)
        if charge is None:
            return None
        behaviour = _behaviour(charge.method)
        if succeeds is None:
            succeeds = behaviour.settles is PaymentStatus.SUCCEEDED
        await SandboxCharge.filter(pk=charge.pk, status=PaymentStatus.PROCESSING).update(
            status=PaymentStatus.SUCCEEDED if succeeds else PaymentStatus.DECLINED,
            decline_code=None if succeeds else behaviour.decline_code or INSUFFICIENT_FUNDS,
            settles_at=None,
        )
        return await SandboxCharge.get(pk=charge.pk)

    async def decide(self, reference: str, is_approved: bool) -> SandboxCharge | None:
        """Store the customer's decision on the bank's page; only the first one counts. Returns the
        charge, None if there is none.
        """
        status = PaymentStatus.SUCCEEDED if is_approved else PaymentStatus.DECLINED
        pending = SandboxCharge.filter(reference=reference, status=PaymentStatus.REQUIRES_ACTION)
        await pending.update(
            status=status, decline_code=None if is_approved else AUTHENTICATION_FAILED
        )
        return await SandboxCharge.get_or_none(reference=reference)

    async def confirm(self, reference: str, method: str, return_url: str | None = None) -> Outcome:
        await self._require_charging(method)
        await SandboxCharge.filter(
            reference=reference, status=PaymentStatus.REQUIRES_ACTION
        ).update(return_url=return_url)
        return self._outcome(await self._charge(reference))

    async def capture(self, reference: str) -> Outcome:
        return self._outcome(await self._charge(reference))

    async def cancel(self, reference: str) -> Outcome:
        await SandboxCharge.filter(
            reference=reference, status=PaymentStatus.REQUIRES_ACTION
        ).update(status=PaymentStatus.CANCELED)
        return self._outcome(await self._charge(reference))

    async def _charge(self, reference: str) -> SandboxCharge:
        charge = await SandboxCharge.get_or_none(reference=reference)
        if charge is None:
            raise RequestRejected(reference)
        return charge

    def _outcome(self, charge: SandboxCharge) -> Outcome:
        is_pending = charge.status is PaymentStatus.REQUIRES_ACTION
        behaviour = _behaviour(charge.method)
        return Outcome(
            status=charge.status,
            reference=charge.reference,
            confirmation_url=self._page(charge.reference) if is_pending else None,
            decline_code=charge.decline_code,
            brand=behaviour.brand,
            last_four=behaviour.last_four,
        )

    def _page(self, reference: str) -> str:
        return f"{self._base_url}/sandbox/bank/{reference}"

    async def refund(self, key: str, reference: str, amount_cents: int) -> RefundOutcome:
        charge = await self._charge(reference)
        behaviour = _behaviour(charge.method)
        has_failed = behaviour.refund is RefundStatus.FAILED
        await execute(
            "INSERT INTO sandbox_refund (key, reference, charge_reference, amount_cents, status, "
            "failure_code, fails_at) SELECT ?, ?, reference, ?, ?, ?, ? FROM sandbox_charge "
            "WHERE reference = ? AND status = 'SUCCEEDED' AND amount_cents - ? >= "
            "(SELECT COALESCE(SUM(amount_cents), 0) FROM sandbox_refund "
            "WHERE charge_reference = ? AND status <> 'FAILED') AND NOT EXISTS (SELECT 1 FROM "
            "sandbox_dispute WHERE charge_reference = sandbox_charge.reference AND status = ?) "
            "ON CONFLICT (key) DO NOTHING",
            key,
            f"sandbox_refund_{token_urlsafe(18)}",
            amount_cents,
            behaviour.refund.value,
            _REFUND_FAILURE if has_failed else None,
            self._clock.now() + PROCESSING_TIME if behaviour.returns_refunds else None,
            reference,
            amount_cents,
            reference,
            DisputeStatus.LOST.value,
        )
        outcome = await self.find_refund(key, reference)
        if outcome is None:
            raise RequestRejected(amount_cents)
        return outcome

    async def find_refund(self, key: str, reference: str) -> RefundOutcome | None:
        await SandboxRefund.filter(key=key, fails_at__lte=self._clock.now()).update(
            status=RefundStatus.FAILED, failure_code=_REFUND_FAILURE, fails_at=None
        )
        refund = await SandboxRefund.get_or_none(key=key, charge_reference=reference)
        return (
            RefundOutcome(refund.status, refund.reference, refund.failure_code) if refund else None
        )

    async def dispute(self, reference: str, reason: str = "general") -> str:
        """Let the customer's bank take a charge back, once. Returns the dispute's reference. Raises
        ValueError for a charge that hasn't succeeded.
        """
        charge = await self._charge(reference)
        if charge.status is not PaymentStatus.SUCCEEDED:
            raise RequestRejected(reference)
        is_debit = _behaviour(charge.method).kind is PaymentKind.DIRECT_DEBIT
        await execute(
            "INSERT INTO sandbox_dispute (reference, charge_reference, amount_cents, status, "
            "reason) VALUES (?, ?, ?, ?, ?) ON CONFLICT (charge_reference) DO NOTHING",
            f"sandbox_dispute_{token_urlsafe(18)}",
            reference,
            charge.amount_cents,
            (DisputeStatus.LOST if is_debit else DisputeStatus.OPEN).value,
            "insufficient_funds" if is_debit else reason,
        )
        return (await SandboxDispute.get(charge_reference=reference)).reference

    async def close_dispute(self, reference: str, *, is_won: bool) -> None:
        """Let the bank decide an open dispute."""
        status = DisputeStatus.WON if is_won else DisputeStatus.LOST
        await SandboxDispute.filter(reference=reference, status=DisputeStatus.OPEN.value).update(
            status=status.value
        )

    async def find_dispute(self, reference: str) -> DisputeOutcome | None:
        dispute = await SandboxDispute.get_or_none(reference=reference)
        if dispute is None:
            return None
        return DisputeOutcome(
            DisputeStatus(dispute.status),
            dispute.reference,
            dispute.charge_reference,
            dispute.amount_cents,
            dispute.reason,
        )

    def notification(
        self, type: str, subject: Subject, reference: str, key: str | None = None
    ) -> tuple[dict[str, str], bytes]:
        """The headers and the body of a new, signed notification."""
        at = int(self._clock.now().timestamp())
        body = orjson.dumps(
            {
                "id": f"sandbox_event_{token_urlsafe(18)}",
                "type": type,
                "subject": subject.value,
                "reference": reference,
                "key": key,
            }
        )
        return {"sandbox-signature": f"{at}.{self._signature(at, body)}"}, body

    def _signature(self, at: int, body: bytes) -> str:
        return hmac.new(self._secret, b"%d.%b" % (at, body), hashlib.sha256).hexdigest()

    async def read_notification(self, headers: Mapping[str, str], body: bytes) -> Notification:
        time, _, signature = headers.get("sandbox-signature", "").partition(".")
        if not time.isdecimal() or len(time) > 12:
            raise SignatureInvalid
        age = self._clock.now() - datetime.fromtimestamp(int(time), self._clock.now().tzinfo)
        expected = self._signature(int(time), body)
        if abs(age) > _TOLERANCE or not hmac.compare_digest(expected.encode(), signature.encode()):
            raise SignatureInvalid
        content = orjson.loads(body)
        return Notification(
            content["id"],
            content["type"],
            Subject(content["subject"]),
            content["reference"],
            content["key"],
        )

    async def close(self) -> None:
        return


def _behaviour(method: str) -> SandboxMethod:
    """How a method behaves. Raises RequestRejected for an unknown one."""
    behaviour = METHODS.get(method.partition(".")[0])
    if behaviour is None:
        raise RequestRejected(method)
    return behaviour


def _details(setup: SandboxSetup) -> MethodDetails:
    behaviour = _behaviour(str(setup.saved_method))
    is_debit = behaviour.kind is PaymentKind.DIRECT_DEBIT
    return MethodDetails(
        str(setup.saved_method),
        behaviour.kind,
        behaviour.brand,
        behaviour.last_four,
        _expires_on(behaviour, setup.saved_at),
        f"SANDBOX-{setup.pk}" if is_debit else None,
    )


def _expires_on(behaviour: SandboxMethod, saved_at: datetime | None) -> date | None:
    """The last day of a month: of the next month for a card that expires soon."""
    if behaviour.kind is not PaymentKind.CARD or saved_at is None:
        return None
    day = local_date(saved_at)
    if behaviour.is_expiring:
        year, month = (day.year + day.month // 12, day.month % 12 + 1)
    else:
        year, month = day.year + _CARD_LIFETIME_YEARS, 12
    return date(year, month, monthrange(year, month)[1])
