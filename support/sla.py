"""The job that counts and watches SLA clocks (models/support/sla_clock.py), and what operators do
with policies.

A clock is handled under the lock of its ticket, in one transaction with the events that tell people
about it. So each warning and each breach is announced once, although the job may run in several
processes and be killed at any time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.queryset import QuerySet

from models.action import Action, Transaction
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.event import INBOX, EventKind, agent_stream
from models.identity.user import Staff, User
from models.measurements import SLA_BREACHES
from models.support.audit_actions import SupportAuditAction
from models.support.calendar import Calendar
from models.support.classification import Channel, Priority
from models.support.sla_clock import ClockState, SlaClock, follow_calendar, hours_by_key
from models.support.sla_policy import RESPONSES, SlaPolicy
from models.support.team import Team
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.translations import _
from support.automation_runs import plan_for_clock

_SETTLING_TIME = timedelta(minutes=1)
_REQUIRED = _("This policy can’t be removed. Remove its targets instead.")


async def check_clocks(action: Action) -> int:
    """Stop the clocks of given responses, notify people about targets that are missed or will be
    soon, and reschedule the clocks of changed calendars. Returns how many clocks were changed.

    One that fails is logged, tried again the next time, and doesn't hold up the others.
    """
    count = 0
    for calendar in await Calendar.filter(changed_at__not_isnull=True).order_by("id"):
        count += await _plan_again(action, calendar)
    for team in await Team.filter(calendar_changed_at__not_isnull=True).order_by("id"):
        count += await _follow_team_calendar(action, team)
    running = SlaClock.filter(state=ClockState.RUNNING)
    answered = running.filter(
        measure__in=RESPONSES,
        ticket__reply_awaited_since=None,
        ticket__answered_at__not_isnull=True,
    )
    for clocks in (answered, running.filter(check_at__lte=action.at)):
        count += await _check_all(action, clocks)
    return count


async def _plan_again(action: Action, calendar: Calendar) -> int:
    clocks = SlaClock.filter(calendar_id=calendar.pk, state=ClockState.RUNNING)
    count = await _check_all(action, clocks.filter(target__not_isnull=True))
    # Unless it has changed once more.
    unchanged = Calendar.filter(pk=calendar.pk, changed_at=calendar.changed_at)
    await unchanged.update(changed_at=None)
    return count


async def _follow_team_calendar(action: Action, team: Team) -> int:
    """Continue the clocks of a team's tickets by its calendar, from when it was changed."""
    changed_at = team.calendar_changed_at or action.at
    tickets = Ticket.filter(team_id=team.pk).exclude(status=TicketStatus.CLOSED)
    follow = partial(_follow_calendar, action, changed_at)
    count = await handle_each(tickets, follow, "sla_clock.failed")
    # Not before whoever had read the former calendar has stored their ticket.
    settled = Team.filter(pk=team.pk, calendar_changed_at=changed_at)
    await settled.filter(calendar_changed_at__lte=action.at - _SETTLING_TIME).update(
        calendar_changed_at=None
    )
    return count


async def _follow_calendar(action: Action, at: datetime, ticket_id: int) -> bool:
    async with action.transaction() as tx:
        has_changed = await follow_calendar(tx, await tx.lock(Ticket, ticket_id), at)
        if has_changed:
            await tx.append(INBOX, EventKind.TICKET_UPDATED, ticket_id=ticket_id)
    return has_changed


async def _check_all(action: Action, clocks: QuerySet[SlaClock]) -> int:
    return await handle_each(clocks, partial(_check, action), "sla_clock.failed")


async def _check(action: Action, clock_id: int) -> bool:
    """Check a clock. Returns whether it has changed. A repeat changes nothing."""
    ticket_id = (await SlaClock.get(pk=clock_id)).ticket_id
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket_id)
        clock = await SlaClock.get(pk=clock_id, using_db=tx.db)
        if clock.state is not ClockState.RUNNING:
            return False
        hours, former, kind = await hours_by_key(clock.calendar_id), dict(vars(clock)), None
        was_breaching = clock.is_breaching
        if answered_at := clock.answered_at(ticket):
            clock.stop(hours, answered_at)
        else:
            kind = clock.check(hours, action.at)
        if dict(vars(clock)) == former:
            return False
        await clock.save(using_db=tx.db)
        if clock.breached_at and not former["breached_at"]:
            tx.count(SLA_BREACHES, clock.measure.value)
        if kind:
            await plan_for_clock(tx, ticket, clock.pk, kind)
            await _notify(tx, ticket, kind)
        elif clock.is_breaching is not was_breaching:
            await tx.append(INBOX, EventKind.TICKET_UPDATED, ticket_id=ticket.pk)
    return True


async def _notify(tx: Transaction, ticket: Ticket, kind: EventKind) -> None:
    """Notify the assignee and the supervisors, each in their own stream, and the inbox."""
    supervisors = await User.filter(staff=Staff.SUPERVISOR).using_db(tx.db).values_list("id")
    agent_ids: set[int] = {key for (key,) in supervisors}
    if ticket.assignee_id is not None:
        agent_ids.add(ticket.assignee_id)
    for stream in (*map(agent_stream, sorted(agent_ids)), INBOX):
        await tx.append(stream, kind, ticket_id=ticket.pk, status=ticket.status.value)


async def set_policy(
    action: Action, channel: Channel, priority: Priority | None, values: Mapping[str, Any]
) -> SlaPolicy:
    """Set the policy of a channel and priority. None sets the policy of all priorities that have
    none of their own. Tickets get their targets when they are opened, and when their priority
    changes. A repeat changes nothing.
    """
    async with action.transaction() as tx:
        policies = {
            each.priority: each for each in await tx.lock_rows(SlaPolicy.filter(channel=channel))
        }
        policy = policies.get(priority) or SlaPolicy(channel=channel, priority=priority)
        if policy.pk is None or any(
            getattr(policy, name) != value for name, value in values.items()
        ):
            policy.update_from_dict({**values, "updated_at": action.at})
            try:
                await policy.save(using_db=tx.db)
            except IntegrityError:  # somebody else was faster
                raise TransactionConflict("the policy was set") from None
            tx.audit(SupportAuditAction.SLA_POLICY_SET, policy, account_id=None)
    return policy


async def remove_policy(action: Action, policy: SlaPolicy) -> None:
    """Remove the policy of a priority: later tickets get the targets for all other priorities.
    Raises VALUE_INVALID for the policy of all priorities.
    """
    if policy.priority is None:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "policyId", message=_REQUIRED)
    async with action.transaction() as tx:
        if await SlaPolicy.filter(pk=policy.pk).using_db(tx.db).delete():
            tx.audit(SupportAuditAction.SLA_POLICY_REMOVE, policy, account_id=None)
