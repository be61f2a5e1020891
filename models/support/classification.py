"""How a ticket is classified: its channel, category, priority and kind."""

from enum import StrEnum

from models.translations import _p


class Channel(StrEnum):
    """How a ticket reached the vendor."""

    CHAT = "CHAT"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    WEB = "WEB"


class Category(StrEnum):
    """What a ticket is about: the subjects that technical support covers."""

    USAGE = "USAGE"
    BUG = "BUG"
    CONFIGURATION = "CONFIGURATION"
    PERFORMANCE = "PERFORMANCE"
    OFFERS = "OFFERS"
    BILLING = "BILLING"
    ACCOUNT = "ACCOUNT"
    SECURITY = "SECURITY"


CATEGORY_LABELS = {
    Category.USAGE: _p("ticket category", "How to use it"),
    Category.BUG: _p("ticket category", "Bug or error"),
    Category.CONFIGURATION: _p("ticket category", "Configuration"),
    Category.PERFORMANCE: _p("ticket category", "Performance"),
    Category.OFFERS: _p("ticket category", "Features and offers"),
    Category.BILLING: _p("ticket category", "Invoices and payments"),
    Category.ACCOUNT: _p("ticket category", "Account"),
    Category.SECURITY: _p("ticket category", "Security"),
}


class Priority(StrEnum):
    """How urgent a ticket is. Customers don't see it."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    URGENT = "URGENT"


class TicketKind(StrEnum):
    """What a ticket requests, if that takes more than an answer."""

    GENERAL = "GENERAL"
    ACCOUNT_DEACTIVATION = "ACCOUNT_DEACTIVATION"
    ACCOUNT_REACTIVATION = "ACCOUNT_REACTIVATION"
    ACCOUNT_DELETION = "ACCOUNT_DELETION"
