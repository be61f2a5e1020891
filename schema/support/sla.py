"""SLA policies, the clocks of tickets, and the answer times that customers see."""

from datetime import datetime

import strawberry

import models.support.answer_time
import models.support.sla_clock
import models.support.sla_policy
from auth.rules import agent, operator
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Channel, Priority
from models.support.sla_clock import ClockState
from models.support.sla_policy import SlaMeasure
from resolvers.support import sla as sla_resolvers
from schema.fields import edge, field, mutation, query
from schema.nodes import Connection, Node, backed_by
from schema.support.calendars import Calendar
from schema.user_errors import UserError, errors


@strawberry.type(description="The targets of tickets of a channel and priority.")
@backed_by(models.support.sla_policy.SlaPolicy)
class SlaPolicy(Node):
    channel: Channel = field("The channel of the tickets.")
    priority: Priority | None = field(
        "The priority of the tickets. Null for all priorities without a policy of their own."
    )
    first_response_minutes: int | None = field(
        "The target of the first response, in minutes of business time."
    )
    next_response_minutes: int | None = field(
        "The target of each later response, in minutes of business time."
    )
    resolution_minutes: int | None = field(
        "The target of the resolution, in minutes of business time."
    )
    calendar: Calendar | None = edge(
        sla_resolvers.calendars_of,
        needs=("calendar_id",),
        description="The calendar of the business time. Null for the default calendar.",
    )
    promised_hours_from: int | None = field(
        "The minimum time until an answer that customers are told to expect, in hours of business "
        "days."
    )
    promised_hours: int | None = field(
        "The maximum time until an answer that customers are promised, in hours of business days: "
        "a day has 24. Null when an immediate answer is promised during opening hours. Customers "
        "see the promises of the policies for all priorities (`Contact.answerTimes`)."
    )
    updated_at: datetime = field("When the policy was last changed.")


@strawberry.type(description="A measure of a ticket against a target. Visible to agents.")
@backed_by(models.support.sla_clock.SlaClock)
class SlaClock:
    measure: SlaMeasure = field("What is measured.")
    state: ClockState = field("The state of the clock.")
    target_seconds: float | None = field(
        "The target in seconds of business time. Null when there is none.",
        sla_resolvers.seconds("target"),
        needs=("target",),
    )
    business_seconds: float = field(
        "The business time counted so far, in seconds. While the clock runs, the time since "
        "`runningSince` isn't included.",
        sla_resolvers.seconds("business_time"),
        needs=("business_time",),
    )
    wall_seconds: float = field(
        "The wall-clock time that was counted, in seconds.",
        sla_resolvers.seconds("wall_time"),
        needs=("wall_time",),
    )
    started_at: datetime = field("When the clock started.")
    running_since: datetime | None = field(
        "The start of the time that isn't included in `businessSeconds` yet. Null when there is "
        "none."
    )
    stopped_at: datetime | None = field("When the measure was complete.")
    due_at: datetime | None = field(
        "When the target is missed. Null while the clock doesn't run, and without a target."
    )
    warned_at: datetime | None = field("When the assignee and the supervisors were warned.")
    breached_at: datetime | None = field("When the target was missed. Null when it wasn't.")


@strawberry.type(
    description=("How long customers waited for a first answer in the 30 days before `measuredAt`.")
)
@backed_by(models.support.answer_time.AnswerTime)
class AnswerTime:
    answers: int = field("The number of answers.")
    median_seconds: float = field("The median wait in seconds.")
    p90_seconds: float = field("The 90th percentile (nearest rank) of the wait in seconds.")
    median_business_seconds: float = field("The median wait in seconds of opening hours.")
    p90_business_seconds: float = field("The 90th percentile in seconds of opening hours.")
    measured_at: datetime = field("When this was measured.")


@strawberry.type(description="How soon support answers through a channel.")
class ChannelAnswerTime:
    channel: Channel = field("The channel.")
    text: str = field("The promise in words, in the viewer's language.")
    promised_hours_from: int | None = field(
        "The minimum time until an answer, in hours of business days."
    )
    promised_hours: int | None = field(
        "The maximum time until an answer, in hours of business days. Null when an immediate "
        "answer is promised during opening hours."
    )
    measured: AnswerTime | None = field(
        "How long answers actually took. Null until something has been measured."
    )


@strawberry.type(description="The result of a change to an SLA policy.")
class SlaPolicyPayload:
    policy: SlaPolicy | None = field("The policy after the change, or the removed one.")
    user_errors: list[UserError] = errors()


@strawberry.type
class SlaQuery:
    sla_policies: Connection[SlaPolicy] | None = query(
        sla_resolvers.policies,
        allow=agent | operator,
        description="The SLA policies: how soon tickets have to be answered and resolved.",
    )


@strawberry.type
class SlaMutation:
    sla_policy_set: SlaPolicyPayload | None = mutation(
        sla_resolvers.set_policy,
        "policy",
        allow=operator,
        audit=SupportAuditAction.SLA_POLICY_SET,
        description="Sets the SLA policy of a channel and priority, with all its targets. Tickets "
        "get their targets when they are opened, and when their priority changes.",
    )
    sla_policy_remove: SlaPolicyPayload | None = mutation(
        sla_resolvers.remove_policy,
        "policy",
        allow=operator,
        audit=SupportAuditAction.SLA_POLICY_REMOVE,
        description="Removes the SLA policy of a priority.",
    )
