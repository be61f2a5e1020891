"""Enums of macros and automations."""

from models.support.automation import AutomationEvent, ConditionMatch
from models.support.ticket_actions import TicketActionKind
from resolvers.descriptions import describe_enum
from support.ticket_actions import ActionRefusalReason

describe_enum(
    TicketActionKind,
    "One of the things that a macro or an automation does, in the order in which it does them.",
    {
        "REPLY": "A message to the customer.",
        "ASSIGN": "The ticket goes to a team or an agent.",
        "STATUS": "Another status.",
        "CATEGORY": "Another category.",
        "PRIORITY": "Another priority.",
        "TAGS": "Tags are added or removed.",
        "NOTE": "An internal note.",
        "SNOOZE": "The ticket is snoozed.",
    },
)
describe_enum(
    AutomationEvent,
    "What an automation acts for.",
    {
        "TICKET_OPENED": "A ticket was opened, through any channel.",
        "CUSTOMER_REPLIED": "The customer wrote in a ticket, after its first message.",
        "AGENT_REPLIED": "Somebody of staff wrote to the customer. Not messages of automations.",
        "STATUS_CHANGED": "The ticket got another status, also by an automation.",
        "TICKET_ASSIGNED": "The ticket got another agent or team, also by an automation.",
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
    "Why an automation couldn't take an action. Then it took none.",
    {
        "TICKET_CLOSED": "The ticket was closed.",
        "NOT_ASSIGNED": "Somebody else had the ticket. Never for automations.",
        "TEAM_ARCHIVED": "The team has been archived.",
        "AGENT_LEFT": "The agent no longer answers customers.",
        "NOT_IN_TEAM": "The agent doesn't belong to the team.",
        "STATUS_IMPOSSIBLE": "The ticket couldn't get this status from the one that it had.",
        "LEGAL_REQUEST": "Only people solve and close legal requests.",
        "OPEN_DISPUTE": "Tickets with an open dispute aren't solved or closed.",
        "CATEGORY_FIXED": "The law sets a deadline for the ticket, so its category stays.",
        "TOO_MANY_TAGS": "The ticket would have had more than 20 tags.",
        "TEXT_TOO_LONG": "With its variables filled in, the text had more than 8,000 characters.",
        "MESSAGE_LIMIT": "Automations had already sent 2 messages in the ticket, or 5 to the "
        "customer, within 24 hours.",
        "CHAIN_LIMIT": "Too many automations had acted one because of the other.",
        "FAILED": "An unexpected error, each time that it was tried. Operators find it in the log.",
    },
)
