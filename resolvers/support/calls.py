"""Phone calls: the list, the lookup of a caller, logging, linking and dismissing."""

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from models.accounts.account import Account
from models.checks import Checks
from models.errors import BadInput, CommonErrorCode, Refusal
from models.identity.user import User
from models.support.call import Call, CallDirection, CallOutcome
from models.support.classification import Category
from models.support.message import Message
from models.support.note import Note
from models.support.phone_number import (
    PhoneNumber,
    caller_number,
    display_number,
    parse_phone_number,
)
from models.support.ticket import SUBJECT_LENGTH, Ticket
from models.text import client_key, masked_line, message_text
from models.translations import _
from models.viewer import Viewer
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.filters import (
    DateTimeFilter,
    Filter,
    OrderDirection,
    accepted_values,
    filter_in,
    filter_range,
    order_or_default,
)
from resolvers.ids import load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.rows import FirstRowByParent, RowByForeignKey
from resolvers.support.call_enums import CallOrderField
from support import calls as support_calls
from support.calls import CallFacts, CallTarget

NEWEST_FIRST = Order("started_at", descending=True)
RECENT_CALLS = 10


@strawberry.input(description="The order of phone calls.")
class CallOrder:
    field: CallOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on phone calls. All given conditions must be met.")
class CallFilter:
    direction: Filter[CallDirection] | None = strawberry.field(
        default=None, description="Who called whom."
    )
    outcome: Filter[CallOutcome] | None = strawberry.field(
        default=None, description="How the call ended."
    )
    is_linked: bool | None = strawberry.field(
        default=None,
        description=(
            "Whether the call belongs to a ticket. Unless they were dismissed, calls without a "
            "ticket wait for an agent."
        ),
    )
    is_dismissed: bool | None = strawberry.field(
        default=None, description="Whether an agent dismissed the call."
    )
    started_at: DateTimeFilter | None = strawberry.field(
        default=None, description="When the call began."
    )


@strawberry.input(
    description=(
        "Where a phone call belongs: an existing ticket, or a new one for a member of a company."
    )
)
class CallTargetInput:
    ticket_id: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "The ID of a ticket. If the ticket is closed, a follow-up is opened. When omitted, a "
            "new ticket with the channel PHONE is opened."
        ),
    )
    account_id: strawberry.ID | None = strawberry.field(
        default=None, description="The ID of the company, for a new ticket."
    )
    requester_id: strawberry.ID | None = strawberry.field(
        default=None, description="The ID of the member who called or was called, for a new ticket."
    )
    subject: str | None = strawberry.field(
        default=None,
        description="The subject of the new ticket (at most 200 characters). By default it says "
        "when the call was.",
    )
    category: Category = strawberry.field(
        default=Category.USAGE, description="The category of the new ticket."
    )


@strawberry.input(description="A phone call that has ended.")
class CallLogInput:
    target: CallTargetInput = strawberry.field(description="Where the call belongs.")
    direction: CallDirection = strawberry.field(description="Who called whom.")
    outcome: CallOutcome = strawberry.field(description="How the call ended.")
    started_at: datetime = strawberry.field(description="When the call began.")
    duration_seconds: int = strawberry.field(
        default=0,
        description="How long the two sides talked, or the customer spoke on the voicemail, in "
        "seconds: at most a day. 0 for a missed call.",
    )
    number: str | None = strawberry.field(
        default=None,
        description="The customer's number as people write it. Null when it was withheld.",
    )
    notes: str | None = strawberry.field(
        default=None,
        description="What was said (at most 8,000 characters): an internal note of the ticket. "
        "Card numbers are masked.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A reported phone call, and where it belongs.")
class CallLinkInput:
    call_id: strawberry.ID = strawberry.field(description="The ID of a call without a ticket.")
    target: CallTargetInput = strawberry.field(description="Where the call belongs.")
    saves_number: bool = strawberry.field(
        default=False,
        description=(
            "Whether to save the number as one of the requester's, so that their next call is "
            "linked automatically."
        ),
    )


@strawberry.input(description="The phone call to dismiss.")
class CallDismissInput:
    call_id: strawberry.ID = strawberry.field(description="The ID of a call without a ticket.")


