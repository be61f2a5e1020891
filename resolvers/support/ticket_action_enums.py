"""Enums of macros and automations."""

from models.support.ticket_actions import TicketActionKind
from resolvers.descriptions import describe_enum

describe_enum(
    TicketActionKind,
    "One of the things that a macro or an automation does, in the order in which it does them.",
    {
        "REPLY": "A message to the customer.",
        "ASSIGN": "The ticket goes to a team or an agent.",
        "STATUS": "Another status.",
        "PRIORITY": "Another priority.",
        "TAGS": "Tags are added or removed.",
        "NOTE": "An internal note.",
        "SNOOZE": "The ticket is snoozed.",
    },
)
