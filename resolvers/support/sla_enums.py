"""Enums of SLA clocks."""

from models.support.sla_clock import ClockState
from models.support.sla_policy import SlaMeasure
from resolvers.descriptions import describe_enum

describe_enum(
    SlaMeasure,
    "What is measured.",
    {
        "FIRST_RESPONSE": "From the opening of the ticket until the first reply from the staff.",
        "NEXT_RESPONSE": (
            "From a later message of a customer who wasn't already waiting until the next reply."
        ),
        "RESOLUTION": "From the opening of the ticket until it is solved or closed, without the "
        "time during which it is pending or solved.",
    },
)
describe_enum(
    ClockState,
    "The state of an SLA clock.",
    {
        "RUNNING": "The time counts. A clock stops within a few seconds after the reply.",
        "PAUSED": "The ticket is pending.",
        "SETTLED": "The measure is complete.",
        "CANCELED": "The ticket was solved or closed without a reply: nothing was measured.",
    },
)
