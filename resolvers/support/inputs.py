"""Inputs of the support mutations."""

import strawberry

from models.support.ticket import Category, Channel, TicketStatus

_KEY = "Chosen by the client, at most 64 characters: a repeat with the same arguments returns what the first request made."


@strawberry.input(description="A request for help and its first message.")
class TicketOpenInput:
    subject: str = strawberry.field(description="In a few words, at most 200 characters.")
    body: str = strawberry.field(description="The first message, at most 8,000 characters; card numbers are masked.")
    channel: Channel = strawberry.field(
        default=Channel.WEB, description="CHAT for a live chat, WEB for a request answered later; no other by this way."
    )
    category: Category = strawberry.field(default=Category.USAGE, description="What it is about.")
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="A ticket to take on.")
class TicketClaimInput:
    ticket_id: strawberry.ID = strawberry.field(description="A ticket nobody else has taken.")


@strawberry.input(description="A ticket to return to the inbox.")
class TicketReleaseInput:
    ticket_id: strawberry.ID = strawberry.field(description="A ticket that is assigned to the viewer.")


@strawberry.input(description="A message in a ticket.")
class TicketReplyInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ticket; a reply to a closed one starts a linked follow-up.")
    body: str = strawberry.field(description="At most 8,000 characters; card numbers are masked.")
    client_message_id: str = strawberry.field(
        description="Chosen by the client, at most 64 characters, unique in the ticket: a repeat returns the first message."
    )
    file_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Files uploaded before, at most 10, each attached once."
    )


@strawberry.input(description="A ticket and the state it moves to.")
class TicketMoveInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ticket's global id.")
    status: TicketStatus = strawberry.field(description="A state that is legal from the present one.")


@strawberry.input(description="A ticket to close.")
class TicketCloseInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ticket; it stays readable, a later reply starts a follow-up.")


@strawberry.input(description="Whether the person is typing. Told to the others, never stored.")
class TicketTypingInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ticket's global id.")
    typing: bool = strawberry.field(default=True, description="True while typing; forgotten by itself after some seconds.")


@strawberry.input(description="A file that the client is about to upload.")
class FileAnnounceInput:
    name: str = strawberry.field(description="The file's name with its extension, at most 200 characters.")
    content_type: str = strawberry.field(description="Its media type, such as image/png.")
    size: int = strawberry.field(description="Its size in bytes, at most 10 MiB.")
