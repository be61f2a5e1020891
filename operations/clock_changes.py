"""When the system clock is set back, for example by an hour, what waits for a time in the database
would wait an hour longer: emails, queries to the company register, payments and refunds whose
result isn't known, and everything that is retried later.

So the latest time is stored at intervals. A process whose clock is behind it moves those times back
by the difference. This also works for the first process that starts after the change, and of
several processes only one does it. Dates that people were given, such as the end of an invitation
or of a grace period, stay as they are.
"""

from datetime import timedelta

import structlog
from tortoise.models import Model

from models.accounts.account import Account
from models.accounts.legal_name import LegalNameChange
from models.accounts.vat_number import VatCheck
from models.action import Action, Transaction
from models.analytics.query_schedule import QuerySchedule
from models.billing.delivery import CollectionReport, InvoiceDelivery, PlatformCursor
from models.billing.invoice import DocumentRequest
from models.billing.payment import Payment
from models.billing.provider_event import ProviderEvent
from models.billing.refund import Refund
from models.operations.email import Email
from models.operations.latest_time import LatestTime
from models.operations.webhook import WebhookDelivery
from models.support.incoming_email import IncomingEmail
from models.support.push_device import PushDevice
from models.support.scheduled_reply import ScheduledReply
from models.support.ticket import Ticket

# The clocks of two hosts differ by less than this.
TOLERANCE = timedelta(minutes=1)
WAITING: tuple[tuple[type[Model], str], ...] = (  # in the order of models/lock_order.py
    (IncomingEmail, "next_attempt_at"),
    (Account, "registry_due_at"),
    (PushDevice, "next_attempt_at"),
    (LegalNameChange, "next_check_at"),
    (VatCheck, "due_at"),
    (Payment, "next_check_at"),
    (ProviderEvent, "next_attempt_at"),
    (Refund, "next_check_at"),
    (InvoiceDelivery, "next_attempt_at"),
    (CollectionReport, "next_attempt_at"),
    (Ticket, "reply_email_pending_since"),
    (ScheduledReply, "email_pending_since"),
    (DocumentRequest, "next_attempt_at"),
    (QuerySchedule, "claimed_until"),
    (WebhookDelivery, "next_attempt_at"),
    (Email, "next_attempt_at"),
)
_BATCH_SIZE = 500

log = structlog.stdlib.get_logger()


async def correct_waiting_times(action: Action) -> timedelta:
    """Record the time of `action`, or move the waiting times when the clock was set back. Returns
    by how much they were moved.
    """
    latest, _ = await LatestTime.get_or_create(defaults={"at": action.at}, pk=1)
    if latest.at <= action.at:
        await LatestTime.filter(pk=1, at__lt=action.at).update(at=action.at)
    elif latest.at - action.at > TOLERANCE:
        return await _move_back_waiting_times(action)
    return timedelta()


async def _move_back_waiting_times(action: Action) -> timedelta:
    async with action.transaction() as tx:
        latest = await tx.lock(LatestTime, 1)
        difference = latest.at - action.at
        if difference <= TOLERANCE:  # another process has done it
            return timedelta()
        for model, column in WAITING:
            await _move_rows(tx, model, column, latest, difference)
        await _move_claims_of_platforms(tx, difference)
        await LatestTime.filter(pk=1).using_db(tx.db).update(at=action.at)
    log.warning("clock.set_back", seconds=round(difference.total_seconds()))
    return difference


async def _move_claims_of_platforms(tx: Transaction, difference: timedelta) -> None:
    """Their keys are names, and they are few."""
    for cursor in await PlatformCursor.filter(claimed_until__gt=tx.action.at).using_db(tx.db):
        claimed_until = max(tx.action.at, cursor.claimed_until - difference)
        unchanged = PlatformCursor.filter(pk=cursor.pk, claimed_until=cursor.claimed_until)
        await unchanged.using_db(tx.db).update(claimed_until=claimed_until)


async def _move_rows(
    tx: Transaction, model: type[Model], column: str, latest: LatestTime, difference: timedelta
) -> None:
    key_name = model._meta.pk_attr
    # Most rows were due already, and a single statement is enough for them.
    overdue_rows = model.filter(**{f"{column}__gt": tx.action.at, f"{column}__lte": latest.at})
    await overdue_rows.using_db(tx.db).update(**{column: tx.action.at})
    later_rows = model.filter(**{f"{column}__gt": latest.at}).using_db(tx.db).order_by(key_name)
    last_moved_id = 0
    while (
        rows := await later_rows.filter(**{f"{key_name}__gt": last_moved_id})
        .limit(_BATCH_SIZE)
        .values_list(key_name, column)
    ):
        for key, at in rows:
            # Unless a worker has changed it meanwhile.
            unchanged_row = model.filter(**{key_name: key, column: at}).using_db(tx.db)
            await unchanged_row.update(**{column: at - difference})
        last_moved_id = rows[-1][0]
