"""Inputs of the support mutations."""

import strawberry

from models.support.classification import Category, Channel
from models.support.ticket_status import TicketStatus
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.scalars import BigInt


@strawberry.input(description="A request for help and its first message.")
class TicketOpenInput:
    subject: str = strawberry.field(description="A short summary (at most 200 characters).")
    body: str = strawberry.field(
        description="The first message (at most 8,000 characters). Card numbers are masked."
    )
    channel: Channel = strawberry.field(
        default=Channel.WEB,
        description="CHAT for a live chat, WEB for a request that is answered later. Other "
        "channels are refused.",
    )
    category: Category = strawberry.field(
        default=Category.USAGE, description="The category of the request."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A message to post in a ticket.")
class TicketReplyInput:
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of the ticket. A reply to a closed ticket opens a linked follow-up "
        "ticket."
    )
    body: str = strawberry.field(
        description="The message (at most 8,000 characters). Card numbers are masked. It may be "
        "empty when there are files."
    )
    client_message_id: str = strawberry.field(
        description="An ID chosen by the client (at most 64 characters), unique in the ticket. "
        "Repeating it with the same content returns the first message."
    )
    file_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description="The IDs of uploaded files to attach (at most 10). Each file can be attached "
        "once.",
    )
    seen_sequence: BigInt | None = strawberry.field(
        default=None,
        description=(
            "For agents: the `sequence` of the last message that the viewer had seen when they "
            "began to write. If another agent has answered since, nothing is posted, the draft is "
            "kept and the user error is ANSWERED_MEANWHILE. Null to post in any case."
        ),
    )


@strawberry.input(description="The ticket that the viewer has read, and up to where.")
class TicketMarkReadInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    sequence: BigInt = strawberry.field(
        description="The `sequence` of the last message that the viewer has read, or the ticket's "
        "`lastSequence`. A lower one than before changes nothing."
    )


@strawberry.input(description="The ticket and its new status.")
class TicketMoveInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    status: TicketStatus = strawberry.field(
        description="The new status. It must be reachable from the current one."
    )
    reason: str | None = strawberry.field(
        default=None,
        description="The reason (at most 1,000 characters), which is posted in the ticket. "
        "Required to solve or close a legal request (`Ticket.deadlineAt` isn't null).",
    )


@strawberry.input(description="The ticket to close.")
class TicketCloseInput:
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of the ticket. It stays readable, and a later reply opens a follow-up "
        "ticket."
    )
    reason: str | None = strawberry.field(
        default=None,
        description="The reason (at most 1,000 characters), which is posted in the ticket. "
        "Required for staff who close a legal request (`Ticket.deadlineAt` isn't null) "
        "that isn't solved.",
    )


@strawberry.input(
    description="Whether the viewer is typing. Sent to the other participants and never stored."
)
class TicketTypingInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    typing: bool = strawberry.field(
        default=True, description="True while the viewer is typing. Expires after a few seconds."
    )


@strawberry.input(description="A received email, and the customer who wrote it.")
class IncomingEmailLinkInput:
    incoming_email_id: strawberry.ID = strawberry.field(
        description="The ID of an email that is UNMATCHED."
    )
    account_id: strawberry.ID = strawberry.field(description="The ID of the company.")
    requester_id: strawberry.ID = strawberry.field(
        description="The ID of the member of the company in whose name the email is posted. "
        "Replies are sent to the member's own address."
    )
    ticket_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of the company's ticket that the email belongs to. Opens a new ticket "
        "when omitted.",
    )


@strawberry.input(description="The received email to dismiss.")
class IncomingEmailDismissInput:
    incoming_email_id: strawberry.ID = strawberry.field(
        description="The ID of an email that is UNMATCHED."
    )


@strawberry.input(description="The received email to read again.")
class IncomingEmailRetryInput:
    incoming_email_id: strawberry.ID = strawberry.field(
        description="The ID of an email that is FAILED."
    )


@strawberry.input(description="The file to upload.")
class FileAnnounceInput:
    name: str = strawberry.field(
        description="The name of the file with its extension (at most 200 characters)."
    )
    content_type: str = strawberry.field(
        description="The media type of the file, such as image/png. If the user's system doesn't "
        "know it, send an empty string or application/octet-stream: the extension then decides."
    )
    size: int = strawberry.field(
        description="The size of the file in bytes: at most 10 MiB, or 24 MiB for a video."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)
