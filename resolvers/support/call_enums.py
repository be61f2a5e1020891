"""Enums of phone calls."""

from enum import Enum

from models.support.call import CallDirection, CallOutcome
from resolvers.descriptions import describe_enum

describe_enum(
    CallDirection,
    "Who called whom.",
    {"INBOUND": "The customer called support.", "OUTBOUND": "Support called the customer."},
)


describe_enum(
    CallOutcome,
    "How a phone call ended.",
    {
        "ANSWERED": "The two sides talked.",
        "MISSED": "Nobody answered.",
        "VOICEMAIL": "Nobody answered, and the caller left a message.",
    },
)


class CallOrderField(Enum):
    """The columns that calls can be ordered by."""

    STARTED_AT = "started_at"


describe_enum(
    CallOrderField,
    "The fields that phone calls can be ordered by.",
    {"STARTED_AT": "When the call began."},
)
