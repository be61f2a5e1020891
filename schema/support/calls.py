"""Phone calls."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.support.call
from auth.rules import agent
from models.support.audit_actions import SupportAuditAction
from models.support.call import CallDirection, CallOutcome
from resolvers.support import calls as call_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.fields import Unaudited, edge, field, mutation, query, viewer_field
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.support.notes import Note
from schema.support.phone_numbers import PhoneNumber
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.support.tickets import Message, Ticket


@strawberry.type(description="A phone call with a customer.")
@backed_by(models.support.call.Call)
class Call(Node):
    direction: CallDirection = field("Who called whom.")
    outcome: CallOutcome = field("How the call ended.")
    started_at: datetime = field("When the call began.")
    duration_seconds: int = field("How long the two sides talked, in seconds.")
    dismissed_at: datetime | None = field(
        "When an agent dismissed the call. Null unless they have."
    )
    number: str | None = viewer_field(
        call_resolvers.call_numbers,
        needs=("number",),
        description="The customer's number in E.164. Null when it was withheld, and unless the "
        "viewer is an agent.",
    )
    agent: User | None = edge(
        call_resolvers.agents,
        needs=("agent_id",),
        description="The agent who answered or made the call. Null when nobody answered, or it "
        "isn't known.",
    )
    ticket: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] | None = edge(
        ticket_resolvers.tickets_of,
        needs=("ticket_id",),
        description="The ticket that the call belongs to. Null until an agent has linked it.",
    )
    message: Annotated["Message", strawberry.lazy("schema.support.tickets")] | None = edge(
        call_resolvers.messages,
        needs=("message_id",),
        description="The message that represents the call in the ticket.",
    )
    note: Note | None = edge(
        call_resolvers.notes,
        needs=("note_id",),
        description="What the agent noted. Null unless the viewer is an agent.",
    )


@strawberry.type(
    description=(
        "Who may be calling. A number isn't proof of identity: ask for the caller's name before "
        "you disclose anything about the company."
    )
)
class Caller:
    number: str = field("The number in E.164.")
    formatted: str = field("The number as people write it.")
    phone_numbers: list[PhoneNumber] = edge(
        call_resolvers.numbers_of,
        needs=("number",),
        cost=5,
        description="The people and companies who have this number. Empty when nobody is known.",
    )
    recent_calls: list[Call] = edge(
        call_resolvers.calls_of,
        needs=("number",),
        cost=10,
        description="The last ten calls with this number, most recent first.",
    )


@strawberry.type(description="The result of a change to a phone call.")
class CallPayload:
    call: Call | None = field("The call after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type
class CallQuery:
    calls: Connection[Call] | None = query(
        call_resolvers.calls,
        allow=agent,
        description="Phone calls with customers, most recent first.",
    )
    caller: Caller | None = query(
        call_resolvers.caller,
        allow=agent,
        description="Looks up who may be calling from a number.",
    )


@strawberry.type
class CallMutation:
    call_log: CallPayload | None = mutation(
        call_resolvers.log,
        "call",
        allow=agent,
        audit=Unaudited("A call tells by itself who logged it, and when."),
        description=(
            "Logs a phone call in a ticket, or in a new one with the channel PHONE. An answered "
            "call ends the customer's wait for a reply, and a missed one starts it."
        ),
    )
    call_link: CallPayload | None = mutation(
        call_resolvers.link,
        "call",
        allow=agent,
        audit=SupportAuditAction.CALL_LINK,
        description=(
            "Links a call to a ticket that the telephone system reported and whose customer "
            "wasn't certain."
        ),
    )
    call_dismiss: CallPayload | None = mutation(
        call_resolvers.dismiss,
        "call",
        allow=agent,
        audit=SupportAuditAction.CALL_DISMISS,
        description="Dismisses a reported call that belongs to no customer. It can still be "
        "linked.",
    )
