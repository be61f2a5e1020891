"""Tickets and messages."""

from datetime import datetime
from typing import Annotated

import strawberry

import models.support.ticket
from models.support.ticket import Category, Channel, TicketKind, TicketStatus
from resolvers.accounts import accounts as account_resolvers
from resolvers.scalars import BigInt
from resolvers.support import tickets as ticket_resolvers
from schema.accounts.accounts import Account
from schema.fields import connection, edge, field, viewer_field
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.support.files import File
from schema.user_errors import UserError, errors


@strawberry.type(description="Something said in a ticket.")
@backed_by(models.support.ticket.Message)
class Message(Node):
    sequence: BigInt = field("Its number in the ticket: 1, 2, 3, ... together with the ticket's other events.")
    body: str = field("What was said; card numbers are masked.")
    at: datetime = field("When it was stored.")
    from_staff: bool = field("Whether the vendor said it.")
    client_message_id: str = field("The id its sender chose.")
    author: User = edge(ticket_resolvers.authors, needs=("author_id",), description="Who said it.")
    files: list[File] = edge(ticket_resolvers.files, description="What was attached.")


@strawberry.type(description="A request for help. A live chat is a ticket whose channel is CHAT.")
@backed_by(models.support.ticket.Ticket)
class Ticket(Node):
    number: str = field("What people read and say, such as CAM-2026-000123.", needs=("created_at",))
    subject: str = field("What it is about, in a few words.")
    channel: Channel = field("How it reached the vendor.")
    category: Category = field("What it is about.")
    kind: TicketKind = field("What it asks for, where the vendor does more than answer.")
    status: TicketStatus = viewer_field(ticket_resolvers.statuses, description="Where it stands.", needs=("status",))
    created_at: datetime = field("When it was opened.")
    updated_at: datetime = field("When anything last happened to it.")
    reply_awaited_since: datetime | None = field("Since when the customer waits for an answer, null while nobody does.")
    first_response_at: datetime | None = field("When a person first answered.")
    closed_at: datetime | None = field("When it was closed.")
    last_sequence: BigInt = edge(
        ticket_resolvers.last_sequence, description="The number of its latest event: follow `after` it."
    )
    account: Account = edge(account_resolvers.accounts_of, needs=("account_id",), description="The company that asked.")
    requester: User = edge(ticket_resolvers.requesters, needs=("requester_id",), description="The person who asked.")
    assignee: User | None = edge(ticket_resolvers.assignees, needs=("assignee_id",), description="The agent who took it on.")
    follows: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] | None = edge(
        ticket_resolvers.followed, needs=("follows_id",), description="The closed ticket it goes on from."
    )
    last_message: Message | None = edge(ticket_resolvers.last_messages, description="The latest message.")
    messages: Connection[Message] = connection(ticket_resolvers.messages, description="What was said, in order.")


@strawberry.type(description="A ticket after the change.")
class TicketPayload:
    ticket: Ticket | None = field("The ticket as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A stored message.")
class TicketReplyPayload:
    message: Message | None = field("The message, with its sequence.")
    ticket: Ticket | None = edge(
        ticket_resolvers.tickets_of, description="The ticket it is in: a follow-up, when the one replied to was closed."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the others were told.")
class TicketTypingPayload:
    told: bool | None = field("True when they were.")
    user_errors: list[UserError] = errors()
