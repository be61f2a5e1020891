"""What must hold after every fault: each check returns what is broken, as sentences."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from bench.chaos.clients import Load, TicketReader
from bench.chaos.deployment import Deployment
from bench.servers import BenchmarkError
from models.billing.periods import months_after
from models.clock import local_date
from models.database.connection import connect, disconnect
from models.database.sql import execute
from models.event import last_sequences_of, ticket_stream
from models.global_ids import encode
from operations.audit_proof import audit_proof
from operations.invoice_numbering import numbering_errors
from storage.store import FolderStore

DRAIN_SECONDS = 120.0
_MAX_SHOWN = 3  # of the rows that break a rule
# A lease is at most this long; what is due later waits for another attempt.
_LEASE = timedelta(seconds=25)
# What waits for its next attempt, which would be minutes later.
_WAITING = (
    ("email", "next_attempt_at"),
    ("document_request", "next_attempt_at"),
    ("payment", "next_check_at"),
)
_UNDONE = {
    "emails wait": "SELECT COUNT(*) AS n FROM email WHERE next_attempt_at IS NOT NULL",
    "documents aren't made": "SELECT COUNT(*) AS n FROM document_request",
    "replies aren't sent": "SELECT COUNT(*) AS n FROM ticket "
    "WHERE reply_email_pending_since IS NOT NULL",
    "payments are unfinished": "SELECT COUNT(*) AS n FROM payment WHERE status = 'PROCESSING'",
    "periods aren't billed": "SELECT COUNT(*) AS n FROM purchase "
    "WHERE status = 'ACTIVE' AND bills_on <= ?",
}


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[None]:
    """Connect this process to the database. Raises BenchmarkError when that isn't possible for a
    long time.
    """
    await connect(database_url)
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                try:
                    await execute("SELECT 1 AS n")
                    break
                except Exception:  # it is starting
                    await asyncio.sleep(0.2)
        yield
    except TimeoutError:
        raise BenchmarkError("the database can't be reached") from None
    finally:
        await disconnect()


async def make_due(at: datetime) -> None:
    """Let the purchases that have had one period begin the second one today."""
    today = local_date(at)
    await execute(
        "UPDATE purchase SET anchor = ?, bills_on = ? "
        "WHERE status = 'ACTIVE' AND next_period_index = 1",
        months_after(today, -1),
        today,
    )


async def drain(deployment: Deployment) -> list[str]:
    """Wait until everything that was caused is done. What waits for another attempt, after
    minutes, is due at once: it is as if these minutes had passed.
    """
    undone: list[str] = []
    deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        now = deployment.now
        counts = {
            text: int((await execute(sql, *([local_date(now)] if "?" in sql else [])))[0]["n"])
            for text, sql in _UNDONE.items()
        }
        undone = [f"{count} {text}" for text, count in counts.items() if count]
        if not undone:
            return []
        for table, column in _WAITING:
            await execute(
                f"UPDATE {table} SET {column} = ? WHERE {column} > ?",  # noqa: S608 - our own names
                now,
                now + _LEASE,
            )
        await asyncio.sleep(0.3)
    return undone


async def broken_rules(deployment: Deployment, load: Load) -> list[str]:
    """Everything that is broken, as sentences. The load is paused and everything is done."""
    return [
        *await _broken_messages(load),
        *await _broken_followers(load),
        *[f"invoices: {each}" for each in await numbering_errors()],
        *await _broken_sums(),
        *await _broken_audit_log(),
        *await _broken_emails(deployment),
        *await _broken_files(deployment, load),
        *[f"{text} ({count} times)" for text, count in load.problems.items() if count],
    ]


async def _broken_messages(load: Load) -> list[str]:
    """Every acknowledged message exists once, under the number that was acknowledged."""
    rows = await execute(
        "SELECT ticket_id, client_message_id, sequence FROM message "
        "WHERE client_message_id IS NOT NULL"
    )
    stored: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        key = encode("Ticket", row["ticket_id"]), row["client_message_id"]
        stored.setdefault(key, []).append(row["sequence"])
    wrong = [key for key, sequence in load.messages.items() if stored.get(key) != [sequence]]
    return [f"acknowledged messages are missing or repeated: {_some(wrong)}"] if wrong else []


async def _broken_followers(load: Load) -> list[str]:
    """Every subscriber has received all events of its ticket in order, each once."""
    names = {
        encode("Ticket", row["id"]): row["id"] for row in await execute("SELECT id FROM ticket")
    }
    streams = {ticket: ticket_stream(names[ticket]) for ticket in load.tickets}
    heads = await last_sequences_of([*streams.values()])
    deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
    errors = []
    for each in load.readers:
        head = heads[streams[each.ticket]]
        await _wait_for_event(each, head, deadline)
        if each.sequences != list(range(1, head + 1)):
            errors.append(f"{each.person.name} has {len(each.sequences)} of {head} events")
    return [f"subscribers lack or repeat events: {_some(errors)}"] if errors else []


async def _wait_for_event(reader: TicketReader, sequence: int, deadline: float) -> None:
    loop = asyncio.get_running_loop()
    while reader.last_sequence < sequence and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


_RULES = {
    "periods were billed twice, or have no invoice": """
        SELECT p.id FROM billing_period p LEFT JOIN billing_item i ON i.billing_period_id = p.id
        GROUP BY p.id HAVING COUNT(i.id) <> 1 OR MIN(p.invoice_id) IS NULL""",
    "purchases lack a period": """
        SELECT p.id FROM purchase p WHERE p.status = 'ACTIVE' AND p.next_period_index <> (
        SELECT COUNT(*) FROM billing_period b WHERE b.purchase_id = p.id)""",
    "payments were charged more than once, or not at all": """
        SELECT p.id FROM payment p WHERE p.status = 'SUCCEEDED' AND (
        SELECT COUNT(*) FROM sandbox_charge c WHERE c.key = 'camcha-payment-' || p.id) <> 1""",
    "charges belong to no payment that succeeded": """
        SELECT c.key AS id FROM sandbox_charge c WHERE c.status = 'SUCCEEDED' AND NOT EXISTS (
        SELECT 1 FROM payment p WHERE 'camcha-payment-' || p.id = c.key
        AND p.status = 'SUCCEEDED')""",
    "invoices were paid by more or less than one payment": """
        SELECT i.id FROM invoice i JOIN receivable r ON r.invoice_id = i.id
        WHERE r.open_cents <> 0 OR (
        SELECT COALESCE(SUM(a.amount_cents), 0) FROM allocation a WHERE a.invoice_id = i.id
        ) <> i.gross_cents""",
    "ledger entries don't balance": """
        SELECT entry_id AS id FROM ledger_line GROUP BY entry_id
        HAVING SUM(debit_cents) <> SUM(credit_cents)""",
    "invoices aren't in the ledger once": """
        SELECT i.id FROM invoice i WHERE (SELECT COUNT(*) FROM ledger_entry e
        WHERE e.invoice_id = i.id AND e.journal = 'VE') <> 1""",
    "streams have gaps": """
        SELECT s.key AS id FROM stream s JOIN event e ON e.stream = s.key GROUP BY s.key,
        s.last_sequence HAVING COUNT(*) <> s.last_sequence OR MAX(e.sequence) <> s.last_sequence""",
    "invoices weren't emailed once to each recipient": """
        SELECT i.id FROM invoice i WHERE (SELECT COUNT(*) FROM email e WHERE e.invoice_id = i.id
        AND e.template LIKE 'invoice_issued%') <> 1""",
    "emails were given up": "SELECT id FROM email WHERE sent_at IS NULL",
}


async def _broken_sums() -> list[str]:
    errors = []
    for text, statement in _RULES.items():
        if rows := await execute(statement):
            errors.append(f"{len(rows)} {text}: {_some([row['id'] for row in rows])}")
    return errors


async def _broken_audit_log() -> list[str]:
    proof = await audit_proof()
    return [f"audit log: {proof.error} at {proof.first_invalid_sequence}"] if proof.error else []


async def _broken_emails(deployment: Deployment) -> list[str]:
    """Every email has arrived, and nothing that isn't one of them."""
    keys = {row["message_key"] for row in await execute("SELECT message_key FROM email")}
    arrived = {each.strip("<>").partition("@")[0] for each in deployment.mail.arrivals}
    errors = [f"emails have not arrived: {_some(sorted(keys - arrived))}"] if keys - arrived else []
    if arrived - keys:
        errors.append(f"emails arrived that nobody stored: {_some(sorted(arrived - keys))}")
    return errors


async def _broken_files(deployment: Deployment, load: Load) -> list[str]:
    """Every file whose upload was acknowledged is stored as it was sent."""
    rows = await execute("SELECT id, key, sha256 FROM file")
    stored = {encode("File", row["id"]): row for row in rows}
    store = FolderStore(deployment.files)
    wrong = []
    for file_id, sha256 in load.files.items():
        row = stored.get(file_id)
        if row is None or row["sha256"] != sha256 or await _content_hash(store, row) != sha256:
            wrong.append(file_id)
    return [f"uploaded files are missing or differ: {_some(wrong)}"] if wrong else []


async def _content_hash(store: FolderStore, row: dict[str, Any]) -> str | None:
    digest = hashlib.sha256()
    try:
        async for chunk in await store.open(row["key"]):
            digest.update(chunk)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def _some(items: Sequence[Any]) -> str:
    shown = ", ".join(map(str, items[:_MAX_SHOWN]))
    return shown if len(items) <= _MAX_SHOWN else f"{shown} and {len(items) - _MAX_SHOWN} more"
