"""Notifications by payment providers: stored as they come, then handled.

A notification only says that something changed. What changed is read from the provider, and applied
like the answer to a call of ours, which only moves a row forward. So notifications may be late, be
repeated or arrive in any order. Each is handled as soon as it is stored, and again by `handle_due`
until that succeeds: after a minute, then at increasing intervals, for about two days.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import structlog

from billing import chargebacks, charging, payment_methods, refunds
from billing.checkout_services import CheckoutServices
from billing.gateways.gateway import Gateway, Subject
from models.action import Action
from models.billing.audit_actions import BillingAuditAction
from models.billing.payment import Payment
from models.billing.payment_method import PaymentMethod
from models.billing.provider_event import ProviderEvent, ProviderEventStatus
from models.billing.refund import Refund
from models.database.sql import execute
from models.errors import CommonErrorCode, Refusal

PAUSES = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 1_440, 1_440)
)
_BATCH_SIZE = 100
_OUR_KEY = re.compile(r"camcha-(payment|method|refund)-(\d{1,18})")

log = structlog.stdlib.get_logger()


async def receive(
    action: Action, gateway: Gateway, headers: Mapping[str, str], body: bytes
) -> ProviderEvent | None:
    """Store a notification. Returns it, None when it was stored before. Raises SignatureInvalid,
    and ValueError for a body that can't be read.
    """
    notification = await gateway.read_notification(headers, body)
    rows = await execute(
        "INSERT INTO provider_event (provider, event_id, type, subject, reference, key, body, "
        "received_at, status, attempts, next_attempt_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (provider, event_id) DO NOTHING RETURNING id",
        gateway.name,
        notification.event_id[:255],
        notification.type[:80],
        notification.subject.value,
        notification.reference[:255],
        notification.key[:64] if notification.key else None,
        body,
        action.at,
        ProviderEventStatus.RECEIVED.value,
        0,
        action.at,
    )
    return await ProviderEvent.get(pk=rows[0]["id"]) if rows else None


async def handle_due(action: Action, services: CheckoutServices) -> int:
    """Handle the notifications whose next attempt is due. Returns how many were applied or
    ignored.
    """
    due = ProviderEvent.filter(
        status=ProviderEventStatus.RECEIVED,
        provider=services.gateway.name,
        next_attempt_at__lte=action.at,
    )
    events = await due.order_by("next_attempt_at", "id").limit(_BATCH_SIZE)
    return sum([await handle(action, services, event) for event in events])


async def handle(action: Action, services: CheckoutServices, event: ProviderEvent) -> bool:
    """Handle a notification, unless another process is doing so. Returns whether it was applied or
    ignored.
    """
    if not await _claim(action, event):
        return False
    try:
        is_known = await _HANDLERS[Subject(event.subject)](action, services, event)
    except Exception as error:
        await _record_failure(event, error)
        return False
    status = ProviderEventStatus.APPLIED if is_known else ProviderEventStatus.IGNORED
    await ProviderEvent.filter(pk=event.pk).update(
        status=status, handled_at=action.at, next_attempt_at=None, error=None
    )
    return True


async def _claim(action: Action, event: ProviderEvent) -> bool:
    """Take the notification for this attempt. A process that dies leaves it to the next one."""
    pause = PAUSES[min(event.attempts, len(PAUSES) - 1)]
    claimed_count = await ProviderEvent.filter(
        pk=event.pk, attempts=event.attempts, status=ProviderEventStatus.RECEIVED
    ).update(attempts=event.attempts + 1, next_attempt_at=action.at + pause)
    return claimed_count == 1


async def _record_failure(event: ProviderEvent, error: Exception) -> None:
    is_last = event.attempts + 1 >= len(PAUSES)
    log.warning(
        "provider_event.failed",
        provider_event=event.pk,
        attempt=event.attempts + 1,
        error=type(error).__name__,
    )
    failed = ProviderEvent.filter(pk=event.pk, attempts=event.attempts + 1)
    await failed.update(error=type(error).__name__[:60])
    if is_last:
        await failed.update(status=ProviderEventStatus.FAILED, next_attempt_at=None)


async def _handle_payment(action: Action, services: CheckoutServices, event: ProviderEvent) -> bool:
    payment = await Payment.get_or_none(provider_reference=event.reference)
    if payment is None and (key := _our_key(event, "payment")):
        payment = await Payment.get_or_none(pk=key)
    if payment is None:
        return False
    await charging.refresh(action, services, payment)
    return True


async def _handle_setup(action: Action, services: CheckoutServices, event: ProviderEvent) -> bool:
    method = await PaymentMethod.get_or_none(setup_reference=event.reference)
    if method is None and (key := _our_key(event, "method")):
        method = await PaymentMethod.get_or_none(pk=key)
        if method and not method.setup_reference:
            method.setup_reference = event.reference  # it isn't stored yet
    if method is None:
        return False
    await payment_methods.refresh(action, services.gateway, method)
    return True


async def _handle_method(action: Action, services: CheckoutServices, event: ProviderEvent) -> bool:
    return await payment_methods.update_from_provider(action, services.gateway, event.reference)


async def _handle_refund(action: Action, services: CheckoutServices, event: ProviderEvent) -> bool:
    refund = await Refund.get_or_none(provider_reference=event.reference)
    if refund is None and (key := _our_key(event, "refund")):
        refund = await Refund.get_or_none(pk=key)
    if refund is None:
        return False
    await refunds.refresh(action, services.gateway, refund)
    return True


async def _handle_dispute(action: Action, services: CheckoutServices, event: ProviderEvent) -> bool:
    return await chargebacks.apply_dispute(action, services, event.reference)


async def _ignore(action: Action, services: CheckoutServices, event: ProviderEvent) -> bool:
    return False


Handler = Callable[[Action, CheckoutServices, ProviderEvent], Awaitable[bool]]
_HANDLERS: dict[Subject, Handler] = {
    Subject.PAYMENT: _handle_payment,
    Subject.SETUP: _handle_setup,
    Subject.METHOD: _handle_method,
    Subject.REFUND: _handle_refund,
    Subject.DISPUTE: _handle_dispute,
    Subject.OTHER: _ignore,
}


def _our_key(event: ProviderEvent, kind: str) -> int | None:
    """The ID of our row in the key under which the object was made."""
    match = _OUR_KEY.fullmatch(event.key or "")
    return int(match[2]) if match and match[1] == kind else None


async def retry(action: Action, event: ProviderEvent) -> ProviderEvent:
    """Handle a failed notification again, as if it had just come. Raises TRANSITION_ILLEGAL for any
    other.
    """
    async with action.transaction() as tx:
        event = await tx.lock(ProviderEvent, event.pk)
        if event.status is not ProviderEventStatus.FAILED:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "providerEventId")
        event.status, event.attempts = ProviderEventStatus.RECEIVED, 0
        event.next_attempt_at = action.at
        await event.save(using_db=tx.db)
        tx.audit(BillingAuditAction.PROVIDER_EVENT_RETRY, event)
    return event
