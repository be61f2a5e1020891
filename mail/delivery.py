"""Sends what waits in the outbox.

A worker claims a letter by moving its `next_attempt_at` behind a lease, in one UPDATE that only matches while the letter
is due: of two workers one changes a row, on SQLite and on PostgreSQL, and the other goes on. No lock is held while a
server is spoken to. Delivery is at least once: a worker that dies between the server's yes and the mark leaves a lease
that runs out, and the letter goes again, under the same Message-ID. Nothing can promise exactly once over SMTP.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from mail.message import Letterhead, message
from mail.transport import Refused, Transport
from models.invoice import InvoiceDocument
from models.letter import Letter

PATIENCE = timedelta(seconds=30)  # for one letter, from the first byte to the server's yes

log = structlog.stdlib.get_logger()


async def deliver_due(transport: Transport, at: datetime, limit: int = 20, *, head: Letterhead) -> int:
    """Send up to `limit` letters that are due at `at`, oldest first. Returns how many were taken.

    A letter that fails is tried again later and never holds up the others. After one that met no server the rest wait for
    the next turn: each would wait as long for nothing.
    """
    due = await Letter.filter(next_attempt_at__lte=at).order_by("next_attempt_at", "id").limit(limit)
    lease = at + (len(due) + 1) * PATIENCE  # the last of the batch must not become due again before its turn is over
    taken = 0
    for letter in due:
        if not await _claim(letter, at, lease):
            continue
        fault = await _deliver(letter, transport, at, head)
        taken += fault is None
        if isinstance(fault, TimeoutError) or (isinstance(fault, Refused) and fault.away):
            break
    return taken


async def _claim(letter: Letter, at: datetime, lease: datetime) -> bool:
    return await Letter.filter(pk=letter.pk, next_attempt_at__lte=at).update(next_attempt_at=lease) == 1


async def _deliver(letter: Letter, transport: Transport, at: datetime, head: Letterhead) -> Exception | None:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            link = await transport.send(message(letter, head, await _enclosed(letter)))
    except Exception as fault:
        await _failed(letter, at, fault)
        return fault
    await letter.sent(at)
    log.info("letter.delivered", letter=letter.pk, template=letter.template, link=link)
    return None


async def _enclosed(letter: Letter) -> InvoiceDocument | None:
    if letter.invoice_id is None:
        return None
    return await InvoiceDocument.get(invoice_id=letter.invoice_id).select_related("invoice")


async def _failed(letter: Letter, at: datetime, fault: Exception) -> None:
    final = isinstance(fault, Refused) and fault.final
    reason = fault.reason if isinstance(fault, Refused) else type(fault).__name__  # an error's own words may quote an address
    await letter.failed(at, final)
    told = log.bind(letter=letter.pk, template=letter.template, reason=reason, attempts=letter.attempts)
    if letter.next_attempt_at:
        told.warning("letter.failed", again=letter.next_attempt_at.isoformat())
    else:
        told.error("letter.given_up")
