"""The numbers of the metrics that are read from the database, by a job of the processes that run
jobs. All of them are found by an index, so reading them takes some milliseconds.
"""

from datetime import UTC, datetime
from typing import Any

from tortoise.queryset import QuerySet

from models.accounts.account import AccountStatus
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import PurchaseStatus
from models.billing.receivable import Receivable
from models.clock import local_date
from models.database.sql import fetch_records
from models.operations.email import Email
from models.operations.installation import Installation
from models.operations.webhook import WebhookEndpoint
from models.support.inbox_view import is_breaching
from models.support.live_chat import ChatState, LiveChat
from models.support.ticket import Ticket
from models.support.ticket_status import UNFINISHED_STATUSES

DESCRIPTIONS = {
    "camcha_emails_waiting": "Emails that wait to be sent.",
    "camcha_oldest_email_seconds": "For how long the longest overdue email has been due.",
    "camcha_oldest_waiting_email_seconds": "The age of the oldest email that waits to be sent, "
    "also between two attempts.",
    "camcha_payments_pending": "Payments whose result isn't known yet.",
    "camcha_invoices_overdue": "Invoices that are overdue and not disputed.",
    "camcha_companies_past_due": "Companies that have a late purchase, not yet suspended.",
    "camcha_companies_suspended": "Companies that have a purchase suspended for late payment.",
    "camcha_tickets_unassigned": "Open tickets without an assignee.",
    "camcha_tickets_breaching": "Open tickets that have missed a target, or are about to.",
    "camcha_chats_waiting": "Chats that wait in a queue for an agent.",
    "camcha_oldest_chat_wait_seconds": "For how long the first chat of all queues has waited.",
    "camcha_webhook_endpoints_failing": "Webhook endpoints whose last request failed.",
    "camcha_webhooks_waiting": "Webhooks that wait to be sent to endpoints that are enabled.",
    "camcha_oldest_webhook_seconds": "The age of the oldest webhook that waits to be sent.",
    "camcha_last_backup_timestamp_seconds": "When bin/cli backup last began a backup that it "
    "finished; absent before the first one.",
}

_PENDING = [status for status in PaymentStatus if not status.is_final]
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_COMPANIES = "SELECT COUNT(DISTINCT account_id) FROM purchase WHERE status = ?"
# For each endpoint by itself, because the index begins with it: most deliveries are old ones.
_WEBHOOKS = """
SELECT SUM(waiting), MIN(oldest) FROM (
  SELECT (SELECT COUNT(*) FROM webhook_delivery d
    WHERE d.endpoint_id = e.id AND d.next_attempt_at > ?) AS waiting,
  (SELECT MIN(d.started_at) FROM webhook_delivery d
    WHERE d.endpoint_id = e.id AND d.next_attempt_at > ?) AS oldest
  FROM webhook_endpoint e JOIN account a ON a.id = e.account_id AND a.status = ?
  WHERE e.disabled_at IS NULL
) AS endpoints
"""


async def read_numbers(at: datetime) -> dict[str, float]:
    """The numbers by the names of their metrics, at this time."""
    return {
        **await _read_emails(at),
        **await _read_billing(at),
        **await _read_tickets(),
        **await _read_chats(at),
        **await _read_webhooks(at),
        **await _read_backups(),
    }


async def _read_emails(at: datetime) -> dict[str, float]:
    waiting = Email.filter(next_attempt_at__gt=_EVER)
    overdue = Email.filter(next_attempt_at__lt=at)
    return {
        "camcha_emails_waiting": await waiting.count(),
        "camcha_oldest_waiting_email_seconds": await _age(waiting, "created_at", at),
        "camcha_oldest_email_seconds": await _age(overdue, "next_attempt_at", at),
    }


async def _read_billing(at: datetime) -> dict[str, float]:
    late = Receivable.filter(open_cents__gt=0, due_on__lt=local_date(at), disputed_at=None)
    return {
        "camcha_payments_pending": await Payment.filter(status__in=_PENDING).count(),
        "camcha_invoices_overdue": await late.count(),
        "camcha_companies_past_due": await _count_companies(PurchaseStatus.PAST_DUE),
        "camcha_companies_suspended": await _count_companies(PurchaseStatus.SUSPENDED),
    }


async def _count_companies(status: PurchaseStatus) -> int:
    """The number of companies that have a purchase with this status."""
    return int((await fetch_records(_COMPANIES, status.value))[0][0])


async def _read_tickets() -> dict[str, float]:
    unfinished = Ticket.filter(status__in=UNFINISHED_STATUSES)
    return {
        "camcha_tickets_unassigned": await unfinished.filter(assignee_id=None).count(),
        "camcha_tickets_breaching": await unfinished.filter(is_breaching()).count(),
    }


async def _read_chats(at: datetime) -> dict[str, float]:
    waiting = LiveChat.filter(state=ChatState.WAITING)
    return {
        "camcha_chats_waiting": await waiting.count(),
        "camcha_oldest_chat_wait_seconds": await _age(waiting, "queued_at", at),
    }


async def _read_webhooks(at: datetime) -> dict[str, float]:
    failing = WebhookEndpoint.filter(failing_since__not_isnull=True, disabled_at=None)
    rows = await fetch_records(_WEBHOOKS, _EVER, _EVER, AccountStatus.ACTIVE.value)
    waiting, oldest = rows[0]
    if isinstance(oldest, str):  # SQLite has no type for times
        oldest = datetime.fromisoformat(oldest)
    return {
        "camcha_webhook_endpoints_failing": await failing.count(),
        "camcha_webhooks_waiting": int(waiting or 0),
        "camcha_oldest_webhook_seconds": (at - oldest).total_seconds() if oldest else 0,
    }


async def _read_backups() -> dict[str, float]:
    row = await Installation.get_or_none(pk=1)
    if row is None or row.backed_up_at is None:
        return {}
    return {"camcha_last_backup_timestamp_seconds": row.backed_up_at.timestamp()}


async def _age(rows: QuerySet[Any], column: str, at: datetime) -> float:
    """How many seconds ago the earliest time in a column was, 0 without any row."""
    times: Any = await rows.order_by(column).limit(1).values_list(column, flat=True)
    return max(0.0, (at - times[0]).total_seconds()) if times else 0.0
