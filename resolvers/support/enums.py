"""Enums of support."""

from models.support.classification import Category, Channel, Priority, TicketKind
from models.support.file import FileStatus
from models.support.inbox_view import InboxView
from models.support.ticket_status import TicketStatus
from resolvers.descriptions import describe_enum

describe_enum(
    FileStatus,
    "The status of a file.",
    {
        "ANNOUNCED": "The file isn't uploaded yet.",
        "QUARANTINED": "The file is waiting for the virus scan.",
        "AVAILABLE": "The file can be downloaded.",
        "INFECTED": "The virus scan found malware, and the file's content was deleted.",
    },
)


describe_enum(
    TicketKind,
    "The kind of a ticket, for requests that need more than an answer.",
    {
        "GENERAL": "A request that needs an answer.",
        "ACCOUNT_DEACTIVATION": "A request to deactivate the company's account "
        "(`accountRequestDeactivation`).",
        "ACCOUNT_REACTIVATION": "A request to reactivate the company's account "
        "(`accountRequestReactivation`).",
        "ACCOUNT_DELETION": "A request to delete the company's account (`accountRequestDeletion`).",
    },
)


describe_enum(
    Channel,
    "The channel that a ticket was opened through.",
    {
        "CHAT": "A live chat, answered immediately.",
        "EMAIL": "An email, answered within 24 to 48 hours.",
        "PHONE": "A phone call, recorded by the agent.",
        "WEB": "A request sent from the account.",
    },
)


describe_enum(
    Category,
    "The category of a ticket.",
    {
        "USAGE": "How to use a service.",
        "BUG": "Something that doesn't work as described.",
        "CONFIGURATION": "How to set up a service.",
        "PERFORMANCE": "Something that is slow.",
        "OFFERS": "The content and prices of offers.",
        "BILLING": "Invoices and payments.",
        "ACCOUNT": "The company's account and its members.",
        "SECURITY": "Security and privacy, including suspected breaches.",
    },
)


describe_enum(
    InboxView,
    "A view of the agents' inbox. Solved and closed tickets are in none of them, except MENTIONED. "
    "Snoozed tickets are in SNOOZED, and in MENTIONED.",
    {
        "MINE": "The tickets that are assigned to the viewer.",
        "MY_TEAMS": "The tickets of the viewer's teams.",
        "UNASSIGNED": "The tickets that nobody has.",
        "MENTIONED": "The tickets with notes that mention the viewer, who hasn't read them "
        "(`ticketMarkRead`).",
        "SNOOZED": "The snoozed tickets that are assigned to the viewer, to one of their teams or "
        "to nobody.",
    },
)


describe_enum(
    Priority,
    "How urgent a ticket is.",
    {
        "LOW": "It can wait for the others.",
        "NORMAL": "The priority of a new ticket.",
        "HIGH": "It comes before normal ones.",
        "URGENT": "It can't wait.",
    },
)


describe_enum(
    TicketStatus,
    "The status of a ticket.",
    {
        "NEW": "No agent has claimed the ticket.",
        "OPEN": "An agent is working on the ticket.",
        "PENDING": "The vendor is waiting for the customer.",
        "ON_HOLD": "The vendor is waiting for a third party. Customers see OPEN.",
        "SOLVED": "The request was answered. A reply reopens the ticket.",
        "CLOSED": "The ticket is closed. A reply opens a linked follow-up ticket.",
    },
)
