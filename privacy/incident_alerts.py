"""What the security team is told of incidents after the report: reminders of the deadline by email,
and the call of its webhook.

The webhook follows Standard Webhooks (github.com/standard-webhooks): the request is signed with
HMAC-SHA256 over its ID, its time and its body. It contains no personal data. A call that fails is
repeated at growing intervals for three days, under the same ID.
"""

import asyncio
from datetime import datetime, timedelta
from functools import partial

import httpx
import orjson
import structlog

from auth.http_client import tls_context
from auth.webhook_signatures import signed_headers
from mail import emails
from models.action import Action
from models.due_rows import handle_each
from models.privacy.incident import Incident, next_reminder
from privacy.incidents import security_recipients
from privacy.security_team import SecurityTeam

TIMEOUT_SECONDS = 10.0
MAX_ATTEMPTS = 20

log = structlog.stdlib.get_logger()


async def send_incident_reminders(action: Action, team: SecurityTeam) -> int:
    """Send the due reminders of deadlines to the security team. Returns for how many incidents.

    A reminder and the time of the next one are stored in one transaction, so each is sent once.
    """
    due = Incident.filter(reminder_at__lte=action.at)
    return await handle_each(due, partial(_remind, action, team), "incident_reminder.failed")


async def _remind(action: Action, team: SecurityTeam, key: int) -> bool:
    async with action.transaction() as tx:
        incident = await tx.lock(Incident, key)
        if incident.reminder_at is None or incident.reminder_at > action.at:
            return False
        incident.reminder_at = next_reminder(incident.deadline_at, action.at)
        await incident.save(using_db=tx.db, update_fields=["reminder_at"])
        for recipient in await security_recipients(tx, team):
            await emails.send_incident_reminder(tx, recipient, incident)
    return True


async def call_webhook(action: Action, team: SecurityTeam) -> int:
    """Call the webhook for the incidents whose call is due. Returns how often it succeeded."""
    due = Incident.filter(webhook_at__lte=action.at)
    return await handle_each(due, partial(_call, action, team), "incident_webhook.failed")


async def _call(action: Action, team: SecurityTeam, key: int) -> bool:
    """Claim the call by moving its next attempt, ask outside the transaction, and record the
    result.
    """
    async with action.transaction() as tx:
        incident = await tx.lock(Incident, key)
        if incident.webhook_at is None or incident.webhook_at > action.at:
            return False
        incident.webhook_attempts += 1
        incident.webhook_at = _next_attempt(incident, action.at) if team.webhook_url else None
        await incident.save(using_db=tx.db, update_fields=["webhook_at", "webhook_attempts"])
    if not team.webhook_url or not await _is_delivered(team, incident, action.at):
        return False
    await Incident.filter(pk=key).update(webhook_at=None)
    return True


def _next_attempt(incident: Incident, at: datetime) -> datetime | None:
    if incident.webhook_attempts >= MAX_ATTEMPTS:
        return None
    seconds = min(15 * 2**incident.webhook_attempts, 6 * 3600)
    return at + timedelta(seconds=seconds)


async def _is_delivered(team: SecurityTeam, incident: Incident, at: datetime) -> bool:
    body = orjson.dumps(
        {
            "type": "incident.reported",
            "timestamp": incident.reported_at.isoformat(),
            "data": {"number": incident.number, "deadlineAt": incident.deadline_at.isoformat()},
        }
    )
    headers = signed_headers(team.key, f"incident-{incident.pk}", at, body)
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            httpx.AsyncClient(
                timeout=TIMEOUT_SECONDS, trust_env=False, verify=tls_context()
            ) as client,
            client.stream("POST", team.webhook_url, content=body, headers=headers) as response,
        ):
            if response.is_success:
                return True
            reason = f"status {response.status_code}"
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
        reason = type(error).__name__
    log.error("incident_webhook.failed", incident=incident.pk, reason=reason)
    return False
