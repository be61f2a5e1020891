"""The enums of the graph: the models' own, with words for each value."""

from enum import Enum

import strawberry

from auth.cookies import TokenDelivery
from auth.legal_names import Decision
from models.account import AccountStatus, Role
from models.article import ArticleCategory, ArticleKind
from models.audit import AuditAction
from models.authenticator import AuthenticatorKind
from models.email import EmailState
from models.errors import ErrorCode
from models.event import EventKind
from models.file import FileStatus
from models.legal_name import LegalNameStatus, RegistryVerdict
from models.locale import Locale
from models.messages import WORDS
from models.offer import Interval, Segment
from models.payment import PaymentStatus
from models.policy import AcceptanceChannel, PolicyKind
from models.purchase import PurchaseStatus
from models.ticket import Category, Channel, TicketKind, TicketStatus
from models.user import Staff


def described(enum: type[Enum], description: str, values: dict[str, str]) -> None:
    """Make an enum of the models one of the graph. Every value must be described."""
    strawberry.enum(enum, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined] # set by the line above
    for value in definition.values:
        value.description = values[value.name]


described(
    Locale,
    "A language that customers read.",
    {"FR": "French, which everything customers read exists in first.", "EN": "English, second everywhere."},
)
described(
    TokenDelivery,
    "Where the tokens of a session go.",
    {
        "BODY": "Into the answer, to be sent as `Authorization: Bearer ...`: for mobile and other clients that keep secrets.",
        "COOKIE": "Into cookies that no script can read, and never into an answer: for pages in a browser.",
    },
)
described(
    AuthenticatorKind,
    "How an authenticator proves who somebody is.",
    {
        "TOTP": "By the six digits that an app shows (RFC 6238).",
        "PASSKEY": "By a key on a device that asks for a finger, a face or a PIN (WebAuthn).",
    },
)
described(
    Segment,
    "The size of business an offer is made for.",
    {"TPE": "Very small businesses, fewer than 10 people.", "PME": "Small and medium-sized businesses, 10 to 249 people."},
)
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
    LegalNameStatus,
    "Where a change of legal name stands.",
    {
        "CHECKING": "The register of companies is being asked.",
        "EVIDENCE_NEEDED": "The company is to show evidence, such as an extract of the register (Kbis).",
        "IN_REVIEW": "An agent is to look at the evidence.",
        "ACCEPTED": "It is the company's legal name since.",
        "REJECTED": "An agent refused it; `reason` says why.",
        "CANCELED": "The company took it back.",
    },
)
described(
    RegistryVerdict,
    "What came of comparing a name with the register of companies.",
    {
        "MATCH": "It is the registered name; case, accents and punctuation don't count.",
        "OTHER_NAME": "Another name is registered.",
        "CEASED": "The company is registered as closed.",
        "NOT_FOUND": "No company is registered under the SIREN, or not for everybody to see.",
        "UNKNOWN": "There is no register to ask.",
        "AWAY": "The register did not answer; it is asked again.",
    },
)
described(
    Decision,
    "What an agent says of a change of legal name.",
    {
        "ACCEPT": "The evidence shows it.",
        "REJECT": "It shows that it isn't.",
        "ASK": "Better evidence is needed.",
    },
)
described(
    Interval,
    "How often a purchase renews.",
    {"MONTH": "Every month on the anniversary.", "YEAR": "Every year on the anniversary."},
)
described(
    Role,
    "What a member may do in a company account.",
    {
        "OWNER": "Everything; each company has at least one.",
        "ADMIN": "Everything but giving the company away and dealing with its owners.",
        "BILLING": "Buying, paying and reading the bills, and asking for help.",
        "MEMBER": "Using what was bought and asking for help.",
    },
)
described(
    AccountStatus,
    "Whether a company's account can be used.",
    {
        "ACTIVE": "Its people act for it.",
        "DEACTIVATED": "It rests: nobody acts for it until support reactivates it. Nothing is erased.",
        "CLOSING": "It rests, and is deleted at `erasesAt` unless it is called off.",
        "ERASED": "It is deleted: of it only what the law keeps is left.",
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
    Staff,
    "The vendor's own roles; in force only with a second factor.",
    {
        "AGENT": "Answers customers.",
        "SUPERVISOR": "Answers customers and takes escalations.",
        "ANALYST": "Asks for figures, and sees no personal data.",
        "OPERATOR": "Runs the service.",
    },
)
described(
    ArticleKind,
    "What sort of help an article is.",
    {
        "GUIDE": "A guide to a whole task.",
        "FAQ": "A short answer to one question.",
        "VIDEO": "A video tutorial with its transcript.",
        "WEBINAR": "A live session with a date.",
    },
)
described(
    ArticleCategory,
    "The part of the service an article is about.",
    {
        "ACCOUNT": "The company's account and its people.",
        "OFFERS": "Offers and buying.",
        "BILLING": "Invoices and payments.",
        "SECURITY": "Security and privacy.",
        "SUPPORT": "Getting help.",
    },
)
described(
    PolicyKind,
    "A text of the vendor's that has versions.",
    {"PRIVACY": "The privacy policy.", "TERMS": "The terms and conditions."},
)
described(
    AcceptanceChannel,
    "Where somebody accepted a policy.",
    {
        "SIGN_UP": "When they signed their company up.",
        "INVITATION": "When they took an invitation, being new.",
        "SETTINGS": "Signed in, by `policyAccept`.",
    },
)
described(
    PurchaseStatus,
    "Where a purchase stands.",
    {
        "DRAFT": "Chosen; billing details are next.",
        "BILLING_CONFIRMED": "Whom and where to bill is known; payment is next.",
        "PAYMENT_PENDING": "A payment is under way.",
        "ACTIVE": "Paid; the offer can be used and renews on its anniversary.",
    },
)
described(
    PaymentStatus,
    "Where an attempt to pay stands.",
    {
        "PROCESSING": "The provider has not answered yet.",
        "REQUIRES_ACTION": "The bank wants the customer's confirmation, at `confirmationUrl`.",
        "SUCCEEDED": "The money was collected.",
        "DECLINED": "The bank or the customer said no; another means can be tried.",
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
    EmailState,
    "How far an email has come.",
    {
        "WAITING": "It will be tried at `nextAttemptAt`.",
        "SENT": "A mail server has taken it.",
        "GIVEN_UP": "It was refused for good, or failed too often; nobody tries it again unless asked to.",
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
    AuditAction,
    "What the audit log tells of.",
    {
        "ACCOUNT_CHANGE_ADDRESS": "A company's address was changed (`changed`).",
        "ACCOUNT_CHANGE_IDENTIFIERS": "A company's SIRET or VAT number was changed (`changed`).",
        "ACCOUNT_CHANGE_LEGAL_NAME": "A company has another legal name, told by the register or by an agent (`told_by`).",
        "ACCOUNT_CHANGE_TRADE_NAME": "A company's trade name was changed.",
        "ACCOUNT_DEACTIVATE": "An agent let a company's account rest, which ended its sessions.",
        "ACCOUNT_DECLINE_REACTIVATION": "An agent answered by email, and did not bring a company's account back (`ticket`).",
        "ACCOUNT_ERASE": "A company's account was erased, but for its invoices (`invoices_kept`).",
        "ACCOUNT_LEAVE": "A person left a company.",
        "ACCOUNT_REACTIVATE": "An agent brought a company's account back, from its rest or before its deletion (`before`).",
        "ACCOUNT_REQUEST_LEGAL_NAME": "Somebody asked for another legal name of their company.",
        "ACCOUNT_SCHEDULE_DELETION": "An agent scheduled the deletion that an owner had asked for (`ticket`).",
        "ACCOUNT_SIGN_UP": "A company signed up, or somebody tried to with a known address (`known`).",
        "ACCOUNT_TRANSFER_OWNERSHIP": "An owner made somebody else the owner, and is an administrator since.",
        "AUDIT_EXPIRE": "Entries older than twelve months were removed, up to the number in `through`.",
        "AUTHENTICATOR_REMOVE": "A person took one of their authenticators away, which ended their other sessions.",
        "AUTHENTICATOR_RENAME": "A person gave one of their authenticators another name.",
        "CLOCK_ADVANCE": "A demonstration's clock was moved on.",
        "EMAIL_CONFIRM_CHANGE": "Another address of a person was confirmed, by an email to it or to the old one.",
        "EMAIL_REQUEST_CHANGE": "A person asked for another address.",
        "EMAIL_VERIFY": "A person confirmed their address.",
        "FILE_ANNOUNCE": "Somebody got a link to upload a file to.",
        "FILE_INFECTED": "The scanner found something bad in an uploaded file, whose bytes were deleted (`uploader`).",
        "INVITATION_ACCEPT": "A person joined a company by an invitation, in the role it offered.",
        "INVITATION_RESEND": "An invitation's email was sent again, with a new link.",
        "INVITATION_REVOKE": "An invitation was taken back.",
        "INVITATION_SEND": "Somebody was invited into a company.",
        "INVOICE_ISSUE": "An invoice was issued.",
        "EMAIL_RETRY": "An operator had an email tried anew that was given up after so many `attempts`.",
        "LEGAL_NAME_CHANGE_ADD_EVIDENCE": "Somebody showed evidence for another legal name of their company.",
        "LEGAL_NAME_CHANGE_CANCEL": "Somebody took the wish for another legal name of their company back.",
        "LEGAL_NAME_CHANGE_DECIDE": "An agent decided on another legal name, or asked for better evidence (`decision`).",
        "MEMBER_CHANGE_ROLE": "A person of a company got another role.",
        "MEMBER_REMOVE": "A person was taken out of a company.",
        "PASSKEY_REGISTER": "A person added a passkey, which ended their other sessions.",
        "PASSWORD_CHANGE": "A person set a new password by the current one.",
        "PASSWORD_REQUEST_RESET": "Somebody asked for an email to set a new password with.",
        "PASSWORD_RESET": "A person set a new password by an email.",
        "PAYMENT_CHANGE": "An attempt to pay moved to another state.",
        "POLICY_ACCEPT": "A person accepted a version of a policy.",
        "PURCHASE_CONFIRM_BILLING": "Billing details of a purchase were set.",
        "PURCHASE_DRAFT": "A purchase was begun.",
        "PURCHASE_PAY": "An attempt to pay was made.",
        "RECOVERY_CODES_RENEW": "A person got new recovery codes.",
        "SECOND_FACTOR_RESET": "An owner or an operator turned somebody's second factor off, which ended their sessions.",
        "SESSION_END": "A person ended one of their sessions.",
        "SESSION_END_ALL": "An operator ended every session of somebody.",
        "SESSION_END_OTHERS": "A person ended all of their other sessions.",
        "SESSION_REFRESH_REUSED": "A refresh token was used twice, which ended its session.",
        "SESSION_REQUEST_UNLOCK": "Somebody asked for an email past the waits after failed sign-ins.",
        "SESSION_SIGN_IN": "Somebody signed in.",
        "SESSION_SIGN_IN_FAILED": "Somebody failed to sign in, `reason` says by what; the object is the person, where known.",
        "SESSION_SIGN_OUT": "Somebody signed out.",
        "SESSION_STEP_UP": "Somebody signed in proved again who they are.",
        "SESSION_STEP_UP_FAILED": "Somebody signed in gave a wrong password or code when asked for it again.",
        "SESSION_SWITCH_ACCOUNT": "A person went on for another of their companies, in a new session.",
        "STAFF_CHANGE_ROLE": "An operator gave one of the vendor's people another role.",
        "STAFF_DISMISS": "An operator ended somebody's work for the vendor.",
        "STAFF_HIRE": "The operator created a member of staff.",
        "TICKET_CLAIM": "An agent took a ticket on.",
        "TICKET_MOVE": "Somebody moved a ticket to another state.",
        "TOTP_CONFIRM": "A person confirmed an authenticator app, which ended their other sessions.",
        "TOTP_SET_UP": "A person asked for a seed for their authenticator.",
    },
)
described(
    ErrorCode,
    "Why something was refused. Messages may be reworded, codes never change.",
    {code.value: WORDS[code.value][1] for code in ErrorCode},
)
