"""Sending webhooks: from the events of a company's stream to requests to its endpoints.

1. Streams are numbered without gaps (models/event.py), so they are the queue: an endpoint that
   knows the number up to which deliveries were stored has missed none, and nothing is stored for
   it as events happen. A delivery is stored once for each endpoint and event.
2. A delivery is claimed by moving its next attempt, sent outside any transaction, and its result is
   recorded. If a process dies in between, the claim ends and the same is sent again under the same
   ID: a webhook arrives at least once.
3. A delivery waits while an earlier one about the same object is unfinished, so that a receiver
   sees the events of an object in order.
4. A receiver delays nobody but itself: a process sends at most MAX_PER_ENDPOINT requests at once to
   an endpoint, and only one while it fails; and endpoints that fail have half of the places.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from random import SystemRandom
from typing import Any

import httpx
import structlog
from cryptography.fernet import InvalidToken
from tortoise.expressions import F

from auth.http_client import tls_context
from auth.public_requests import Endpoint, PrivateAddress, post, retry_after
from auth.secret_box import SecretBox
from auth.webhook_signatures import secret_bytes, signed_headers
from mail import emails
from models.accounts.account import Account, AccountStatus, Membership, Role
from models.action import Action, Bus, Transaction, retry_conflict
from models.billing.invoice import Invoice
from models.billing.purchase import Purchase
from models.database.sql import fetch_records
from models.due_rows import handle_each
from models.event import Event
from models.global_ids import encode
from models.measurements import WEBHOOK_DELIVERY, WEBHOOKS
from models.operations.audit_actions import OperationsAuditAction
from models.operations.webhook import (
    WebhookDelivery,
    WebhookDisabling,
    WebhookEndpoint,
    WebhookKind,
)
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus, visible_status
from models.tracing import SpanKind, is_tracing, span
from models.viewer import Viewer
from operations.webhooks.destinations import destination_of
from operations.webhooks.endpoints import delivery_columns, disabling

REQUEST_SECONDS = 10.0  # for one request, in total
MAX_PER_ENDPOINT = 2  # requests at once, from each process
MAX_REQUESTS = 100  # at once, from each process
MAX_FAILING = 50  # of them to endpoints that fail
PER_TURN = 20  # requests before the place may go to another endpoint
RETRIED_FOR = timedelta(days=3)
_LEASE = timedelta(seconds=3 * REQUEST_SECONDS)
_MIN_WAIT, _MAX_WAIT = timedelta(seconds=15), timedelta(hours=6)
_JITTER = 0.2
_EVENTS_PER_RUN = 200
_RANDOM = SystemRandom()

log = structlog.stdlib.get_logger()

_WITH_NEWS = """
SELECT e.id FROM webhook_endpoint e
JOIN stream s ON s.key = e.stream AND s.last_sequence > e.sequence
JOIN account a ON a.id = e.account_id AND a.status = ?
WHERE e.disabled_at IS NULL ORDER BY e.id
"""
_DUE_ENDPOINTS = """
SELECT e.id, e.failing_since FROM webhook_endpoint e
JOIN account a ON a.id = e.account_id AND a.status = ?
WHERE e.disabled_at IS NULL AND EXISTS (
  SELECT 1 FROM webhook_delivery d WHERE d.endpoint_id = e.id AND d.next_attempt_at <= ?)
ORDER BY e.id
"""
_NEXT = """
SELECT d.id FROM webhook_delivery d
WHERE d.endpoint_id = ? AND d.next_attempt_at <= ? AND NOT EXISTS (
  SELECT 1 FROM webhook_delivery b WHERE b.endpoint_id = d.endpoint_id AND b.subject = d.subject
  AND b.next_attempt_at IS NOT NULL AND b.id < d.id)
