"""Inputs of the mutations by which operators manage SLA policies."""

import strawberry

from models.support.classification import Channel, Priority

_TARGET = "in minutes of business time: at most 525,600. Null for no target."


@strawberry.input(description="The targets and the promise of a channel and priority.")
class SlaPolicySetInput:
    channel: Channel = strawberry.field(description="The channel of the tickets.")
    priority: Priority | None = strawberry.field(
        default=None,
        description="The priority of the tickets. Null for all priorities without a policy of "
        "their own.",
    )
    first_response_minutes: int | None = strawberry.field(
        default=None, description=f"The target of the first response, {_TARGET}"
    )
    next_response_minutes: int | None = strawberry.field(
        default=None, description=f"The target of each later response, {_TARGET}"
    )
    resolution_minutes: int | None = strawberry.field(
        default=None, description=f"The target of the resolution, {_TARGET}"
    )
    calendar_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The calendar of the business time. The default calendar when omitted.",
    )
    promised_hours_from: int | None = strawberry.field(
        default=None, description="See `SlaPolicy.promisedHoursFrom`: at most `promisedHours`."
    )
    promised_hours: int | None = strawberry.field(
        default=None, description="See `SlaPolicy.promisedHours`: at most 1,000."
    )


@strawberry.input(description="The policy to remove.")
class SlaPolicyRemoveInput:
    policy_id: strawberry.ID = strawberry.field(
        description=(
            "The ID of a policy for one priority. Policies for all priorities can't be removed."
        )
    )
