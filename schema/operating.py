"""What an operator sees of the outbox, and what their mutations return. Like schema/payloads.py, which is long enough."""

from datetime import datetime

import strawberry

import models.email
from models.email import EmailState
from resolvers import emails
from schema.fields import said
from schema.nodes import of
from schema.payloads import UserError, errors


@strawberry.type(description="An email's way, without its words: those are its reader's alone.")
@of(models.email.Email)
class Email:
    email_id: strawberry.ID = said("What `emailRetry` takes.", emails.email_id, needs=("id",))
    template: str = said("Which email it is and in which language, such as `invitation.fr`.")
    recipient: str = said(
        "To whom, masked: the first letter and the host, such as `m***@example.fr`.",
        lambda root: root.masked_recipient, needs=("recipient",),
    )  # fmt: skip
    state: EmailState = said("How far it has come.", lambda root: root.state, needs=("sent_at", "next_attempt_at"))
    attempts: int = said("How many times it was tried, since it was written or retried.")
    created_at: datetime = said("When it was written.")
    sent_at: datetime | None = said("When a mail server took it; null until then.")
    next_attempt_at: datetime | None = said("When it is tried next; null once it is sent or given up.")


@strawberry.type(description="An email after the change.")
class EmailPayload:
    email: Email | None = said("The email as it stands: it is tried at once.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether somebody's second factor is off.")
class UserResetSecondFactorPayload:
    reset: bool | None = said("True when it is: they sign in with their password alone, and should set a new one up.")
    user_errors: list[UserError] = errors()
