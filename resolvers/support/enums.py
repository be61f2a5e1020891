"""Enums of support."""

from models.support.file import FileStatus
from models.support.ticket import Category, Channel, TicketKind, TicketStatus
from resolvers.described import described

described(
    FileStatus,
    "How far a file has come.",
    {
        "ANNOUNCED": "Its bytes have not arrived.",
        "QUARANTINED": "It has arrived, and waits until it is looked into.",
        "AVAILABLE": "It can be downloaded.",
        "INFECTED": "Something bad was found in it, and its bytes were deleted.",
    },
)


described(
    TicketKind,
    "What a ticket asks for, where the vendor does more than answer.",
    {
        "GENERAL": "An answer.",
        "ACCOUNT_DEACTIVATION": "That the company's account rests (`accountRequestDeactivation`).",
        "ACCOUNT_REACTIVATION": "That it is in use again (`accountRequestReactivation`).",
        "ACCOUNT_DELETION": "That it is deleted (`accountRequestDeletion`).",
    },
)


described(
    Channel,
    "How a ticket reached the vendor.",
    {
        "CHAT": "A live chat, answered at once.",
        "EMAIL": "A mail, answered within 24 to 48 hours.",
        "PHONE": "A call, noted by the agent.",
        "WEB": "A request sent from the account.",
    },
)


described(
    Category,
    "What a ticket is about.",
    {
        "USAGE": "How to use a service.",
        "BUG": "Something that does not work as described.",
        "CONFIGURATION": "Setting a service up.",
        "PERFORMANCE": "Something slow.",
        "OFFERS": "What offers contain and cost.",
        "BILLING": "Invoices and payments.",
        "ACCOUNT": "The company's account and its people.",
        "SECURITY": "Security and privacy, suspected breaches among them.",
    },
)


described(
    TicketStatus,
    "Where a ticket stands.",
    {
        "NEW": "Nobody has taken it yet.",
        "OPEN": "An agent works on it.",
        "PENDING": "The vendor waits for the customer.",
        "ON_HOLD": "The vendor waits for a third party; customers see OPEN.",
        "SOLVED": "Answered; a reply opens it again.",
        "CLOSED": "Over; a reply starts a linked follow-up.",
    },
)
