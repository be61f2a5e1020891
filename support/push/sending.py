"""Sending push notifications: one job for each push service, so that a slow one delays no other.

A device is claimed by moving its next attempt, notified outside any transaction, and then moved to
the last of the events. If a process dies in between, the same is sent again: a notification arrives
at least once, and its topic makes the push service and the device replace the first one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import structlog
from tortoise.expressions import Q, Subquery

from auth.http_client import tls_context
from auth.public_requests import PrivateAddress, retry_after
from auth.sessions import valid_sessions
from mail.customer_space import CustomerSpace
from models.database.sql import fetch_records
from models.event import Event
from models.identity.session import Session
from models.measurements import NOTIFICATION_DELIVERY, NOTIFICATIONS
from models.support.push_device import PushDevice
from models.tracing import SpanKind, span
from support.push.encryption import encrypt
from support.push.endpoints import PushService, parse_endpoint, post
from support.push.notifications import NEWS_LIFETIME, Notification, notifications_of
from support.push.vapid import VapidKey, base64url_bytes

REQUEST_SECONDS = 10.0  # for one notification
CONNECTIONS = 10  # to each push service, from each process
DEVICES_PER_RUN = 200
MAX_NOTIFICATIONS = 10  # for one device at once; older ones are left out
EVENTS_PER_RUN = 200
_LEASE = timedelta(seconds=MAX_NOTIFICATIONS * REQUEST_SECONDS + 20)
_MIN_WAIT, _MAX_WAIT = timedelta(seconds=15), timedelta(hours=1)
_GONE = {404, 410}
_UNUSABLE = {400, 413}  # this one message, however often it is repeated

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class PushOptions:
    """`delay` is how many seconds an event waits, in case the person reads it meanwhile."""

    delay: float = 10


@dataclass(frozen=True)
class PushChannel:
    """How notifications are sent: our key, a URL at which a push service reaches the operator, the
    push services, where their links lead, and the options.
    """

    key: VapidKey
    contact: str
    services: tuple[PushService, ...]
    base_url: str
    customer_space: CustomerSpace = field(default_factory=CustomerSpace)
    options: PushOptions = field(default_factory=PushOptions)


_DUE = """
SELECT d.id FROM push_device d
JOIN session s ON s.id = d.session_id AND s.ended_at IS NULL AND s.expires_at > ?
WHERE d.service = ? AND d.next_attempt_at <= ? AND EXISTS (
  SELECT 1 FROM event e WHERE e.stream = d.stream AND e.sequence > d.sequence AND e.at <= ?)