ORDER BY d.next_attempt_at, d.id LIMIT 1
"""


async def store_deliveries(action: Action) -> int:
    """Store the deliveries of new events. Returns for how many endpoints there were events."""
    rows = await fetch_records(_WITH_NEWS, AccountStatus.ACTIVE.value)
    endpoints = WebhookEndpoint.filter(pk__in=[int(row[0]) for row in rows])
    return await handle_each(endpoints, partial(_store, action), "webhook.not_stored")


async def _store(action: Action, key: int) -> bool:
    endpoint = await WebhookEndpoint.get(pk=key)
    sequence = endpoint.sequence
    events = await Event.since(endpoint.stream, sequence, _EVENTS_PER_RUN)
    if not events:
        return False
    async with action.transaction() as tx:
        endpoint = await tx.lock(WebhookEndpoint, key)
        if endpoint.sequence != sequence or endpoint.disabled_at:  # another process was faster
            return False
        for event in events:
            kind = WebhookKind.of_event(event.kind)
            if kind in endpoint.kinds and kind:
                columns = {"sequence": event.sequence, "at": event.at}
                await WebhookDelivery.create(
                    using_db=tx.db,
                    **delivery_columns(
                        endpoint,
                        kind.type,
                        _subject(event),
                        _data(endpoint, event),
                        action,
                        **columns,
                    ),
                )
        endpoint.sequence = events[-1].sequence
        await endpoint.save(using_db=tx.db, update_fields=["sequence"])
    return True


def _subject(event: Event) -> str:
    """The object that an event is about. Those of one object are sent in order."""
    for name in ("ticket", "invoice", "purchase"):
        if key := getattr(event, f"{name}_id"):
            return f"{name}:{key}"
    return "account"


def _data(endpoint: WebhookEndpoint, event: Event) -> dict[str, Any]:
    """What is sent about an event: IDs, and a status as customers see it."""
    status = event.status
    if status and event.ticket_id:
        status = visible_status(TicketStatus(status), Viewer()).value
    values = {
        "accountId": encode(Account.__name__, endpoint.account_id),
        "sequence": event.sequence,
        "kind": event.kind.value,
        "status": status,
        "ticketId": event.ticket_id and encode(Ticket.__name__, event.ticket_id),
        "messageId": event.message_id and encode(Message.__name__, event.message_id),
        "purchaseId": event.purchase_id and encode(Purchase.__name__, event.purchase_id),
        "invoiceId": event.invoice_id and encode(Invoice.__name__, event.invoice_id),
    }
    return {name: value for name, value in values.items() if value is not None}


async def _cause(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> str | None:
    """What stored the event of a delivery, if that is to be traced."""
    if delivery.sequence is None or not is_tracing():
        return None
    event = await Event.get_or_none(stream=endpoint.stream, sequence=delivery.sequence)
    return event.traceparent if event else None


@dataclass(frozen=True)
class _Outcome:
    """How a request ended: the status of the response, or what failed before one came."""

    status: int | None = None
    failure: str | None = None
    wait: timedelta | None = None  # that the receiver asks for

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def result(self) -> str:
        """The result for the metrics."""
        if self.status is None:
            return "failed"
        return "accepted" if self.is_success else "refused"


class WebhookSender:
    """Sends the webhooks of one process. `private_hosts` are those at private addresses to which
    the operator lets it send.
    """

    def __init__(
        self,
        secret_box: SecretBox,
        now: Callable[[], datetime],
        bus: Bus,
        private_hosts: Collection[Endpoint] = (),
    ) -> None:
        self._secret_box, self._now, self._bus = secret_box, now, bus
        self._private_hosts = frozenset(private_hosts)
        self._tasks: dict[asyncio.Task[None], tuple[int, bool]] = {}
        self._last_id = 0

    @cached_property
    def _resolver(self) -> ThreadPoolExecutor:
        """The threads in which names are looked up: as many as there are requests, so that no slow
        DNS server delays others.
        """
        return ThreadPoolExecutor(MAX_REQUESTS, "names of webhooks")

    async def run(self) -> None:
        """The job: store the deliveries of new events, and begin to send what is due. It doesn't
        wait for receivers.
        """
        await store_deliveries(self._action())
        due = await fetch_records(_DUE_ENDPOINTS, AccountStatus.ACTIVE.value, self._now())
        endpoints = [(int(row[0]), row[1] is not None) for row in due]
        # Begin after the last one that got a place.
        endpoints.sort(key=lambda endpoint: (endpoint[0] <= self._last_id, endpoint[0]))
        running = Counter(endpoint_id for endpoint_id, _ in self._tasks.values())
        for endpoint_id, is_failing in endpoints:
            if len(self._tasks) >= MAX_REQUESTS:
                break
            failing_count = sum(each for _, each in self._tasks.values())
            limit = 1 if is_failing else MAX_PER_ENDPOINT
            if running[endpoint_id] >= limit or (is_failing and failing_count >= MAX_FAILING):
                continue
            task = asyncio.create_task(self._work(endpoint_id))
            self._tasks[task] = endpoint_id, is_failing
            task.add_done_callback(self._tasks.pop)
            self._last_id = endpoint_id

    async def wait(self) -> None:
        """Wait until nothing is being sent."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Stop sending. What was interrupted is sent again when its claim ends."""
        for task in self._tasks:
            task.cancel()
        await self.wait()

    def _action(self) -> Action:
        return Action(None, self._now(), self._bus)

    async def _work(self, endpoint_id: int) -> None:
        """Send what is due to one endpoint, one after the other."""
        try:
            # A name leads to the address that was checked, so no connection is used twice: it could
            # be that of another name.
            limits = httpx.Limits(max_keepalive_connections=0)
            async with httpx.AsyncClient(
                timeout=REQUEST_SECONDS, trust_env=False, verify=tls_context(), limits=limits
            ) as client:
                for _ in range(PER_TURN):
                    if not await self._send_next(client, endpoint_id):
                        break
        except Exception as error:  # it is tried again when the claim ends
            log.error(
                "webhook.not_sent", key=endpoint_id, error=type(error).__name__, exc_info=error
            )

    async def _send_next(self, client: httpx.AsyncClient, endpoint_id: int) -> bool:
        """Send the next delivery that is due to an endpoint. Returns whether there was one."""
        endpoint = await WebhookEndpoint.get_or_none(pk=endpoint_id, disabled_at=None)
        at = self._now()
        rows = await fetch_records(_NEXT, endpoint_id, at)
        if endpoint is None or not rows:
            return False
        key, claimed_until = int(rows[0][0]), at + _LEASE
        claim = WebhookDelivery.filter(pk=key, next_attempt_at__lte=at)
        changes = {"next_attempt_at": claimed_until, "last_attempt_at": at}
        if not await claim.update(**changes, attempts=F("attempts") + 1):
            return False  # another process was faster
        delivery = await WebhookDelivery.get_or_none(pk=key)
        if delivery is not None:
            cause = await _cause(endpoint, delivery)
            with span(f"webhook {delivery.type}", SpanKind.TASK, parent=cause):
                outcome = await self._request(client, endpoint, delivery)
                WEBHOOKS.add(outcome.result)
                await retry_conflict(partial(_record, self._action(), delivery, outcome))
        return True

    async def _request(
        self, client: httpx.AsyncClient, endpoint: WebhookEndpoint, delivery: WebhookDelivery
    ) -> _Outcome:
        destination = destination_of(endpoint.url, self._private_hosts)
        if destination is None:
            return _Outcome(failure="address not allowed")
        body, at = delivery.body.encode(), self._now()
        try:
            headers = signed_headers(
                self._secret(endpoint.secret),
                delivery.message_id,
                datetime.now(UTC),  # the receiver compares it with its own clock
                body,
                *self._previous_secrets(endpoint, at),
            )
            async with asyncio.timeout(REQUEST_SECONDS):
                response = await post(
                    client,
                    self._resolver,
                    endpoint.url,
                    destination.endpoint,
                    body,
                    headers,
                    may_be_private=destination.may_be_private,
                )
        except PrivateAddress:
            return _Outcome(failure="address not allowed")
        except InvalidToken:
            log.error("webhook.secret_unreadable", key=endpoint.pk)
            return _Outcome(failure="secret unreadable")
        except TimeoutError:
            return _Outcome(failure="no response in time")
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            return _Outcome(failure=_FAILURES.get(type(error), "connection failed"))
        return _Outcome(response.status_code, wait=retry_after(response, at))

    def _previous_secrets(self, endpoint: WebhookEndpoint, at: datetime) -> list[bytes]:
        until = endpoint.previous_secret_until
        if not endpoint.previous_secret or until is None or until <= at:
            return []
        return [self._secret(endpoint.previous_secret)]

    def _secret(self, encrypted: str) -> bytes:
        return secret_bytes(self._secret_box.decrypt(encrypted))


