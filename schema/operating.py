"""What an operator sees of the outbox, and what their mutations return. Like schema/payloads.py, which is long enough."""

from datetime import datetime

import strawberry

import models.letter
from models.letter import LetterState
from resolvers import letters
from schema.fields import said
from schema.nodes import of
from schema.payloads import UserError, errors


@strawberry.type(description="A letter's way, without its words: those are its reader's alone.")
@of(models.letter.Letter)
class Letter:
    letter_id: strawberry.ID = said("What `letterRetry` takes.", letters.letter_id, needs=("id",))
    template: str = said("Which letter it is and in which language, such as `invitation.fr`.")
    recipient: str = said(
        "To whom, masked: the first letter and the host, such as `m***@example.fr`.",
        lambda root: root.masked_recipient, needs=("recipient",),
    )  # fmt: skip
    state: LetterState = said("How far it has come.", lambda root: root.state, needs=("sent_at", "next_attempt_at"))
    attempts: int = said("How many times it was tried, since it was written or retried.")
    created_at: datetime = said("When it was written.")
    sent_at: datetime | None = said("When a mail server took it; null until then.")
    next_attempt_at: datetime | None = said("When it is tried next; null once it is sent or given up.")


@strawberry.type(description="A letter after the change.")
class LetterPayload:
    letter: Letter | None = said("The letter as it stands: it is tried at once.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether somebody's second factor is off.")
class UserResetSecondFactorPayload:
    reset: bool | None = said("True when it is: they sign in with their password alone, and should set a new one up.")
    user_errors: list[UserError] = errors()