ORDER BY d.next_attempt_at, d.id LIMIT ?
"""


async def send_due(channel: PushChannel, service: PushService, now: Callable[[], datetime]) -> int:
    """Notify the devices of one push service that are due. Returns the number of notifications that
    the service accepted.
    """
    at = now()
    rows = await fetch_records(
        _DUE, at, service.name, at, at - timedelta(seconds=channel.options.delay), DEVICES_PER_RUN
    )
    if not rows:
        return 0
    async with httpx.AsyncClient(
        timeout=REQUEST_SECONDS, trust_env=False, verify=tls_context()
    ) as client:
        run = _Run(channel, service, now, client, [int(row[0]) for row in rows])
        await asyncio.gather(*(run.work() for _ in range(min(CONNECTIONS, len(rows)))))
    return run.sent_count


async def delete_ended(at: datetime) -> int:
    """Delete the devices whose sessions have ended: they no longer get notifications anyway."""
    over = Session.filter(Q(ended_at__not_isnull=True) | Q(expires_at__lte=at))
    return await PushDevice.filter(session_id__in=Subquery(over.values("id"))).delete()


class _Failed(Exception):
    """The push service didn't accept a notification. `retry_after` is the delay that it
    requests.
    """

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after = reason, retry_after


class _Run:
    """One run of the job: some devices, shared by the workers."""

    def __init__(
        self,
        channel: PushChannel,
        service: PushService,
        now: Callable[[], datetime],
        client: httpx.AsyncClient,
        device_ids: list[int],
    ) -> None:
        self._channel, self._service, self._now = channel, service, now
        self._client, self._device_ids = client, device_ids[::-1]
        self._is_unreachable = False
        self.sent_count = 0

    async def work(self) -> None:
        """Notify one device after the other. A service that can't be reached is tried again by the
        next run.
        """
        while self._device_ids and not self._is_unreachable:
            device_id = self._device_ids.pop()
            try:
                await self._notify(device_id)
            except Exception as error:  # it is tried again when the claim ends
                log.error("push.failed", key=device_id, error=type(error).__name__, exc_info=error)

    async def _notify(self, device_id: int) -> None:
        at = self._now()
        claimed = PushDevice.filter(pk=device_id, next_attempt_at__lte=at)
        if not await claimed.update(next_attempt_at=at + _LEASE):
            return
        device = await PushDevice.get_or_none(pk=device_id)
        if device is None:
            return
        session = await _valid_session(device, at)
        if session is None:
            await PushDevice.filter(pk=device_id).delete()
            return
        events = await self._due_events(device, at)
        if not events:  # another process was faster
            await PushDevice.filter(pk=device_id).update(next_attempt_at=at)
            return
        recent = [event for event in events if event.at > at - NEWS_LIFETIME]
        notifications = await notifications_of(
            device, session.user, recent, self._channel.customer_space, self._channel.base_url
        )
        try:
            for notification in notifications[-MAX_NOTIFICATIONS:]:
                if not await self._send(device, notification):
                    return
        except _Failed as failure:
            await self._record_failure(device, failure)
            return
        # Another process may have continued if this one was too slow.
        unmoved = PushDevice.filter(pk=device_id, sequence=device.sequence)
        await unmoved.update(sequence=events[-1].sequence, attempts=0, next_attempt_at=self._now())

    async def _due_events(self, device: PushDevice, at: datetime) -> list[Event]:
        """The next events of the device's stream that are old enough."""
        until = at - timedelta(seconds=self._channel.options.delay)
        events = await Event.since(device.stream, device.sequence, EVENTS_PER_RUN)
        young = (index for index, event in enumerate(events) if event.at > until)
        return events[: next(young, len(events))]

    async def _send(self, device: PushDevice, notification: Notification) -> bool:
        """Send one notification. Returns False when the device is gone, which deletes it. Raises
        _Failed.
        """
        causes = [event.traceparent for event in notification.events]
        with span(f"notification {self._service.name}", SpanKind.CALL, links=causes):
            response = await self._response(device, notification)
        status = response.status_code
        if response.is_success:
            self.sent_count += 1
            NOTIFICATIONS.add(self._service.name, "accepted")
            NOTIFICATION_DELIVERY.observe(self._now() - notification.events[0].at)
        elif status in _GONE:
            NOTIFICATIONS.add(self._service.name, "gone")
            await PushDevice.filter(pk=device.pk, endpoint=device.endpoint).delete()
            log.info("push.device_gone", key=device.pk, status=status)
            return False
        elif status in _UNUSABLE:
            NOTIFICATIONS.add(self._service.name, "refused")
            log.error("push.refused", key=device.pk, status=status)
        else:
            raise _Failed(f"status {status}", retry_after(response, self._now()))
        return True

    async def _response(self, device: PushDevice, notification: Notification) -> httpx.Response:
        endpoint = parse_endpoint(device.endpoint)
        port = "" if self._service.port == 443 else f":{self._service.port}"
        audience = f"https://{endpoint.host if endpoint else ''}{port}"
        body = encrypt(
            notification.payload, base64url_bytes(device.p256dh), base64url_bytes(device.auth)
        )
        headers = {
            "Authorization": self._channel.key.authorization(
                audience, self._channel.contact, self._now()
            ),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(round(notification.ttl.total_seconds())),
            "Topic": notification.topic,
            "Urgency": notification.urgency.value,
        }
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await post(self._client, self._service, device.endpoint, body, headers)
        except PrivateAddress:
            raise _Failed("private address") from None
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:  # TimeoutError is an OSError
            self._is_unreachable = True
            raise _Failed(type(error).__name__) from None

    async def _record_failure(self, device: PushDevice, failure: _Failed) -> None:
        NOTIFICATIONS.add(self._service.name, "failed")
        wait = min(_MIN_WAIT * 2 ** min(device.attempts, 10), _MAX_WAIT)
        if failure.retry_after is not None:
            wait = min(max(failure.retry_after, _MIN_WAIT), timedelta(days=1))
        log.warning("push.retried", key=device.pk, reason=failure.reason, wait=wait.total_seconds())
        await PushDevice.filter(pk=device.pk, endpoint=device.endpoint).update(
            attempts=device.attempts + 1, next_attempt_at=self._now() + wait
        )


async def _valid_session(device: PushDevice, at: datetime) -> Session | None:
    """The session of a device with its user, None when it has ended, or when its agent no longer
    answers customers.
    """
    sessions = valid_sessions(at).filter(pk=device.session_id)
    session = await sessions.select_related("user").first()
    if session is None or session.account_id is not None:
        return session
    staff = session.user.staff
    is_agent = session.second_factor and staff is not None and staff.answers_customers
    return session if is_agent else None
