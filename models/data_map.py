"""The words of the data map: what each column of each table holds, why we have it, on which legal
basis, how long it is kept, and what an erasure does to it.

Each domain declares its tables in `models/<domain>/data_map.py`, beside its models. The record of
processing activities (GDPR, Article 30) is printed from these declarations (privacy/data_map.py).
Tests fail for a column without one, for an archive of a person's data that lacks a column, and for
an erasure that leaves one behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Category(StrEnum):
    """What a column holds."""

    IDENTITY = "identity and contact details"
    COMPANY = "details of the company"
    CREDENTIALS = "passwords, tokens and keys"
    CONNECTION = "connections and devices"
    CONTENT = "what people write and send"
    PAYMENT = "purchases and payments"
    ACTIVITY = "what people do and when"
    CHOICES = "preferences and consents"
    KEYS = "references to other rows"
    TECHNICAL = "state of the program"
    NOT_PERSONAL = "no personal data"

    @property
    def is_personal(self) -> bool:
        """Whether a person can ask to read it (GDPR, Article 15). References and the program's
        state say nothing by themselves, and secrets are never shown.
        """
        return self not in (
            Category.CREDENTIALS,
            Category.KEYS,
            Category.TECHNICAL,
            Category.NOT_PERSONAL,
        )


class Basis(StrEnum):
    """The legal basis of processing (GDPR, Article 6(1))."""

    CONSENT = "consent (a)"
    CONTRACT = "contract (b)"
    OBLIGATION = "legal obligation (c)"
    INTEREST = "legitimate interest (f)"


@dataclass(frozen=True)
class Activity:
    """A processing activity of the record of processing activities (GDPR, Article 30(1))."""

    name: str
    purpose: str
    basis: Basis
    people: str
    recipients: str


_CUSTOMERS = "members of companies"
_TEAM = "our staff"
ACCOUNTS = Activity(
    "Accounts and members",
    "let people use the account of their company",
    Basis.CONTRACT,
    f"{_CUSTOMERS}, people they invite, our staff",
    f"{_TEAM}; the registers that confirm a company's name and VAT number",
)
SECURITY = Activity(
    "Security",
    "authenticate people, and show who did what",
    Basis.INTEREST,
    f"{_CUSTOMERS}, our staff, people who try to sign in",
    "our operators",
)
PURCHASES = Activity(
    "Purchases and payments",
    "sell subscriptions, charge them, and recover what is owed",
    Basis.CONTRACT,
    _CUSTOMERS,
    f"{_TEAM}; the payment provider and the bank",
)
ACCOUNTING = Activity(
    "Invoices and accounts",
    "issue invoices, deliver them, and keep the accounts",
    Basis.OBLIGATION,
    _CUSTOMERS,
    "our operators; the invoicing platform, the tax administration, the accountant",
)
SUPPORT = Activity(
    "Support",
    "answer requests by chat, email and phone",
    Basis.CONTRACT,
    f"{_CUSTOMERS}, people who write or call",
    _TEAM,
)
QUALITY = Activity(
    "Quality of support",
    "measure how fast and how well support answers",
    Basis.INTEREST,
    f"{_CUSTOMERS}, agents",
    _TEAM,
)
LIBRARY = Activity(
    "Library and webinars",
    "publish articles, learn whether they help, and hold webinars",
    Basis.INTEREST,
    f"{_CUSTOMERS}, visitors",
    _TEAM,
)
MAILINGS = Activity(
    "Newsletters, offers, invitations and surveys",
    "send people emails about what they agreed to",
    Basis.CONSENT,
    f"{_CUSTOMERS} who gave their consent",
    "our operators; the mail server",
)
RIGHTS = Activity(
    "Rights, consents and policies",
    "answer people's requests about their data, and prove what they agreed to",
    Basis.OBLIGATION,
    f"{_CUSTOMERS}, former members",
    "our operators; the supervisory authority on request",
)
BREACHES = Activity(
    "Data breaches",
    "handle suspected breaches and keep their register",
    Basis.OBLIGATION,
    "people who report a breach",
    "our operators; the supervisory authority",
)
EMAILS = Activity(
    "Emails and notifications",
    "deliver emails and notifications of the service",
    Basis.CONTRACT,
    f"{_CUSTOMERS}, people they invite, our staff",
    "the mail server and the push services",
)
WORK = Activity(
    "Work of the staff",
    "organize the work of the people who answer customers",
    Basis.INTEREST,
    "our staff",
    _TEAM,
)
OPERATION = Activity(
    "Running the service",
    "keep clients up to date, and repeat requests safely",
    Basis.CONTRACT,
    f"{_CUSTOMERS}, our staff",
    "our operators",
)


class Kept(StrEnum):
    """How long rows are kept. Those of `SCHEDULED` are deleted by the retention job
    (operations/retention.py), the others end with what they belong to.
    """

    ACCOUNT = "until the company's account is erased"
    PERSON = "until the person is erased"
    USED_ACCOUNT = (
        "until the company's account is erased, two years after its last use at the latest"
    )
    USED_PERSON = (
        "until the person is erased, two years after they left and last signed in at the latest"
    )
    STAFF = "while the person works for us and as long as what they wrote is kept"
    ACCOUNTING = (
        "ten years after the end of the year (Code de commerce, Article L123-22), then as figures"
    )
    INVOICES = (
        "ten years after the end of the year, then without the customer, by an operator’s run"
    )
    SESSIONS = "twelve months after the session ended"
    TOKENS = "a month after the session ended"
    LINKS = "a day after they expire"
    API_KEYS = "twelve months after the key expired or was revoked"
    CHALLENGES = "until they expire, some minutes"
    AUDIT = "twelve months after the action"
    EVENTS = "thirteen months after they happened"
    EMAILS = "twelve months after they were sent or given up"
    INCOMING_EMAILS = "with the ticket, ignored ones six months, the email as it arrived some weeks"
    CALLS = "with the ticket, twelve months without one"
    FILES = "with what they are attached to, otherwise a day"
    INVITATIONS = "a month after they ended"
    IDEMPOTENCY = "thirty days"
    WEBHOOKS = "thirty days after they were stored"
    PROVIDER_EVENTS = "ninety days after they were handled"
    AUTOMATION = "thirteen months after the run"
    PROOF = "five years after they ceased to apply"
    REGISTER = "five years after the case was closed"
    ALWAYS = "as long as the installation, because it names no person"


SCHEDULED = frozenset(
    {
        Kept.USED_ACCOUNT,
        Kept.USED_PERSON,
        Kept.INVOICES,
        Kept.SESSIONS,
        Kept.TOKENS,
        Kept.LINKS,
        Kept.API_KEYS,
        Kept.CHALLENGES,
        Kept.AUDIT,
        Kept.EVENTS,
        Kept.EMAILS,
        Kept.INCOMING_EMAILS,
        Kept.CALLS,
        Kept.FILES,
        Kept.INVITATIONS,
        Kept.IDEMPOTENCY,
        Kept.WEBHOOKS,
        Kept.PROVIDER_EVENTS,
        Kept.AUTOMATION,
        Kept.PROOF,
        Kept.REGISTER,
    }
)


class OnErasure(StrEnum):
    """What the erasure of a company and its people does to the rows about them."""

    DELETED = "deleted"
    CLEARED = "cleared of personal data"
    KEPT = "kept"
    NONE = "not concerned"


@dataclass(frozen=True)
class Table:
    """One table. `columns` has the names of its columns, separated by spaces, by what they hold.
    Primary and foreign keys are KEYS without being named.

    `person` is the column by which the archive of a person's data finds the rows about them. The
    columns that it leaves out are in `withheld`, with the reasons; `not_in_archive` is the reason
    why it has none of a table whose rows refer to people. `kept_columns` are the columns with
    personal data that remain when the others are cleared, with the reasons.
    """

    activity: Activity | None
    kept: Kept
    on_erasure: OnErasure
    columns: Mapping[Category, str]
    person: str | None = None
    withheld: Mapping[str, str] = field(default_factory=dict)
    not_in_archive: str = ""
    kept_columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def categories(self) -> dict[str, Category]:
        """The category of each column that is named."""
        return {
            name: category for category, names in self.columns.items() for name in names.split()
        }


def public(columns: str) -> Table:
    """A table without personal data."""
    return Table(None, Kept.ALWAYS, OnErasure.NONE, {Category.NOT_PERSONAL: columns})
