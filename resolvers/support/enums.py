"""Enums of support."""

from models.support.classification import Category, Channel, Priority, TicketKind
from models.support.file import FileStatus
from models.support.inbox_view import InboxView
from models.support.incoming_email import (
    IncomingEmailReason,
    IncomingEmailSource,
    IncomingEmailStatus,
)
from models.support.live_chat import ChatState
from models.support.push_device import PushKind
from models.support.reaction import ReactionKind
from models.support.team import ChatAvailability
from models.support.ticket_status import TicketStatus
from resolvers.descriptions import describe_enum
from support.chat_views import ChatServiceStatus

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
    PushKind,
    "What a notification on a device is about.",
    {
        "TICKET_REPLY": "Support replied to one of the customer's tickets. Customers only.",
        "TICKET_STATUS": "One of the customer's tickets waits for them, or was solved or closed. "
        "Customers only.",
        "TICKET_ASSIGNED": "The agent was assigned a ticket or a chat by somebody else. Agents "
        "only.",
        "MENTION": "The agent is mentioned in a note. Agents only.",
        "SLA_WARNING": "A target of a ticket that concerns the agent is at risk or was missed. "
        "Agents only.",
    },
)


describe_enum(
    ReactionKind,
    "How a person reacts to a message. There are only a few reactions, so that every client can "
    "show all of them.",
    {
        "THUMBS_UP": "👍 Thumbs up: agreement.",
        "THUMBS_DOWN": "👎 Thumbs down: disagreement.",
        "HEART": "❤️ A heart.",
        "THANKS": "🙏 Folded hands: thanks.",
        "HOORAY": "🎉 A party popper: celebration.",
        "LAUGH": "😄 A laughing face.",
        "SURPRISED": "😮 A surprised face.",
        "SAD": "😢 A sad face.",
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
        "UNASSIGNED": "The tickets without an assignee.",
        "BREACHING": (
            "The tickets with a target that was missed or will be soon (`Ticket.slaClocks`): for "
            "agents, those assigned to them, to their teams or to nobody; for supervisors, all of "
            "them."
        ),
        "MENTIONED": (
            "The tickets with unread notes that mention the viewer. `ticketMarkRead` marks them "
            "as read."
        ),
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


describe_enum(
    IncomingEmailSource,
    "How an email was received.",
    {
        "SMTP": "By the listener, with SMTP.",
        "LMTP": "By the listener, with LMTP, from a mail server.",
        "IMAP": "From a mailbox.",
    },
)


describe_enum(
    IncomingEmailStatus,
    "The status of a received email.",
    {
        "RECEIVED": "It is stored, and will be read within seconds.",
        "POSTED": "It is a message in a ticket.",
        "UNMATCHED": "It belongs to no ticket or company that could be found. An agent links it to "
        "one (`incomingEmailLink`) or dismisses it (`incomingEmailDismiss`).",
        "IGNORED": "It wasn't posted, for the reason in `reason`.",
        "FAILED": "It couldn't be read. An operator can retry it (`incomingEmailRetry`).",
    },
)


describe_enum(
    IncomingEmailReason,
    "Why a received email has its status.",
    {
        "REPLY": "POSTED: it answers an email about this ticket.",
        "FOLLOW_UP": (
            "POSTED: it answers an email about a closed ticket, in a follow-up of that ticket."
        ),
        "NEW_TICKET": "POSTED: a customer wrote about something new.",
        "LINKED": "POSTED: an agent linked it.",
        "UNKNOWN_SENDER": "UNMATCHED: the sender's address isn't that of a customer, or isn't "
        "confirmed.",
        "SEVERAL_COMPANIES": "UNMATCHED: the sender is a member of several companies.",
        "STAFF_SENDER": "UNMATCHED: the sender is one of the vendor's staff.",
        "NO_SENDER": "UNMATCHED: the email doesn't say who sent it.",
        "NOT_AUTHENTICATED": "UNMATCHED: the sender may be forged: DMARC failed, or headers that "
        "an email has once, such as From, occur several times.",
        "TOO_LARGE": "UNMATCHED: only the headers were stored, because the email is too large.",
        "AUTOMATIC_REPLY": "IGNORED: an automatic reply, such as an out-of-office message.",
        "BULK": "IGNORED: a newsletter, or an email to a mailing list.",
        "BOUNCE": "IGNORED: a mail server's report about an email of ours, which is marked when "
        "it couldn't be delivered.",
        "OWN_EMAIL": "IGNORED: we sent it ourselves.",
        "DUPLICATE": "IGNORED: it was received before.",
        "EMPTY": "IGNORED: it contains nothing.",
        "DISMISSED": "IGNORED: an agent dismissed it.",
        "ERROR": "FAILED: reading it failed several times.",
    },
)


describe_enum(
    ChatAvailability,
    "Whether an agent takes new chats.",
    {
        "AVAILABLE": "The agent gets chats while one of their devices is connected.",
        "AWAY": "The agent isn't assigned new chats, and keeps those that they have answered.",
    },
)

describe_enum(
    ChatServiceStatus,
    "Whether chats are answered now.",
    {
        "ANSWERED": "A chat is answered at once, or after a wait.",
        "UNATTENDED": "No agent is available. A new chat becomes a ticket.",
        "CLOSED": "It is outside opening hours. A new chat becomes a ticket.",
    },
)

describe_enum(
    ChatState,
    "The state of a chat.",
    {
        "WAITING": "The chat waits for an agent.",
        "ACTIVE": "An agent has the chat.",
        "ENDED": "The chat is solved or closed. A reply to a solved one continues it.",
        "DEFERRED": "The chat has become a ticket, which is answered later.",
    },
)
