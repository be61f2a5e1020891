"""External work that waits while an installation is held (models/operations/installation.py)."""

from collections import Counter
from datetime import datetime

from models.action import Action
from models.billing.payment import Payment
from models.operations.email import Email, EmailState
from models.privacy.erasure import Erasure
from models.support.file import File


async def held_work(at: datetime) -> list[str]:
    """Return what the jobs would do, one line each."""
    emails = await Email.filter(EmailState.WAITING.condition).values_list("template", "created_at")
    templates = Counter(str(template).partition(".")[0] for template, _ in emails)
    lines = [f"{count} emails {template}" for template, count in sorted(templates.items())]
    if emails:
        lines.append(f"oldest email: {min(created_at for _, created_at in emails):%Y-%m-%d %H:%M}")
    payments = await Payment.unsettled(at).count()
    erasures = await Erasure.filter(
        due_at__lte=at, canceled_at__isnull=True, finished_at__isnull=True
    ).count()
    files = await File.filter(
        uploaded_at__isnull=False,
        cleared_at__isnull=True,
        infected_at__isnull=True,
        missing_at__isnull=True,
    ).count()
    return [
        *lines,
        f"{len(emails)} emails to send",
        f"{payments} payments to ask the provider about",
        f"{erasures} accounts to erase",
        f"{files} files to scan",
    ]


async def discard_emails(action: Action) -> int:
    """Discard the emails that are waiting. Returns their number."""
    return await Email.discard_waiting(action)
