"""Enums of macros and automations."""

from models.support.automation import AutomationEvent, ConditionMatch
from models.support.ticket_actions import TicketActionKind
from resolvers.descriptions import describe_enum
from support.ticket_actions import ActionRefusalReason

describe_enum(
    TicketActionKind,
    "An action of a macro or an automation. The values are in the order in which actions are "
    "taken.",
    {
        "REPLY": "A message to the customer.",
        "ASSIGN": "The ticket goes to a team or an agent.",
        "STATUS": "The status is changed.",
        "CATEGORY": "The category is changed.",
        "PRIORITY": "The priority is changed.",
        "TAGS": "Tags are added or removed.",
        "NOTE": "An internal note.",
        "SNOOZE": "The ticket is snoozed.",
    },
)
describe_enum(
    AutomationEvent,
    "An event that an automation acts on.",
    {
        "TICKET_OPENED": "A ticket was opened, through any channel.",
        "CUSTOMER_REPLIED": "The customer wrote in a ticket, after its first message.",
        "AGENT_REPLIED": (
            "A member of the staff wrote to the customer. Messages from automations don't count."
        ),
        "STATUS_CHANGED": "The status of the ticket was changed by a person or an automation.",
        "TICKET_ASSIGNED": (
            "The ticket was assigned to another agent or team by a person or an automation."
        ),
        "SLA_WARNING": "A target of the ticket will be missed soon.",
        "SLA_BREACHED": "A target of the ticket was missed.",
    },
)
describe_enum(
    ConditionMatch,
    "How several conditions are combined.",
    {"ALL": "All of them have to be met.", "ANY": "One of them has to be met."},
)
describe_enum(
    ActionRefusalReason,
    "Why an automation couldn't take an action. If one action isn't possible, it takes none.",
    {
        "TICKET_CLOSED": "The ticket was closed.",
        "NOT_ASSIGNED": "The ticket was assigned to somebody else. Never occurs for automations.",
        "TEAM_ARCHIVED": "The team has been archived.",
        "AGENT_LEFT": "The agent no longer answers customers.",
        "NOT_IN_TEAM": "The agent doesn't belong to the team.",
        "STATUS_IMPOSSIBLE": "The ticket's status couldn't be changed to this one.",
        "LEGAL_REQUEST": "Only people can solve or close legal requests.",
        "OPEN_DISPUTE": "A ticket with an open dispute can't be solved or closed.",
        "CATEGORY_FIXED": (
            "The law sets a deadline for the ticket, so its category can't be changed."
        ),
        "TOO_MANY_TAGS": "The ticket would have had more than 20 tags.",
        "TEXT_TOO_LONG": "With its variables filled in, the text had more than 8,000 characters.",
        "MESSAGE_LIMIT": "Automations had already sent 2 messages in the ticket, or 5 to the "
        "customer, within 24 hours.",
        "CHAIN_LIMIT": "Too many automations had triggered each other in a chain.",
        "FAILED": "An unexpected error occurred at every attempt. Operators find it in the log.",
    },
)
