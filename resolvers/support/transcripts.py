"""Transcripts of tickets by email, and files of what was exchanged."""

import strawberry

from models.checks import Checks
from models.identity.user import User
from models.support.ticket import Ticket
from models.text import client_key
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Info
from resolvers.ids import load_visible
from support import transcripts


@strawberry.input(description="The ticket whose transcript to send.")
class TicketSendTranscriptInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


async def send(info: Info, input: TicketSendTranscriptInput) -> User:
    """Send the transcript of a ticket."""
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        key = check(client_key, input.idempotency_key)
    return await transcripts.send_transcript(
        context.action(), context.services.auth, context.user, ticket, key
    )