_FAILURES: dict[type[Exception], str] = {
    httpx.ConnectTimeout: "no response in time",
    httpx.ReadTimeout: "no response in time",
    httpx.WriteTimeout: "no response in time",
    httpx.RemoteProtocolError: "invalid response",
}


async def _record(action: Action, sent: WebhookDelivery, outcome: _Outcome) -> None:
    """Record how a request ended, unless the claim has expired and another process sends it."""
    async with action.transaction() as tx:
        endpoints = await tx.lock_rows(WebhookEndpoint.filter(pk=sent.endpoint_id))
        deliveries = await tx.lock_rows(
            WebhookDelivery.filter(pk=sent.pk, next_attempt_at=sent.next_attempt_at)
        )
        if not endpoints or not deliveries:
            return
        endpoint, delivery = endpoints[0], deliveries[0]
        delivery.response_status, delivery.failure = outcome.status, outcome.failure
        if outcome.is_success:
            delivery.succeeded_at, delivery.next_attempt_at = action.at, None
            await _set_failing(tx, endpoint, None)
        else:
            await _set_failing(tx, endpoint, endpoint.failing_since or action.at)
            delivery.next_attempt_at = _next_attempt(delivery, outcome, action.at)
        columns = ["response_status", "failure", "succeeded_at", "next_attempt_at"]
        await delivery.save(using_db=tx.db, update_fields=columns)
        if delivery.succeeded_at is None:
            await _handle_failure(tx, endpoint, delivery)
        else:
            await _release_waiting(tx, delivery)
    if outcome.is_success:
        WEBHOOK_DELIVERY.observe(action.at - delivery.started_at)
    log.info(
        "webhook.sent",
        key=delivery.pk,
        endpoint=endpoint.pk,
        status=outcome.status,
        failure=outcome.failure,
        attempts=delivery.attempts,
    )


