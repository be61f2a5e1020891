"""Sends the emails that wait in the outbox.

A worker claims an email by moving its `next_attempt_at` to the end of a lease, in one UPDATE that
matches only while the email is due: of two workers one changes a row, on SQLite and on PostgreSQL,
and the other skips the email. No lock is held while the worker talks to a mail server. Delivery is
at least once: when a worker dies after the server accepted a message and before the row says so,
the lease ends and the email is sent again, under the same Message-ID. SMTP allows no stronger
promise.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from mail.message import Sender, message
from mail.transport import DeliveryError, Transport
from models.billing.invoice import InvoiceDocument
from models.operations.email import Email

SEND_TIMEOUT = timedelta(seconds=30)  # for one email, until the server accepts it

log = structlog.stdlib.get_logger()


async def deliver_due(
    transport: Transport, at: datetime, limit: int = 20, *, sender: Sender
) -> int:
    """Send up to `limit` emails that are due at `at`, oldest first. Returns how many were sent.

    An email that fails is retried later and doesn't delay the others. When no server answers, the
    rest of the batch waits for the next call, because each email would wait for its own timeout.
    """
    emails = (
        await Email.filter(next_attempt_at__lte=at).order_by("next_attempt_at", "id").limit(limit)
    )
    # The last email of the batch must not become due before its turn ends.
    lease = at + (len(emails) + 1) * SEND_TIMEOUT
    sent_count = 0
    for email in emails:
        if not await _claim(email, at, lease):
            continue
        error = await _deliver(email, transport, at, sender)
        sent_count += error is None
        if isinstance(error, TimeoutError) or (
            isinstance(error, DeliveryError) and error.unreachable
        ):
            break
    return sent_count


async def _claim(email: Email, at: datetime, lease: datetime) -> bool:
    return (
        await Email.filter(pk=email.pk, next_attempt_at__lte=at).update(next_attempt_at=lease) == 1
    )


async def _deliver(
    email: Email, transport: Transport, at: datetime, sender: Sender
) -> Exception | None:
    try:
        async with asyncio.timeout(SEND_TIMEOUT.total_seconds()):
            link = await transport.send(message(email, sender, await _attachment(email)))
    except Exception as error:
        await _record_failure(email, at, error)
        return error
    await email.mark_sent(at)
    log.info("email.delivered", email=email.pk, template=email.template, link=link)
    return None


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
    if email.next_attempt_at:
        event.warning("email.failed", next_attempt_at=email.next_attempt_at.isoformat())
    else:
        event.error("email.given_up")
