"""Transcripts of tickets by email."""

import strawberry

from auth.rules import agent, customer
from models.support.audit_actions import SupportAuditAction
from resolvers.support import transcripts as transcript_resolvers
from schema.fields import field, mutation
from schema.identity.users import User
from schema.user_errors import UserError, errors


@strawberry.type(description="The result of sending a transcript.")
class TicketTranscriptPayload:
    recipient: User | None = field("The user to whom it is sent.")
    user_errors: list[UserError] = errors()


@strawberry.type
class TranscriptMutation:
    ticket_send_transcript: TicketTranscriptPayload | None = mutation(
        transcript_resolvers.send,
        "recipient",
        allow=customer | agent,
        audit=SupportAuditAction.TICKET_SEND_TRANSCRIPT,
        description="Sends everything that was written in a ticket by email, without internal "
        "notes: to the viewer, or to the requester when the viewer is an agent.",
    )
