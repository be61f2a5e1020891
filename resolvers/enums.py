"""Enums that every domain uses."""

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from models.accounts.errors import AccountsErrorCode
from models.analytics.errors import AnalyticsErrorCode
from models.billing.errors import BillingErrorCode
from models.content.errors import ContentErrorCode
from models.errors import CommonErrorCode, ErrorCode
from models.event import EventKind
from models.identity.errors import IdentityErrorCode
from models.locale import Locale
from models.operations.errors import OperationsErrorCode
from models.privacy.errors import PrivacyErrorCode
from models.support.errors import SupportErrorCode
from resolvers.descriptions import describe_enum

describe_enum(
    Locale,
    "A language that texts for customers are available in.",
    {"FR": "The French language, which is the default.", "EN": "The English language."},
)


describe_enum(
    EventKind,
    "What happened.",
    {
        "TICKET_OPENED": "A ticket was opened.",
        "MESSAGE_POSTED": "A message was posted; see `message`.",
        "MESSAGE_EDITED": "The text of a message was changed by its author; see `message`.",
        "MESSAGE_DELETED": (
            "A message was deleted by its author; see `message`, whose text is now empty."
        ),
        "REACTIONS_CHANGED": "A reaction was added to a message or removed; see "
        "`message { reactions }`.",
        "TICKET_ASSIGNED": "A ticket was claimed, released or transferred; see "
        "`ticket { assignee team }`.",
        "STATUS_CHANGED": "The status of a ticket changed; see `status`.",
        "REPLY_AWAITED": "A customer is waiting for a reply.",
        "CATEGORY_CHANGED": "An agent corrected the category of a ticket; see "
        "`ticket { category }`.",
        "TICKET_UPDATED": "The priority or the tags of a ticket changed, it was snoozed or woken, "
        "an agent has seen a mention, or an automation couldn't act (`ticket { automationRuns }`). "
        "Agents only.",
        "SCHEDULED_REPLY_CHANGED": "A reply was scheduled, changed, sent or canceled; see "
        "`ticket { scheduledReplies }`. Agents only.",
        "SCHEDULED_REPLY_OVERTAKEN": (
            "The customer wrote after a reply was scheduled. The reply is held back if its author "
            "chose that; see `ticket { scheduledReplies }`. Agents only."
        ),
        "SCHEDULED_REPLY_NOT_SENT": "A scheduled reply couldn't be sent; see "
        "`ticket { scheduledReplies { problem } }`. Agents only.",
        "NOTE_ADDED": "An internal note was added; see `ticket { notes }`. In `agentEvents`, it "
        "mentions the viewer. Agents only.",
        "CALL_UNMATCHED": (
            "A phone call was reported, but its customer isn't certain; see `calls(filter: "
            "{isLinked: false})`. Agents only."
        ),
        "TEAM_CHANGED": "A team was created, changed or archived; see `teams`. Agents only.",
        "SLA_WARNING": "A target of a ticket will be missed soon; see `ticket { slaClocks }`.",
        "SLA_BREACHED": "A target of a ticket was missed; see `ticket { slaClocks }`.",
        "TICKET_ESCALATED": "A ticket was escalated; see `ticket { escalations }`.",
        "ESCALATION_RESOLVED": "A supervisor resolved the escalation of a ticket.",
        "TICKET_MERGED": "A ticket was merged into another one; see `ticket { mergedInto }` and "
        "`ticket { mergedTickets }`.",
        "TICKET_SPLIT": (
            "A ticket was opened with copies of messages from this one; see `Ticket.splitFrom`."
        ),
        "TICKET_UNMERGED": "The merge of a ticket was undone.",
        "RATING_REQUESTED": "The customer is asked to rate a ticket (`ticketRate`).",
        "TICKET_RATED": "A ticket was rated, or its rating changed; see `ticket { rating }`.",
        "CHAT_QUEUED": (
            "A chat left its agent and waits for another one at its former place in the queue; "
            "see `ticket { chat }`."
        ),
        "CHAT_DEFERRED": "A chat isn't answered live and has become a ticket; see "
        "`ticket { chat }`.",
        "AVAILABILITY_CHANGED": (
            "The viewer started or stopped taking chats, on any of their devices or because they "
            "left one unanswered; see `viewer { agent }`. Agents only."
        ),
        "PURCHASE_CHANGED": "The status of a purchase changed.",
        "PAYMENT_CHANGED": "The status of a payment changed.",
        "PAYMENT_METHOD_CHANGED": "A payment method was saved, changed or removed, or expires "
        "soon; see `Account.paymentMethods`.",
        "INVOICE_ISSUED": "An invoice was issued; see `invoice`.",
        "INVOICE_DELIVERY_CHANGED": "The status of an invoice at the platforms changed; see "
        "`status` and `invoice { delivery }`.",
        "LEGAL_NAME_CHANGED": "The status of a change of legal name changed; see "
        "`Account.legalNameChanges`.",
        "LEGAL_NAME_REVIEW_AWAITED": "A change of legal name needs an agent's decision; see "
        "`legalNameChanges`.",
    },
)


ERROR_CODES: tuple[type[ErrorCode], ...] = (
    CommonErrorCode,
    IdentityErrorCode,
    AccountsErrorCode,
    ContentErrorCode,
    BillingErrorCode,
    SupportErrorCode,
    PrivacyErrorCode,
    AnalyticsErrorCode,
    OperationsErrorCode,
)

if TYPE_CHECKING:
    AnyErrorCode = ErrorCode
else:  # the codes of all domains as one enum of the graph
    AnyErrorCode = StrEnum(
        "ErrorCode", [(code.name, code.value) for codes in ERROR_CODES for code in codes]
    )

describe_enum(
    AnyErrorCode,
    "The reason why a request was refused. Messages may be reworded; codes never change.",
    {
        code.name: re.sub(r"%\((\w+)\)s", r"`\1`", code.message.english)
        for codes in ERROR_CODES
        for code in codes
    },
)