def calls(
    info: Info,
    filter: Annotated[
        CallFilter | None, strawberry.argument(description="Conditions on the calls to return.")
    ] = None,
    order_by: Annotated[
        CallOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The calls that the viewer may see, most recent first."""
    viewer = info.context.viewer
    rows = Call.visible_to(viewer)
    if filter:
        rows = filter_in(rows, "direction", accepted_values(filter.direction))
        rows = filter_in(rows, "outcome", accepted_values(filter.outcome))
        rows = filter_range(rows, "started_at", filter.started_at)
        if filter.is_linked is not None:
            rows = rows.filter(ticket_id__isnull=not filter.is_linked)
        if filter.is_dismissed is not None:
            rows = rows.filter(dismissed_at__isnull=not filter.is_dismissed)
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def caller(
    info: Info,
    number: Annotated[
        str, strawberry.argument(description="The number of the caller, in any common format.")
    ],
) -> SimpleNamespace:
    """The people who may be calling."""
    e164 = caller_number(number)
    if e164 is None:
        raise BadInput("number", _("“%(argument)s” must be a phone number."))
    return SimpleNamespace(number=e164, formatted=display_number(e164))


async def numbers_of(
    context: Context, parents: Sequence[SimpleNamespace]
) -> list[list[PhoneNumber]]:
    """The stored entries of this phone number, oldest first."""
    rows = PhoneNumber.visible_to(context.viewer)
    return [await rows.filter(number=each.number).order_by("id") for each in parents]


async def calls_of(context: Context, parents: Sequence[SimpleNamespace]) -> list[list[Call]]:
    """The last calls with this number."""
    rows = Call.visible_to(context.viewer)
    return [
        await rows.filter(number=each.number).order_by("-started_at", "-id").limit(RECENT_CALLS)
        for each in parents
    ]


async def log(info: Info, input: CallLogInput) -> Call:
    """Log a call."""
    context = info.context
    action = context.action()
    with Checks() as check:
        target = await check.wait(_target(context, input.target))
        check(
            support_calls.check_times,
            action,
            input.started_at,
            input.duration_seconds,
            input.outcome,
        )
        number = check(parse_phone_number, input.number, "number") if input.number else None
        notes = check(message_text, input.notes, "notes") if input.notes else None
        key = check(client_key, input.idempotency_key)
    facts = CallFacts(
        input.direction, input.outcome, number, input.started_at, input.duration_seconds
    )
    return await support_calls.log_call(action, context.user, facts, target, notes, key)


async def link(info: Info, input: CallLinkInput) -> Call:
    """Link a reported call to a ticket."""
    context = info.context
    with Checks() as check:
        call = await check.wait(load_visible(Call, input.call_id, context.viewer, "callId"))
        target = await check.wait(_target(context, input.target))
    return await support_calls.link_call(
        context.action(), context.user, call, target, saves_number=input.saves_number
    )


async def dismiss(info: Info, input: CallDismissInput) -> Call:
    """Dismiss a call."""
    context = info.context
    call = await load_visible(Call, input.call_id, context.viewer, "callId")
    return await support_calls.dismiss_call(context.action(), call)


async def _target(context: Context, input: CallTargetInput) -> CallTarget:
    viewer = context.viewer
    account = requester = None
    with Checks("target") as check:
        ticket = await _ticket(check, viewer, input)
        if input.ticket_id is None:
            account = await check.wait(
                load_visible(Account, input.account_id or "", viewer, "accountId")
            )
            requester = await check.wait(
                load_visible(User, input.requester_id or "", viewer, "requesterId")
            )
        subject = (
            check(masked_line, input.subject, "subject", SUBJECT_LENGTH) if input.subject else None
        )
    return CallTarget(ticket, account, requester, input.category, subject)


async def _ticket(check: Checks, viewer: Viewer, input: CallTargetInput) -> Ticket | None:
    if input.ticket_id is None:
        return None
    if input.account_id is not None or input.requester_id is not None:
        message = _("Specify either a ticket, or a company and one of its members.")
        check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, "input", "accountId", message=message))
    return await check.wait(load_visible(Ticket, input.ticket_id, viewer, "ticketId"))


def call_numbers(context: Context, parents: Sequence[Call]) -> list[str | None]:
    """The customer's phone number in each call, for agents."""
    return [call.number if context.viewer.is_agent else None for call in parents]


def of_messages(context: Context, parents: Sequence[Message]) -> FirstRowByParent:
    """The call that each message reports, None for other messages."""
    return FirstRowByParent(parents, QuerySet(Call), "message_id", "id")


def agents(context: Context, parents: Sequence[Call]) -> RowByForeignKey:
    """The agent of each call."""
    return RowByForeignKey(parents, "agent_id", QuerySet(User))


def messages(context: Context, parents: Sequence[Call]) -> RowByForeignKey:
    """The message that reports each call."""
    return RowByForeignKey(parents, "message_id", Message.visible_to(context.viewer))


def notes(context: Context, parents: Sequence[Call]) -> RowByForeignKey:
    """The agent's notes about each call, for agents."""
    return RowByForeignKey(parents, "note_id", Note.visible_to(context.viewer))
