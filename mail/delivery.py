"""Sends the emails that wait in the outbox.

Emails that someone waits for or that protect an account go first, then the others, then bulk mail
(`Email.priority`), each by the time when they are due. Several emails are sent at once, and each
next one is chosen when a connection is free: 100,000 waiting notices delay the link for a new
password by less than a second.

A worker claims an email by moving its `next_attempt_at` to the end of a short lease, in one UPDATE
that matches only while the email is due: of two workers one changes a row, on SQLite and on
PostgreSQL, and the other skips the email. It renews the lease while it sends, so the email of a
worker that dies is sent by another one within seconds. No lock is held while the worker talks to a
mail server. Delivery is at least once: when a worker dies after the server accepted a message and
before the row says so, the lease ends and the email is sent again, under the same Message-ID. SMTP
allows no stronger promise.

An email that needs a consent is deleted instead when its recipient doesn't agree anymore.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from time import monotonic

import structlog

from mail.message import Sender, message
from mail.transport import DeliveryError, Transport
from models.billing.invoice import InvoiceDocument
from models.database.reading import read
from models.identity.user import Staff, User
from models.measurements import EMAIL_DELIVERY, EMAILS
from models.operations.email import QUERY_REPORT, Email, EmailPriority
from models.privacy.consent import ConsentChange
from models.tracing import SpanKind, span

SEND_TIMEOUT = timedelta(seconds=30)  # for one email, until the server accepts it
LEASE = timedelta(seconds=20)
_RENEWALS = 3  # in one lease, so that a slow database delays none beyond its end
_PREFETCH = 20
_PREFETCH_SECONDS = 0.25  # then there may be more urgent ones
_POLL_SECONDS = 0.5

log = structlog.stdlib.get_logger()


async def deliver_due(
    transport: Transport,
    at: datetime,
    limit: int = 20,
    *,
    sender: Sender,
    now: Callable[[], datetime] | None = None,
    connections: int = 1,
) -> int:
    """Send up to `limit` due emails, `connections` at once. Returns how many were sent.

    Emails are due at `at`, or by the clock `now`, by which those that are stored meanwhile are sent
    as well. An email that fails is retried later and doesn't delay the others. The first one is
    sent alone. When no server answers, the rest waits for the next call, because each email would
    wait for its own timeout.
    """
    run = _Run(transport, sender, now or (lambda: at), limit)
    try:
        async with asyncio.TaskGroup() as group:
            if await run.send_first():
                for _ in range(connections):
                    group.create_task(run.work())
    finally:
        await transport.close()
    if run.error:
        raise run.error
    return run.sent_count


class _Run:
    """The delivery of what is due, over several connections."""

    def __init__(
        self, transport: Transport, sender: Sender, now: Callable[[], datetime], limit: int
    ) -> None:
        self.sent_count = 0
        self.error: Exception | None = None
        self._transport, self._sender, self._now, self._limit = transport, sender, now, limit
        self._due: deque[Email] = deque()
        self._fetched_at = 0.0
        self._next = asyncio.Lock()
        self._sending = 0
        self._is_stopped = False

    async def send_first(self) -> bool:
        """Send one email. Returns whether others can follow."""
        email = await self._claim_next()
        if email is not None:
            await self._send(email)
        return email is not None and not self._is_stopped

    async def work(self) -> None:
        """Send one email after the other until none is due and none is being sent."""
        while not self._is_stopped:
            email = await self._claim_next()
            if email is not None:
                await self._send(email)
            elif self._sending and self._limit:
                await asyncio.sleep(_POLL_SECONDS)  # a slow email doesn't delay new ones
            else:
                return

    async def _claim_next(self) -> Email | None:
        """Claim an email. Returns None when none is due or the run has stopped."""
        async with self._next:
            try:
                return await self._claim_due()
            except Exception as error:
                self._stop(error)
                return None

    async def _claim_due(self) -> Email | None:
        while self._limit and not self._is_stopped:
            if not self._due or monotonic() - self._fetched_at > _PREFETCH_SECONDS:
                self._fetched_at = monotonic()
                self._due = deque(await _due_emails(self._now(), min(self._limit, _PREFETCH)))
            if not self._due:
                return None
            email = self._due.popleft()
            if await _claim(email, self._now()):
                self._limit -= 1
                return email
        return None

    def _stop(self, error: Exception) -> None:
        """Claim nothing more. The other connections finish what they are sending."""
        self.error = self.error or error
        self._is_stopped = True

    async def _send(self, email: Email) -> None:
        self._sending += 1
        try:
            if await _lacks_consent(email):
                await email.delete()
                log.info("email.not_consented", email=email.pk, template=email.template)
                return
            if await _lacks_access(email):
                await email.delete()
                log.info("email.not_allowed", email=email.pk, template=email.template)
                return
            async with _renewed_lease(email, self._now):
                error = await _try_to_send(email, self._transport, self._sender)
            await self._record(email, error)
        except Exception as error:
            self._stop(error)
        finally:
            self._sending -= 1

    async def _record(self, email: Email, error: Exception | None) -> None:
        if error is None:
            await email.mark_sent(self._now())
            EMAILS.add("sent")
            EMAIL_DELIVERY.observe(self._now() - email.created_at)
            self.sent_count += 1
            return
        await _record_failure(email, self._now(), error)
        if isinstance(error, TimeoutError) or (
            isinstance(error, DeliveryError) and error.unreachable
        ):
            self._is_stopped = True


async def _due_emails(at: datetime, limit: int) -> list[Email]:
    keys: list[int] = []
    for priority in EmailPriority:  # one by one, because an index then finds each at once
        due = Email.filter(priority=priority, next_attempt_at__lte=at)
        rows = await read(due, ("id",), "next_attempt_at", "id", limit=limit - len(keys))
        keys += [row.pk for row in rows]
        if len(keys) == limit:
            break
    emails = {email.pk: email for email in await Email.filter(pk__in=keys)} if keys else {}
    return [emails[key] for key in keys if key in emails]


async def _claim(email: Email, at: datetime) -> bool:
    due = Email.filter(pk=email.pk, next_attempt_at__lte=at)
    return await due.update(next_attempt_at=at + LEASE) == 1


@asynccontextmanager
async def _renewed_lease(email: Email, now: Callable[[], datetime]) -> AsyncIterator[None]:
    renewal = asyncio.create_task(_renew(email, now))
    try:
        yield
    finally:
        renewal.cancel()
        with suppress(asyncio.CancelledError):
            await renewal


async def _renew(email: Email, now: Callable[[], datetime]) -> None:
    while True:
        await asyncio.sleep(LEASE.total_seconds() / _RENEWALS)
        try:
            waiting = Email.filter(pk=email.pk, sent_at=None, next_attempt_at__not_isnull=True)
            await waiting.update(next_attempt_at=now() + LEASE)
        except Exception as error:  # the next renewal may succeed, or the lease ends
            log.warning("email.lease_not_renewed", email=email.pk, error=type(error).__name__)


async def _try_to_send(email: Email, transport: Transport, sender: Sender) -> Exception | None:
    try:
        with span(f"email {email.template}", SpanKind.CALL, links=[email.traceparent]):
            async with asyncio.timeout(SEND_TIMEOUT.total_seconds()):
                link = await transport.send(message(email, sender, await _attachment(email)))
    except Exception as error:
        return error
    log.info("email.delivered", email=email.pk, template=email.template, link=link)
    return None


async def _lacks_consent(email: Email) -> bool:
    """Whether the recipient has withdrawn the consent that the email needs, however long it has
    waited.
    """
    if email.purpose is None or email.user_id is None:
        return email.purpose is not None
    return not await ConsentChange.is_given(email.user_id, email.purpose)


async def _lacks_access(email: Email) -> bool:
    """Whether the recipient of figures is no analyst any more, however long the email has
    waited.
    """
    if not email.template.startswith(f"{QUERY_REPORT}."):
        return False
    analysts = User.filter(staff=Staff.ANALYST, second_factor_at__not_isnull=True)
    return not await analysts.filter(pk=email.user_id or 0).exists()


async def _attachment(email: Email) -> InvoiceDocument | None:
    if email.invoice_id is None:
        return None
    return await InvoiceDocument.get(invoice_id=email.invoice_id).select_related("invoice")


async def _record_failure(email: Email, at: datetime, error: Exception) -> None:
    permanent = isinstance(error, DeliveryError) and error.permanent
    # The message of another exception may contain an address.
    reason = error.reason if isinstance(error, DeliveryError) else type(error).__name__
    await email.mark_failed(at, permanent)
    event = log.bind(
        email=email.pk, template=email.template, reason=reason, attempts=email.attempts
    )
    EMAILS.add("failed" if email.next_attempt_at else "given_up")
    if email.next_attempt_at:
        event.warning("email.failed", next_attempt_at=email.next_attempt_at.isoformat())
    else:
        event.error("email.given_up")
