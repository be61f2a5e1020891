"""The outbox: emails and their delivery, for operators."""

from datetime import datetime

import strawberry

import models.operations.email
from models.operations.email import EmailState
from schema.fields import field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(
    description="The delivery of an email. Its content is visible to its recipient only."
)
@backed_by(models.operations.email.Email)
class Email(Node):
    template: str = field("The template and language of the email, such as `invitation.fr`.")
    recipient: str = field(
        "The recipient's address, masked except for its first character and its host, such as "
        "`m***@example.fr`.",
        lambda root: root.masked_recipient,
        needs=("recipient",),
    )
    state: EmailState = field(
        "The delivery state of the email.",
        lambda root: root.state,
        needs=("sent_at", "next_attempt_at"),
    )
    attempts: int = field("The number of delivery attempts since it was created or last retried.")
    created_at: datetime = field("When the email was created.")
    sent_at: datetime | None = field("When a mail server accepted the email. Null until then.")
    bounced_at: datetime | None = field(
        "When a mail server reported that it can't deliver the email. Null when none has."
    )
    bounce_status: str | None = field(
        "The status code of that report (RFC 3463), such as 5.1.1 for an unknown mailbox. Null "
        "when it has none."
    )
    next_attempt_at: datetime | None = field(
        "When the next delivery attempt is due. Null once the email was sent or given up."
    )


@strawberry.type(description="The result of `emailRetry`.")
class EmailPayload:
    email: Email | None = field("The email, which will be delivered again at once.")
    user_errors: list[UserError] = errors()
