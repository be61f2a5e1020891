"""SLA: policies, the clocks of tickets, and the answer times that customers see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.database.reading import read
from models.errors import CommonErrorCode, Refusal
from models.numbers import optional_number
from models.support.answer_time import AnswerTime
from models.support.calendar import Calendar
from models.support.classification import Channel
from models.support.sla_clock import ClockState, SlaClock
from models.support.sla_policy import RESPONSES, SlaPolicy
from models.translations import Translatable, _, text
from resolvers.context import Context, Info
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
from resolvers.rows import RowByForeignKey, RowsByParent
from resolvers.support.sla_inputs import SlaPolicyRemoveInput, SlaPolicySetInput
from support import sla

BY_ID = Order("id")
MAX_MINUTES = 525_600
MAX_HOURS = 1_000


def policies(
    info: Info,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The policies, in the order in which they were first set."""
    viewer = info.context.viewer
    request = PageRequest(first, after, last, before)
    return page(SlaPolicy.visible_to(viewer), BY_ID, request, viewer)


async def set_policy(info: Info, input: SlaPolicySetInput) -> SlaPolicy:
    """Set the policy of a channel and priority."""
    with Checks() as check:
        check(_number, input.first_response_minutes, MAX_MINUTES, "firstResponseMinutes")
        check(_number, input.next_response_minutes, MAX_MINUTES, "nextResponseMinutes")
        check(_number, input.resolution_minutes, MAX_MINUTES, "resolutionMinutes")
        calendar = await check.wait(_calendar(info, input.calendar_id))
        check(_number, input.promised_hours, MAX_HOURS, "promisedHours")
        check(_require_promise, input.promised_hours_from, input.promised_hours)
    values = {
        "first_response_minutes": input.first_response_minutes,
        "next_response_minutes": input.next_response_minutes,
        "resolution_minutes": input.resolution_minutes,
        "calendar_id": calendar.pk if calendar else None,
        "promised_hours_from": input.promised_hours_from,
        "promised_hours": input.promised_hours,
    }
    return await sla.set_policy(info.context.action(), input.channel, input.priority, values)


def _number(value: int | None, maximum: int, field: str) -> None:
    optional_number(value, 1, maximum, "input", field)


def _require_promise(promised_from: int | None, promised: int | None) -> None:
    """Raise VALUE_INVALID for a promise that begins without an end, or after it."""
    if promised_from is not None and promised is None:
        message = _("Enter “promisedHours” as well.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "promisedHoursFrom", message=message)
    if promised is not None and promised >= 1:  # otherwise it is refused itself
        _number(promised_from, min(promised, MAX_HOURS), "promisedHoursFrom")


async def _calendar(info: Info, calendar_id: str | None) -> Calendar | None:
    if calendar_id is None:
        return None
    return await load_visible(Calendar, calendar_id, info.context.viewer, "calendarId")


async def remove_policy(info: Info, input: SlaPolicyRemoveInput) -> SlaPolicy:
    """Remove the policy of a priority."""
    viewer = info.context.viewer
    policy = await load_visible(SlaPolicy, input.policy_id, viewer, "policyId")
    await sla.remove_policy(info.context.action(), policy)
    return policy


def calendars_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The calendar of each policy or clock, None for the default one."""
    return RowByForeignKey(parents, "calendar_id", QuerySet(Calendar))


def clocks(context: Context, parents: Sequence[Any]) -> RowsByParent:
    """The clocks of each ticket in the order of their start, for agents; empty for others."""
    rows = QuerySet(SlaClock) if context.viewer.is_agent else SlaClock.filter(id=None)
    return RowsByParent(parents, rows, "ticket_id", "id")


async def reply_due_times(context: Context, parents: Sequence[Any]) -> list[datetime | None]:
    """When the reply that each ticket's customer waits for is due, None when there is none."""
    rows = await read(
        SlaClock.filter(state=ClockState.RUNNING, measure__in=RESPONSES),
        ("ticket_id", "due_at"),
        where_in=("ticket_id", {ticket.id for ticket in parents}),
    )
    due_times = {clock.ticket_id: clock.due_at for clock in rows}
    return [due_times.get(ticket.id) if ticket.reply_awaited_since else None for ticket in parents]


def seconds(name: str) -> Any:
    """A resolver of a duration in seconds."""

    def resolve(root: Any) -> float | None:
        duration = getattr(root, name)
        return None if duration is None else float(duration.total_seconds())

    return resolve


@dataclass(frozen=True)
class ChannelAnswerTime:
    """How soon customers are answered through a channel: promised and measured."""

    channel: Channel
    text: str
    promised_hours_from: int | None
    promised_hours: int | None
    measured: AnswerTime | None


async def answer_times(context: Context, parents: Sequence[Any]) -> list[list[ChannelAnswerTime]]:
    """How soon customers are answered through each channel."""
    policies = await read(SlaPolicy.filter(Q(priority=None)))
    measures = {row.channel: row for row in await read(QuerySet(AnswerTime))}
    order = list(Channel)
    times = [
        ChannelAnswerTime(
            policy.channel,
            text(_promise(policy), context.viewer.locale, **_hours(policy)),
            policy.promised_hours_from,
            policy.promised_hours,
            measures.get(policy.channel),
        )
        for policy in sorted(policies, key=lambda policy: order.index(policy.channel))
    ]
    return [times for _parent in parents]


def _promise(policy: SlaPolicy) -> Translatable:
    if policy.promised_hours is None:
        return _("at once, during opening hours")
    if policy.promised_hours_from is None:
        return _("within %(hours)s hours, on business days")
    return _("within %(hours_from)s to %(hours)s hours, on business days")


def _hours(policy: SlaPolicy) -> dict[str, int | None]:
    return {"hours": policy.promised_hours, "hours_from": policy.promised_hours_from}
