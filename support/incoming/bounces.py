"""Records which of our emails could not be delivered, according to reports of mail servers."""

from datetime import datetime

from models.operations.email import Email
from support.incoming.automatic import Bounce
from support.incoming.matching import own_key

_MAX_KEYS = 20


async def record_bounce(at: datetime, bounce: Bounce) -> int:
    """Mark the emails that a report names by their Message-ID, which can't be guessed. A report
    that an email is only delayed marks nothing. Returns how many were marked.
    """
    keys = [key for message_id in bounce.message_ids if (key := own_key(message_id))]
    if not keys or bounce.status.startswith(("2", "4")):
        return 0
    sent = Email.filter(message_key__in=keys[:_MAX_KEYS], bounced_at=None)
    return await sent.update(bounced_at=at, bounce_status=bounce.status or None)