async def _set_failing(tx: Transaction, endpoint: WebhookEndpoint, since: datetime | None) -> None:
    if endpoint.failing_since != since:
        endpoint.failing_since = since
        await endpoint.save(using_db=tx.db, update_fields=["failing_since"])


def _next_attempt(delivery: WebhookDelivery, outcome: _Outcome, at: datetime) -> datetime | None:
    """When to send again: after 15 seconds, then twice as long each time, at most 6 hours, or as
    the receiver asks. The last time is three days after the first one.
    """
    end: datetime = delivery.started_at + RETRIED_FOR
    if at >= end or outcome.status == httpx.codes.GONE:
        return None
    wait: timedelta = min(_MIN_WAIT * 2 ** min(delivery.attempts - 1, 12), _MAX_WAIT)
    wait = max(wait, min(outcome.wait or wait, _MAX_WAIT))
    next_attempt_at: datetime = at + wait * _RANDOM.uniform(1, 1 + _JITTER)
    return min(next_attempt_at, end)


async def _release_waiting(tx: Transaction, delivery: WebhookDelivery) -> None:
    """Let what has waited for a delivery follow at once, however long that was meant to take."""
    waiting = WebhookDelivery.filter(
        endpoint_id=delivery.endpoint_id,
        subject=delivery.subject,
        pk__gt=delivery.pk,
        attempts=0,
        next_attempt_at__gt=tx.action.at,
    )
    await waiting.using_db(tx.db).update(next_attempt_at=tx.action.at)


async def _handle_failure(
    tx: Transaction, endpoint: WebhookEndpoint, delivery: WebhookDelivery
) -> None:
    """Let what waits for a delivery wait until its next attempt. Disable an endpoint that is gone,
    or that has accepted nothing since the delivery began.
    """
    if delivery.next_attempt_at:
        waiting = WebhookDelivery.filter(
            endpoint_id=endpoint.pk,
            subject=delivery.subject,
            pk__gt=delivery.pk,
            next_attempt_at__lt=delivery.next_attempt_at,
        )
        await waiting.using_db(tx.db).update(next_attempt_at=delivery.next_attempt_at)
    elif delivery.response_status == httpx.codes.GONE:
        await _disable(tx, endpoint, WebhookDisabling.GONE)
    else:
        accepted = WebhookDelivery.filter(
            endpoint_id=endpoint.pk, succeeded_at__gte=delivery.started_at
        )
        if not await accepted.using_db(tx.db).exists():
            await _disable(tx, endpoint, WebhookDisabling.FAILING)


async def _disable(tx: Transaction, endpoint: WebhookEndpoint, reason: WebhookDisabling) -> None:
    """Disable an endpoint, and tell the owners of the company by email."""
    if endpoint.disabled_at:
        return
    changes = await disabling(tx, endpoint, reason)
    await endpoint.update_from_dict(changes).save(using_db=tx.db, update_fields=[*changes])
    owners = Membership.filter(account_id=endpoint.account_id, role=Role.OWNER).using_db(tx.db)
    for membership in await owners.select_related("user").order_by("id"):
        await emails.send_webhook_disabled(tx, membership.user, endpoint)
    tx.audit(OperationsAuditAction.WEBHOOK_ENDPOINT_DISABLE, endpoint, reason=reason.value)
