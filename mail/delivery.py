"""Sends what waits in the outbox.

A worker claims an email by moving its `next_attempt_at` behind a lease, in one UPDATE that only matches while the email
is due: of two workers one changes a row, on SQLite and on PostgreSQL, and the other goes on. No lock is held while a
server is spoken to. Delivery is at least once: a worker that dies between the server's yes and the mark leaves a lease
that runs out, and the email goes again, under the same Message-ID. Nothing can promise exactly once over SMTP.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from mail.message import Sender, message
from mail.transport import Refused, Transport
from models.billing.invoice import InvoiceDocument
from models.operations.email import Email

PATIENCE = timedelta(seconds=30)  # for one email, from the first byte to the server's yes

log = structlog.stdlib.get_logger()


async def deliver_due(transport: Transport, at: datetime, limit: int = 20, *, head: Sender) -> int:
    """Send up to `limit` emails that are due at `at`, oldest first. Returns how many were taken.

    An email that fails is tried again later and never holds up the others. After one that met no server the rest wait for
    the next turn: each would wait as long for nothing.
    """
    due = await Email.filter(next_attempt_at__lte=at).order_by("next_attempt_at", "id").limit(limit)
    lease = at + (len(due) + 1) * PATIENCE  # the last of the batch must not become due again before its turn is over
    taken = 0
    for email in due:
        if not await _claim(email, at, lease):
            continue
        fault = await _deliver(email, transport, at, head)
        taken += fault is None
        if isinstance(fault, TimeoutError) or (isinstance(fault, Refused) and fault.away):
            break
    return taken


async def _claim(email: Email, at: datetime, lease: datetime) -> bool:
    return await Email.filter(pk=email.pk, next_attempt_at__lte=at).update(next_attempt_at=lease) == 1


async def _deliver(email: Email, transport: Transport, at: datetime, head: Sender) -> Exception | None:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            link = await transport.send(message(email, head, await _enclosed(email)))
    except Exception as fault:
        await _failed(email, at, fault)
        return fault
    await email.sent(at)
    log.info("email.delivered", email=email.pk, template=email.template, link=link)
    return None


async def _enclosed(email: Email) -> InvoiceDocument | None:
    if email.invoice_id is None:
        return None
    return await InvoiceDocument.get(invoice_id=email.invoice_id).select_related("invoice")


async def _failed(email: Email, at: datetime, fault: Exception) -> None:
    final = isinstance(fault, Refused) and fault.final
    reason = fault.reason if isinstance(fault, Refused) else type(fault).__name__  # an error's own words may quote an address
    await email.failed(at, final)
    told = log.bind(email=email.pk, template=email.template, reason=reason, attempts=email.attempts)
    if email.next_attempt_at:
        told.warning("email.failed", again=email.next_attempt_at.isoformat())
    else:
        told.error("email.given_up")
