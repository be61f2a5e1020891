"""Received emails."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.support.incoming_email
from models.support.incoming_email import (
    IncomingEmailReason,
    IncomingEmailSource,
    IncomingEmailStatus,
)
from resolvers.scalars import BigInt
from resolvers.support import incoming_emails as incoming_email_resolvers
from schema.fields import edge, field, viewer_field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.support.tickets import Message


@strawberry.type(description="An attachment of an email that wasn't accepted.")
class RefusedFile:
    name: str = field("The name of the file.")
    reason: str = field(
        "Why it wasn't accepted: UNSUPPORTED (its type, or content of another type), TOO_LARGE, "
        "TOO_MANY, EMPTY or INFECTED."
    )


@strawberry.type(
    description=(
        "Whether an email comes from the sender that it names, as results of RFC 8601 such as "
        "`pass`, `fail` and `none`. Null for unknown results."
    )
)
class EmailAuthentication:
    spf: str | None = field("Whether the sending server may send emails for the domain (RFC 7208).")
    dkim: str | None = field("Whether a signature of a domain is valid (RFC 6376).")
    dmarc: str | None = field("Whether SPF or DKIM passed for the sender's domain (RFC 7489).")
    policy: str | None = field(
        "What the domain of the sender asks to do when DMARC fails: `none`, `quarantine` or "
        "`reject`."
    )


@strawberry.type(description="The email that a message was received as.")
@backed_by(models.support.incoming_email.IncomingEmail)
class MessageEmail:
    sender: str = field("The address that the email was sent from.")
    sender_name: str = field("The name that the sender uses.")
    text: str = field(
        "The whole text of the email, with everything that it quotes. Card numbers are masked.",
        cost=5,
    )
    html: str | None = field(
        "The email as sanitized HTML, without external content. The source of pictures that came "
        "with the email is `cid:` followed by the ID of a file of the message.",
        incoming_email_resolvers.html,
        needs=("html",),
        cost=5,
    )
    refused_files: list[RefusedFile] = field(
        "The attachments that weren't accepted.",
        incoming_email_resolvers.refused_files,
        needs=("refused_files",),
    )


@strawberry.type(
    description=(
        "An email that support received, and how it was handled. Operators see neither its "
        "content nor who sent it."
    )
)
@backed_by(models.support.incoming_email.IncomingEmail)
class IncomingEmail(Node):
    source: IncomingEmailSource = field("How the email was received.")
    received_at: datetime = field("When the email was stored.")
    status: IncomingEmailStatus = field("The status of the email.")
    reason: IncomingEmailReason | None = field(
        "Why the email has its status. Null while it is RECEIVED."
    )
    processed_at: datetime | None = field("When the email got its status. Null until then.")
    attempts: int = field("How often reading the email failed.")
    size: BigInt = field("The size of the email in bytes.")
    sender: str = viewer_field(
        incoming_email_resolvers.senders,
        needs=("sender",),
        description="The address that the email was sent from, masked unless the viewer is an "
        "agent. Empty when there is none.",
    )
    sender_name: str | None = viewer_field(
        incoming_email_resolvers.sender_names,
        needs=("sender_name",),
        description="The name that the sender uses. Null unless the viewer is an agent.",
    )
    subject: str | None = viewer_field(
        incoming_email_resolvers.subjects,
        needs=("subject",),
        description="The subject of the email. Null unless the viewer is an agent.",
    )
    text: str | None = field(
        "The whole text of the email. Null unless the viewer is an agent.",
        incoming_email_resolvers.text,
        needs=("text",),
        cost=5,
    )
    authentication: EmailAuthentication = field(
        "The results of SPF, DKIM and DMARC.",
        incoming_email_resolvers.authentication,
        needs=("authentication",),
    )
    refused_files: list[RefusedFile] = field(
        "The attachments that weren't accepted.",
        incoming_email_resolvers.refused_files,
        needs=("refused_files",),
    )
    answered_at: datetime | None = field(
        "When the sender got an automatic answer. Null when they got none."
    )
    user: User | None = edge(
        incoming_email_resolvers.users,
        needs=("user_id",),
        description="The customer who sent the email, or in whose name it is posted.",
    )
    message: Annotated["Message", strawberry.lazy("schema.support.tickets")] | None = edge(
        incoming_email_resolvers.messages,
        needs=("posted_message_id",),
        description="The message that the email became. Null for operators, who don't read "
        "messages.",
    )


@strawberry.type(description="The result of a change to a received email.")
class IncomingEmailPayload:
    incoming_email: IncomingEmail | None = field("The email after the change.")
    user_errors: list[UserError] = errors()
