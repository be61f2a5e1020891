"""The outbox of e-mails as an operator sees it."""

from datetime import datetime

import strawberry

import models.operations.email
from models.operations.email import EmailState
from resolvers.operations import emails as email_resolvers
from schema.fields import field
from schema.nodes import backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="An email's way, without its words: those are its reader's alone.")
@backed_by(models.operations.email.Email)
class Email:
    email_id: strawberry.ID = field("What `emailRetry` takes.", email_resolvers.email_id, needs=("id",))
    template: str = field("Which email it is and in which language, such as `invitation.fr`.")
    recipient: str = field(
        "To whom, masked: the first letter and the host, such as `m***@example.fr`.",
        lambda root: root.masked_recipient, needs=("recipient",),
    )  # fmt: skip
    state: EmailState = field("How far it has come.", lambda root: root.state, needs=("sent_at", "next_attempt_at"))
    attempts: int = field("How many times it was tried, since it was written or retried.")
    created_at: datetime = field("When it was written.")
    sent_at: datetime | None = field("When a mail server took it; null until then.")
    next_attempt_at: datetime | None = field("When it is tried next; null once it is sent or given up.")


@strawberry.type(description="An email after the change.")
class EmailPayload:
    email: Email | None = field("The email as it stands: it is tried at once.")
    user_errors: list[UserError] = errors()
