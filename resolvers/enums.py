"""Enums that every domain uses."""

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from models.accounts.errors import AccountsErrorCode
from models.billing.errors import BillingErrorCode
from models.content.errors import ContentErrorCode
from models.errors import CommonErrorCode, ErrorCode
from models.event import EventKind
from models.identity.errors import IdentityErrorCode
from models.locale import Locale
from models.operations.errors import OperationsErrorCode
from models.support.errors import SupportErrorCode
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


ERROR_CODES: tuple[type[ErrorCode], ...] = (
    CommonErrorCode, IdentityErrorCode, AccountsErrorCode, ContentErrorCode, BillingErrorCode, SupportErrorCode,
    OperationsErrorCode,
)  # fmt: skip

if TYPE_CHECKING:
    AnyErrorCode = ErrorCode
else:  # the codes of all domains as one enum of the graph
    AnyErrorCode = StrEnum("ErrorCode", [(each.name, each.value) for codes in ERROR_CODES for each in codes])

described(
    AnyErrorCode,
    "Why something was refused. Messages may be reworded, codes never change.",
    {each.name: re.sub(r"%\((\w+)\)s", r"`\1`", each.message.english) for codes in ERROR_CODES for each in codes},
)
