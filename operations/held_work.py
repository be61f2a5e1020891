"""External work that waits while an installation is held (models/operations/installation.py)."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tortoise.queryset import QuerySet

from models.accounts.account import AccountStatus
from models.action import Action
from models.billing.delivery import CollectionReport, DeliveryState, InvoiceDelivery
from models.billing.invoice import DocumentRequest
from models.billing.money import Money
from models.billing.payment import Payment
from models.billing.purchase import Purchase
from models.billing.refund import Refund, RefundStatus
from models.clock import local_date
from models.database.sql import fetch_records
from models.operations.email import Email, EmailState
from models.operations.webhook import WebhookDelivery
from models.privacy.erasure import Erasure
from models.support.file import File
from models.support.scheduled_reply import ScheduledReply, ScheduledReplyState
from models.support.ticket import Ticket

# Nothing is sent to endpoints that are disabled, and while their company is deactivated.
_NEW_EVENTS = """
SELECT COALESCE(SUM(s.last_sequence - e.sequence), 0) FROM webhook_endpoint e
JOIN stream s ON s.key = e.stream AND s.last_sequence > e.sequence
JOIN account a ON a.id = e.account_id AND a.status = ?
WHERE e.disabled_at IS NULL
"""
# At most so many: nothing is sent about events that a device isn't interested in.
_DEVICES = """
SELECT d.service, COUNT(*) FROM push_device d
JOIN session s ON s.id = d.session_id AND s.ended_at IS NULL AND s.expires_at > ?
JOIN stream t ON t.key = d.stream AND t.last_sequence > d.sequence
GROUP BY d.service ORDER BY d.service
"""


async def held_work(at: datetime) -> list[str]:
    """Return what the jobs would do, one line each."""
    return [
        *await _emails(at),
        *await _webhooks(),
        *await _notifications(at),
        *await _payments(at),
        *await _deliveries(),
        f"{await _due_erasures(at).count()} accounts to erase",
        f"{await _files_to_scan().count()} files to scan",
    ]


async def _emails(at: datetime) -> list[str]:
    emails = await Email.filter(EmailState.WAITING.condition).values_list("template", "created_at")
    templates = [(str(template).partition(".")[0], created_at) for template, created_at in emails]
    replies = ScheduledReply.filter(state=ScheduledReplyState.WAITING, send_at__lte=at)
    return [
        *_by_name("emails", templates),
        f"{len(emails)} emails to send",
        *await _counted("scheduled replies to post", replies),
        *await _counted(
            "tickets whose replies are to be emailed",
            Ticket.filter(reply_email_pending_since__not_isnull=True),
        ),
        *await _counted("invoice documents to make and email", DocumentRequest.all()),
    ]


async def _webhooks() -> list[str]:
    waiting = await WebhookDelivery.filter(
        next_attempt_at__not_isnull=True,
        endpoint__disabled_at=None,
        endpoint__account__status=AccountStatus.ACTIVE,
    ).values_list("type", "created_at")
    ((new_events,),) = await fetch_records(_NEW_EVENTS, AccountStatus.ACTIVE.value)
    return [
        *_by_name("webhooks", [(str(name), at) for name, at in waiting]),
        f"{len(waiting)} webhooks to send",
        *([f"{new_events} events of which webhooks may be sent"] if new_events else []),
    ]


async def _notifications(at: datetime) -> list[str]:
    rows = await fetch_records(_DEVICES, at)
    return [
        *(f"{count} devices with new events at {service}" for service, count in rows),
        f"{sum(row[1] for row in rows)} devices to notify of new events",
    ]


async def _payments(at: datetime) -> list[str]:
    asked = Refund.filter(next_check_at__not_isnull=True)  # an operator transfers the others
    pending = await asked.filter(status=RefundStatus.PENDING).values_list("amount_cents", flat=True)
    amounts: list[Any] = list(pending)
    return [
        f"{await Payment.unsettled(at).count()} payments to ask the provider about",
        f"{len(amounts)} refunds to make at the provider, {Money(sum(amounts)).formatted('en')}",
        *await _counted(
            "refunds to ask the provider about", asked.exclude(status=RefundStatus.PENDING)
        ),
        f"{await Purchase.due_on(local_date(at)).count()} purchases to bill",
    ]


async def _deliveries() -> list[str]:
    waiting = {"state": DeliveryState.WAITING, "next_attempt_at__not_isnull": True}
    return [
        *await _counted("invoices to deliver to the platform", InvoiceDelivery.filter(**waiting)),
        *await _counted("payments to report to the platform", CollectionReport.filter(**waiting)),
    ]


def _due_erasures(at: datetime) -> QuerySet[Erasure]:
    return Erasure.filter(due_at__lte=at, canceled_at__isnull=True, finished_at__isnull=True)


def _files_to_scan() -> QuerySet[File]:
    return File.filter(
        uploaded_at__isnull=False,
        cleared_at__isnull=True,
        infected_at__isnull=True,
        missing_at__isnull=True,
    )


def _by_name(noun: str, waiting: Sequence[tuple[str, datetime]]) -> list[str]:
    """The number of each name, and when the oldest was stored."""
    counts = Counter(name for name, _ in waiting)
    lines = [f"{count} {noun} {name}" for name, count in sorted(counts.items())]
    if waiting:
        oldest = min(created_at for _, created_at in waiting)
        lines.append(f"oldest of the {noun}: {oldest:%Y-%m-%d %H:%M}")
    return lines


async def _counted(text: str, rows: QuerySet[Any]) -> list[str]:
    count = await rows.count()
    return [f"{count} {text}"] if count else []


async def discard_emails(action: Action) -> int:
    """Discard the emails that are waiting. Returns their number."""
    return await Email.discard_waiting(action)
