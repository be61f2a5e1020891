"""Enums that every domain uses."""

import re

from models.errors import ErrorCode
from models.event import EventKind
from models.locale import Locale
from resolvers.described import described

described(
    Locale,
    "A language that customers read.",
    {"FR": "French, which everything customers read exists in first.", "EN": "English, second everywhere."},
)


described(
    EventKind,
    "What happened.",
    {
        "TICKET_OPENED": "Somebody asked for help.",
        "MESSAGE_POSTED": "Somebody said something; `message` holds it.",
        "TICKET_ASSIGNED": "An agent took the ticket on, or it is free again: `ticket { assignee }` says.",
        "STATUS_CHANGED": "The ticket moved to `status`.",
        "REPLY_AWAITED": "A customer wrote and waits for an answer.",
        "PURCHASE_CHANGED": "A purchase moved to another state.",
        "PAYMENT_CHANGED": "An attempt to pay moved to another state.",
        "INVOICE_ISSUED": "An invoice was issued; `invoice` holds it.",
        "LEGAL_NAME_CHANGED": "A change of the company's legal name moved on: `Account.legalNameChanges` tells.",
        "LEGAL_NAME_REVIEW_AWAITED": "A change of legal name waits for an agent's decision, in `legalNameChanges`.",
    },
)


described(
    ErrorCode,
    "Why something was refused. Messages may be reworded, codes never change.",
    {code.value: re.sub(r"%\((\w+)\)s", r"`\1`", code.message.english) for code in ErrorCode},
)
